"""What a row of each of our tables looks like: enough to know one wherever it is found.

The tables are those of schema.py, of every version: a row that was written before a column was added is
shorter, and takes what the column has by default.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from gateway.model import Priority, valid_uid
from gateway.spool.identity import SIZE
from gateway.spool.link_values import Stage
from gateway.spool.salvage.records import Value
from gateway.spool.schema import MIGRATIONS, PLACE_DAMAGED, WAIT_AT_HUB
from gateway.spool.states import CODE
from gateway.spool.step_states import STEP_CODE

Row = tuple[Value, ...]

DIGEST = 32  # bytes of a SHA-256
MAX_NAME = 64  # characters of a destination's name that are taken for one
_LATEST = 4e10  # seconds since the epoch: no clock is ever set beyond it


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the table declares it."""

    name: str
    kind: str  # INTEGER, REAL, TEXT, BLOB
    required: bool
    default: Value
    key: int  # place in the primary key, from 1; 0: not in it


@dataclass(frozen=True, slots=True)
class Shape:
    """A table. `stored`: the columns in the order in which a record has them."""

    name: str
    columns: tuple[Column, ...]
    stored: tuple[Column, ...]
    fewest: int  # columns of a record of the version that brought the table
    rowid: bool  # False: the rows are the entries of an index (WITHOUT ROWID)

    def row(self, rowid: int, record: Row) -> Row | None:
        """Return the columns of a record as the table has them; None when it cannot be one of its rows."""
        if not self.fewest <= len(record) <= len(self.stored):
            return None
        values: dict[str, Value] = {}
        for place, column in enumerate(self.stored):
            value = record[place] if place < len(record) else column.default
            if self.rowid and column.key == 1:
                if value is not None:  # the record itself leaves it out
                    return None
                value = rowid
            fitting = _fit(value, column)
            if fitting is _NO:
                return None
            values[column.name] = fitting
        if self.rowid and rowid <= 0:
            return None
        check = _CHECKS.get(self.name)
        if check is not None and not check(values):
            return None
        return tuple(values[column.name] for column in self.columns)


_NO: Value = b"does not fit"


def _fit(value: Value, column: Column) -> Value:
    """Return `value` as the column has it, or _NO. Whole numbers of a REAL column are stored as integers."""
    if value is None:
        return _NO if column.required else None
    match column.kind:
        case "INTEGER":
            return value if isinstance(value, int) else _NO
        case "REAL":
            return float(value) if isinstance(value, int | float) else _NO
        case "ANY":
            return value
        case "TEXT":
            return value if isinstance(value, str) else _NO
        case _:
            return value if isinstance(value, bytes) else _NO


def _is_object(row: Mapping[str, Value]) -> bool:
    uids = (row["sop_class_uid"], row["sop_instance_uid"], row["transfer_syntax_uid"])
    digest, size, place = row["digest"], row["size"], row["place"]
    return (
        all(isinstance(uid, str) and valid_uid(uid) for uid in uids)
        and isinstance(digest, bytes)
        and len(digest) == DIGEST
        and isinstance(size, int)
        and size >= 0
        and isinstance(place, int)
        and 0 <= place <= PLACE_DAMAGED
        and _is_priority(row)
        and _is_time(row["received_at"])
        and (row["file"] is None or (isinstance(row["file"], int) and row["file"] >= 0))
        and isinstance(row["data_offset"], int)
        and row["data_offset"] >= 0
    )


def _is_delivery(row: Mapping[str, Value]) -> bool:
    object_number, destination, size = row["object"], row["destination"], row["size"]
    return (
        row["state"] in CODE.values()
        and isinstance(object_number, int)
        and object_number > 0
        and isinstance(destination, int)
        and destination > 0
        and isinstance(size, int)
        and size >= 0
        and row["waiting"] in range(WAIT_AT_HUB + 1)
        and _is_priority(row)
        and _is_time(row["updated_at"])
    )


def _is_destination(row: Mapping[str, Value]) -> bool:
    name = row["name"]
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()


def _is_step(row: Mapping[str, Value]) -> bool:
    uid = row["sop_instance_uid"]
    known = row["state"] in STEP_CODE.values() and row["kind"] in ("create", "set")
    return known and isinstance(uid, str) and valid_uid(uid)


def _is_site(row: Mapping[str, Value]) -> bool:
    name, spool = row["name"], row["spool"]
    return isinstance(name, str) and len(name) > 0 and isinstance(spool, bytes) and len(spool) == SIZE


def _is_arrival(row: Mapping[str, Value]) -> bool:
    digest, stage = row["digest"], row["stage"]
    known = stage == 0 or stage in [int(one) for one in Stage]
    return isinstance(digest, bytes) and len(digest) == DIGEST and known and _is_time(row["at"])


def _is_priority(row: Mapping[str, Value]) -> bool:
    return row["priority"] in [int(priority) for priority in Priority]


def _is_time(value: Value) -> bool:
    return isinstance(value, int | float) and 0 <= value < _LATEST


_CHECKS: Mapping[str, Callable[[Mapping[str, Value]], bool]] = {
    "objects": _is_object,
    "deliveries": _is_delivery,
    "destinations": _is_destination,
    "steps": _is_step,
    "sites": _is_site,
    "arrivals": _is_arrival,
}

NOT_KEPT = frozenset({"counters", "sqlite_sequence", "sqlite_stat1"})
"""What makes itself anew."""


@cache
def shapes() -> Mapping[str, Shape]:
    """Return our tables by name, as the newest version has them."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    fewest: dict[str, int] = {}
    try:
        for step in MIGRATIONS:
            db.executescript(f"BEGIN; {step}; COMMIT;")
            for name in _tables(db):
                fewest.setdefault(name, len(_columns(db, name)))
        return {name: _shape(db, name, fewest[name]) for name in _tables(db) if name not in NOT_KEPT}
    finally:
        db.close()


def _tables(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _columns(db: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    rows = db.execute('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,))
    return tuple(
        Column(name, kind, bool(required), _default(db, default), key)
        for name, kind, required, default, key in rows.fetchall()
    )


def _default(db: sqlite3.Connection, words: str | None) -> Value:
    if words is None:
        return None
    value: Value = db.execute(f"SELECT {words}").fetchone()[0]
    return value


def _shape(db: sqlite3.Connection, name: str, fewest: int) -> Shape:
    columns = _columns(db, name)
    (rowid,) = db.execute("SELECT NOT wr FROM pragma_table_list WHERE name = ?", (name,)).fetchone()
    if rowid:
        return Shape(name, columns, columns, fewest, rowid=True)
    keys = sorted((column for column in columns if column.key), key=lambda column: column.key)
    stored = (*keys, *(column for column in columns if not column.key))
    return Shape(name, columns, stored, fewest, rowid=False)
