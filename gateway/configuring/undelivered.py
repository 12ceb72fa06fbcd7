"""What waits for whom: a peer that something waits for does not leave the configuration in silence."""

from __future__ import annotations

from collections import Counter

from gateway.model import DeliveryState
from gateway.spool import Spool
from gateway.spool.step_values import StepState

_MOST_STEPS = 1000  # looked at; more than that of one peer are as good a reason
_WAITING = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HELD)


async def undelivered(spool: Spool) -> dict[str, int]:
    """Return how many objects and messages of procedure steps wait, or are held, for each peer by name."""
    summary = await spool.summary()
    found = Counter(
        {
            name: summary.count(*_WAITING, destination=name)
            for name in {cell.destination for cell in summary.cells}
        }
    )
    steps = await spool.list_steps(states=(StepState.QUEUED, StepState.HELD), limit=_MOST_STEPS)
    found.update(row.step.destination for row in steps)
    return {name: count for name, count in found.items() if count}
