"""`spool rebuild`: a new journal from what remains of a damaged or lost one, with no gateway running.

Nothing is written to the old journal, and it is kept aside. A crash at any point leaves what can be repeated:
see placing.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.spool.age_clock import AgeClock, last_reading
from gateway.spool.files import Files
from gateway.spool.locking import take_lock
from gateway.spool.recovery import JOURNAL, OBJECTS
from gateway.spool.salvage import placing
from gateway.spool.salvage.putting_right import PuttingRight
from gateway.spool.salvage.report import Progress, RebuildReport
from gateway.spool.salvage.rows import RowFinder
from gateway.spool.salvage.source import Source
from gateway.spool.salvage.writing import Writer
from gateway.spool.schema import configure, create_or_migrate
from gateway.spool.store import Store
from gateway.spool.transaction import Destinations, Kinds, Transaction
from gateway.spool.values import SpoolLimits

Tell = Callable[[Progress], None]


def rebuild(
    directory: Path,
    destinations: Sequence[str] = (),
    *,
    tell: Tell = lambda _: None,
    files: Files | None = None,
    wall_clock: Callable[[], float] = time.time,
    anyway: bool = False,
) -> RebuildReport:
    """Rebuild the journal in `directory`; a whole one is left alone, unless `anyway`. Blocking.

    `destinations`: for which an object is held that has lost its own. Raises SpoolFailure when a gateway has
    the spool open, or the disk fails; the old journal is in its place then, or in a dated folder beside it.
    """
    files = files or Files()
    if not directory.is_dir():
        raise SpoolFailure(f"there is no spool at {directory}")
    lock = take_lock(directory, files)
    try:
        return _rebuild(directory, destinations, tell, files, wall_clock, anyway=anyway)
    except (OSError, sqlite3.Error) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise SpoolFailure(f"the journal could not be rebuilt: {words}") from error
    finally:
        files.close(lock)


def _rebuild(
    directory: Path,
    destinations: Sequence[str],
    tell: Tell,
    files: Files,
    wall_clock: Callable[[], float],
    *,
    anyway: bool,
) -> RebuildReport:
    report = RebuildReport()
    if placing.READY in files.list_names(directory):  # a rebuild that was complete, but for its name
        folder = placing.new_folder(directory, files, wall_clock())
        placing.put_in_place(directory, files, folder)
        report.aside = folder.name
        return report
    tell(Progress("journal", 0, 0))
    if not anyway and is_whole(directory / JOURNAL):
        report.whole = True
        return report
    placing.clear_building(directory, files)
    folder = placing.new_folder(directory, files, wall_clock())
    report.aside = folder.name
    store = Store(directory / OBJECTS, files)
    store.create()
    files.close(files.create(directory / placing.BUILDING))
    db = files.connect(directory / placing.BUILDING)
    try:
        configure(db)
        db.execute("PRAGMA synchronous = OFF")  # it is worth nothing until it is complete, and synced then
        create_or_migrate(db)
        writer = _write_rows(directory, db, tell, report)
        now = wall_clock()
        age = AgeClock(last_reading(db, now), time.monotonic)()
        tx = Transaction(db, Destinations(db), Kinds(db), SpoolLimits(), now, age)
        right = PuttingRight(tx, store, writer, destinations, report)
        db.execute("BEGIN")
        right.rows()
        right.files(lambda path: placing.set_aside(files, path, folder), tell)
        right.contents(tell)
        right.deliveries()
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()
    placing.declare_ready(directory, files)
    placing.put_in_place(directory, files, folder)
    return report


def _write_rows(directory: Path, db: sqlite3.Connection, tell: Tell, report: RebuildReport) -> Writer:
    writer = Writer(db)
    with Source(directory / JOURNAL, directory / f"{JOURNAL}-wal") as source:
        tell(Progress("rows", 0, source.pages * source.page_size))
        finder = RowFinder(source)
        writer.take(finder.rows())
        losses = finder.losses
        report.unreadable_pages = losses.pages + source.bad_places + source.wal.damaged
        report.unreadable_rows = losses.cells + losses.rows
        report.tables = losses.tables
    return writer


def is_whole(path: Path) -> bool:
    """Say whether SQLite finds nothing wrong with a journal, all of its WAL included. Changes nothing."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with Source(path, path.with_name(f"{path.name}-wal")) as source:
        if source.wal.damaged or source.wal.stranded or not source.wal.header_holds:
            return False
    return not journal_faults(path, most=1)


def journal_faults(path: Path, *, most: int = 20) -> list[str]:
    """What SQLite finds wrong with a journal, in its words; empty: nothing. Changes nothing."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
    except sqlite3.Error as error:
        return [str(error)]
    try:
        rows = db.execute(f"PRAGMA integrity_check({int(most)})").fetchall()
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        return [str(error)]
    except UnicodeDecodeError:
        return ["its own names are damaged"]
    finally:
        db.close()
    faults = [str(row[0]) for row in rows if row[0] != "ok"]
    return faults or ([] if version else ["it is empty"])
