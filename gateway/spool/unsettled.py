"""How much of what one console sent has not reached its destinations. Pure reading, by index only."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from gateway.model import Priority
from gateway.spool.values import COUNT_MOST, Unsettled


def unsettled(
    db: sqlite3.Connection,
    calling_ae: str,
    destinations: Collection[str],
    most: Priority,
    up_to: int | None,
) -> Unsettled:
    """Count the deliveries that are queued, being sent or held (see Spool.unsettled)."""
    newest = db.execute("SELECT coalesce(max(number), 0) FROM objects").fetchone()[0]
    places = [
        number for number, name in db.execute("SELECT id, name FROM destinations") if name in destinations
    ]
    count = 0
    for place in places:
        for priority in Priority:
            if priority <= most and count < COUNT_MOST:
                count += db.execute(
                    "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_unsettled "
                    "WHERE sender <> '' AND sender = ? AND destination = ? AND priority = ? AND object <= ? "
                    "LIMIT ?)",
                    (calling_ae, place, priority, newest if up_to is None else up_to, COUNT_MOST - count),
                ).fetchone()[0]
    return Unsettled(count, newest)
