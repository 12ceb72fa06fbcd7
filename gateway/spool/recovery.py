"""What happens when the spool is opened: FORMAT.md, "Start". Every step can be repeated."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from gateway.errors import SpoolFailure
from gateway.notices import Alarm
from gateway.spool import home, start_checks
from gateway.spool.advice import in_words
from gateway.spool.age_clock import AgeClock, last_reading
from gateway.spool.damage import hold_if_lost, mark_missing
from gateway.spool.files import Files
from gateway.spool.identity import identity
from gateway.spool.rows import DELIVERY, delivery_from
from gateway.spool.salvage import tail
from gateway.spool.salvage.adopt import CUT, read_file
from gateway.spool.salvage.putting_right import UNKNOWN_DESTINATION, add, hold_for_all
from gateway.spool.schema import (
    PLACE_FILE,
    PLACE_INLINE,
    PLACE_MISSING,
    SENDING,
    SUBJECT_OBJECT,
    configure,
    create_or_migrate,
)
from gateway.spool.states import Event
from gateway.spool.store import PER_DIRECTORY, Store
from gateway.spool.transaction import Destinations, Kinds, Transaction
from gateway.spool.values import MIB, RecoveryReport, SpoolLimits

JOURNAL = "journal.db"
OBJECTS = "objects"
_SLICE = 1000
WAL_READY = 33 * MIB
"""The WAL at its longest (journal.WAL_PAGES_MAX frames), about."""
_NAMED = 100
"""Missing objects that are named one by one; all of them are held."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is handed on to the running spool."""

    db: sqlite3.Connection
    report: RecoveryReport
    alarms: tuple[Alarm, ...]
    comparisons: tuple[int, ...]
    kept: int  # bytes
    age_clock: AgeClock
    identity: bytes  # identity.py


@dataclass(slots=True)
class _Reconciled:
    leftovers: int = 0
    missing: int = 0
    named: tuple[int, ...] = ()
    last_file: int = -1


def open_journal(files: Files, directory: Path) -> sqlite3.Connection:
    """Open the database for writing; SQLite recovers the WAL. Raises sqlite3.Error or OSError."""
    path = directory / JOURNAL
    with contextlib.suppress(FileExistsError):
        files.close(files.create(path))  # for us alone; SQLite gives its other files the same mode
    db = files.connect(path)
    try:
        configure(db)
    except (sqlite3.Error, UnicodeDecodeError):  # the latter where the names of tables are damaged
        db.close()
        raise
    return db


