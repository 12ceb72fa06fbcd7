"""Data sets to be sent, read piece by piece so that memory stays flat whatever their size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import BinaryIO, Protocol


class DataSource(Protocol):
    """The encoded data set of one object, without File Meta."""

    @property
    def size(self) -> int:
        """Bytes in all; known before anything is read, and never 0."""

    def chunks(self, max_size: int) -> AsyncGenerator[bytes | memoryview, None]:
        """Yield the data in order, in pieces of at most `max_size` bytes, without blocking the event loop."""


class BytesSource:
    """A data set that is in memory already."""

    def __init__(self, data: bytes | memoryview) -> None:
        """`data` must not change until it is sent."""
        self._data = memoryview(data)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self._data)

    async def chunks(self, max_size: int) -> AsyncGenerator[memoryview, None]:
        """Yield slices of the memory given; nothing is copied."""
        for start in range(0, len(self._data), max_size):
            yield self._data[start : start + max_size]


class ReaderSource:
    """A data set behind blocking reads, done in a worker thread, one piece ahead of what is being sent."""

    def __init__(self, size: int, opener: Callable[[], Reader]) -> None:
        """`opener` is called in the thread; what it returns is closed there."""
        self.size = size
        self._opener = opener

    async def chunks(self, max_size: int) -> AsyncGenerator[bytes, None]:
        """Yield `size` bytes in all; fewer when the reader ends early, which the sender will notice."""
        reader = await asyncio.to_thread(self._opener)
        ahead: asyncio.Task[bytes] | None = None
        try:
            left = self.size
            ahead = asyncio.ensure_future(asyncio.to_thread(reader.read, min(max_size, left)))
            while left:
                data = await ahead
                if not data:
                    return
                left -= len(data)
                if left:
                    ahead = asyncio.ensure_future(asyncio.to_thread(reader.read, min(max_size, left)))
                yield data
        finally:
            if ahead is not None:
                # The thread may still be reading (the send was cut short): close only after it.
                await asyncio.wait([ahead])
            await asyncio.to_thread(reader.close)


class Reader(Protocol):
    """What a blocking source needs: a file, or the spool's reader."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""

    def close(self) -> None:
        """Let go of what is open."""


def file_source(path: Path, offset: int = 0) -> ReaderSource:
    """Return a source for the data set that begins at `offset` of a file. Blocking (one stat call)."""

    def opener() -> BinaryIO:
        file = path.open("rb")
        file.seek(offset)
        return file

    return ReaderSource(path.stat().st_size - offset, opener)
