"""The bytes of one object on their way out: read off the event loop, flat in memory, checked.

A file that lost a bit must not reach the centre. The SHA-256 runs along, and the last piece is handed out
only when the digest is what the journal says; otherwise the message stays incomplete and the association is
aborted.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Protocol

from gateway.errors import LocalError


class Reading(Protocol):
    """A blocking reader."""

    def read(self, n: int, /) -> bytes: ...
    def close(self) -> None: ...


class Damaged(LocalError):
    """The bytes are not those that were received."""

    def __init__(self) -> None:
        super().__init__("the stored bytes are not those that were received (digest mismatch)")


class CheckedSource:
    """A data set with a digest to honour (the DataSource of the requestor). For one use."""

    def __init__(
        self, size: int, digest: bytes, open_reader: Callable[[], Reading], executor: Executor
    ) -> None:
        """`open_reader` and the reads run on `executor`."""
        self.size = size
        self._digest = digest
        self._open_reader = open_reader
        self._executor = executor
        self.sent = asyncio.Event()  # everything was handed out: the next object may follow

    async def chunks(self, max_size: int) -> AsyncGenerator[bytes, None]:
        """Yield the data set, one piece read ahead. Raises Damaged, or what the reader raises."""
        loop = asyncio.get_running_loop()
        reader = await self._opened()
        sha = hashlib.sha256()

        def read(n: int) -> bytes:
            data = reader.read(n)
            sha.update(data)
            return data

        left = self.size
        ahead = loop.run_in_executor(self._executor, read, min(max_size, left))
        try:
            while left:
                data = await asyncio.shield(ahead)
                left -= len(data)
                if not data or (left == 0 and sha.digest() != self._digest):
                    raise Damaged
                if left:
                    ahead = loop.run_in_executor(self._executor, read, min(max_size, left))
                else:
                    self.sent.set()
                yield data
        finally:
            self.sent.set()
            # The thread may still be reading (the send was cut short): close only after it.
            ahead.add_done_callback(lambda _: reader.close())
            ahead.add_done_callback(_seen)

    async def _opened(self) -> Reading:
        opening = asyncio.get_running_loop().run_in_executor(self._executor, self._open_reader)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise


def _seen(reading: asyncio.Future[bytes]) -> None:
    """Mark a failure of a read that nobody waits for any more as looked at."""
    if not reading.cancelled():
        reading.exception()


def _close_late(opening: asyncio.Future[Reading]) -> None:
    """Close what was still being opened when the send was given up."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class InlineSource:
    """A data set that is in memory already; its digest was checked before anything was sent."""

    def __init__(self, data: bytes, digest: bytes) -> None:
        """Raises Damaged."""
        if hashlib.sha256(data).digest() != digest:
            raise Damaged
        self._data = memoryview(data)
        self.sent = asyncio.Event()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self._data)

    async def chunks(self, max_size: int) -> AsyncGenerator[memoryview, None]:
        """Yield slices; nothing is copied."""
        try:
            for start in range(0, len(self._data), max_size):
                yield self._data[start : start + max_size]
        finally:
            self.sent.set()
