"""Taking objects in: small ones are gathered in memory and committed at once, larger ones go to a file.

Everything here runs on the event loop thread and never waits for the disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.dicom.part10 import file_meta
from gateway.errors import GatewayError, LocalError, NoRoom, SpoolFailure
from gateway.model import Instance, Origin, Priority
from gateway.notices import Alarm
from gateway.spool.journal import Journal, Request
from gateway.spool.link_values import Transfer
from gateway.spool.object_file import CHUNK, ObjectFile, Shop, Written
from gateway.spool.puts import Arrival, put
from gateway.spool.quota import Ledger, Promise
from gateway.spool.values import SpoolLimits, Stored

PUT_PAGES = 12
"""Journal pages that a put writes besides the data set: rows, indexes, counters."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What arriving objects share."""

    journal: Journal
    shop: Shop
    ledger: Ledger
    limits: SpoolLimits
    wall_clock: Callable[[], float]
    call_soon: Callable[[Callable[[], None]], None]  # to the event loop, from any thread
    alarm: Callable[[Alarm], None]
    refused: Callable[[Priority], None]  # there was no room for one of this priority

    def receive(
        self,
        instance: Instance,
        origin: Origin,
        priority: Priority,
        destinations: Sequence[str],
        transfer: Transfer | None = None,
    ) -> Incoming:
        """See Spool.receive."""
        if not destinations:
            raise LocalError("an object needs at least one destination")
        try:
            promise = self.ledger.open(priority, self.limits.inline_max)
        except NoRoom:
            self.refused(priority)
            raise
        return Incoming(self, instance, origin, tuple(dict.fromkeys(destinations)), promise, transfer)


