"""Whether a spool is on the machine that wrote it, or came from another one: copied, or moved with its disk.

Both machines have the same objects then, and nothing here can know what the other one does with them: if both
run, destinations get every object twice (the same UID with the same bytes). That is said aloud, once. A copy
that was made while its gateway ran may be torn in ways that no crash leaves: it is checked as a whole first,
and its files are not taken for leftovers only because no row names them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from gateway.notices import Alarm
from gateway.spool.start_checks import NEXT, JournalLost

_FACT = "home"
_MACHINE_ID = Path("/etc/machine-id")

_MOVED = (
    "this spool was written on another machine: what waits in it is delivered from here now. Make sure that "
    "no gateway is started with the other copy, or destinations get objects twice; nothing is lost by it"
)


def machine(path: Path = _MACHINE_ID) -> str | None:
    """Return a name for this machine that says nothing about it; None when it has none (some containers)."""
    try:
        content = path.read_bytes().strip()
    except OSError:
        return None
    if len(content) < 32:  # "uninitialized", or empty: the same on many machines
        return None
    return hashlib.sha256(b"the home of a spool: " + content).hexdigest()[:32]


def came_from_elsewhere(db: sqlite3.Connection, here: str | None) -> bool:
    """Whether another machine has written it; looked through as a whole then.

    Raises JournalLost when the copy is torn, sqlite3.Error when it cannot be read.
    """
    row = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    if row is None or here is None or row[0] == here:
        return False
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise JournalLost(
            "the spool came from another machine, and its journal is torn: it was copied while in use. "
            f"Copy it again while the gateway there is stopped; if that cannot be done, {NEXT}"
        )
    return True


def moved(adopted: int) -> Alarm:
    """Say that it has come, and how many files were found that no row names."""
    held = (
        f". {adopted} objects that the copy of the journal does not name are held with the cause rebuilt: "
        "look where they were to go"
    )
    return Alarm("spool.moved", _MOVED + (held if adopted else ""))


def settle_in(db: sqlite3.Connection, here: str | None) -> None:
    """Write down that this machine is its home now. sqlite3.Error."""
    if (
        here is None
        or db.execute("SELECT 1 FROM facts WHERE (name, value) = (?, ?)", (_FACT, here)).fetchone()
    ):
        return
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (_FACT, here))
    db.execute("COMMIT")
