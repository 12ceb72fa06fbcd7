"""When bytes and rows may go: after delivery and the retention time, in slices, so that nothing waits.

`before` is a moment of the age clock: a wall clock that jumps makes nothing go (FORMAT.md, "Clocks").
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.model import DeliveryState
from gateway.spool.rows import DELIVERY, delivery_from
from gateway.spool.schema import ACCEPTED, CONFIRMED, PLACE_DELETED, SUBJECT_OBJECT, WAIT_AT_HUB
from gateway.spool.states import Event
from gateway.spool.transaction import Transaction

SLICE = 100
"""Deliveries or objects of one transaction: an object that arrives waits for one slice at most."""


START = (-1e18, 0)
"""Before the first of all deliveries."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice did. `more`: there is another."""

    more: bool
    released: int = 0
    objects: int = 0
    bytes: int = 0
    history: int = 0
    after: tuple[float, int] = START  # where the next slice goes on

    def __add__(self, other: Slice) -> Slice:
        return Slice(
            other.more,
            self.released + other.released,
            self.objects + other.objects,
            self.bytes + other.bytes,
            self.history + other.history,
            other.after,
        )


def release_slice(
    tx: Transaction, before: float, keep: Collection[str] = (), after: tuple[float, int] = START
) -> Slice:
    """Release deliveries that ended before `before`, and delete the bytes that nothing needs any more.

    What is accepted at a destination of `keep` stays until it is confirmed, or until a person gives it up: it
    is to be verified there, and may have to be sent again. So does what only a hub has so far.
    """
    rows = tx.rows(
        f"SELECT {DELIVERY}, d.waiting, d.since FROM deliveries d INDEXED BY deliveries_done "  # noqa: S608
        f"WHERE d.state IN ({ACCEPTED}, {CONFIRMED}) AND d.since < ? AND (d.since, d.number) > (?, ?) "
        "ORDER BY d.since, d.number LIMIT ?",
        before,
        *after,
        SLICE,
    )
    released = objects = size = 0
    for row in rows:
        *columns, waiting, since = row
        delivery = delivery_from(tuple(columns), tx.destinations.names)
        after = (since, delivery.number)
        if delivery.state is DeliveryState.ACCEPTED and (
            delivery.destination in keep or waiting == WAIT_AT_HUB
        ):
            continue
        released += 1
        tx.move(delivery, Event.EXPIRE)
        deleted = tx.delete_bytes_if_finished(delivery.object_number)
        if deleted is not None:
            objects += 1
            size += deleted
    return Slice(more=len(rows) == SLICE, released=released, objects=objects, bytes=size, after=after)


def forget_slice(tx: Transaction, before: float) -> Slice:
    """Drop rows of objects whose bytes are long gone, or that are more than history may hold.

    The newest object and the newest delivery stay whatever their age: they carry the next numbers.
    """
    count = tx.one(
        "SELECT coalesce(sum(count), 0) FROM counters WHERE subject = ? AND state = ?",
        SUBJECT_OBJECT,
        PLACE_DELETED,
    )
    surplus = max(0, (count[0] if count else 0) - tx.limits.history_rows)
    rows = tx.rows(
        "SELECT number, deleted_at FROM objects INDEXED BY objects_deleted "
        "WHERE deleted_at IS NOT NULL AND number < (SELECT max(number) FROM objects) "
        "AND number <> (SELECT object FROM deliveries ORDER BY number DESC LIMIT 1) "
        "ORDER BY deleted_at LIMIT ?",
        SLICE,
    )
    doomed = [number for place, (number, at) in enumerate(rows) if place < surplus or at < before]
    for number in doomed:
        tx.write(
            "DELETE FROM receipts WHERE delivery IN (SELECT number FROM deliveries WHERE object = ?)", number
        )
        for table, column in (
            ("events", "object"),
            ("comparisons", "object"),
            ("arrivals", "object"),
            ("deliveries", "object"),
            ("objects", "number"),
        ):
            tx.write(f"DELETE FROM {table} WHERE {column} = ?", number)  # noqa: S608 - constant names
    return Slice(more=len(doomed) == SLICE, history=len(doomed))
