"""One transaction of the journal, as the operations in puts.py, deliveries.py and retention.py see it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import LocalError
from gateway.model import Delivery, DeliveryState, Receipt
from gateway.notices import Alarm
from gateway.spool import states
from gateway.spool.rows import DELIVERY, Row, delivery_from
from gateway.spool.schema import MAX_KINDS, PLACE_DAMAGED, PLACE_DELETED, PLACE_FILE, PLACE_INLINE
from gateway.spool.values import NO_ANSWER, Answer, SpoolLimits

MAX_REASON = 500
"""Characters of a reason that are kept; peers and people can be wordy."""

MAX_WHO = 160
"""Characters of an operator's name that are kept."""

_LEFT = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.CONFIRMED, DeliveryState.RELEASED, DeliveryState.DISCARDED}
)
"""States in which a delivery is no longer on its way."""


def _sender(before: DeliveryState, after: DeliveryState) -> str:
    """What is to be done about the column `sender`, which says whose delivery is still on its way."""
    if (before in states.UNDELIVERED) is (after in states.UNDELIVERED):
        return ""
    if after in states.UNDELIVERED:
        return ", sender = (SELECT o.calling_ae FROM objects o WHERE o.number = object)"
    return ", sender = ''"


class Destinations:
    """Numbers for destination names: small, and the same for as long as the spool lives."""

    def __init__(self, db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT id, name FROM destinations").fetchall()
        self.names: dict[int, str] = dict(rows)
        self._ids: dict[str, int] = {name: number for number, name in rows}

    def find(self, name: str) -> int | None:
        """Return the number of `name` if it has one."""
        return self._ids.get(name)

    def number(self, db: sqlite3.Connection, name: str) -> int:
        """Return the number of `name`, giving it one if it is new."""
        known = self._ids.get(name)
        if known is not None:
            return known
        cursor = db.execute("INSERT INTO destinations (name) VALUES (?)", (name,))
        number = int(cursor.lastrowid or 0)
        self.names[number] = name
        self._ids[name] = number
        return number


class Kinds:
    """Numbers for pairs of SOP class and calling AE title, MAX_KINDS at most: peers choose both."""

    def __init__(self, db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT id, sop_class_uid, calling_ae FROM kinds").fetchall()
        self._ids: dict[tuple[str, str], int] = {(uid, title): number for number, uid, title in rows}

    def number(self, db: sqlite3.Connection, sop_class_uid: str, calling_ae: str) -> int:
        """Return the number of a pair, giving it one if it is new; 0 when there are too many."""
        pair = (sop_class_uid, calling_ae)
        known = self._ids.get(pair)
        if known is not None:
            return known
        if len(self._ids) >= MAX_KINDS:
            return 0
        cursor = db.execute("INSERT INTO kinds (sop_class_uid, calling_ae) VALUES (?, ?)", pair)
        self._ids[pair] = number = int(cursor.lastrowid or 0)
        return number


@dataclass(slots=True)
class Transaction:
    """What an operation works with, and what is to happen after the commit, if there is one.

    An operation raises LocalError before its first write or not at all: others share its transaction.
    """

    db: sqlite3.Connection
    destinations: Destinations
    kinds: Kinds
    limits: SpoolLimits
    now: float  # wall clock: for people, and for what becomes due
    age: float  # age clock: for how long something has been kept
    work: set[str] = field(default_factory=set)  # destinations for which something became queued
    alarms: list[Alarm] = field(default_factory=list)
    doomed: list[int] = field(default_factory=list)  # files that no row names any more
    compare: list[int] = field(default_factory=list)  # objects that wait for a comparison
    left: list[tuple[int, str]] = field(default_factory=list)  # (object, destination): delivered or given up
    settled: set[str] = field(default_factory=set)  # destinations of which something left `sending`, or more
    moved: set[int] = field(default_factory=set)  # objects of which a delivery came to another state
    reports: set[str] = field(default_factory=set)  # sites that are to be told something
    commitment: bool = False  # something of storage commitment is to be looked at
    steps: set[str] = field(default_factory=set)  # destinations with a step to be looked at

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Run a query."""
        return self.db.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Row | None:
        """Run a query that has one row at most."""
        row: Row | None = self.db.execute(sql, values).fetchone()
        return row

    def write(self, sql: str, *values: object) -> None:
        """Run a statement that changes something."""
        self.db.execute(sql, values)

    def delivery(self, number: int) -> Delivery:
        """Return delivery `number`; LocalError when there is none."""
        row = self.one(f"SELECT {DELIVERY} FROM deliveries d WHERE d.number = ?", number)  # noqa: S608
        if row is None:
            raise LocalError(f"there is no delivery {number}")
        return delivery_from(row, self.destinations.names)

    def deliveries_of(self, object_number: int) -> list[Delivery]:
        """Return the deliveries of an object, oldest first."""
        rows = self.rows(
            f"SELECT {DELIVERY} FROM deliveries d WHERE d.object = ? ORDER BY d.number",  # noqa: S608
            object_number,
        )
        return [delivery_from(row, self.destinations.names) for row in rows]

    def move(
        self,
        delivery: Delivery,
        event: states.Event,
        *,
        reason: str = "",
        cause: str = "",
        not_before: float = 0.0,
        attempts: int | None = None,
    ) -> DeliveryState:
        """Move `delivery` as `event` says (LocalError when that is illegal); note the work it makes."""
        after = states.after(delivery.state, event)
        queued = after is DeliveryState.QUEUED
        if not queued:
            not_before = 0.0
        self.db.execute(
            "UPDATE deliveries SET state = ?, waiting = ?, not_before = ?, attempts = ?, "  # noqa: S608
            f"reason = ?, cause = ?, updated_at = ?, since = ?{_sender(delivery.state, after)} "
            "WHERE number = ?",
            (
                states.CODE[after],
                int(not_before > 0),
                not_before,
                delivery.attempts if attempts is None else attempts,
                reason[:MAX_REASON],
                cause,
                self.now,
                self.age,
                delivery.number,
            ),
        )
        self.moved.add(delivery.object_number)
        if queued:
            self.work.add(delivery.destination)
        if after in _LEFT:
            self.left.append((delivery.object_number, delivery.destination))
            self.commitment = True
        if delivery.state is DeliveryState.SENDING or after in _LEFT:
            self.settled.add(delivery.destination)
        return after

    def tell(
        self,
        object_number: int,
        what: str,
        detail: str = "",
        delivery: int = 0,
        *,
        who: str = "",
        answer: Answer = NO_ANSWER,
    ) -> None:
        """Add to the history of an object; its oldest events make room. `who`: the operator, if any."""
        row = self.one("SELECT max(seq) FROM events WHERE object = ?", object_number)
        seq = 1 + int((row and row[0]) or 0)
        self.write(
            "INSERT INTO events (object, seq, at, delivery, what, detail, who, cause, status, said) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            object_number,
            seq,
            self.now,
            delivery,
            what,
            detail[:MAX_REASON],
            who[:MAX_WHO],
            answer.cause,
            answer.status,
            answer.said[:MAX_REASON],
        )
        self.write(
            "DELETE FROM events WHERE object = ? AND seq <= ?",
            object_number,
            seq - self.limits.history_events,
        )

    def keep_receipt(self, delivery: int, receipt: Receipt) -> None:
        """Add an answer to those of a delivery."""
        self.write(
            "INSERT INTO receipts (delivery, seq, status, comment, transfer_syntax_uid, digest, at, hub) "
            "SELECT ?, 1 + coalesce(max(seq), 0), ?, ?, ?, ?, ?, ? FROM receipts WHERE delivery = ?",
            delivery,
            receipt.status,
            receipt.comment,
            receipt.transfer_syntax_uid,
            receipt.digest,
            receipt.at,
            int(receipt.hub),
            delivery,
        )

    def delete_bytes_if_finished(self, object_number: int) -> int | None:
        """Delete the bytes of an object whose every delivery is finished; return their size, or None."""
        if any(one.state not in states.FINISHED for one in self.deliveries_of(object_number)):
            return None
        row = self.one("SELECT place, file, size FROM objects WHERE number = ?", object_number)
        if row is None or row[0] == PLACE_DELETED:
            return None
        place, file, size = row
        self.write(
            "UPDATE objects SET place = ?, file = NULL, deleted_at = ? WHERE number = ?",
            PLACE_DELETED,
            self.age,
            object_number,
        )
        self.write("DELETE FROM comparisons WHERE object = ?", object_number)
        if place in (PLACE_INLINE, PLACE_DAMAGED):
            self.write("DELETE FROM inline WHERE object = ?", object_number)
        if place in (PLACE_FILE, PLACE_DAMAGED) and file is not None:
            self.doomed.append(file)
        return int(size)

    def alarm(self, code: str, text: str, object_number: int | None = None) -> None:
        """Raise an alarm once the transaction is committed."""
        self.alarms.append(Alarm(code, text, object_number))

    def move_all(
        self, deliveries: Iterable[Delivery], event: states.Event, reason: str, cause: str = ""
    ) -> None:
        """Move several deliveries in the same way."""
        for delivery in deliveries:
            self.move(delivery, event, reason=reason, cause=cause)
