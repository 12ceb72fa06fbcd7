"""Facts about many deliveries at once. They leave the daemon like those in facts.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.operator.facts import DeliveryFilter

QueueAction = Literal["retry", "hold", "release", "discard"]


@dataclass(frozen=True, slots=True)
class HeldGroupFacts:
    """Deliveries to one destination that are held for one cause, and what to do about them."""

    destination: str
    cause: Annotated[str, "a stable word, such as conflict"]
    count: int
    count_exact: Annotated[bool, "false: there are more than `count`"]
    bytes: int
    oldest_at: Annotated[float, "when the oldest was received"]
    words: Annotated[tuple[str, ...], "reasons as they were written down, the most frequent first; not all"]
    examples: Annotated[tuple[int, ...], "delivery numbers, the oldest first; not all"]
    newest: Annotated[int, "the largest delivery number: names the group as it is now, as `up_to`"]
    next_step: str
    next_step_code: Annotated[str, "the same as a stable word"]


@dataclass(frozen=True, slots=True)
class HeldGroups:
    """All that is held, the largest group first."""

    groups: tuple[HeldGroupFacts, ...]


@dataclass(frozen=True, slots=True)
class SopClassFacts:
    """A SOP class of which objects have come."""

    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class QueueKinds:
    """What has come, and from whom; a thousand different ones at most."""

    sop_classes: tuple[SopClassFacts, ...]
    calling_aes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActRequest:
    """The same for many deliveries: those with these numbers, or those that match."""

    action: QueueAction
    numbers: tuple[int, ...] = ()
    filter: DeliveryFilter | None = None
    reason: Annotated[str, "why; for hold and discard"] = ""
    expected: Annotated[
        int | None, "how many the filter is expected to match; nothing is done when it matches more or fewer"
    ] = None


@dataclass(frozen=True, slots=True)
class ActOutcome:
    """What became of one delivery."""

    number: int
    done: bool
    words: Annotated[str, "why nothing was done; empty when it was"]


@dataclass(frozen=True, slots=True)
class ActReport:
    """What became of all of them."""

    done: int
    refused: int
    outcomes: Annotated[tuple[ActOutcome, ...], "those that were refused first; a thousand at most"]
    more: Annotated[bool, "the filter matches more than one request may change: ask again"]
