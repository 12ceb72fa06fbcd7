"""The books of the demo: what the console was answered, what reached the centre, and whether they agree.

Filled from the threads of console and centre, read by the view.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.demo.synthetic import SyntheticObject

GROUPS = {"record": "Treatment records", "image": "Images and others", "bulk": "CBCT slices"}
"""The rows of every table: the gateway's priorities, in the order in which it sends."""

_GROUP_OF_KIND = {
    "beams-record": "record",
    "rt-image": "image",
    "registration": "image",
    "private": "image",
    "cbct": "bulk",
}


def group_of(kind: str) -> str:
    """Return the row in which a kind of object is counted."""
    return _GROUP_OF_KIND[kind]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the console experienced with one C-STORE."""

    kind: str
    sop_instance_uid: str
    size: int
    digest: bytes  # SHA-256 of the data set as made
    status: int | None  # None: no answer
    seconds: float  # from the call to the answer
    link_up: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the centre received with one C-STORE."""

    sop_instance_uid: str
    size: int
    digest: bytes  # SHA-256 of the data set as received
    at: float  # monotonic clock


@dataclass(slots=True)
class Row:
    """The final account of one group of objects."""

    title: str
    answered: int = 0  # acknowledged with 0x0000
    refused: int = 0  # anything else
    bytes: int = 0
    kept: int = 0  # different objects at the centre
    equal: int = 0  # with the same length and SHA-256
    again: int = 0  # received once more: an answer was lost with the link; the centre keeps one

    @property
    def proved(self) -> bool:
        """Everything the console was promised is at the centre, once, bit for bit."""
        return self.refused == 0 and self.answered == self.kept == self.equal


@dataclass(frozen=True, slots=True)
class Proof:
    """The comparison, object by object."""

    rows: tuple[Row, ...]
    strangers: int  # at the centre, but never answered to the console
    differing: int  # one SOP Instance UID with two contents

    @property
    def complete(self) -> bool:
        """Whether the demo shows what it promises."""
        return not self.strangers and not self.differing and all(row.proved for row in self.rows)


@dataclass
class Ledger:
    """Both books. `planned` says how many objects of each group the story will send."""

    planned: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    answers: list[Answer] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _first: dict[str, Arrival] = field(default_factory=dict)
    _expected: dict[str, Answer] = field(default_factory=dict)
    _answered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))
    _equal: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GROUPS, 0))

    def plan(self, objects: Iterable[SyntheticObject]) -> None:
        """Count objects that are going to be sent."""
        for thing in objects:
            self.planned[group_of(thing.kind)] += 1

    def answered(self, answer: Answer) -> None:
        """Enter one answer to the console."""
        with self._lock:
            self.answers.append(answer)
            if answer.status != 0:
                return
            self._answered[group_of(answer.kind)] += 1
            self._expected[answer.sop_instance_uid] = answer
            arrival = self._first.get(answer.sop_instance_uid)
            if arrival is not None:
                self._count_equal(arrival)

    def arrived(self, arrival: Arrival) -> None:
        """Enter one object at the centre. It may be faster than the answer to the console."""
        with self._lock:
            self.arrivals.append(arrival)
            if arrival.sop_instance_uid not in self._first:
                self._first[arrival.sop_instance_uid] = arrival
                self._count_equal(arrival)

    def _count_equal(self, arrival: Arrival) -> None:
        answer = self._expected.get(arrival.sop_instance_uid)
        if answer is not None and (answer.digest, answer.size) == (arrival.digest, arrival.size):
            self._equal[group_of(answer.kind)] += 1

    def answered_by_group(self) -> dict[str, int]:
        """How many objects were acknowledged with 0x0000 so far."""
        with self._lock:
            return dict(self._answered)

    def proved_by_group(self) -> dict[str, int]:
        """How many of these have reached the centre bit for bit so far."""
        with self._lock:
            return dict(self._equal)

    def settled(self) -> bool:
        """Whether everything acknowledged so far has reached the centre."""
        with self._lock:
            return all(uid in self._first for uid in self._expected)

    def slowest(self, *, link_up: bool) -> float | None:
        """The longest wait of the console for an answer, seconds, in one state of the link."""
        with self._lock:
            waits = [answer.seconds for answer in self.answers if answer.link_up is link_up]
        return max(waits, default=None)

    def last_arrival(self, group: str, since: float) -> float | None:
        """When the last object of a group arrived, counted from `since`; None when none did."""
        with self._lock:
            times = [
                arrival.at - since
                for uid, arrival in self._first.items()
                if arrival.at >= since
                and uid in self._expected
                and group_of(self._expected[uid].kind) == group
            ]
        return max(times, default=None)

    def proof(self) -> Proof:
        """Compare object by object."""
        with self._lock:
            rows = {group: Row(title) for group, title in GROUPS.items()}
            for answer in self.answers:
                row = rows[group_of(answer.kind)]
                if answer.status != 0:
                    row.refused += 1
                    continue
                row.answered += 1
                row.bytes += answer.size
                arrival = self._first.get(answer.sop_instance_uid)
                if arrival is not None:
                    row.kept += 1
                    row.equal += (arrival.digest, arrival.size) == (answer.digest, answer.size)
            strangers = sum(uid not in self._expected for uid in self._first)
            differing = 0
            seen: set[str] = set()
            for arrival in self.arrivals:
                uid = arrival.sop_instance_uid
                if uid in seen and uid in self._expected:
                    rows[group_of(self._expected[uid].kind)].again += 1
                    differing += arrival.digest != self._first[uid].digest
                seen.add(uid)
            return Proof(tuple(rows.values()), strangers, differing)
