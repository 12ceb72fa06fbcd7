"""How one destination stands: what a courier tells operators and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import Priority


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination at this moment. Wall-clock times are seconds since the epoch."""

    name: str
    link_state: str  # unknown | online | degraded | offline
    reason: str
    since: float
    paused: bool
    in_flight: int  # objects on the wire now
    claimed: int  # objects claimed ahead, not on the wire yet
    associations: int  # lanes at work
    circuit: str  # closed | open | trial
    rtt: float | None  # seconds
    goodput: float | None  # bytes per second and association
    last_success: float | None  # wall clock
    next_try: float | None  # wall clock; None when it does not wait for a time
    most: Priority = Priority.BULK  # what is less urgent is held back here for now
    held_back: str = ""  # why, in words; empty when nothing is
    throughput: float | None = None  # bytes of objects per second, all associations together, while busy
