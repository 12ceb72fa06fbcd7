"""The durable spool: what is acknowledged is here until it is delivered. The one door to this room."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from gateway.errors import NoRoom, SpoolFailure
from gateway.model import Delivery, DeliveryState, Instance, Origin, Priority
from gateway.notices import Notices
from gateway.spool import age_clock, deliveries, history, queries, retention
from gateway.spool.adoption import Room, Whole, adopt
from gateway.spool.advice import in_words
from gateway.spool.browse_methods import BrowseMethods
from gateway.spool.commitment_methods import CommitmentMethods
from gateway.spool.comparer import Comparer
from gateway.spool.export import export
from gateway.spool.files import Files
from gateway.spool.intake import Incoming, Intake
from gateway.spool.journal import Batch, Journal, Request
from gateway.spool.link_methods import LinkMethods
from gateway.spool.link_values import Transfer
from gateway.spool.locking import take_lock
from gateway.spool.loop_side import LoopSide
from gateway.spool.object_file import Pending, Shop
from gateway.spool.opening import open_on_disk
from gateway.spool.quota import Ledger
from gateway.spool.reader import FileReader, InlineReader, Reader, open_object
from gateway.spool.record_methods import RecordMethods
from gateway.spool.recovery import JOURNAL, OBJECTS, Recovered
from gateway.spool.scrub_methods import ScrubMethods
from gateway.spool.step_methods import StepMethods
from gateway.spool.store import Store
from gateway.spool.values import (
    DataReader,
    DeliveryRow,
    DeliveryStory,
    ExpireReport,
    Job,
    RecoveryReport,
    Settlement,
    SpoolLimits,
    SpoolSummary,
    Stored,
)
from gateway.spool.workers import Workers

_HELD_SLICE = 200
_HASH_THREADS = 2  # hashing needs a core each, and small boards have few


class Spool(CommitmentMethods, StepMethods, BrowseMethods, RecordMethods, ScrubMethods, LinkMethods):
    """Objects, and their deliveries, that survive everything but the loss of the disk.

    All methods belong to the event loop thread, `open_data` excepted. None of them waits for the disk on
    that thread. Raised are LocalError for misuse, and its kinds NoRoom and SpoolFailure.
    """

    @classmethod
    def open(
        cls,
        directory: Path,
        limits: SpoolLimits | None = None,
        *,
        notices: Notices,
        wall_clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
        files: Files | None = None,
    ) -> Spool:
        """Lock `directory` (created if need be), recover what is there, start the threads. Blocking.

        Raises SpoolFailure when another process has it, when it was written by a newer version, or when
        the disk fails. Alarms of the recovery are published before it returns.
        """
        limits = limits or SpoolLimits()
        files = files or Files()
        lock = take_lock(directory, files)
        try:
            store = Store(directory / OBJECTS, files)
            opened = open_on_disk(directory, files, store, limits, wall_clock, steady_clock)
            recovered, ledger = opened.recovered, Ledger(limits, opened.disk, opened.recovered.kept)
            spool = cls(directory, files, store, limits, notices, wall_clock, recovered, ledger, lock)
        except (SpoolFailure, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                files.close(lock)
            if isinstance(error, sqlite3.Error):
                raise SpoolFailure(f"the spool cannot be opened: {in_words(error)}") from error
            raise
        for alarm in opened.alarms:
            notices.publish(alarm)
        return spool

    def __init__(
        self,
        directory: Path,
        files: Files,
        store: Store,
        limits: SpoolLimits,
        notices: Notices,
        wall_clock: Callable[[], float],
        recovered: Recovered,
        ledger: Ledger,
        lock: int,
    ) -> None:
        """Not to be called: use `open`."""
        self.recovery: RecoveryReport = recovered.report
        self.identity = recovered.identity
        self._limits = limits
        self._files = files
        self._store = store
        self.directory = directory
        self._wall_clock = wall_clock
        self._age_clock = recovered.age_clock
        self._lock = lock
        self._ledger = ledger
        self._comparisons = recovered.comparisons
        self._closed = False
        self._side = LoopSide(notices, ledger, self._compare)
        self._reader = Reader(directory / JOURNAL, files)
        self._file_workers = Workers(limits.file_threads, "spool-file", self._side.defect)
        self._hash_workers = Workers(_HASH_THREADS, "spool-hash", self._side.defect)
        self._read_workers = Workers(1, "spool-read", self._side.defect)
        self._journal = Journal(recovered.db, directory, files, limits, wall_clock, recovered.age_clock, self)
        self._comparer = Comparer(
            self._journal, self._reader, self._open, limits.max_compare_bytes, self._side.defect
        )
        self._intake = Intake(
            journal=self._journal,
            shop=Shop(store, files, self._file_workers, self._hash_workers, Pending()),
            ledger=ledger,
            limits=limits,
            wall_clock=wall_clock,
            call_soon=self._side.call_soon,
            alarm=self._side.alarm,
            refused=self._refused,
        )
        self._journal.start()

    async def close(self) -> None:
        """Finish what was handed in, write the journal back, let go of the directory."""
        if self._closed:
            return
        with contextlib.suppress(SpoolFailure, NoRoom):  # an hour of its age at most is not counted
            await self._submit(age_clock.write_down)
        self._closed = True
        self._side.bind()
        await asyncio.to_thread(self._close)
        self._side.close()

    def _close(self) -> None:
        self._comparer.close()
        self._file_workers.close()
        self._hash_workers.close()
        self._journal.close()
        self._read_workers.close()
        self._reader.release()
        self._store.close()
        with contextlib.suppress(OSError):  # the lock is gone with the descriptor all the same
            self._files.close(self._lock)

    async def wait_failed(self) -> None:
        """Wait until the journal cannot be trusted any more, then raise SpoolFailure.

        The process must end then: recovery at start is the one repair. Returns when the spool is closed.
        """
        await self._side.wait_failed()

    # what arrives

    def receive(
        self,
        instance: Instance,
        origin: Origin,
        priority: Priority,
        destinations: Sequence[str],
        *,
        transfer: Transfer | None = None,
    ) -> Incoming:
        """Begin to take an object for `destinations` (at least one). Raises NoRoom at once.

        `transfer`: it comes over a link, from a site that is to be told what becomes of it.
        """
        self._bind()
        return self._intake.receive(instance, origin, priority, destinations, transfer)

    def make_room(self, priority: Priority, size: int) -> Room:
        """Set room aside for an object of `size` bytes that arrives in a file elsewhere. Raises NoRoom."""
        self._bind()
        try:
            return Room(self._ledger, priority, size)
        except NoRoom:
            self._refused(priority)
            raise

    async def adopt(self, path: Path, whole: Whole, room: Room) -> Stored:
        """Take in the object in the synced file `path` (on the spool's own filesystem), without copying it.

        The file gets a second name; its first one, if it is still there, is the caller's to remove, and its
        bytes must not change any more. Raises NoRoom or SpoolFailure: nothing is kept then. `room` is closed.
        """
        self._bind()
        return await adopt(self._intake, path, whole, room)

    # what leaves

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
        leave_out: Collection[int] = (),
    ) -> list[Job]:
        """Take up to `limit` due deliveries, records first, then oldest first: they are `sending` now.

        `max_bytes` bounds their sizes together (one job is always given), `max_priority` leaves out what
        is less urgent than it, `leave_out` names deliveries that are not to be taken (a thousand at most).
        """
        work = partial(
            deliveries.claim,
            destination=destination,
            limit=limit,
            max_bytes=max_bytes,
            max_priority=max_priority,
            leave_out=leave_out,
        )
        return await self._submit(work, durable=False)

    async def settle(self, outcomes: Sequence[Settlement]) -> None:
        """Record how attempts ended; durable when it returns. All of them or, on an error, none."""
        await self._submit(partial(deliveries.settle, outcomes=tuple(outcomes)))

    def open_data(self, object_number: int) -> DataReader:
        """Open the bytes of an object. Blocking, for any thread; SpoolFailure when they are not there."""
        return self._open(object_number)

    async def next_due(self, destination: str, *, max_priority: Priority = Priority.BULK) -> float | None:
        """When the next queued delivery may go (wall clock; 0.0: now); None when nothing is queued.

        `max_priority` leaves out what is less urgent than it.
        """
        now, longest = self._wall_clock(), self._limits.max_retry_seconds
        return await self._ask(lambda db: queries.next_due(db, destination, now, longest, max_priority))

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` on the event loop when something became queued for it.

        The returned function ends that.
        """
        return self._side.on_work(callback)

    # what the operator sees and does; `who` is the person, and is kept in the history

    async def summary(self) -> SpoolSummary:
        """Count what is here; the cost depends on the number of destinations only."""
        await self._submit(self._journal.look_again, durable=False)
        cells, oldest, (objects, size), at_hub = await self._ask(
            lambda db: (queries.cells(db), queries.oldest(db), queries.kept(db), queries.at_hub(db))
        )
        disk = self._ledger.disk
        return SpoolSummary(
            cells=cells,
            oldest=oldest,
            objects=objects,
            bytes=size,
            disk_free=disk.free,
            disk_total=disk.total,
            inodes_free=disk.inodes_free,
            room={priority: self._ledger.room(priority) for priority in Priority},
            at_hub=at_hub,
        )

    async def list_deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[DeliveryRow]:
        """List deliveries by number, those after number `after` (the last one of the page before)."""
        return await self._ask(lambda db: queries.list_deliveries(db, state, destination, after or 0, limit))

    async def show(self, delivery_number: int) -> DeliveryStory:
        """Tell all about one delivery; LocalError when there is no such number."""
        return await self._ask(lambda db: queries.show(db, delivery_number))

    async def retry(self, delivery_number: int, *, who: str = "") -> Delivery:
        """Send as soon as possible: a waiting or held one now, an accepted one again (bytes permitting)."""
        return await self._submit(partial(deliveries.retry, number=delivery_number, who=who))

    async def hold(self, delivery_number: int, reason: str, *, who: str = "") -> Delivery:
        """Keep a queued delivery until a person releases it."""
        return await self._submit(partial(deliveries.hold, number=delivery_number, reason=reason, who=who))

    async def release(self, delivery_number: int, *, who: str = "") -> Delivery:
        """Let a held delivery go: it is queued again, due now."""
        return await self._submit(partial(deliveries.release, number=delivery_number, who=who))

    async def discard(self, delivery_number: int, reason: str, *, who: str = "") -> Delivery:
        """Give up a queued or held delivery for good.

        The bytes are deleted at once when no other delivery of the object has need of them.
        """
        return await self._submit(partial(deliveries.discard, number=delivery_number, reason=reason, who=who))

    async def retry_held(
        self, destination: str | None = None, cause: str | None = None, *, who: str = ""
    ) -> int:
        """Queue every held delivery again (not those being compared); return how many."""
        total, after = 0, (0, 0, 0)
        while True:
            moved, following = await self._submit(
                partial(
                    deliveries.retry_held,
                    destination=destination,
                    cause=cause,
                    after=after,
                    limit=_HELD_SLICE,
                    who=who,
                )
            )
            total += moved
            if following is None:
                return total
            after = following

    async def expire(self, now: float | None = None, *, keep: Collection[str] = ()) -> ExpireReport:
        """Apply the retention: release what was delivered long ago, delete bytes and old history.

        `now` is a moment of the age clock (FORMAT.md, "Clocks"), the present one unless said otherwise.
        `keep`: destinations at which everything is to be confirmed: what they only accepted is not released.
        """
        await self._submit(age_clock.write_down)
        now = self._age_clock() if now is None else now
        total = retention.Slice(more=True)
        release = partial(
            retention.release_slice, before=now - self._limits.retention_seconds, keep=frozenset(keep)
        )
        more = True
        while more:
            one = await self._submit(partial(release, after=total.after))
            total, more = total + one, one.more
        more = True
        while more:
            forget_old = partial(retention.forget_slice, before=now - self._limits.history_seconds)
            one = await self._submit(forget_old)
            total, more = total + one, one.more
        for forget in (history.forget_commitments, history.forget_asks, history.forget_steps):
            while await self._submit(partial(forget, now=now)):
                pass
        return ExpireReport(total.released, total.objects, total.bytes, total.history)

    async def export(self, object_number: int, path: Path) -> None:
        """Write the object to the new file `path` as a DICOM file (PS3.10), verified against its digest."""
        await asyncio.to_thread(self._export, object_number, path)

    def _export(self, object_number: int, path: Path) -> None:
        where = self._reader.ask(lambda db: queries.locate(db, object_number))
        with self._open(object_number) as reader:
            export(where.object, reader, path, self._files)

    # inside

    def _open(self, object_number: int) -> InlineReader | FileReader:
        return open_object(self._reader, self._store, self._files, object_number)

    def _compare(self, numbers: Sequence[int]) -> None:
        self._comparer.take(numbers)

    def _refused(self, priority: Priority) -> None:
        self._side.refused(priority)
        # Perhaps there is room by now: let the next one not be refused on old figures.
        self._journal.hand_in(Request(self._journal.look_again, lambda _result, _error: None, durable=False))

    # journal.Surroundings

    def deliver(self, batch: Batch) -> None:
        """For the journal thread."""
        self._side.deliver(batch)

    def remove_files(self, numbers: list[int]) -> None:
        """For the journal thread."""
        self._file_workers.submit(partial(self._remove, numbers))

    def _remove(self, numbers: list[int]) -> None:
        for number in numbers:
            with contextlib.suppress(OSError):  # no row names it: a leftover, removed at the next start
                self._store.remove(number)

    def release_readers(self) -> None:
        """For the journal thread."""
        self._reader.release()
