"""What happened to queued procedure steps, as values. No SOP Instance UID, no words of the peer."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notices import Notice


@dataclass(frozen=True, slots=True)
class StepSettled(Notice):
    """One try to pass on one step came to an end."""

    number: int
    destination: str
    calling_ae: str  # as the destination sees it
    kind: str  # "create" or "set"
    attempts: int
    seconds: float
    outcome: str  # "done", "refused" (and the console was told), "retry", "held"
    status: int | None  # None: the destination did not answer
    reason: str  # in words of ours; empty when there is nothing to say


@dataclass(frozen=True, slots=True)
class StepLinkChanged(Notice):
    """Steps can, or cannot, be passed on to a destination at all. `calling_ae` "": whoever calls."""

    destination: str
    calling_ae: str
    up: bool
    reason: str
