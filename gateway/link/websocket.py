"""One connection of the link: a TCP socket with TLS and WebSocket inside, for both ends.

What is waiting to be sent waits in the session, where a treatment record overtakes an image; not here. So
this takes messages only while the kernel takes bytes, and the kernel only takes what is about to leave
(TCP_NOTSENT_LOWAT, see tuning.py). `room` says whether it is the moment.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from gateway.association import tcp_info
from gateway.association.tcp_info import TcpInfo
from gateway.association.tls import session_words
from gateway.association.tuning import use_congestion_control
from gateway.errors import PeerError
from gateway.link import tuning
from gateway.link.tls import TlsFailed, TlsPipe
from gateway.link.upgrade import WebSocketBroken, WebSocketEnd

_MUCH: Final = 256 * 1024
"""Bytes of answers (pongs and the like) that wait because the other end does not read: then it is cut off."""

_LINGER: Final = 5.0
"""Seconds in which the other end has to take our last bytes."""


class ConnectionOwner(Protocol):
    """Whom a connection tells what happens. All calls come from the event loop."""

    def shaken(self, connection: LinkConnection) -> str:
        """TLS is up and the other end's certificate known. Return why it is refused; "" when it is not."""

    def opened(self, connection: LinkConnection) -> None:
        """Messages may be sent. At the client's end: before the answer to the upgrade."""

    def received(self, message: bytes) -> None:
        """A message came."""

    def heard(self) -> None:
        """Bytes came, of whatever."""

    def taken(self) -> None:
        """There is room again: everything sent so far is with the kernel."""

    def lost(self, error: PeerError) -> None:
        """The connection is gone, last call of all."""


