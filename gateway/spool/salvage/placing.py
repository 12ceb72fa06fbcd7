"""Putting a rebuilt journal in place of the damaged one, so that a crash at any point can be repeated.

    journal.rebuilt   being written: worth nothing, begun anew
    journal.ready     complete and synced; from here on the old journal is only in the way

The old journal and its WAL go to a folder with the date first, durably; only then does the new one get its
name. A WAL that stayed beside a new journal would be taken for its own.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from gateway.spool.files import Files

BUILDING = "journal.rebuilt"
READY = "journal.ready"
_JOURNAL = "journal.db"
_BESIDE = ("-wal", "-shm", "-journal")


def new_folder(directory: Path, files: Files, now: float) -> Path:
    """Make a folder with the date, for what is set aside."""
    stamp = time.strftime("damaged-%Y%m%d-%H%M%S", time.gmtime(now))
    names = set(files.list_names(directory))
    name = next(one for one in (stamp, *(f"{stamp}-{place}" for place in range(2, 1000))) if one not in names)
    files.make_directory(directory / name)
    files.sync_directory(directory)
    return directory / name


def set_aside(files: Files, path: Path, folder: Path) -> None:
    """Move a file into the folder, durably in the end: never lost between the two names."""
    path.rename(folder / path.name)
    files.sync_directory(folder)
    files.sync_directory(path.parent)


def clear_building(directory: Path, files: Files) -> None:
    """Remove what an interrupted rebuild left."""
    for ending in ("", *_BESIDE):
        with contextlib.suppress(FileNotFoundError):
            files.remove(directory / f"{BUILDING}{ending}")


def declare_ready(directory: Path, files: Files) -> None:
    """The new journal is complete, closed and without a WAL: sync it, and say so."""
    descriptor = files.open_for_write(directory / BUILDING)
    try:
        files.sync(descriptor)
    finally:
        files.close(descriptor)
    (directory / BUILDING).rename(directory / READY)
    files.sync_directory(directory)


def put_in_place(directory: Path, files: Files, folder: Path) -> None:
    """Move the old journal away and give the new one its name."""
    for ending in ("", *_BESIDE):
        old = directory / f"{_JOURNAL}{ending}"
        if old.exists():
            set_aside(files, old, folder)
    (directory / READY).rename(directory / _JOURNAL)
    files.sync_directory(directory)