class Incoming:
    """See values.IncomingObject."""

    __slots__ = (
        "_buffer",
        "_destinations",
        "_drained",
        "_failure",
        "_file",
        "_header_size",
        "_instance",
        "_intake",
        "_origin",
        "_over",
        "_promise",
        "_transfer",
        "_waiting",
        "size",
    )

    def __init__(
        self,
        intake: Intake,
        instance: Instance,
        origin: Origin,
        destinations: tuple[str, ...],
        promise: Promise,
        transfer: Transfer | None = None,
    ) -> None:
        self._intake = intake
        self._transfer = transfer
        self._instance = instance
        self._origin = origin
        self._destinations = destinations
        self._promise = promise
        self.size = 0
        self._buffer = bytearray()
        self._file: ObjectFile | None = None
        self._header_size = 0
        self._failure: GatewayError | None = None
        self._over = False
        self._drained: asyncio.Future[None] | None = None
        self._waiting = False

    @property
    def pressure(self) -> bool:
        """True while too much of this object waits for the disk."""
        file = self._file
        if file is None:
            return False
        limits, pending = self._intake.limits, file.pending
        return pending > limits.max_pending_bytes or (
            pending > 0 and self._intake.shop.pending.bytes > limits.max_pending_total_bytes
        )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a copy of `data`."""
        self._check()
        size = self.size + len(data)
        limits = self._intake.limits
        if size > limits.max_object_bytes:
            self._fail(
                SpoolFailure(f"the object is larger than the limit of {limits.max_object_bytes} bytes")
            )
            self._check()
        try:
            if size > self._promise.promised:
                self._intake.ledger.extend(self._promise, size)
            if size > limits.inline_max and self._file is None:
                self._begin_file()
        except NoRoom as error:
            self._intake.refused(self._promise.priority)
            self._fail(error)
            raise
        self.size = size
        self._buffer += data
        if self._file is not None:
            self._gather(self._file, len(data))

    def _begin_file(self) -> None:
        self._intake.ledger.use_file(self._promise)
        self._intake.shop.pending.add(len(self._buffer))
        header = file_meta(self._instance, source_ae=self._origin.calling_ae)
        self._header_size = len(header)
        self._file = ObjectFile(self._intake.shop, header, self._promise, self._progress)

    def _gather(self, file: ObjectFile, count: int) -> None:
        limits, pending = self._intake.limits, self._intake.shop.pending
        pending.add(count)
        many = pending.bytes > limits.max_pending_total_bytes // 2
        if many or len(self._buffer) >= min(CHUNK, limits.max_pending_bytes):
            self._feed(file)

    def _feed(self, file: ObjectFile) -> None:
        chunk, self._buffer = self._buffer, bytearray()
        file.feed(chunk)

    async def drained(self) -> None:
        """Return when the pressure has gone, or the object failed."""
        while self.pressure and self._file is not None and self._file.failure is None and not self._over:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            self._waiting = True  # before looking again: the worker looks at it after it has made progress
            if self.pressure and self._file.failure is None:
                await self._drained
            self._waiting = False
            self._drained = None

    def _progress(self) -> None:
        """Called by a worker after it has done something."""
        if self._waiting:
            self._intake.call_soon(self._wake)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def commit(self) -> Stored:
        """Make the object durable."""
        self._check()
        self._over = True
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        if self._file is None:
            self._hand_in(future, hashlib.sha256(self._buffer).digest(), None)
        else:
            if self._buffer:
                self._feed(self._file)
            self._file.finish(partial(self._written, future))
        return await future

    def _written(self, future: asyncio.Future[Stored], result: Written | NoRoom | SpoolFailure) -> None:
        """The file is synced, or failed. On a worker's thread."""
        if isinstance(result, Written):
            self._hand_in(future, result.digest, result.number)
        else:
            self._intake.call_soon(partial(self._answer, future, None, result))

    def _hand_in(self, future: asyncio.Future[Stored], digest: bytes, file: int | None) -> None:
        arrival = Arrival(
            self._instance,
            self._origin,
            self._promise.priority,
            self._destinations,
            digest,
            self.size,
            self._intake.wall_clock(),
            data=self._buffer if file is None else None,
            file=file,
            data_offset=self._header_size,
            transfer=self._transfer,
        )
        pages = PUT_PAGES + (self.size // 4096 if file is None else 0)
        work = partial(put, arrival=arrival)
        self._intake.journal.hand_in(Request(work, partial(self._answer, future), file=file, pages=pages))

    def _answer(
        self, future: asyncio.Future[Stored], stored: Stored | None, error: GatewayError | None
    ) -> None:
        """The end, on the event loop: the caller may be gone, the accounts are settled all the same."""
        new = stored is not None and stored.outcome != "duplicate"
        self._intake.ledger.close(self._promise, self.size if new else 0)
        if (
            isinstance(error, SpoolFailure | NoRoom)
            and self._file is not None
            and self._file.failure is error
        ):
            self._tell_disk(error)
        if future.done():
            return
        if stored is not None:
            future.set_result(stored)
        else:
            future.set_exception(error or SpoolFailure("the journal gave no answer"))

    def abandon(self) -> None:
        """Forget the object."""
        if self._over:
            return
        self._end()

    def _check(self) -> None:
        if self._file is not None and self._file.failure is not None and self._failure is None:
            self._tell_disk(self._file.failure)
            self._fail(self._file.failure)
        if self._failure is not None:
            raise self._failure
        if self._over:
            raise LocalError("the object was committed or abandoned before")

    def _tell_disk(self, failure: NoRoom | SpoolFailure) -> None:
        full = isinstance(failure, NoRoom)
        if full:
            self._intake.refused(self._promise.priority)
        else:
            self._intake.alarm(
                Alarm(
                    "spool.io",
                    f"an object was refused because {failure}; check the disk and its cable or card",
                )
            )

    def _fail(self, failure: GatewayError) -> None:
        self._failure = failure
        self._end()

    def _end(self) -> None:
        self._over = True
        if self._file is not None:
            self._intake.shop.pending.add(-len(self._buffer))
            self._file.abandon()
        self._buffer = bytearray()
        self._intake.ledger.close(self._promise, 0)
        self._wake()
