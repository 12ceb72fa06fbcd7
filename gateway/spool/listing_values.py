"""What a listing may be asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.model import DeliveryState, Priority
from gateway.spool.values import DeliveryRow

OperatorAction = Literal["retry", "hold", "release", "discard"]


@dataclass(frozen=True, slots=True)
class Search:
    """What a person typed, as what it may mean. A delivery that fits any of it is found."""

    number: int | None = None  # of the delivery, or of its object
    instance_uid: str = ""  # the whole SOP Instance UID
    beginning: str = ""  # of the calling AE title (in any case) or of the SOP Class UID
    sop_classes: frozenset[str] = frozenset()  # SOP Class UIDs whose names fit


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: all those to which everything applies that is not None."""

    state: DeliveryState | None = None
    destination: str | None = None
    priority: Priority | None = None
    cause: str | None = None  # held ones only
    sop_class: str | None = None  # UID
    calling_ae: str | None = None
    received_from: float | None = None
    received_before: float | None = None
    up_to: int | None = None  # the largest delivery number
    search: Search | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing: the one before or after a number, or its beginning when both are None."""

    newest_first: bool = False
    after: int | None = None  # only larger numbers
    before: int | None = None  # only smaller numbers
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """A page. `next` and `previous` are numbers to go on from, in the direction of reading; None: the end.

    `searched_all` False: so much had to be looked at that the search stopped early; `next` goes on with it.
    """

    rows: tuple[DeliveryRow, ...]
    next: int | None
    previous: int | None
    searched_all: bool


@dataclass(frozen=True, slots=True)
class Total:
    """How many there are; not `exact`: at least so many."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Held deliveries to one destination for one cause."""

    destination: str
    cause: str
    total: Total
    bytes: int
    oldest: float  # when the one with the smallest number was received
    words: tuple[str, ...]  # reasons as they were written down, the most frequent first; some of them
    examples: tuple[int, ...]  # delivery numbers, the oldest first
    newest: int  # the largest number: to name the group as it is now


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of one delivery of a selection; `refusal` says why nothing did."""

    number: int
    refusal: str = ""
    missing: bool = False  # there is no such delivery
