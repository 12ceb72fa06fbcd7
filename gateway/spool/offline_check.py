"""`spool verify` with no gateway running: everything read, nothing changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.spool import scrub_queries, start_checks
from gateway.spool.files import Files
from gateway.spool.locking import take_lock
from gateway.spool.recovery import JOURNAL, OBJECTS
from gateway.spool.salvage import tail
from gateway.spool.salvage.rebuild import journal_faults
from gateway.spool.salvage.report import Progress
from gateway.spool.salvage.source import Source
from gateway.spool.schema import MIGRATIONS
from gateway.spool.scrub_methods import Examination
from gateway.spool.scrub_values import FOUND_MOST, Found, Target, Verdict
from gateway.spool.store import Store

_STEP = 1 << 20
Tell = Callable[[Progress], None]


@dataclass(slots=True)
class OfflineReport:
    """What was found."""

    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    missing: int = 0
    unreadable: int = 0
    leftovers: int = 0  # files with contents that no row names: nothing that was acknowledged, normally
    journal_faults: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing was found that a person has to see to."""
        return not (self.damaged or self.missing or self.unreadable or self.journal_faults)


def verify(directory: Path, *, tell: Tell = lambda _: None, files: Files | None = None) -> OfflineReport:
    """Check the spool in `directory`. Blocking. SpoolFailure: it is in use, is none, or the disk fails."""
    files = files or Files()
    if not directory.is_dir():
        raise SpoolFailure(f"there is no spool at {directory}")
    lock = take_lock(directory, files)
    try:
        return _verify(directory, tell, files)
    except OSError as error:
        raise SpoolFailure(f"the spool cannot be read: {error.strerror}") from error
    finally:
        files.close(lock)


def _verify(directory: Path, tell: Tell, files: Files) -> OfflineReport:
    report = OfflineReport()
    store = Store(directory / OBJECTS, files)
    database = directory / JOURNAL
    try:
        start_checks.check(directory, JOURNAL, store, files)
    except start_checks.JournalLost as error:
        report.journal_faults.append(str(error))
        return report
    if not database.exists():
        return report  # never used
    tell(Progress("journal", 0, 0))
    report.journal_faults += journal_faults(database)
    with Source(database, database.with_name(f"{database.name}-wal")) as source:
        if source.wal.stranded:
            report.journal_faults.append(f"{source.wal.damaged} frames of its WAL do not hold")
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as db:
            if db.execute("PRAGMA user_version").fetchone()[0] > len(MIGRATIONS):
                raise SpoolFailure("the spool was written by a newer version of this program")
            if tail.wal_size(database) < tail.wanted_wal(db):
                report.journal_faults.append("its newest part (the WAL) is gone, or cut")
            _objects(db, store, files, report, tell)
            report.leftovers = _leftovers(db, store)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        words = str(error)
        if words not in report.journal_faults:
            report.journal_faults.append(words)
    return report


def _objects(db: sqlite3.Connection, store: Store, files: Files, report: OfflineReport, tell: Tell) -> None:
    total = scrub_queries.total_bytes(db)
    after: int | None = 0
    while after is not None:
        targets, after = scrub_queries.page(db, after)
        for target in targets:
            verdict = _examine(db, store, files, target, report)
            report.objects += 1
            if verdict not in ("sound", "back"):
                setattr(report, verdict, getattr(report, verdict) + 1)
                if len(report.found) < FOUND_MOST:
                    uids = (target.sop_class_uid, target.sop_instance_uid)
                    report.found.append(Found(target.number, *uids, verdict))
            tell(Progress("objects", report.bytes, total))


def _examine(
    db: sqlite3.Connection, store: Store, files: Files, target: Target, report: OfflineReport
) -> Verdict:
    data, descriptor = None, None
    if target.file is None:
        data = scrub_queries.data(db, target.number)
    else:
        try:
            descriptor = store.open(target.file)
        except FileNotFoundError:
            descriptor = None
        except OSError:
            return "unreadable"
    examination = Examination(target, files, descriptor, data)
    while count := examination.step(_STEP):
        report.bytes += count
    return examination.close()


def _leftovers(db: sqlite3.Connection, store: Store) -> int:
    count = 0
    for first, present in store.scan():
        named = {
            row[0]
            for row in db.execute(
                "SELECT file FROM objects WHERE file >= ? AND file < ?", (first, first + 1000)
            )
        }
        count += sum(store.path(number).stat().st_size > 0 for number in present - named)
    return count
