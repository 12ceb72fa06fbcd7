"""How long things have been kept: a clock that only counts time in which the gateway really ran.

Many boards have no real-time clock: their wall clock starts somewhere and is put right, or wrong, by years
at any moment. Nothing may be deleted, forgotten or given up because of that. So the age of what is kept is
counted by the steady clock of the machine, and written down now and then: `facts` has the reading, `since` in
the tables that are aged has when a row came to its state (FORMAT.md, "Clocks"). What passes while no gateway
runs, and up to an hour before a power cut, is not counted: things are kept longer than asked for, never
shorter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.spool.schema import ACCEPTED, CONFIRMED

if TYPE_CHECKING:
    from gateway.spool.transaction import Transaction

_FACT = "age"
_STAMPS = (
    ("deliveries", "since", f"state IN ({ACCEPTED}, {CONFIRMED})"),
    ("objects", "deleted_at", "deleted_at IS NOT NULL"),
    ("commitments", "since", "1"),
    ("asks", "ended_at", "ended_at IS NOT NULL"),
    ("steps", "since", "since IS NOT NULL"),
)
"""Where a moment of this clock is written. Before version 5 of the journal these were of the wall clock."""


class AgeClock:
    """Seconds. Begins where the wall clock was when the spool was created, and goes its own way then."""

    def __init__(self, reading: float, steady_clock: Callable[[], float]) -> None:
        """`reading` is what was written down last; `steady_clock` never jumps and never goes back."""
        self._reading = reading
        self._steady_clock = steady_clock
        self._began = steady_clock()

    def __call__(self) -> float:
        """Return the reading. Any thread."""
        return self._reading + max(0.0, self._steady_clock() - self._began)


def last_reading(db: sqlite3.Connection, wall_clock: float) -> float:
    """Return the reading that was written down last; begin with one when there is none. sqlite3.Error.

    A journal of an older version has moments of the wall clock instead, now and then a wrong one. The clock
    begins at the newest of them, or at `wall_clock` if that is earlier: what looks newer counts from now.
    """
    row = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    if row is not None:
        return float(row[0])
    newest = db.execute("SELECT max(updated_at) FROM deliveries").fetchone()[0]
    reading = wall_clock if newest is None else min(wall_clock, float(newest))
    db.execute("BEGIN IMMEDIATE")
    try:
        for table, column, which in _STAMPS:
            db.execute(
                f"UPDATE {table} SET {column} = ? WHERE {which} AND {column} > ?",  # noqa: S608 - constants
                (reading, reading),
            )
        db.execute("INSERT INTO facts (name, value) VALUES (?, ?)", (_FACT, reading))
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return reading


def write_down(tx: Transaction) -> None:
    """Keep the reading of this transaction: time that passed until now has been counted."""
    tx.write("UPDATE facts SET value = max(value, ?) WHERE name = ?", tx.age, _FACT)
