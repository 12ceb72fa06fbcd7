"""How long the queue of one destination will need, as it goes now. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.delivery.destination_status import DestinationStatus
from gateway.model import Priority


def eta(status: DestinationStatus, waiting: Mapping[Priority, int], rate_cap: int | None) -> float | None:
    """Return the seconds until everything that may leave now has left; None when nobody can say.

    `waiting`: bytes by priority. `rate_cap`: bytes per second that the schedule allows now; None for no cap.
    """
    left = sum(size for priority, size in waiting.items() if priority <= status.most)
    if not left:
        return None
    if status.paused or status.link_state == "offline" or status.circuit != "closed":
        return None
    rate = status.throughput if status.throughput is not None else status.goodput
    if rate is None or rate <= 0:
        return None
    if rate_cap and any(size for priority, size in waiting.items() if priority is not Priority.RECORD):
        rate = min(rate, rate_cap)
    return left / rate
