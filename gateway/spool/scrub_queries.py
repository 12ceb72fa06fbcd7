"""What the scrub asks of the journal: objects to read, and whether its rows and indexes agree. Reading only.

Every question looks at a bounded number of rows, so that its snapshot is short (FORMAT.md).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.spool.schema import (
    PLACE_DAMAGED,
    PLACE_FILE,
    PLACE_INLINE,
    SUBJECT_DELIVERY,
    SUBJECT_OBJECT,
    WAIT_DUE,
)
from gateway.spool.scrub_values import Target

PAGE = 64
"""Objects of one question."""
_RANGE = 5000
"""Numbers that one question looks at, however few of them are wanted."""
ROWS = 500
"""Rows of the journal that one question checks."""
COUNTED_MOST = 100_000
"""Objects and deliveries up to which the counters are compared with the rows, in one snapshot."""

_PLACES = (PLACE_INLINE, PLACE_FILE, PLACE_DAMAGED)


def page(db: sqlite3.Connection, after: int) -> tuple[list[Target], int | None]:
    """Return objects to read beyond number `after`, and where to go on; None: that was all."""
    first = db.execute("SELECT min(number) FROM objects WHERE number > ?", (after,)).fetchone()[0]
    if first is None:
        return [], None
    rows = db.execute(
        "SELECT number, place, file, data_offset, size, digest, sop_class_uid, sop_instance_uid "
        "FROM objects WHERE number >= ? AND number < ? AND place IN (?, ?, ?) ORDER BY number LIMIT ?",
        (first, first + _RANGE, *_PLACES, PAGE),
    ).fetchall()
    targets = [Target(*row) for row in rows]
    return targets, targets[-1].number if len(targets) == PAGE else first + _RANGE - 1


def data(db: sqlite3.Connection, number: int) -> bytes | None:
    """Return a data set that lives in the journal; None when it is not there."""
    row = db.execute("SELECT data FROM inline WHERE object = ?", (number,)).fetchone()
    return None if row is None else bytes(row[0])


def total_bytes(db: sqlite3.Connection) -> int:
    """How many bytes a pass has to read."""
    row: tuple[int] = db.execute(
        "SELECT coalesce(sum(bytes), 0) FROM counters WHERE subject = ? AND state IN (?, ?, ?)",
        (SUBJECT_OBJECT, *_PLACES),
    ).fetchone()
    return row[0]


@dataclass(frozen=True, slots=True)
class Table:
    """A table and, for each index that a delivery depends on, the rows that it has lost."""

    name: str
    key: str
    lost: tuple[str, ...] = ()


TABLES = (
    Table("destinations", "id"),
    Table(
        "objects",
        "number",
        (
            "NOT EXISTS (SELECT 1 FROM objects i INDEXED BY objects_by_uid "
            "WHERE i.sop_instance_uid = r.sop_instance_uid AND i.number = r.number)",
            "r.file IS NOT NULL AND NOT EXISTS (SELECT 1 FROM objects i INDEXED BY objects_by_file "
            "WHERE i.file = r.file AND i.number = r.number)",
        ),
    ),
    Table(
        "deliveries",
        "number",
        (
            "NOT EXISTS (SELECT 1 FROM deliveries i INDEXED BY deliveries_in_order WHERE i.state = r.state "
            "AND i.destination = r.destination AND i.waiting = r.waiting AND i.priority = r.priority "
            "AND i.number = r.number)",
            "NOT EXISTS (SELECT 1 FROM deliveries i INDEXED BY deliveries_by_object "
            "WHERE i.object = r.object AND i.number = r.number)",
            f"r.waiting = {WAIT_DUE} AND NOT EXISTS (SELECT 1 FROM deliveries i INDEXED BY "  # noqa: S608
            f"deliveries_waiting WHERE i.waiting = {WAIT_DUE} AND i.destination = r.destination "
            "AND i.priority = r.priority AND i.not_before = r.not_before AND i.number = r.number)",
            "NOT EXISTS (SELECT 1 FROM objects o WHERE o.number = r.object)",
            "NOT EXISTS (SELECT 1 FROM destinations d WHERE d.id = r.destination)",
        ),
    ),
    Table("comparisons", "object"),
    Table("commitments", "number"),
    Table("commitment_items", "number"),
    Table("asks", "number"),
    Table("steps", "number"),
    Table("early_reports", "delivery"),
    Table("sites", "id"),
    Table("arrivals", "number", ("NOT EXISTS (SELECT 1 FROM sites s WHERE s.id = r.site)",)),
    Table("step_data", "step", ("NOT EXISTS (SELECT 1 FROM steps s WHERE s.number = r.step)",)),
)


def check_rows(db: sqlite3.Connection, table: Table, after: int) -> tuple[int, int, int | None]:
    """Read some rows of a table, every column of them: (rows, faults, where to go on or None).

    A page that SQLite cannot read raises sqlite3.Error.
    """
    name, key = table.name, table.key
    rows = db.execute(
        f"SELECT * FROM {name} NOT INDEXED WHERE {key} > ? ORDER BY {key} LIMIT ?",  # noqa: S608
        (after, ROWS),
    )
    keys = [description[0] for description in rows.description].index(key)
    numbers = [row[keys] for row in rows.fetchall()]
    if not numbers:
        return 0, 0, None
    faults = 0
    for lost in table.lost:
        faults += db.execute(
            f"SELECT count(*) FROM {name} r NOT INDEXED WHERE r.{key} > ? AND r.{key} <= ? AND {lost}",  # noqa: S608
            (after, numbers[-1]),
        ).fetchone()[0]
    return len(numbers), faults, numbers[-1]


def check_counters(db: sqlite3.Connection) -> int:
    """Count the cells of the counters that disagree with what they count; 0 too when that is too much."""
    counted = {
        tuple(cell): (count, size)
        for *cell, count, size in db.execute(
            "SELECT subject, state, destination, priority, count, bytes FROM counters WHERE count <> 0"
        )
    }
    if sum(count for count, _ in counted.values()) > COUNTED_MOST:
        return 0
    there = {
        tuple(cell): (count, size)
        for *cell, count, size in db.execute(
            "SELECT ?, state, destination, priority, count(*), sum(size) FROM deliveries NOT INDEXED "
            "GROUP BY state, destination, priority UNION ALL "
            "SELECT ?, place, 0, priority, count(*), sum(size) FROM objects NOT INDEXED "
            "GROUP BY place, priority",
            (SUBJECT_DELIVERY, SUBJECT_OBJECT),
        )
    }
    return sum(counted.get(cell) != there.get(cell) for cell in {*counted, *there})
