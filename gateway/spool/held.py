"""What is held, by destination and cause: how much, since when, in which words. Pure reading."""

from __future__ import annotations

import sqlite3
from collections import Counter

from gateway.spool.listing_values import HeldGroup, Total
from gateway.spool.queries import destination_names
from gateway.spool.schema import HELD

MAX_GROUPS = 100
COUNTED = 100_000
"""Deliveries of one group that are counted."""
_SAMPLE = 50  # deliveries whose words are read, from each end of a group
_MAX_WORDS = 5
_EXAMPLES = 5

_GROUP = f"FROM deliveries INDEXED BY deliveries_held WHERE state = {HELD} AND destination = ? AND cause = ?"


def held_groups(db: sqlite3.Connection) -> list[HeldGroup]:
    """Return the groups, the largest first. The cost grows with what is held, up to a bound."""
    names = destination_names(db)
    groups: list[HeldGroup] = []
    place, cause = 0, ""
    while len(groups) < MAX_GROUPS:
        row = db.execute(
            "SELECT destination, cause FROM deliveries INDEXED BY deliveries_held "  # noqa: S608 - a number
            f"WHERE state = {HELD} AND (destination, cause) > (?, ?) ORDER BY destination, cause LIMIT 1",
            (place, cause),
        ).fetchone()
        if row is None:
            break
        place, cause = row
        groups.append(_group(db, place, names[place], cause))
    return sorted(groups, key=lambda group: -group.total.count)


def _group(db: sqlite3.Connection, place: int, name: str, cause: str) -> HeldGroup:
    count, size = db.execute(
        f"SELECT count(*), coalesce(sum(size), 0) FROM (SELECT size {_GROUP} LIMIT ?)",  # noqa: S608
        (place, cause, COUNTED + 1),
    ).fetchone()
    first, last = (_sample(db, place, cause, order) for order in ("ASC", "DESC"))
    words = Counter(reason for _, reason, _ in {*first, *last})
    return HeldGroup(
        destination=name,
        cause=cause,
        total=Total(min(count, COUNTED), exact=count <= COUNTED),
        bytes=size,
        oldest=first[0][2],
        words=tuple(reason for reason, _ in words.most_common(_MAX_WORDS) if reason),
        examples=tuple(number for number, _, _ in first[:_EXAMPLES]),
        newest=last[0][0],
    )


def _sample(db: sqlite3.Connection, place: int, cause: str, order: str) -> list[tuple[int, str, float]]:
    return db.execute(
        f"SELECT number, reason, received_at {_GROUP} ORDER BY number {order} LIMIT ?",
        (place, cause, _SAMPLE),
    ).fetchall()
