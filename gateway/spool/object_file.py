"""Writing one object to a file of its own, behind the event loop's back: write, then sync and hash.

The loop feeds chunks and goes on; one worker at a time takes what has gathered. A large object therefore
never holds a thread while its peer is slow, and several take turns.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.errors import NoRoom, SpoolFailure
from gateway.spool.files import Files
from gateway.spool.quota import Promise
from gateway.spool.store import Store
from gateway.spool.workers import Workers

CHUNK = 512 * 1024
"""Bytes gathered before a worker is bothered: below that a wake-up costs more than it gains."""


class Pending:
    """Bytes that wait in memory for the disk, of all objects together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0

    def add(self, count: int) -> None:
        """Count `count` more bytes (fewer, when negative)."""
        with self._lock:
            self.bytes += count


@dataclass(frozen=True, slots=True)
class Shop:
    """What every object file needs."""

    store: Store
    files: Files
    workers: Workers
    hashers: Workers  # apart: a worker waits for them, and they for nobody
    pending: Pending


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is synced and closed."""

    number: int
    digest: bytes


Finished = Callable[[Written | NoRoom | SpoolFailure], None]


def failure_from(error: OSError) -> NoRoom | SpoolFailure:
    """Put an error of the filesystem into our words; paths stay out of them."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom("the disk is full")
    return SpoolFailure(f"the disk failed: {error.strerror or type(error).__name__}")


class ObjectFile:
    """One file being written. `feed`, `finish`, `abandon` belong to the loop; the rest to the workers."""

    def __init__(self, shop: Shop, header: bytes, promise: Promise, progress: Callable[[], None]) -> None:
        self._shop = shop
        self._header = header
        self._promise = promise
        self._progress = progress
        self.failure: NoRoom | SpoolFailure | None = None
        self._lock = threading.Lock()
        self._chunks: deque[bytes | bytearray] = deque()
        self._scheduled = False
        self._finished: Finished | None = None
        self._abandoned = False
        self._result: Written | NoRoom | SpoolFailure | None = None
        self._told = False
        self._fed = 0
        self._taken = 0  # bytes of chunks that were written, or dropped after a failure
        self._open: tuple[int, int] | None = None  # number and descriptor
        self._hash = hashlib.sha256()

    @property
    def pending(self) -> int:
        """Bytes of this object that wait in memory."""
        return self._fed - self._taken

    def feed(self, chunk: bytes | bytearray) -> None:
        """Have `chunk` written; it must not change any more, and is counted in `Pending` already."""
        self._fed += len(chunk)
        self._wake(chunk)

    def finish(self, finished: Finished) -> None:
        """Call `finished`, on a worker's thread, when everything is written and synced, or failed."""
        self._finished = finished
        self._wake()

    def abandon(self) -> None:
        """Remove the file. Not after `finish`."""
        self._abandoned = True
        self._wake()

    def _wake(self, chunk: bytes | bytearray | None = None) -> None:
        with self._lock:
            if chunk is not None:
                self._chunks.append(chunk)
            if self._scheduled:
                return
            self._scheduled = True
        self._shop.workers.submit(self._work)

    def _work(self) -> None:
        """Do what has gathered since the last time, then let others have the thread."""
        with self._lock:
            chunks = list(self._chunks)
            self._chunks.clear()
        # Asked after the chunks were taken: whoever wants the end has fed everything before.
        finished = self._finished if not self._more() else None
        if self._result is None:
            self._result = self._do(chunks, ending=finished is not None)
        size = sum(map(len, chunks))
        self._taken += size
        self._shop.pending.add(-size)
        if finished is not None and self._result is not None and not self._told:
            self._told = True
            finished(self._result)
            self._top_up()  # the answer is on its way: now there is time for the next object's spare
        self._progress()
        with self._lock:
            self._scheduled = (
                bool(self._chunks)
                or (self._finished is not None and not self._told)
                or (self._abandoned and self._result is None)
            )
            if not self._scheduled:
                return
        self._shop.workers.submit(self._work)

    def _do(self, chunks: list[bytes | bytearray], *, ending: bool) -> Written | NoRoom | SpoolFailure | None:
        """Write, and end if asked to; return how the file ended, or None when it has not."""
        if self._abandoned:
            self._drop()
            return SpoolFailure("the object was abandoned")
        try:
            if self._open is None:
                self._open = self._shop.store.take()
                self._write_all(self._open[1], self._header)
            number, descriptor = self._open
            for chunk in chunks:
                self._write(descriptor, chunk)
            if not ending:
                self._digest(chunks)
                return None
            hashed = threading.Event()
            self._shop.hashers.submit(partial(self._digest, chunks, hashed))
            self._shop.files.sync(descriptor)
            hashed.wait()  # the disk and a core have worked side by side
            self._open = None
            self._close(number, descriptor)
            return Written(number, self._hash.digest())
        except OSError as error:
            self.failure = failure_from(error)
            self._drop()
            return self.failure

    def _close(self, number: int, descriptor: int) -> None:
        try:
            self._shop.files.close(descriptor)
        except OSError:
            # The descriptor is gone all the same: closing it again could hit another file.
            with contextlib.suppress(OSError):
                self._shop.store.remove(number)
            raise

    def _more(self) -> bool:
        with self._lock:
            return bool(self._chunks)

    def _write(self, descriptor: int, chunk: bytes | bytearray) -> None:
        offset = self._promise.written
        self._write_all(descriptor, chunk)
        # The disk begins now, so that the sync at the end has little left to wait for.
        self._shop.files.start_writeback(descriptor, offset, len(chunk))

    def _digest(self, chunks: list[bytes | bytearray], done: threading.Event | None = None) -> None:
        for chunk in chunks:
            self._hash.update(chunk)
        if done is not None:
            done.set()

    def _write_all(self, descriptor: int, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            count = self._shop.files.write(descriptor, view)
            if count <= 0:
                raise OSError(errno.EIO, "nothing was written")
            self._promise.written += count
            view = view[count:]

    def _top_up(self) -> None:
        # Whoever needs a file next will find out what is wrong, and is told.
        with contextlib.suppress(OSError):
            self._shop.store.top_up()

    def _drop(self) -> None:
        """Leave nothing behind; what cannot be removed is a leftover for the next start."""
        if self._open is None:
            return
        number, descriptor = self._open
        self._open = None
        with contextlib.suppress(OSError):
            self._shop.files.close(descriptor)
        with contextlib.suppress(OSError):
            self._shop.store.remove(number)
