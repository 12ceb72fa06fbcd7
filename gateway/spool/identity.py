"""The name of this spool, for the other end of a link: random, and its own for as long as it lives."""

from __future__ import annotations

import os
import sqlite3

_FACT = "instance"
SIZE = 16


def identity(db: sqlite3.Connection) -> bytes:
    """Return the name, making one when there is none. sqlite3.Error."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    if row is not None:
        return bytes.fromhex(row[0])
    made = os.urandom(SIZE)
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (_FACT, made.hex()))
    db.execute("COMMIT")
    return made