def make_names_durable(files: Files, directory: Path, db: sqlite3.Connection) -> None:
    """Sync the names of the database and of its WAL, which is there once something was written."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("BEGIN IMMEDIATE")
    db.execute(f"PRAGMA user_version = {int(version)}")
    db.execute("COMMIT")
    files.sync_directory(directory)


def make_wal_ready(files: Files, directory: Path, db: sqlite3.Connection, limits: SpoolLimits) -> None:
    """Fill the WAL with zeros, up to the size it may have, before the first object comes.

    A commit into blocks that the file has already, and that were written before, is a sync of data alone.
    One that makes the file longer (or writes to blocks that were only reserved) has the filesystem commit
    its own journal too, which takes half as long again. Zeros are no WAL: SQLite sees an empty one, and
    after a crash reads as far as the frames that it wrote itself are valid.
    """
    wal = directory / f"{JOURNAL}-wal"
    if files.disk(directory).free < 2 * (limits.reserve_bytes + limits.floor_bytes) + 16 * WAL_READY:
        return  # on a small disk the room is worth more than the time
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    # Nothing depends on it: whatever the disk has against it, the next object will hear.
    with contextlib.suppress(OSError):
        files.fill_empty(wal, WAL_READY)


def recover(
    directory: Path,
    files: Files,
    store: Store,
    limits: SpoolLimits,
    wall_clock: Callable[[], float],
    steady_clock: Callable[[], float],
) -> Recovered:
    """Bring the journal and the files in line. Blocking; raises SpoolFailure."""
    started = monotonic()
    db: sqlite3.Connection | None = None
    try:
        created = JOURNAL not in files.list_names(directory)
        start_checks.check(directory, JOURNAL, store, files)
        wal, stranded = tail.wal_size(directory / JOURNAL), None
        last_commit = tail.last_commit(directory / JOURNAL)
        if last_commit and last_commit > tail.frames_that_hold(directory / JOURNAL):
            stranded = tail.read_stranded(directory / JOURNAL)  # the next write would go over it
        db = _open_twice(files, directory)
        here = home.machine()
        moved = home.came_from_elsewhere(db, here)
        wanted = tail.wanted_wal(db)
        tail_is_gone = wal < wanted
        # Perhaps copied while it was in use: what no row names may be an object whose row was not copied.
        keep_files = moved and wanted > 0
        _write_back(db, closed=not tail_is_gone)
        now = wall_clock()
        age_clock = AgeClock(last_reading(db, now), steady_clock)
        tx = Transaction(db, Destinations(db), Kinds(db), limits, now, age_clock())
        requeued = _requeue(tx)
        store.create()
        taken = tail.TakenUp(gone=tail_is_gone)
        if stranded is not None:
            with _transaction(tx):
                tail.take_up(tx, store, stranded, taken)
        found = _reconcile(tx, store, taken if taken.gone or taken.torn or keep_files else None)
        store.number_from(found.last_file + 1)
        objects, kept = tx.rows(
            "SELECT coalesce(sum(count), 0), coalesce(sum(bytes), 0) FROM counters "
            "WHERE subject = ? AND state IN (?, ?)",
            SUBJECT_OBJECT,
            PLACE_INLINE,
            PLACE_FILE,
        )[0]
        comparisons = tuple(row[0] for row in tx.rows("SELECT object FROM comparisons ORDER BY object"))
        home.settle_in(db, here)
        name = identity(db)
        make_wal_ready(files, directory, db, limits)
        make_names_durable(files, directory, db)
        tail.mark_running(db, directory / JOURNAL)
    except (sqlite3.Error, UnicodeDecodeError, OSError, SpoolFailure) as error:
        if db is not None:
            with contextlib.suppress(sqlite3.Error):  # it has failed before
                db.close()
        if isinstance(error, SpoolFailure):
            raise
        if not isinstance(error, OSError) and (damage := start_checks.lost(error)) is not None:
            raise damage from error
        words = "its names are damaged" if isinstance(error, UnicodeDecodeError) else in_words(error)
        raise SpoolFailure(f"the spool cannot be opened: {words}") from error
    arrived = (home.moved(len(taken.adopted)),) if moved else ()
    report = RecoveryReport(
        created=created,
        objects=objects,
        requeued=requeued,
        leftovers=found.leftovers,
        missing=found.named,
        checks=len(comparisons),
        seconds=monotonic() - started,
    )
    alarms = (*arrived, *taken.alarms(), *_alarms(found))
    return Recovered(db, report, alarms, comparisons, kept, age_clock, name)


@contextmanager
def _transaction(tx: Transaction) -> Iterator[None]:
    tx.write("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        tx.write("ROLLBACK")
        raise
    tx.write("COMMIT")


def _requeue(tx: Transaction) -> int:
    """What was being sent when the process ended is queued again."""
    total = 0
    if tx.one("SELECT 1 FROM early_reports LIMIT 1") is not None:
        with _transaction(tx):
            tx.write("DELETE FROM early_reports")
    while True:
        rows = tx.rows(
            f"SELECT {DELIVERY} FROM deliveries d WHERE d.state = ? LIMIT ?",  # noqa: S608
            SENDING,
            _SLICE,
        )
        if not rows:
            return total
        with _transaction(tx):
            for row in rows:
                delivery = delivery_from(row, tx.destinations.names)
                tx.move(delivery, Event.RECOVER, reason="the gateway restarted")
                hold_if_lost(tx, delivery.object_number)
        total += len(rows)


def _open_twice(files: Files, directory: Path) -> sqlite3.Connection:
    """Open the journal and bring it to the newest version.

    A read that failed once can make SQLite say that the journal is damaged: only what it says twice is so.
    """
    try:
        return _open_once(files, directory)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if start_checks.lost(error) is None:
            raise
    return _open_once(files, directory)


def _open_once(files: Files, directory: Path) -> sqlite3.Connection:
    db = open_journal(files, directory)
    try:
        create_or_migrate(db)
    except (sqlite3.Error, UnicodeDecodeError, SpoolFailure):
        with contextlib.suppress(sqlite3.Error):
            db.close()
        raise
    return db


def _write_back(db: sqlite3.Connection, *, closed: bool) -> None:
    """Move everything that can be read into the database, durably, before anything is decided by it.

    What the WAL shows need not be on the disk: the process may have been killed before its sync, or the sync
    failed. A file that is removed because of such a row would be missed after the next power cut.
    `closed`: the WAL is as long as it has to be.
    """
    if closed:
        tail.mark_closed(db)  # an empty WAL is in order from here on
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise SpoolFailure(
            "the journal could not be written back: another program has it open, or it cannot be locked; "
            "end that program or check the disk, and start again"
        )


def _reconcile(tx: Transaction, store: Store, taken: tail.TakenUp | None = None) -> _Reconciled:
    """Compare names with rows, one directory at a time: memory does not grow with the spool.

    `taken`: the end of the journal is not whole, so that a file without a row may be an object all the same.
    """
    found = _Reconciled()
    covered = 0
    for first, present in store.scan():
        _reconcile_range(tx, covered, first, set(), found)
        named = _reconcile_range(tx, first, first + PER_DIRECTORY, present, found)
        for number in sorted(present - named):
            if taken is not None and _adopt(tx, store, number, taken):
                named.add(number)
                continue
            store.remove(number)
            found.leftovers += 1
        if not named:
            store.remove_empty(first)
        found.last_file = max(found.last_file, *present, -1)
        covered = first + PER_DIRECTORY
    _reconcile_range(tx, covered, None, set(), found)
    return found


def _adopt(tx: Transaction, store: Store, file: int, taken: tail.TakenUp) -> bool:
    """Make an object, held for a person, of a file that has lost its row. False: it never was whole.

    Behind a transaction that does not hold, one that is cut short was still arriving.
    """
    found = read_file(store.path(file))
    if found is None or (found.words == CUT and not taken.gone):
        return False
    with _transaction(tx):
        number = add(tx, found, None, file)
        names = tuple(tx.destinations.names.values()) or (UNKNOWN_DESTINATION,)
        end = "is gone" if taken.gone else "does not hold"
        hold_for_all(tx, number, names, f"found without a row: the end of the journal {end}; {found.words}")
    taken.adopted.append(number)
    return True


def _reconcile_range(
    tx: Transaction, first: int, end: int | None, present: set[int], found: _Reconciled
) -> set[int]:
    """Look at the rows with files from `first` up to `end`; return the numbers of these files."""
    named: set[int] = set()
    while True:
        rows = tx.rows(
            "SELECT file, number, place FROM objects INDEXED BY objects_by_file "
            "WHERE file >= ? AND file < ? ORDER BY file LIMIT ?",
            first,
            2**62 if end is None else end,
            _SLICE,
        )
        if not rows:
            return named
        gone = [number for file, number, place in rows if file not in present and place == PLACE_FILE]
        back = [number for file, number, place in rows if file in present and place == PLACE_MISSING]
        if gone or back:
            with _transaction(tx):
                for number in gone:
                    mark_missing(tx, number)
                for number in back:
                    tx.write("UPDATE objects SET place = ? WHERE number = ?", PLACE_FILE, number)
                    tx.tell(number, "bytes-back", "its file is there again")
        found.missing += len(gone)
        found.named = (found.named + tuple(gone))[:_NAMED]
        found.last_file = max(found.last_file, rows[-1][0])
        if end is not None:
            named.update(row[0] for row in rows)
        first = rows[-1][0] + 1


def _alarms(found: _Reconciled) -> Iterator[Alarm]:
    for number in found.named:
        yield Alarm(
            "spool.missing",
            f"the file of object {number} is missing; what was not delivered of it is held: "
            "check the disk, have the object sent again",
            number,
        )
    if found.missing > len(found.named):
        yield Alarm("spool.missing", f"{found.missing} objects in all have lost their files")
