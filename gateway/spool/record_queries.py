"""Treatment records by the time they were received, and where each of them is. Pure reading.

The index `objects_records` holds records only, so neither the images between them nor a long history cost
anything. What was merged into another copy (`same_as`) is not listed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.model import Delivery, DeliveryState, StoredObject
from gateway.spool.queries import destination_names
from gateway.spool.rows import DELIVERY, DELIVERY_WIDTH, OBJECT, OBJECT_WIDTH, delivery_from, object_from
from gateway.spool.schema import PLACE_FILE, PLACE_INLINE, RECORD_CLASSES_SQL
from gateway.spool.values import CAUSE_AT_HUB, CAUSE_DISCARDED_AT_HUB, CAUSE_HELD_AT_HUB

MAX_RECORDS = 5001


@dataclass(frozen=True, slots=True)
class DeliveryStanding:
    """Where one record is on its way to one destination."""

    destination: str
    state: DeliveryState
    confirmed: bool  # also when it is released by now


@dataclass(frozen=True, slots=True)
class RecordStanding:
    """A record of a window, and where it is."""

    number: int
    received_at: float
    bytes_kept: bool
    deliveries: tuple[DeliveryStanding, ...]


@dataclass(frozen=True, slots=True)
class RecordDelivery:
    """A delivery of a record, and when it got how far."""

    delivery: Delivery
    cause: str
    accepted_at: float | None  # of the receipt that counts; None: not accepted, or not any more
    confirmed_at: float | None


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record with all its deliveries."""

    object: StoredObject
    bytes_kept: bool
    deliveries: tuple[RecordDelivery, ...]


_AT_THE_HUB = {
    CAUSE_AT_HUB: DeliveryState.SENDING,
    CAUSE_HELD_AT_HUB: DeliveryState.HELD,
    CAUSE_DISCARDED_AT_HUB: DeliveryState.DISCARDED,
}
"""What the hub has and the destination has not is under way, or worse, for whoever asks where a record is."""

_LEFT = (DeliveryState.ACCEPTED, DeliveryState.CONFIRMED, DeliveryState.RELEASED)


def records_between(db: sqlite3.Connection, since: float, until: float, limit: int) -> list[RecordStanding]:
    """Return up to `limit` records received from `since` to before `until`, the newest ones, newest first."""
    names = destination_names(db)
    found = db.execute(
        "SELECT number, received_at, place FROM objects INDEXED BY objects_records "  # noqa: S608 - constants
        f"WHERE {RECORD_CLASSES_SQL} AND same_as IS NULL AND received_at >= ? AND received_at < ? "
        "ORDER BY received_at DESC LIMIT ?",
        (since, until, min(limit, MAX_RECORDS)),
    ).fetchall()
    return [
        RecordStanding(
            number, received_at, place in (PLACE_INLINE, PLACE_FILE), _standings(db, number, names)
        )
        for number, received_at, place in sorted(found, reverse=True)
    ]


def _standings(db: sqlite3.Connection, number: int, names: dict[int, str]) -> tuple[DeliveryStanding, ...]:
    rows = db.execute(
        f"SELECT {DELIVERY} FROM deliveries d WHERE d.object = ? ORDER BY d.number",  # noqa: S608 - constants
        (number,),
    ).fetchall()
    deliveries = [_delivery(db, delivery_from(row, names), row[DELIVERY_WIDTH - 1]) for row in rows]
    return tuple(
        DeliveryStanding(one.delivery.destination, one.delivery.state, one.confirmed_at is not None)
        for one in deliveries
    )


def record_rows(db: sqlite3.Connection, numbers: Sequence[int]) -> list[RecordRow]:
    """Return these records, in this order; without those that are not here any more."""
    names = destination_names(db)
    found = [_record_row(db, number, names) for number in numbers[:MAX_RECORDS]]
    return [row for row in found if row is not None]


def _record_row(db: sqlite3.Connection, number: int, names: dict[int, str]) -> RecordRow | None:
    row = db.execute(
        f"SELECT {OBJECT} FROM objects o WHERE o.number = ? AND {RECORD_CLASSES_SQL}",  # noqa: S608 - constants
        (number,),
    ).fetchone()
    if row is None:
        return None
    deliveries = db.execute(
        f"SELECT {DELIVERY} FROM deliveries d WHERE d.object = ? ORDER BY d.number",  # noqa: S608 - constants
        (number,),
    ).fetchall()
    return RecordRow(
        object=object_from(row),
        bytes_kept=row[OBJECT_WIDTH - 1] in (PLACE_INLINE, PLACE_FILE),
        deliveries=tuple(
            _delivery(db, delivery_from(one[:DELIVERY_WIDTH], names), one[DELIVERY_WIDTH - 1])
            for one in deliveries
        ),
    )


def _delivery(db: sqlite3.Connection, delivery: Delivery, cause: str) -> RecordDelivery:
    accepted_at = confirmed_at = None
    if delivery.state is DeliveryState.ACCEPTED:
        delivery = replace(delivery, state=_AT_THE_HUB.get(cause, delivery.state))
    if delivery.state in _LEFT:
        receipt = db.execute(
            "SELECT at FROM receipts WHERE delivery = ? ORDER BY seq DESC LIMIT 1", (delivery.number,)
        ).fetchone()
        accepted_at = receipt[0] if receipt else None
        confirmed_at = _confirmed_at(db, delivery, accepted_at)
    return RecordDelivery(delivery, cause, accepted_at, confirmed_at)


def _confirmed_at(db: sqlite3.Connection, delivery: Delivery, accepted_at: float | None) -> float | None:
    if delivery.state is DeliveryState.CONFIRMED:
        return delivery.updated_at
    if delivery.state is DeliveryState.ACCEPTED:
        return None
    # Released: only the history knows how far it had come. What was sent again counts from then on.
    event = db.execute(
        "SELECT at FROM events WHERE object = ? AND delivery = ? AND what = 'confirmed' "
        "ORDER BY seq DESC LIMIT 1",
        (delivery.object_number, delivery.number),
    ).fetchone()
    return event[0] if event and event[0] >= (accepted_at or 0.0) else None
