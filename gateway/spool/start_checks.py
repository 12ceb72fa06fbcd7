"""Before the journal is opened: is it the one that belongs to what is here? Words for a person if not.

SQLite makes a new database where none is, and throws away a WAL that has none. So this is asked first. What
a power cut may leave is never taken for damage: a spool that never finished its first start has no object.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.spool.files import Files
from gateway.spool.salvage.placing import READY
from gateway.spool.salvage.rows import RowFinder
from gateway.spool.salvage.source import Source
from gateway.spool.store import Store

NEXT = "run `dicom-gateway spool rebuild` while the gateway is stopped (docs/operating.md)"

_NOT_A_JOURNAL = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class JournalLost(SpoolFailure):
    """The journal is gone or cannot be read, and objects are here. A person has to run the rebuild."""


def check(directory: Path, journal: str, store: Store, files: Files) -> None:
    """Raise JournalLost when opening the journal would begin a new one beside objects. OSError."""
    names = files.list_names(directory)
    if READY in names:
        raise JournalLost(f"a rebuild of the journal was not finished: {NEXT}")
    database = directory / journal
    if journal in names and database.stat().st_size > 0:
        return
    if _has_files(store) or _wal_has_objects(database):
        raise JournalLost(f"the journal is gone, and there are objects that it was to name: {NEXT}")


def _has_files(store: Store) -> bool:
    try:
        return any(present for _, present in store.scan())
    except FileNotFoundError:
        return False


def _wal_has_objects(database: Path) -> bool:
    with Source(database, database.with_name(f"{database.name}-wal")) as source:
        return any(found.table == "objects" for found in RowFinder(source).rows())


def lost(error: sqlite3.Error | UnicodeDecodeError) -> JournalLost | None:
    """Return what to say when SQLite says that a journal is damaged; None when it says something else.

    A name that is no text any more makes it say so in words that are no text either.
    """
    if isinstance(error, UnicodeDecodeError):
        return JournalLost(f"the journal is damaged (its own names are): {NEXT}")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NOT_A_JOURNAL:
        return None
    return JournalLost(f"the journal is damaged ({error}): {NEXT}")
