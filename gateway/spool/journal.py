"""The one thread that writes the journal: group commit, checkpoints, and what to do when the disk fails.

Everything that waits is put into one transaction, committed once, and answered together. Between loop and
thread there is one queue in and one `call_soon_threadsafe` out per transaction, no lock and no polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from gateway.errors import GatewayError, LocalError, NoRoom, SpoolFailure
from gateway.notices import Alarm
from gateway.spool import arrivals, commitments
from gateway.spool.advice import FULL, in_words, is_full
from gateway.spool.age_clock import AgeClock
from gateway.spool.ballast import Ballast
from gateway.spool.files import Disk, Files
from gateway.spool.recovery import JOURNAL, make_names_durable, open_journal
from gateway.spool.salvage import tail
from gateway.spool.schema import PLACE_FILE, PLACE_INLINE, SUBJECT_OBJECT
from gateway.spool.transaction import Destinations, Kinds, Transaction
from gateway.spool.values import SpoolLimits

T = TypeVar("T")
Answer = Callable[[T | None, GatewayError | None], None]
"""Takes the result, or why there is none. Called on the event loop, exactly once."""

MAX_BATCH = 64
"""Requests of one transaction: bounds its size (64 small objects are 4 MiB) and the wait of the last."""
PAGE = 4096
WAL_PAGES_IDLE = 1024
"""A WAL longer than this is written back as soon as nothing waits."""
WAL_PAGES_MAX = 8192
"""A WAL longer than this is written back whoever waits: 32 MiB."""
WAL_PAGES_TIGHT = 512
"""The same when the disk is nearly full."""
IDLE_SECONDS = 0.2
REFRESH_SECONDS = 1.0
FREE_PAGES_MAX = 8192
"""Unused pages above this are given back to the filesystem, a little at a time."""
VACUUM_PAGES = 512
MAX_FAILURES = 3
"""Transactions that may fail in a row before the journal is given up."""


@dataclass(slots=True)
class Request(Generic[T]):
    """Work for the writer, and who waits for its result."""

    work: Callable[[Transaction], T]
    answer: Answer[T]
    durable: bool = True  # False: losing it in a power cut is as good as never having done it
    file: int | None = None  # a synced file that is nothing unless the work is committed
    pages: int = 8  # about how many pages it writes


def answer_to(future: asyncio.Future[T]) -> Answer[T]:
    """Answer by completing `future`, unless nobody waits for it any more."""

    def answer(result: T | None, error: GatewayError | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T is None
        else:
            future.set_exception(error)

    return answer


@dataclass(slots=True)
class Batch:
    """What a transaction (or the lack of one) has to say to the event loop."""

    results: list[tuple[Answer[Any], object, GatewayError | None]] = field(default_factory=list)
    work: set[str] = field(default_factory=set)
    alarms: list[Alarm] = field(default_factory=list)
    compare: list[int] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    commitment: bool = False
    steps: set[str] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)
    disk: Disk | None = None
    kept: int = 0
    failed: SpoolFailure | None = None


class Surroundings(Protocol):
    """What the journal needs of the spool around it."""

    def deliver(self, batch: Batch) -> None:
        """Take a batch to the event loop. Any thread; never blocks, never raises."""

    def remove_files(self, numbers: list[int]) -> None:
        """Remove object files that no row names. Any thread; never blocks."""

    def release_readers(self) -> None:
        """Close connections that read: the writer is about to open the database anew. Blocks."""


class Journal:
    """The writer. `submit` belongs to the event loop thread, `hand_in` to any."""

    def __init__(
        self,
        db: sqlite3.Connection,
        directory: Path,
        files: Files,
        limits: SpoolLimits,
        wall_clock: Callable[[], float],
        age_clock: AgeClock,
        around: Surroundings,
    ) -> None:
        self._directory = directory
        self._files = files
        self._limits = limits
        self._wall_clock = wall_clock
        self._age_clock = age_clock
        self._around = around
        self._ballast = Ballast(directory, files)
        self._queue: SimpleQueue[Request[Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spool-journal", daemon=True)
        self._db = db
        self._destinations = Destinations(db)
        self._kinds = Kinds(db)
        self._synced = True  # what PRAGMA synchronous says at the moment
        self._wal_pages = 0
        self._refreshed = 0.0
        self._tight = False
        self._failures = 0
        self._dead: SpoolFailure | None = None
        self._closing = False

    def start(self) -> None:
        """Start the thread; from now on the connection is its own."""
        self._thread.start()

    def submit(
        self, work: Callable[[Transaction], T], *, durable: bool = True, pages: int = 8
    ) -> asyncio.Future[T]:
        """Have `work` done in a transaction; the future gets its result once that is committed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.hand_in(Request(work, answer_to(future), durable, pages=pages))
        return future

    def hand_in(self, request: Request[Any]) -> None:
        """Have a request done. Any thread."""
        self._queue.put(request)

    def close(self) -> None:
        """Finish what was handed in, write the WAL back, end. Blocks."""
        self._queue.put(None)
        self._thread.join()

    # the thread

    def _run(self) -> None:
        try:
            while self._dead is None and self._turn():
                pass
            if self._dead is None:
                self._shut()
        except sqlite3.Error as error:
            self._give_up(SpoolFailure(f"the journal failed: {in_words(error)}"), error)
        except Exception as error:  # noqa: BLE001 - a defect: handed on, ends the process
            self._give_up(SpoolFailure(f"a defect in the journal: {type(error).__name__}"), error)
        if self._dead is not None:
            self._refuse_all(self._dead)
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _turn(self) -> bool:
        """Do what waits, or what is due when nothing does. False when it is time to end."""
        try:
            first = self._queue.get(timeout=self._patience())
        except Empty:
            self._idle()
            return True
        requests: list[Request[Any]] = []
        while first is not None:
            requests.append(first)
            if len(requests) == MAX_BATCH:
                break
            try:
                first = self._queue.get_nowait()
            except Empty:
                break
        self._closing = first is None
        if requests:
            self._commit(requests)
        if self._dead is None and self._wal_pages > (WAL_PAGES_TIGHT if self._tight else WAL_PAGES_MAX):
            self._checkpoint()
        return not self._closing

    def _patience(self) -> float | None:
        if self._wal_pages > WAL_PAGES_IDLE:
            return IDLE_SECONDS
        return REFRESH_SECONDS if self._tight else None

    def _commit(self, requests: list[Request[Any]]) -> None:
        db = self._db
        batch = Batch()
        tx = Transaction(
            db, self._destinations, self._kinds, self._limits, self._wall_clock(), self._age_clock()
        )
        try:
            self._set_synchronous(any(request.durable for request in requests))
            db.execute("BEGIN IMMEDIATE")
            for request in requests:
                self._do(tx, request, batch)
            commitments.follow(tx)
            arrivals.follow(tx)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(requests, error)
            return
        except Exception:
            self._around.deliver(_refusal(requests, SpoolFailure("a defect in the journal")))
            raise
        self._failures = 0
        batch.work, batch.alarms, batch.compare = tx.work, tx.alarms, tx.compare
        batch.settled, batch.commitment, batch.steps = tx.settled, tx.commitment, tx.steps
        batch.reports = tx.reports
        if monotonic() - self._refreshed > REFRESH_SECONDS:
            self._look_at_disk(batch)
        self._around.deliver(batch)
        if tx.doomed:
            self._around.remove_files(tx.doomed)

    def _do(self, tx: Transaction, request: Request[Any], batch: Batch) -> None:
        before = tx.db.total_changes
        try:
            batch.results.append((request.answer, request.work(tx), None))
        except LocalError as error:
            if tx.db.total_changes != before:
                raise RuntimeError("an operation of the journal failed after its first write") from error
            batch.results.append((request.answer, None, error))
        self._wal_pages += request.pages

    def _set_synchronous(self, full: bool) -> None:
        """A claim need not survive a power cut, so it need not wait for the disk (FORMAT.md)."""
        if full is not self._synced:
            self._db.execute("PRAGMA synchronous = FULL" if full else "PRAGMA synchronous = NORMAL")
            self._synced = full

    def look_again(self, _: Transaction) -> None:
        """An operation that takes a look at the filesystem with it; its result comes after the look."""
        self._refreshed = -REFRESH_SECONDS

    def _look_at_disk(self, batch: Batch) -> None:
        self._refreshed = monotonic()
        try:
            disk = self._files.disk(self._directory)
            kept = self._db.execute(
                "SELECT coalesce(sum(bytes), 0) FROM counters WHERE subject = ? AND state IN (?, ?)",
                (SUBJECT_OBJECT, PLACE_INLINE, PLACE_FILE),
            ).fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            words = f"cannot see how much room there is: {in_words(error)}"
            batch.alarms.append(Alarm("spool.disk", words))
            return
        quota = self._limits.quota_bytes
        self._tight = (
            disk.free < self._limits.reserve_bytes + self._limits.floor_bytes + WAL_PAGES_MAX * PAGE
            or (quota is not None and kept > quota - self._limits.reserve_bytes)
            or (disk.inodes_free is not None and disk.inodes_free < 2 * self._limits.min_free_inodes)
        )
        batch.disk, batch.kept = disk, kept

    def _idle(self) -> None:
        if self._wal_pages > WAL_PAGES_IDLE:
            self._give_back_pages()
            self._checkpoint()
        if self._tight and self._dead is None:
            batch = Batch()
            self._look_at_disk(batch)
            self._around.deliver(batch)

    def _checkpoint(self) -> None:
        try:
            _, wal, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if not is_full(error):  # the WAL has it all: when there is room again this is made up for
                self._fail([], error)
            return
        self._wal_pages = max(0, wal - moved)

    def _give_back_pages(self) -> None:
        """Shrink the database a little after much was deleted; the rest waits for the next idle moment."""
        try:
            if self._db.execute("PRAGMA freelist_count").fetchone()[0] > FREE_PAGES_MAX:
                # A script runs the statement to its end; execute would move a single page.
                self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        except sqlite3.Error as error:
            self._fail([], error)

    # failure

    def _fail(self, requests: list[Request[Any]], error: sqlite3.Error) -> None:
        """Answer everyone with a failure, then make sure of the database again, or give up."""
        self._failures += 1
        full = is_full(error)
        if full and self._again_with_room(requests):
            return
        words = (
            f"the disk is full ({FULL})" if full else f"the journal could not be written: {in_words(error)}"
        )
        batch = _refusal(requests, NoRoom(words) if full else SpoolFailure(words))
        code = "spool.full" if full else "spool.journal"
        batch.alarms.append(Alarm(code, f"{words}; what was waiting was refused, nothing was lost"))
        self._around.deliver(batch)
        try:
            if not full:
                self._reopen()
            elif self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._destinations, self._kinds = Destinations(self._db), Kinds(self._db)
            self._remove_unnamed([request.file for request in requests if request.file is not None])
        except (sqlite3.Error, OSError) as again:
            self._give_up(SpoolFailure(f"the journal cannot be opened again: {in_words(again)}"), again)
            return
        if self._failures >= MAX_FAILURES and not full:
            words = f"the journal failed {self._failures} times in a row: {in_words(error)}"
            self._give_up(SpoolFailure(words), error)

    def _again_with_room(self, requests: list[Request[Any]]) -> bool:
        """The disk is full: use the room that is kept for that, once, for what cannot wait."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._destinations, self._kinds = Destinations(self._db), Kinds(self._db)
        except sqlite3.Error:
            return False  # what follows meets it, too
        if not self._ballast.drop():
            return False
        what = "the disk is full; the last room is used up for what is here already"
        self._around.deliver(Batch(alarms=[Alarm("spool.full", f"{what}; {FULL}")]))
        if requests:
            self._commit(requests)
        return True

    def _remove_unnamed(self, numbers: list[int]) -> None:
        """The commit may have reached the disk although it failed: only the row can tell."""
        for number in numbers:
            if not self._db.execute("SELECT 1 FROM objects WHERE file = ?", (number,)).fetchone():
                self._around.remove_files([number])

    def _reopen(self) -> None:
        """Begin anew: SQLite recovers the WAL, and what was in memory of a failed transaction is gone."""
        self._around.release_readers()
        with contextlib.suppress(sqlite3.Error):  # its transaction ends with it, one way or the other
            self._db.close()
        self._db = open_journal(self._files, self._directory)
        make_names_durable(self._files, self._directory, self._db)
        # At worst the next start misses a part of a WAL that is shorter now, and says so.
        with contextlib.suppress(sqlite3.Error):
            tail.mark_running(self._db, self._directory / JOURNAL)
        self._synced = True

    def _give_up(self, failure: SpoolFailure, cause: BaseException) -> None:
        """The journal cannot be trusted any more."""
        failure.__cause__ = cause
        self._dead = failure
        self._around.deliver(Batch(failed=failure))

    def _refuse_all(self, failure: SpoolFailure) -> None:
        """Refuse whatever comes until the process ends."""
        while not self._closing:
            request = self._queue.get()
            if request is None:
                return
            self._around.deliver(_refusal([request], failure))

    def _shut(self) -> None:
        self._around.release_readers()
        tail.mark_closed(self._db)
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()


def _refusal(requests: list[Request[Any]], failure: GatewayError) -> Batch:
    return Batch(results=[(request.answer, None, failure) for request in requests])
