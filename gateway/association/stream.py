"""The asyncio side of one upper layer: bytes in, bytes out, every deadline, and backpressure both ways.

A `Stream` is the only object that touches a DICOM socket once it is connected. It reads straight into the
upper layer's buffer (no copy, no task, no queue per fragment), hands the resulting events to its owner in
the same call, and writes what the upper layer wants written.

Deadlines cost nothing while nothing is late: activity only notes the time, and a single lazily re-armed
`loop.call_later` looks whether something is really due.
"""

from __future__ import annotations

import asyncio
import enum
import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from gateway.association import tcp_info, tuning
from gateway.association.tcp_info import TcpInfo
from gateway.association.tls import session_words
from gateway.dicom.events import Event
from gateway.dicom.pdu import Buffer
from gateway.dicom.upper_layer import Role, UpperLayer

_NEVER = float("inf")


_PROBES = 3
"""Keepalives without an answer after which a connection is dead."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one connection may cost, in seconds and bytes."""

    artim: float = 30.0  # PS3.8 9.1.5: waiting for A-ASSOCIATE-RQ, or for the peer to close
    pdu_timeout: float = 60.0  # a PDU that has begun must be complete within this
    idle_timeout: float = 600.0  # no byte from the peer and nothing being done for it
    write_timeout: float = 60.0  # the peer must take something of what waits for it
    max_output: int = 256 * 1024  # bytes waiting to be written before we stop producing more


def _nothing() -> None:
    """Nobody wants to know."""


class Expired(enum.Enum):
    """Which deadline passed."""

    ARTIM = "the peer did not associate, or did not close the connection, in time"
    PDU = "the peer began a PDU and did not complete it in time"
    IDLE = "nothing was heard from the peer for too long"
    WRITE = "the peer does not read what we send"
    CLOSING = "the peer did not take our last bytes in time"


class StreamOwner(Protocol):
    """What a stream tells the association that owns it."""

    def on_events(self, events: Sequence[Event]) -> None:
        """The upper layer saw `events`. Memoryviews in them die with the call."""

    def on_expired(self, deadline: Expired) -> None:
        """A deadline passed; ARTIM is handled by the upper layer, this is for the record."""

    def on_lost(self, error: Exception | None) -> None:
        """The transport is gone, last call of all; `error` when it did not end by a close."""


