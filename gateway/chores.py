"""What has to be done now and then, or once at the start, and belongs to no room."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection

from gateway.errors import SpoolFailure
from gateway.model import DeliveryState
from gateway.notices import Alarm, Notices
from gateway.spool import Spool
from gateway.spool.step_values import StepState

_log = logging.getLogger(__name__)

_EXPIRE_EVERY = 3600.0  # seconds between two looks at what has been kept long enough
_FIRST_EXPIRE = 60.0  # seconds after the start: a start should not be busy with old things
_MOST_STEPS = 1000  # looked at in search of steps that nobody waits for


async def expire(spool: Spool, keep: Collection[str] = ()) -> None:
    """Apply the retention now and then. On its own clock: a wrong wall clock delays it, no more.

    `keep`: destinations where what is accepted has to be confirmed before its bytes may go.
    """
    wait = _FIRST_EXPIRE
    while True:
        await asyncio.sleep(wait)
        report = await spool.expire(keep=keep)
        if report.released or report.history:
            _log.info(
                "retention: released %d deliveries, deleted the bytes of %d objects (%d bytes), "
                "dropped %d old rows of history",
                *(report.released, report.objects, report.bytes, report.history),
            )
        wait = _EXPIRE_EVERY


async def sweep(remove: Callable[[], Awaitable[int]]) -> None:
    """Remove now and then what sites began to send and never went on with."""
    while True:
        await asyncio.sleep(_EXPIRE_EVERY)
        try:
            count = await remove()
        except SpoolFailure as error:
            _log.warning("unfinished objects of sites could not be cleared away: %s", error)
        else:
            if count:
                _log.info("cleared away %d objects that sites had begun to send long ago", count)


async def tell_orphans(
    spool: Spool, destinations: Collection[str], peers: Collection[str], notices: Notices
) -> None:
    """What is for a peer that left the configuration waits for ever: somebody has to know.

    `destinations` get objects, `peers` may get procedure steps.
    """
    known = set(destinations)
    summary = await spool.summary()
    waiting = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HELD)
    for name in sorted({cell.destination for cell in summary.cells} - known):
        count = summary.count(*waiting, destination=name)
        if count:
            notices.publish(
                Alarm(
                    "unknown-destination",
                    f"{count} objects wait for {name!r}, which is no destination in the configuration "
                    "any more: put it back, or discard them",
                )
            )
    unfinished = (StepState.QUEUED, StepState.HELD)
    steps = await spool.list_steps(states=unfinished, limit=_MOST_STEPS)
    for name, count in sorted(Counter(row.step.destination for row in steps).items()):
        if name not in peers:
            notices.publish(
                Alarm(
                    "unknown-destination",
                    f"{count} procedure steps wait for {name!r}, which is no peer in the configuration any "
                    "more: put it back, or discard them",
                )
            )
