"""Rows that were found, into a new journal: the first of each key, and a data set only with its digest."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

from gateway.spool.salvage.rows import Found
from gateway.spool.salvage.shape import Row, shapes

_BATCH = 2000
"""Rows of one transaction."""


class Writer:
    """Takes rows in the order of how sure they are."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._insert = {
            name: f"INSERT OR IGNORE INTO {name} ({', '.join(column.name for column in shape.columns)}) "  # noqa: S608 - names of our own schema
            f"VALUES ({', '.join('?' * len(shape.columns))})"
            for name, shape in shapes().items()
        }
        self.unsure: set[int] = set()  # deliveries from pages that were not the newest

    def take(self, rows: Iterable[Found]) -> None:
        """Write all rows that fit. sqlite3.Error when the new journal cannot be written."""
        db, left = self._db, _BATCH
        db.execute("BEGIN")
        for found in rows:
            self._one(found)
            left -= 1
            if not left:
                db.execute("COMMIT")
                db.execute("BEGIN")
                left = _BATCH
        db.execute("COMMIT")

    def _one(self, found: Found) -> None:
        row = found.row
        if found.table == "inline":
            self._take_data(row, sure=found.sure)
            return
        if found.table == "step_data" and not self._step_wants(row, sure=found.sure):
            return
        try:
            cursor = self._db.execute(self._insert[found.table], row)
        except sqlite3.IntegrityError:
            return  # a row that no journal of ours can have
        if found.table == "deliveries" and not found.sure and cursor.rowcount and isinstance(row[0], int):
            self.unsure.add(row[0])

    def _take_data(self, row: Row, *, sure: bool) -> None:
        """A data set: what has the digest of its object replaces what has not."""
        number, data = row
        if not isinstance(number, int) or not isinstance(data, bytes):
            return
        wanted = self._db.execute("SELECT digest, size FROM objects WHERE number = ?", (number,)).fetchone()
        right = wanted is not None and wanted[1] == len(data) and _digest(data) == wanted[0]
        if right:
            self._db.execute("INSERT OR REPLACE INTO inline (object, data) VALUES (?, ?)", (number, data))
        elif sure:
            self._db.execute("INSERT OR IGNORE INTO inline (object, data) VALUES (?, ?)", (number, data))

    def _step_wants(self, row: Row, *, sure: bool) -> bool:
        number, data = row
        size = self._db.execute("SELECT size FROM steps WHERE number = ?", (number,)).fetchone()
        if size is None:
            return sure  # its step may still come
        return isinstance(data, bytes) and size[0] == len(data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