class LinkConnection(asyncio.Protocol):
    """The socket, with TLS and WebSocket."""

    def __init__(self, owner: ConnectionOwner, tls: TlsPipe, end: WebSocketEnd, *, client: bool) -> None:
        self.tls = tls
        self.address = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self._owner = owner
        self._end = end
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._full = False
        self._sending = 0  # bytes of messages since the last flush
        self._open = False
        self._closing = False
        self._error: PeerError | None = None
        self._linger: asyncio.TimerHandle | None = None

    # --- transport callbacks -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tune the socket, and begin the handshake."""
        transport = self._transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=0)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        self._socket = transport.get_extra_info("socket")
        tuning.prepare(self._socket)
        self._guarded(self._shake)

    def data_received(self, data: bytes) -> None:
        """Take what came through TLS and WebSocket to the owner, in this call."""
        if self._closing and self._error is not None:
            return  # whoever broke the protocol has nothing more to say
        self.bytes_in += len(data)
        self._owner.heard()
        self.tls.received(data)
        self._guarded(self._take)

    def eof_received(self) -> bool:
        """Close our half too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever ended it."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._transport = None
        if self._error is None:
            self._error = _words_for(exc, shaken=self.tls.established, opened=self._end.open)
        self._owner.lost(self._error)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """The kernel has taken everything."""
        self._full = False
        if self._open and not self._closing:
            self._owner.taken()

    # --- for the owner -------------------------------------------------------------------------------

    @property
    def room(self) -> bool:
        """Whether a message that is sent now leaves at once, as far as it is up to us."""
        return self._open and not self._full and not self._closing and self._transport is not None

    @property
    def gathered(self) -> int:
        """Bytes of messages sent since the last `flush`."""
        return self._sending

    def send(self, message: bytes) -> None:
        """Send one message; it leaves with the next `flush`."""
        self._end.send(message)
        self._sending += len(message)

    def flush(self) -> None:
        """Hand everything to the kernel."""
        self._sending = 0
        transport = self._transport
        if transport is None:
            return
        plain = self._end.output() if self.tls.established else b""
        if plain:
            self.tls.write(plain)
        out = self.tls.output()
        if out:
            self.bytes_out += len(out)
            transport.write(out)
            if transport.get_write_buffer_size() > _MUCH:
                self._error = WebSocketBroken("it does not read what it asks for")
                transport.abort()

    def close(self, error: PeerError | None = None) -> None:
        """Close in order: our last messages, the WebSocket, TLS, TCP. `error` is what the owner is told."""
        transport = self._transport
        if transport is None or self._closing:
            return
        self._closing = True
        self._error = self._error or error
        try:
            if self._open:
                self._end.close()
            self.flush()
            self.tls.close()
            self.flush()
        except PeerError:
            pass  # it is broken already; the socket is closed all the same
        transport.close()
        self._linger = asyncio.get_running_loop().call_later(_LINGER, self.abort)

    def abort(self, error: PeerError | None = None) -> None:
        """Close at once, whatever is still unwritten."""
        if self._transport is not None:
            self._error = self._error or error
            self._transport.abort()

    @property
    def session_words(self) -> str:
        """TLS version and cipher."""
        tls = self.tls.ssl_object
        return session_words(tls.version(), tls.cipher())

    def tcp_info(self) -> TcpInfo | None:
        """Return what the kernel knows of the connection."""
        return tcp_info.read(self._socket) if self._transport is not None and self._socket else None

    def use_congestion_control(self, name: str) -> bool:
        """Have the kernel use `name` from now on."""
        return self._socket is not None and use_congestion_control(self._socket, name)

    @property
    def acknowledged(self) -> int:
        """Bytes that the other end's TCP has acknowledged."""
        if self._transport is None or self._socket is None or self._socket.fileno() < 0:
            return 0
        return self.bytes_out - self._transport.get_write_buffer_size() - tuning.unacknowledged(self._socket)

    @property
    def congestion_control(self) -> str:
        """What the kernel uses, by name; empty where it does not say."""
        return tuning.congestion_control(self._socket) if self._socket is not None else ""

    def send_no_faster(self, rate: int | None) -> None:
        """Have the kernel send at most `rate` bytes a second; None: as fast as it likes."""
        if self._transport is not None and self._socket is not None:
            tuning.send_no_faster(self._socket, rate)

    def keep_unsent(self, size: int) -> None:
        """Have the kernel ask for more when it has `size` bytes left to send."""
        if self._transport is not None and self._socket is not None:
            tuning.keep_unsent(self._socket, size)

    # --- inside --------------------------------------------------------------------------------------

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run `step`; what the other end did wrong ends the connection, and nothing else."""
        try:
            step()
        except (TlsFailed, WebSocketBroken) as error:
            self._open = self._open and self._end.open
            self.close(error)

    def _over(self) -> bool:
        return self._closing or self._transport is None

    def _shake(self) -> None:
        if self.tls.established:
            return
        try:
            done = self.tls.shake()
        finally:
            self._send_alert()
        if not done:
            return
        self._end.deny = self._owner.shaken(self)
        if self._client:
            if self._end.deny:
                raise WebSocketBroken(self._end.deny)
            self._end.request()
            self._begin()

    def _send_alert(self) -> None:
        """What TLS has to say leaves, also when it is why it failed."""
        out = self.tls.output()
        if out and self._transport is not None:
            self.bytes_out += len(out)
            self._transport.write(out)

    def _begin(self) -> None:
        self._open = True
        self._owner.opened(self)
        self.flush()

    def _take(self) -> None:
        self._shake()
        while not self._over() and (plain := self.tls.read()):
            messages = self._end.received(plain)
            if self._end.open and not self._open:
                self._begin()
            for message in messages:
                self._owner.received(message)
                if self._over():
                    return
        if self._over():
            return
        self.flush()
        if self._end.closed or self.tls.closed:
            self.close(PeerError("the other end closed the connection"))


def _words_for(error: Exception | None, *, shaken: bool, opened: bool) -> PeerError:
    if not shaken:
        return TlsFailed("the connection ended during the TLS handshake")
    where = "" if opened else " before the upgrade was answered"
    why = f": {error.strerror or error}" if isinstance(error, OSError) else ""
    return PeerError(f"the connection was lost{where}{why}")
