"""What can be asked of the journal without writing: summaries, pages, stories. Pure reading."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.errors import LocalError, SpoolFailure
from gateway.model import DeliveryState, Instance, Priority, StoredObject
from gateway.spool.rows import (
    DELIVERY,
    DELIVERY_WIDTH,
    OBJECT,
    OBJECT_WIDTH,
    RECEIPT,
    Row,
    delivery_from,
    object_from,
    receipt_from,
)
from gateway.spool.schema import (
    ACCEPTED,
    HELD,
    PLACE_FILE,
    PLACE_INLINE,
    QUEUED,
    SENDING,
    SUBJECT_DELIVERY,
    SUBJECT_OBJECT,
    WAIT_ASKED,
    WAIT_AT_HUB,
    WAIT_DUE,
    WAIT_NONE,
    WAIT_PUT_OFF,
)
from gateway.spool.states import CODE, from_code
from gateway.spool.values import (
    CAUSE_DISCARDED_AT_HUB,
    TO_COMPARE,
    DeliveryRow,
    DeliveryStory,
    HistoryEvent,
    SummaryCell,
)

MAX_PAGE = 1001
"""Rows of a listing: a page of a thousand, and one more that says whether there is another."""
AT_HUB_MOST = 10_000
"""What is at the hub is counted up to here: the answer is wanted every second."""
WAITS = {QUEUED: (WAIT_NONE, WAIT_DUE), ACCEPTED: (WAIT_NONE, WAIT_PUT_OFF, WAIT_ASKED, WAIT_AT_HUB)}
"""What `waiting` can be in these states; it is WAIT_NONE in all others."""

_COMMITMENT = {WAIT_ASKED: "asked", WAIT_PUT_OFF: "put-off"}


def destination_names(db: sqlite3.Connection) -> dict[int, str]:
    """Return the names of the destinations by number."""
    return dict(db.execute("SELECT id, name FROM destinations").fetchall())


def cells(db: sqlite3.Connection) -> tuple[SummaryCell, ...]:
    """Return the counters of deliveries."""
    names = destination_names(db)
    rows = db.execute(
        "SELECT destination, state, priority, count, bytes FROM counters WHERE subject = ? AND count > 0 "
        "ORDER BY destination, state, priority",
        (SUBJECT_DELIVERY,),
    ).fetchall()
    return tuple(
        SummaryCell(names[destination], from_code(state), Priority(priority), count, size)
        for destination, state, priority, count, size in rows
    )


def at_hub(db: sqlite3.Connection) -> dict[str, int]:
    """Return how many objects for each destination its hub has and it has not; AT_HUB_MOST at most."""
    found = {}
    for number, name in destination_names(db).items():
        (count,) = db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_in_order "
            "WHERE state = ? AND destination = ? AND waiting = ? AND cause <> ? LIMIT ?)",
            (ACCEPTED, number, WAIT_AT_HUB, CAUSE_DISCARDED_AT_HUB, AT_HUB_MOST),
        ).fetchone()
        if count:
            found[name] = count
    return found


def kept(db: sqlite3.Connection) -> tuple[int, int]:
    """Return how many objects have their bytes here, and how many bytes."""
    row: tuple[int, int] = db.execute(
        "SELECT coalesce(sum(count), 0), coalesce(sum(bytes), 0) FROM counters "
        "WHERE subject = ? AND state IN (?, ?)",
        (SUBJECT_OBJECT, PLACE_INLINE, PLACE_FILE),
    ).fetchone()
    return row


def oldest(db: sqlite3.Connection) -> dict[str, dict[Priority, float]]:
    """Return when the oldest undelivered object of each destination and priority was received."""
    found: dict[str, dict[Priority, float]] = {}
    for destination, name in destination_names(db).items():
        first: dict[Priority, int] = {}
        for state, waiting, priority in _order_keys((QUEUED, SENDING, HELD)):
            for (number,) in _page(db, state, destination, waiting, priority, 0, 1):
                first[Priority(priority)] = min(number, first.get(Priority(priority), number))
        if first:
            found[name] = {priority: _received_at(db, number) for priority, number in first.items()}
    return found


def _received_at(db: sqlite3.Connection, delivery: int) -> float:
    row = db.execute(
        "SELECT o.received_at FROM deliveries d JOIN objects o ON o.number = d.object WHERE d.number = ?",
        (delivery,),
    ).fetchone()
    return float(row[0])


def next_due(
    db: sqlite3.Connection,
    destination: str,
    now: float,
    max_wait: float,
    max_priority: Priority = Priority.BULK,
) -> float | None:
    """Return when the next queued delivery of at least this priority may go: 0.0 for now, None for never."""
    row = db.execute("SELECT id FROM destinations WHERE name = ?", (destination,)).fetchone()
    if row is None:
        return None
    wanted = [priority for priority in Priority if priority <= max_priority]
    for priority in wanted:
        if _page(db, QUEUED, row[0], 0, priority, 0, 1):
            return 0.0
    ends = [
        end
        for priority in wanted
        for function in ("min", "max")
        for (end,) in db.execute(
            f"SELECT {function}(not_before) FROM deliveries INDEXED BY deliveries_waiting "  # noqa: S608
            "WHERE waiting = 1 AND destination = ? AND priority = ?",
            (row[0], priority),
        )
        if end is not None
    ]
    if not ends:
        return None
    # Later than any wait can be: put back under a clock that has been set right since. It is due.
    return 0.0 if max(ends) > now + max_wait else min(ends)


def _order_keys(codes: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """The combinations under which the index deliveries_in_order keeps deliveries in these states."""
    return [
        (code, waiting, int(priority))
        for code in codes
        for waiting, priority in itertools.product(WAITS.get(code, (WAIT_NONE,)), Priority)
    ]


def _page(
    db: sqlite3.Connection, state: int, destination: int, waiting: int, priority: int, after: int, limit: int
) -> list[tuple[int]]:
    return db.execute(
        "SELECT number FROM deliveries INDEXED BY deliveries_in_order WHERE state = ? AND destination = ? "
        "AND waiting = ? AND priority = ? AND number > ? ORDER BY number LIMIT ?",
        (state, destination, waiting, priority, after, limit),
    ).fetchall()


def list_deliveries(
    db: sqlite3.Connection, state: DeliveryState | None, destination: str | None, after: int, limit: int
) -> list[DeliveryRow]:
    """Return a page of deliveries (see Spool.list_deliveries). Its cost does not grow with the queue."""
    if limit < 1:
        return []
    limit = min(limit, MAX_PAGE)
    names = destination_names(db)
    if state is None and destination is None:
        rows = db.execute(
            "SELECT number FROM deliveries WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        ).fetchall()
    else:
        wanted = [number for number, name in names.items() if destination in (None, name)]
        codes = tuple(CODE.values()) if state is None else (CODE[state],)
        rows = [
            row
            for number in wanted
            for code, waiting, priority in _order_keys(codes)
            for row in _page(db, code, number, waiting, priority, after, limit)
        ]
    numbers = sorted(number for (number,) in rows)[:limit]
    return [delivery_row(full_row(db, number), names) for number in numbers]


def full_row(db: sqlite3.Connection, number: int) -> Row:
    """Return the columns of a delivery and its object; LocalError when there is none."""
    row: Row | None = db.execute(
        f"SELECT {DELIVERY}, {OBJECT} FROM deliveries d JOIN objects o ON o.number = d.object "  # noqa: S608
        "WHERE d.number = ?",
        (number,),
    ).fetchone()
    if row is None:
        raise LocalError(f"there is no delivery {number}")
    return row


def delivery_row(row: Row, names: Mapping[int, str]) -> DeliveryRow:
    """Build a line of a listing from them."""
    return DeliveryRow(
        delivery=delivery_from(row[:DELIVERY_WIDTH], names),
        object=object_from(row[DELIVERY_WIDTH:]),
        cause=row[DELIVERY_WIDTH - 1],
    )


def show(db: sqlite3.Connection, number: int) -> DeliveryStory:
    """Return all that is known of a delivery (see Spool.show)."""
    names = destination_names(db)
    full = full_row(db, number)
    row = delivery_row(full, names)
    place = full[DELIVERY_WIDTH + OBJECT_WIDTH - 1]
    siblings = db.execute(
        f"SELECT {DELIVERY} FROM deliveries d WHERE d.object = ? ORDER BY d.number",  # noqa: S608
        (row.object.number,),
    ).fetchall()
    deliveries = tuple(delivery_from(sibling, names) for sibling in siblings)
    receipts = tuple(
        receipt_from(receipt, one.destination)
        for one in deliveries
        for receipt in db.execute(
            f"SELECT {RECEIPT} FROM receipts r WHERE r.delivery = ? ORDER BY r.seq",  # noqa: S608
            (one.number,),
        )
    )
    history = tuple(
        HistoryEvent(*event)
        for event in db.execute(
            "SELECT at, delivery, what, detail, who, cause, status, said FROM events "
            "WHERE object = ? ORDER BY seq",
            (row.object.number,),
        )
    )
    (waiting,) = db.execute("SELECT waiting FROM deliveries WHERE number = ?", (number,)).fetchone()
    asked = "comparing" if row.cause == TO_COMPARE else _COMMITMENT.get(waiting, "not-asked")
    return DeliveryStory(
        delivery=row.delivery,
        cause=row.cause,
        object=row.object,
        bytes_kept=place in (PLACE_INLINE, PLACE_FILE),
        deliveries=deliveries,
        receipts=receipts,
        history=history,
        commitment=asked,
    )


class Whereabouts:
    """An object and where its bytes are."""

    __slots__ = ("data", "data_offset", "file", "object")

    def __init__(self, stored: StoredObject, data: bytes | None, file: int | None, data_offset: int) -> None:
        self.object = stored
        self.data = data
        self.file = file
        self.data_offset = data_offset


def locate(db: sqlite3.Connection, number: int) -> Whereabouts:
    """Find the bytes of an object. LocalError: no such object; SpoolFailure: its bytes are not here."""
    row: tuple[Any, ...] | None = db.execute(
        f"SELECT {OBJECT}, o.file, o.data_offset, i.data FROM objects o "  # noqa: S608
        "LEFT JOIN inline i ON i.object = o.number WHERE o.number = ?",
        (number,),
    ).fetchone()
    if row is None:
        raise LocalError(f"there is no object {number}")
    place, file, data_offset, data = row[OBJECT_WIDTH - 1 :]
    if place not in (PLACE_INLINE, PLACE_FILE) or (place == PLACE_INLINE and data is None):
        raise SpoolFailure(f"the bytes of object {number} are not here any more")
    return Whereabouts(object_from(row[:OBJECT_WIDTH]), data, file, data_offset)


def candidates(db: sqlite3.Connection, number: int) -> list[tuple[int, Instance, int]]:
    """Older objects with the same SOP Instance UID and with their bytes: (number, instance, size)."""
    rows = db.execute(
        f"SELECT {OBJECT} FROM objects o WHERE o.sop_instance_uid = "  # noqa: S608
        "(SELECT sop_instance_uid FROM objects WHERE number = ?) AND o.number < ? AND o.place IN (?, ?) "
        "ORDER BY o.number",
        (number, number, PLACE_INLINE, PLACE_FILE),
    ).fetchall()
    return [(one.number, one.instance, one.size) for one in map(object_from, rows)]
