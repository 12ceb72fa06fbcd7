"""The methods of the spool for whoever reads everything again to see whether it is still what it was."""

from __future__ import annotations

import hashlib
from functools import partial

from gateway.spool import damage, scrub_queries
from gateway.spool.access import Access
from gateway.spool.files import Files
from gateway.spool.schema import PLACE_DAMAGED
from gateway.spool.scrub_queries import Table
from gateway.spool.scrub_values import Target, Verdict
from gateway.spool.store import Store
from gateway.spool.transaction import Transaction


class Examination:
    """One object read again, a step at a time, so that whoever reads can make pauses. Blocking."""

    def __init__(self, target: Target, files: Files, descriptor: int | None, data: bytes | None) -> None:
        """Either an open file or, for a small object, its data set; neither: its bytes are not there."""
        self._target = target
        self._files = files
        self._descriptor = descriptor
        self._data = data
        self._read = 0
        self._digest = hashlib.sha256()
        self._verdict: Verdict | None = None
        if descriptor is not None:
            self._open_file(descriptor)
        elif data is None:
            self._verdict = "damaged" if target.file is None else "missing"

    def _open_file(self, descriptor: int) -> None:
        try:
            self._files.forget_cached(descriptor)  # what the memory has says nothing about the disk
            if self._files.size(descriptor) != self._target.data_offset + self._target.size:
                self._verdict = "damaged"
        except OSError:
            self._verdict = "unreadable"

    def step(self, most: int) -> int:
        """Read up to `most` bytes and return how many; 0: that was all."""
        target = self._target
        if self._verdict is not None or self._read >= target.size:
            return 0
        most = min(most, target.size - self._read)
        if self._data is not None:
            piece = self._data[self._read : self._read + most]
        elif self._descriptor is not None:
            try:
                piece = self._files.pread(self._descriptor, most, target.data_offset + self._read)
            except OSError:
                self._verdict = "unreadable"
                return 0
        self._digest.update(piece)
        self._read += len(piece)
        return len(piece)

    def close(self) -> Verdict:
        """Let go, and say how the object is."""
        if self._descriptor is not None:
            self._files.close(self._descriptor)
            self._descriptor = None
        if self._verdict is not None:
            return self._verdict
        target = self._target
        longer = self._data is not None and len(self._data) != target.size
        if longer or self._read != target.size or self._digest.digest() != target.digest:
            return "damaged"
        return "back" if target.place == PLACE_DAMAGED else "sound"


class ScrubMethods(Access):
    """Part of Spool; see there."""

    _store: Store
    _files: Files

    async def scrub_page(self, after: int) -> tuple[list[Target], int | None]:
        """Return some objects beyond number `after`, and where to go on; None: that was all."""
        return await self._ask(lambda db: scrub_queries.page(db, after))

    async def scrub_total(self) -> int:
        """Return how many bytes there are to be read."""
        return await self._ask(scrub_queries.total_bytes)

    async def check_journal_rows(self, table: Table, after: int) -> tuple[int, int, int | None]:
        """Read some rows of a table: (rows, faults, where to go on or None). SpoolFailure."""
        return await self._ask(lambda db: scrub_queries.check_rows(db, table, after))

    async def check_journal_counters(self) -> int:
        """Return how many counters do not agree with what they count. SpoolFailure."""
        return await self._ask(scrub_queries.check_counters)

    def examine(self, target: Target) -> Examination:
        """Begin to read an object again. Blocking, for any thread; SpoolFailure when the journal fails."""
        if target.file is None:
            data = self._reader.ask(lambda db: scrub_queries.data(db, target.number))
            return Examination(target, self._files, None, data)
        try:
            return Examination(target, self._files, self._store.open(target.file), None)
        except FileNotFoundError:
            return Examination(target, self._files, None, None)
        except OSError:
            return _Unreadable(target, self._files, None, b"")

    async def settle_verdict(self, number: int, verdict: Verdict) -> bool:
        """Write down what was found of an object; False: it is known, or gone, or nothing waits for it."""
        return await self._submit(partial(_settle, number=number, verdict=verdict))


class _Unreadable(Examination):
    """A file that the disk does not even open."""

    def step(self, most: int) -> int:
        return 0

    def close(self) -> Verdict:
        return "unreadable"


def _settle(tx: Transaction, number: int, verdict: Verdict) -> bool:
    match verdict:
        case "damaged":
            return damage.mark_damaged(tx, number)
        case "missing":
            return damage.mark_missing(tx, number)
        case "unreadable":
            return damage.hold_unreadable(tx, number, "the disk does not give its bytes back")
        case "back":
            return damage.mark_sound(tx, number)
        case _:
            return False
