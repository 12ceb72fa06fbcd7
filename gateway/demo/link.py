"""A long, narrow TCP link in user space, which can be cut and restored: the bad line of demo and tests.

It joins a listening port on loopback to one target. Bytes arrive after `delay` and no faster than
`rate`. `Link.cut` stops both directions at once, in one of two ways that networks really fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_PIECE = 1 << 16
_LINGER_RESET = struct.pack("ii", 1, 0)  # close sends RST instead of FIN


class Cut(enum.Enum):
    """How a link fails."""

    RESET = "reset"
    """Open connections are reset and new ones are too: a modem or firewall that answers for the link."""

    SILENT = "silent"
    """Nothing passes and nobody says so. Connections stay open, new ones open and stay mute. What was on
    its way continues after `Link.restore`, as TCP would by retransmission, unless an end gave up."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one link may hold."""

    max_connections: int = 64  # further ones are reset
    max_in_flight: int = 1 << 20  # bytes on the way per direction and connection; then reading stops


class Link:
    """A TCP forwarder from `port` on 127.0.0.1 to `target`. Use it as an asynchronous context manager.

    `delay` is one way, in seconds; `rate` is bytes per second per direction, shared by all connections,
    None for no limit.
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        delay: float = 0.0,
        rate: float | None = None,
        limits: LinkLimits | None = None,
    ) -> None:
        self.delay = delay
        self.limits = limits or LinkLimits()
        self.port = 0
        self.carried = 0  # bytes handed on, both directions
        self._target = target
        self._buckets = (_Bucket(rate), _Bucket(rate))
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._sockets: set[asyncio.StreamWriter] = set()
        self._how: Cut | None = None
        self._passable = asyncio.Event()
        self._passable.set()

    async def __aenter__(self) -> Self:
        """Listen; `port` is known from here on."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset what is open and stop listening."""
        if self._server is not None:
            self._server.close()
        open_now = tuple(self._connections)
        self._reset_all()
        await asyncio.gather(*open_now, return_exceptions=True)

    @property
    def up(self) -> bool:
        """Whether bytes pass."""
        return self._how is None

    @property
    def connections(self) -> int:
        """How many connections are open through the link."""
        return len(self._connections)

    def cut(self, how: Cut = Cut.RESET) -> None:
        """Stop both directions now."""
        self._how = how
        self._passable.clear()
        if how is Cut.RESET:
            self._reset_all()

    def restore(self) -> None:
        """Let bytes pass again."""
        self._how = None
        self._passable.set()

    def _reset_all(self) -> None:
        for writer in self._sockets:
            _reset(writer)
        for task in self._connections:
            task.cancel()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._how is Cut.RESET or len(self._connections) >= self.limits.max_connections:
            _reset(writer)
            return
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sockets.add(writer)
        try:
            await self._serve(reader, writer)
        finally:
            _reset(writer)
            self._sockets.discard(writer)

    async def _serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        await self._passable.wait()
        try:
            far_in, far_out = await asyncio.open_connection(*self._target)
        except OSError:
            return  # nobody there: the near end sees a reset, as from a router without a route
        self._sockets.add(far_out)
        try:
            # A reset or close of one end shows as an error in either direction and ends both.
            async with asyncio.TaskGroup() as group:
                group.create_task(self._direction(near_in, far_out, self._buckets[0]))
                group.create_task(self._direction(far_in, near_out, self._buckets[1]))
        except* OSError:
            pass
        finally:
            _reset(far_out)
            self._sockets.discard(far_out)

    async def _direction(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, bucket: _Bucket
    ) -> None:
        pipe = _Pipe(self.limits.max_in_flight)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fill(source, pipe, bucket))
            group.create_task(self._drain(pipe, sink))

    async def _fill(self, source: asyncio.StreamReader, pipe: _Pipe, bucket: _Bucket) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            data = await source.read(_PIECE)
            await self._passable.wait()
            await bucket.spend(len(data))
            await pipe.put(clock() + self.delay, data)
            if not data:
                return

    async def _drain(self, pipe: _Pipe, sink: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await pipe.get()
            if (wait := due - clock()) > 0:
                await asyncio.sleep(wait)
            await self._passable.wait()
            if not data:
                with contextlib.suppress(OSError):
                    sink.write_eof() if sink.can_write_eof() else sink.close()
                return
            sink.write(data)
            await sink.drain()
            self.carried += len(data)


class _Pipe:
    """Bytes on the way in one direction, each piece with the time it comes out; bounded in bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._changed = asyncio.Condition()

    async def put(self, due: float, data: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._held < self._capacity)
            self._pieces.append((due, data))
            self._held += len(data)
            self._changed.notify_all()

    async def get(self) -> tuple[float, bytes]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._pieces))
            due, data = self._pieces.popleft()
            self._held -= len(data)
            self._changed.notify_all()
            return due, data


class _Bucket:
    """A rate limit that several connections share: each waits until the bytes before its own are through."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def spend(self, size: int) -> None:
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self._rate
        await asyncio.sleep(self._free_at - now)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once, with RST, so that the peer learns it now and not at its next write."""
    raw = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()