class Stream(asyncio.BufferedProtocol):
    """One transport connection, plain or TLS, with its upper layer."""

    def __init__(self, layer: UpperLayer, owner: StreamOwner, limits: StreamLimits) -> None:
        """`owner` is called back from the event loop only, never from inside the constructor."""
        self.layer = layer
        self.address = ""
        self.tls = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.busy = 0  # operations in progress; idleness does not count while there are any
        self.heard_at = 0.0  # loop time of the last byte from the peer
        self.on_room: Callable[[], None] = _nothing  # called when the peer caught up with our output
        self._owner = owner
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._set_option: Callable[[int, int, int], None] | None = None
        self._socket: socket.socket | None = None
        self._holds: set[str] = set()
        self._write_waiters: list[asyncio.Future[None]] = []
        self._write_paused_since: float | None = None
        self._backlog = 0
        self._pdu_since: float | None = None
        self._artim_since: float | None = None
        self._closing_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER

    # --- transport callbacks -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tune the socket for lock-step peers and tell the owner."""
        # asyncio's base class says less than what it calls us with; other loops do not derive from it at all.
        transport = self._transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(self._limits.max_output)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "local"
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.tls = session_words(tls.version(), tls.cipher())
        sock = transport.get_extra_info("socket")
        self._socket = sock  # none when it is no socket that carries us
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # Unsent bytes stay in our own buffer, where a stalled peer is seen and bounded.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, self._limits.max_output)
            self._set_option = sock.setsockopt
        self.heard_at = self._clock()
        self._artim_since = self.heard_at if self.layer.artim_wanted else None
        self._owner.on_events(self.layer.connected())
        self.flush()
        self._arm(self._next_due()[0])

    def get_buffer(self, sizehint: int) -> memoryview:
        """Let the transport read straight into the upper layer's buffer."""
        return self.layer.buffer(sizehint)

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the upper layer and deliver its events, all within this call."""
        self.bytes_in += nbytes
        now = self.heard_at = self._clock()
        layer = self.layer
        events = layer.received(nbytes)
        if events:
            self._owner.on_events(events)
        if self._set_option is not None:
            # A peer with Nagle on (DCMTK's default) writes a PDU header and its body apart and waits
            # for our ACK in between; the kernel falls back to delayed ACKs unless told after each read.
            self._set_option(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        if not layer.partial:
            self._pdu_since = None
        elif events or self._pdu_since is None:
            self._pdu_since = now
            if now + self._limits.pdu_timeout < self._timer_at:
                self._arm(now + self._limits.pdu_timeout)
        self.flush()

    def eof_received(self) -> bool:
        """Close our half too: a half-closed connection serves no DICOM purpose."""
        self._closing_since = self._closing_since or self._clock()
        self._arm(self._next_due()[0])
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection, whoever ended it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self._set_option = None
        events = self.layer.closed()
        if events:
            self._owner.on_events(events)
        self.wake_writers()
        self._owner.on_lost(exc)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write: watch the clock, and make no more work for ourselves.

        What an acceptor writes are answers to what it reads, so it reads no further. A requestor writes
        because its owner wants to (who waits in `drained`), and must hear an A-ABORT in the middle of it.
        """
        self._write_paused_since = self._clock()
        self._backlog = self._unread_by_peer()
        if self.layer.role is Role.ACCEPTOR:
            self.hold_reading("output")
        self._arm(self._write_paused_since + self._limits.write_timeout)

    def resume_writing(self) -> None:
        """The peer caught up."""
        self._write_paused_since = None
        self.on_room()
        self.resume_reading("output")
        self.wake_writers()

    # --- for the owner -------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True from when the transport (and TLS, where used) is up until `on_lost`."""
        return self._transport is not None

    @property
    def writable(self) -> bool:
        """False while more output is waiting than `max_output` allows."""
        return self._write_paused_since is None

    def flush(self) -> None:
        """Write what the upper layer has to say, follow its timer, and close when it wants that."""
        transport = self._transport
        layer = self.layer
        output = layer.output()
        if transport is None:
            return
        if output:
            self._write(transport, output)
        if layer.artim_wanted:
            if self._artim_since is None:
                self._artim_since = self._clock()
                self._arm(self._artim_since + self._limits.artim)
        elif self._artim_since is not None:
            self._artim_since = None
            self._arm(self._next_due()[0])
        if layer.close_wanted:
            self.close()

    def _write(self, transport: asyncio.Transport, output: list[Buffer]) -> None:
        """Write `output`; nothing of its memory is kept beyond the call.

        Joined first: asyncio from Python 3.12 on keeps references to what `writelines` gets, and this may be
        memory that is only lent. A system call of our own (writev) was measured and gained nothing.
        """
        self.bytes_out += sum(map(len, output))
        transport.write(b"".join(output))

    async def drained(self) -> None:
        """Wait until output may be produced again, or waiting has no sense any more."""
        if self._write_paused_since is None or self._transport is None:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._write_waiters.append(waiter)
        await waiter

    def wake_writers(self) -> None:
        """Let go whoever waits in `drained`, because the association ends."""
        waiters, self._write_waiters = self._write_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def hold_reading(self, why: str) -> None:
        """Stop reading from the peer until every reason to hold is gone."""
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds.add(why)

    def resume_reading(self, why: str) -> None:
        """Take one reason to hold away."""
        if why in self._holds:
            self._holds.remove(why)
            if not self._holds and self._transport is not None:
                # Time we did not listen must not count against the peer.
                now = self.heard_at = self._clock()
                if self._pdu_since is not None:
                    self._pdu_since = now
                self._transport.resume_reading()
                self._arm(self._next_due()[0])

    def close(self) -> None:
        """Close once the output is written; by force when the peer does not take it in time."""
        if self._transport is not None and self._closing_since is None:
            self._closing_since = self._clock()
            self._transport.close()
            self._arm(self._next_due()[0])

    def kill(self) -> None:
        """Close at once, whatever is still unwritten."""
        if self._transport is not None:
            self._transport.abort()

    def probe_after(self, idle: float) -> None:
        """Have TCP ask a peer that is silent for `idle` seconds whether it is there (keepalive, RFC 9293)."""
        if self._set_option is not None:
            self._set_option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(idle)))
            self._set_option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, round(idle / 2)))
            self._set_option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)

    def unacknowledged(self) -> float:
        """Seconds since the peer's TCP last acknowledged anything, if something waits for that; else 0.

        A peer that does not read acknowledges the probes of its closed window, and is not meant. (So it would
        be by TCP_USER_TIMEOUT, which therefore is no use here.)
        """
        info = self.tcp_info()
        return info.last_ack if info is not None and info.unacknowledged else 0.0

    def tcp_info(self) -> TcpInfo | None:
        """Return what the kernel knows of the connection; None when it is gone, or nothing is to be had."""
        if self._transport is None or self._socket is None:
            return None
        return tcp_info.read(self._socket)

    def use_congestion_control(self, name: str) -> bool:
        """Exchange TCP's congestion control; False when the kernel does not let us."""
        if self._set_option is None or self._socket is None:
            return False
        return tuning.use_congestion_control(self._socket, name)

    def certificate(self) -> tuple[Mapping[str, Any], bytes] | None:
        """Return the peer's certificate as `ssl` decodes it, and as DER; None for plain TCP."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is None:
            return None
        der = tls.getpeercert(True)
        return None if der is None else (tls.getpeercert() or {}, der)

    def backlog(self) -> int:
        """Return the bytes written by us and not yet acknowledged by the peer's TCP."""
        return self._unread_by_peer()

    # --- deadlines -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Something is being done for the peer: its silence is patience, not idleness."""
        self.busy += 1

    def end(self) -> None:
        """One thing less is being done for the peer."""
        self.busy -= 1
        if self.busy == 0:
            self.heard_at = self._clock()
            self._arm(self.heard_at + self._limits.idle_timeout)

    def _next_due(self) -> tuple[float, Expired]:
        """Return the earliest deadline that can pass, given what is going on, and which one it is."""
        limits = self._limits
        if self._closing_since is not None:
            return self._closing_since + limits.write_timeout, Expired.CLOSING
        due, which = _NEVER, Expired.IDLE
        if self._artim_since is not None:
            due, which = self._artim_since + limits.artim, Expired.ARTIM
        elif self.busy == 0 and not self._holds:
            due = self.heard_at + limits.idle_timeout
        if self._pdu_since is not None and not self._holds and self._pdu_since + limits.pdu_timeout < due:
            due, which = self._pdu_since + limits.pdu_timeout, Expired.PDU
        if self._write_paused_since is not None and self._write_paused_since + limits.write_timeout < due:
            due, which = self._write_paused_since + limits.write_timeout, Expired.WRITE
        return due, which

    def _arm(self, when: float) -> None:
        """Make sure the timer fires no later than `when`; a timer that fires early only looks again."""
        if when >= self._timer_at or self._transport is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """Act on a deadline that has passed, and sleep until the next one can."""
        self._timer = None
        self._timer_at = _NEVER
        self.layer.trim()  # between bursts the receive buffer goes back to its small size
        due, which = self._next_due()
        if due <= self._clock():
            self._expire(which)
            due, _ = self._next_due()
        if self._transport is not None and due < _NEVER:
            self._arm(due)

    def _expire(self, which: Expired) -> None:
        if which is Expired.CLOSING:
            self.kill()
            self._closing_since = _NEVER
            return
        if which is Expired.WRITE:
            self._look_at_output()
            return
        self._owner.on_expired(which)
        self._pdu_since = None
        if which is Expired.ARTIM:
            self._artim_since = None
            events = self.layer.artim_expired()
            if events:
                self._owner.on_events(events)
        else:
            self.heard_at = self._clock()
        self.flush()

    def _look_at_output(self) -> None:
        """A slow link is not a dead peer: only a peer that took nothing at all is given up."""
        backlog = self._unread_by_peer()
        if backlog < self._backlog:
            self._backlog = backlog
            self._write_paused_since = self._clock()
        else:
            self._write_paused_since = None
            self._owner.on_expired(Expired.WRITE)
            self.kill()

    def _unread_by_peer(self) -> int:
        # With TLS the socket may be closed some turns of the loop before we are told. Its descriptor is then
        # nobody's, or already somebody else's.
        if self._transport is None:
            return 0
        if self._socket is None:
            return self._transport.get_write_buffer_size()
        if self._socket.fileno() < 0:
            return 0
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return self._transport.get_write_buffer_size() + int(struct.unpack("i", waiting)[0])
