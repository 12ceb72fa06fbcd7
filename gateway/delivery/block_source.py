"""The stored bytes of one object for a link: block by block, from wherever the other end has come to.

As with everything that leaves: a copy that lost a bit must not reach the centre. The last block is handed out
only when the whole has the digest that the journal says, also when the first blocks left days ago.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from gateway.delivery.source import Damaged
from gateway.link.values import BLOCK

T = TypeVar("T")

_SLICE = 8 * BLOCK
"""Bytes of one piece of work on the executor: others want their turn, too."""


class Seeking(Protocol):
    """A blocking reader of a data set that reads anywhere."""

    def pread(self, n: int, offset: int, /) -> bytes: ...
    def close(self) -> None: ...


class InlineBlocks:
    """A data set that is in memory; checked before anything leaves."""

    def __init__(self, data: bytes, digest: bytes) -> None:
        """Raises Damaged."""
        if hashlib.sha256(data).digest() != digest:
            raise Damaged
        self._data = data

    async def block(self, offset: int) -> bytes:
        """See BlockSource."""
        return self._data[offset : offset + BLOCK]

    async def close(self) -> None:
        """Nothing to let go of."""


class FileBlocks:
    """A data set that is read from the disk. See BlockSource."""

    def __init__(
        self, size: int, digest: bytes, open_reader: Callable[[], Seeking], executor: Executor
    ) -> None:
        """`open_reader` and the reads run on `executor`."""
        self._size = size
        self._digest = digest
        self._open_reader = open_reader
        self._executor = executor
        self._lock = asyncio.Lock()  # one read at a time: the digest goes along
        self._reader: Seeking | None = None
        self._hash = hashlib.sha256()
        self._hashed = 0  # bytes from the beginning on

    async def block(self, offset: int) -> bytes:
        """See BlockSource. Raises Damaged instead of the last block, or what the reader raises."""
        async with self._lock:
            if self._reader is None:
                self._reader = await self._run(self._open_reader)
            length = min(BLOCK, self._size - offset)
            last = offset + length == self._size
            data = await self._run(lambda: self._read(offset, length))
            while last and self._hashed < self._size:  # what left before a cut was not read in this life
                await self._run(self._catch_up)
            if len(data) != length or (last and self._hash.digest() != self._digest):
                raise Damaged
            return data

    async def close(self) -> None:
        """Let go of the file, once nobody reads any more."""
        async with self._lock:
            reader, self._reader = self._reader, None
            if reader is not None:
                await self._run(reader.close)

    async def _run(self, work: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):  # nobody is left to be told
                await future
            raise

    def _read(self, offset: int, length: int) -> bytes:
        if self._reader is None:
            raise Damaged
        data = self._reader.pread(length, offset)
        if offset == self._hashed:
            self._hash.update(data)
            self._hashed += len(data)
        return data

    def _catch_up(self) -> None:
        if self._reader is None:
            raise Damaged
        data = self._reader.pread(min(_SLICE, self._size - self._hashed), self._hashed)
        if not data:
            raise Damaged
        self._hash.update(data)
        self._hashed += len(data)
