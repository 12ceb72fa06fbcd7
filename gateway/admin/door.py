"""Who gets in at the TCP level: a bounded number of connections, of one address too, and none that stalls.

The caps count from the first byte, before TLS: a handshake that never ends takes a place as well. A browser
has to complete its handshake, then each request head, within a time; and it has to take what it is sent. The
time that the page itself needs for an answer, and a body on its way, are not bounded here (see bodies.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Counts, and seconds."""

    max_connections: int = 64
    max_per_address: int = 24
    handshake: float = 10.0  # for TLS
    head: float = 30.0  # for the next request to arrive with all of its head; also ends idle connections
    stall: float = 30.0  # for a browser to take something of what it was sent
    pause: float = 1.0  # after the system refused to accept (no descriptors left)


class Door:
    """Accepts connections for `make_protocol` on a listening socket."""

    def __init__(
        self,
        sock: socket.socket,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
        limits: DoorLimits,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._make_protocol = make_protocol
        self._context = context
        self._limits = limits
        self._of_address: Counter[str] = Counter()
        self._entering: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many connections there are, also those that are not through the handshake."""
        return self._of_address.total()

    def open(self) -> asyncio.Task[None]:
        """Begin to accept. The task ends only by an error that nobody expected."""
        self._accepting = asyncio.create_task(self._accept(), name="connections of the page")
        return self._accepting

    async def close(self) -> None:
        """Accept nothing more. Connections that exist are for the server to end."""
        tasks = [task for task in (self._accepting, *self._entering) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._sock)
            except OSError as error:
                _log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(self._limits.pause)
                continue
            peer = str(address[0])
            full = self.connections >= self._limits.max_connections
            if full or self._of_address[peer] >= self._limits.max_per_address:
                connection.close()
                continue
            self._of_address[peer] += 1
            task = asyncio.create_task(self._enter(connection, peer))
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: socket.socket, peer: str) -> None:
        guarded = _Guarded(self._make_protocol(), self._limits, lambda: self._left(guarded, peer))
        timeout = None if self._context is None else self._limits.handshake
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guarded, connection, ssl=self._context, ssl_handshake_timeout=timeout
            )
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError is an OSError
            connection.close()
            self._left(guarded, peer)
            if isinstance(error, asyncio.CancelledError):
                raise

    def _left(self, guarded: _Guarded, peer: str) -> None:
        if guarded.counted:
            guarded.counted = False
            self._of_address[peer] -= 1
            if not self._of_address[peer]:
                del self._of_address[peer]  # a table of all addresses that ever came would grow for ever


class _Guarded(asyncio.Protocol):
    """Passes everything on to the server's own protocol, and looks at the clock."""

    def __init__(self, inner: asyncio.BaseProtocol, limits: DoorLimits, left: Callable[[], None]) -> None:
        self._inner = cast(Any, inner)
        self._limits = limits
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._busy = 0
        self._unsent = 0
        self.counted = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        _GUARDS[transport] = self
        self._wait_for_head()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            _GUARDS.pop(self._transport, None)
        self._left()
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        result: bool | None = self._inner.eof_received()
        return result

    def pause_writing(self) -> None:
        self._stalled = asyncio.get_running_loop().call_later(self._limits.stall, self._give_up)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._inner.resume_writing()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """A request has arrived; within the block it is being answered."""
        self._busy += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy and self._transport is not None and not self._transport.is_closing():
                self._wait_for_head()

    def _wait_for_head(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._limits.head, self._too_late)

    def _too_late(self) -> None:
        unsent = self._transport.get_write_buffer_size() if self._transport else 0
        if self._stalled is not None or (unsent and unsent != self._unsent):
            self._unsent = unsent  # the last answer is still on its way
            self._wait_for_head()
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


_GUARDS: dict[asyncio.BaseTransport, _Guarded] = {}


@web.middleware
async def doorkeeper(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection's guard that a request is being answered; the outermost middleware."""
    guard = _GUARDS.get(request.transport) if request.transport is not None else None
    if guard is None:
        return await handler(request)
    with guard.answering():
        return await handler(request)
