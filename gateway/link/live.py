"""One live connection: the session, its socket, its clock, and whoever feeds it.

Everything that happens calls `touch`; soon after, in one go, the session's events are handed out, what it has
to send is sent as far as the line takes it, and the clock is set. So a burst of calls costs one turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway.association import tcp_info
from gateway.association.tuning import WayThere
from gateway.errors import PeerError
from gateway.link.events import (
    Ended,
    Event,
    Greeted,
    Ponged,
    QueueTold,
    StreamData,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from gateway.link.feeding import Counts
from gateway.link.frames import Code
from gateway.link.hello import Hello
from gateway.link.ports import StreamAcceptor
from gateway.link.session import Session
from gateway.link.streams import StreamTransport
from gateway.link.values import LinkDown, StreamRefused, Urgency
from gateway.link.websocket import LinkConnection
from gateway.link.writer import Writer
from gateway.link_state import LinkMeasures
from gateway.shaping.shaper import Shaper
from gateway.traffic import Traffic

_TURN: Final = 0.02
"""Seconds between two turns of the clock at least."""


class Ending(LinkDown):
    """Why a connection ended, with what the other end said of it."""

    def __init__(
        self, words: str, code: Code = Code.OTHER, retry_after: int = 0, *, ours: bool = False
    ) -> None:
        super().__init__(words)
        self.code = code
        self.retry_after = retry_after
        self.ours = ours


class Half(Protocol):
    """What moves objects: Feeding at a site, Receiving at a hub."""

    counts: Counts

    @property
    def under_way(self) -> int: ...

    def event(self, event: Event) -> None: ...
    def rate(self, bytes_per_second: float) -> None: ...
    def ended(self, error: LinkDown) -> None: ...


class LiveOwner(Protocol):
    """Whoever keeps connections."""

    def shaken(self, connection: LinkConnection) -> str:
        """TLS is up. Return why the other end is refused; "" when it is not."""

    def opened(self, live: Live) -> None:
        """Frames may be sent: call `begin`."""

    def greeted_by(self, live: Live, hello: Hello) -> None:
        """Both ends know each other: the link is up."""

    def lost(self, live: Live, error: Ending) -> None:
        """It is over."""


class Live:
    """See the module. Made with its connection; `begin` when frames may be sent."""

    def __init__(
        self,
        owner: LiveOwner,
        *,
        inbound: bool,
        way: WayThere,
        acceptor: StreamAcceptor | None = None,
        shaper: Shaper | None = None,
    ) -> None:
        self.peer = ""
        self.address = ""
        self.calling_ae = ""
        self.inbound = inbound
        self.way = way
        self.greeting: Hello | None = None
        self.heard_at = 0.0  # loop time of the last bytes
        self._owner = owner
        self._acceptor = acceptor
        self._shaper = shaper
        self._loop = asyncio.get_running_loop()
        self._connection: LinkConnection | None = None
        self._session: Session | None = None
        self._half: Half | None = None
        self.queue: QueueTold | None = None  # of the site, at the hub
        self.queue_at = 0.0  # when it was told, monotonic
        self._writer: Writer | None = None
        self._streams: dict[int, StreamTransport] = {}
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._ending: Ending | None = None
        self.now: Callable[[], float] = self._loop.time

    def attach(self, connection: LinkConnection) -> None:
        """This is its socket, whatever becomes of it."""
        self._connection = connection

    def begin(self, session: Session, half: Half, *, peer: str) -> None:
        """From now on frames are exchanged; `peer`: the name of the other end."""
        self._session = session
        self._half = half
        self.peer = peer
        if self._connection is not None:
            self._writer = Writer(
                self._connection,
                session,
                way=self.way,
                shaper=self._shaper,
                clock=self.now,
                on_rate=half.rate,
            )
        self._run()

    # --- state ---------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The session. RuntimeError before `begin`."""
        if self._session is None:
            raise RuntimeError("the connection has not begun")
        return self._session

    @property
    def connection(self) -> LinkConnection | None:
        """Its socket, once TLS is up."""
        return self._connection

    @property
    def usable(self) -> bool:
        """True while frames may be sent."""
        return self._session is not None and self._session.ready and not self._over

    @property
    def rtt(self) -> float | None:
        """Smoothed round trip in seconds; None while it is not measured."""
        return self._session.rtt if self._session is not None else None

    @property
    def rate(self) -> float | None:
        """Bytes a second that the line takes from us; None while it is not measured."""
        return self._writer.rate if self._writer is not None else None

    @property
    def under_way(self) -> int:
        """Objects on their way."""
        return self._half.under_way if self._half is not None else 0

    @property
    def counts(self) -> Counts:
        """What the objects of this connection have come to."""
        return self._half.counts if self._half is not None else Counts()

    def measures(self) -> LinkMeasures:
        """Return what was measured of the line."""
        counts = self.counts
        ratio = counts.original / counts.encoded if counts.encoded else None
        goodput = None if self.rate is None else self.rate * (ratio or 1.0)
        return LinkMeasures(self.rtt, goodput, self.way.loss, self.way.retransmitted, ratio)

    def measure(self) -> Traffic:
        """Return what the connection has carried (gateway.traffic.OpenAssociation)."""
        connection = self._connection
        if connection is None:
            return Traffic(0, 0)
        return tcp_info.measured(connection.bytes_in, connection.bytes_out, connection.tcp_info())

    # --- what the socket says (ConnectionOwner) ------------------------------------------------------

    def shaken(self, connection: LinkConnection) -> str:
        """TLS is up."""
        self._connection = connection
        self.address = connection.address
        return self._owner.shaken(connection)

    def opened(self, connection: LinkConnection) -> None:
        """Messages may be sent."""
        self._connection = connection
        self._owner.opened(self)

    def received(self, message: bytes) -> None:
        """A frame came."""
        if self._session is not None and self._ending is None:
            self._session.received(message, self.now())
            self.touch()

    def heard(self) -> None:
        """Bytes came."""
        self.heard_at = self.now()
        if self._session is not None:
            self._session.heard(self.heard_at)

    def taken(self) -> None:
        """The kernel wants more."""
        if self._writer is not None:
            self._writer.look()
        self._run()

    def lost(self, error: PeerError) -> None:
        """The connection is gone."""
        if self._over:
            return
        self._over = True
        for handle in (self._turn, self._timer):
            if handle is not None:
                handle.cancel()
        if self._writer is not None:
            self._writer.count()
        ending = self._ending or Ending(str(error))
        ending.__cause__ = ending.__cause__ or error
        for stream in tuple(self._streams.values()):
            stream.lost(LinkDown(str(ending)))
        if self._half is not None:
            self._half.ended(ending)
        self._owner.lost(self, ending)

    # --- what the owner and the half do --------------------------------------------------------------

    def touch(self) -> None:
        """Something may have to be sent, or told."""
        if self._turn is None and not self._over:
            self._turn = self._loop.call_soon(self._run)

    def give_up(self, words: str) -> None:
        """Something at this end is wrong: end the connection."""
        self.close(Code.FAULT, words)

    def close(self, code: Code, words: str, retry_after: int = 0) -> None:
        """Say goodbye, and end."""
        if self._session is None:
            if self._connection is not None:
                self._connection.close(LinkDown(words))
        elif self._ending is None and not self._over:
            self._session.close(code, words, retry_after)
            self._run()

    def abort(self, words: str) -> None:
        """End at once."""
        self._ending = self._ending or Ending(words, ours=True)
        if self._connection is not None:
            self._connection.abort(LinkDown(words))

    def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol]
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Open a stream to the other end and connect the protocol that `factory` gives. See StreamDialler."""
        number = self.session.open_stream(self.now()) if self.usable else None
        if number is None:
            raise LinkDown("all streams over the link are in use" if self.usable else "the link is down")
        transport = self._new_stream(number)
        protocol = transport.begin(factory)
        self.touch()
        return transport, protocol

    # --- what a stream says (streams.Line) -----------------------------------------------------------

    def write_stream(self, number: int, data: bytes) -> None:
        """See Line."""
        self.session.write(number, data)
        self.touch()

    def stream_unsent(self, number: int) -> int:
        """See Line."""
        return self.session.unsent(number)

    def finish_stream(self, number: int) -> None:
        """See Line."""
        self.session.finish(number)
        self.touch()

    def reset_stream(self, number: int, words: str) -> None:
        """See Line."""
        self.session.reset(number, words)
        self.touch()

    def read_stream(self, number: int, size: int) -> None:
        """See Line."""
        self.session.read(number, size, self.now())
        self.touch()

    def end_stream(self, number: int) -> None:
        """See Line."""
        self._streams.pop(number, None)

    # --- the turn ------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Hand out events, send, set the clock."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self._over or self._session is None:
            return
        self._hand_out(self._session)
        if self._writer is not None:
            self._writer.send()
        self._hand_out(self._session)  # what has left makes room: for the next block, for a stream
        if self._ending is not None:
            self._last_words(self._session, self._ending)
        else:
            self._set_clock()

    def _hand_out(self, session: Session) -> None:
        while events := session.events():
            for event in events:
                self._tell(event)

    def _tell(self, event: Event) -> None:
        if isinstance(event, StreamOpened):
            self._accept(event.stream)
        elif isinstance(event, StreamData | StreamFinished | StreamReset | StreamWritable):
            self._tell_stream(event)
        elif isinstance(event, QueueTold):
            self.queue, self.queue_at = event, self.now()
        elif isinstance(event, Ended):
            self._ending = Ending(event.words, event.code, event.retry_after, ours=event.ours)
        elif not isinstance(event, Ponged) and self._half is not None:
            if isinstance(event, Greeted):
                self.greeting = event.hello
                self._owner.greeted_by(self, event.hello)
                if not self.session.ready:
                    return
            self._half.event(event)

    def _set_clock(self) -> None:
        """Wake up when the session has something to do, or more may leave."""
        session = self._session
        if session is None or self._over:
            return
        when = session.deadline(self.now())
        held_back = self._writer.shaped_until if self._writer is not None and self.under_way else 0.0
        if held_back:
            when = held_back if when is None else min(when, held_back)
        if when is not None:
            # What is due and cannot leave, because the line is full, leaves with what the line takes next.
            when = max(when, self.now() + _TURN)
        if self._timer is not None:
            if when is not None and self._timer.when() <= when <= self._timer.when() + _TURN:
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._session is not None and not self._over:
            if self._writer is not None and self._writer.lives():
                self._session.heard(self.now())
            self._session.tick(self.now())
            self._run()

    def _last_words(self, session: Session, ending: Ending) -> None:
        """The session is over: say what it still has to say, and close."""
        connection = self._connection
        if connection is None:
            return
        while (frame := session.next_frame(self.now(), Urgency.CONTROL)) is not None:
            connection.send(b"".join(frame))
        connection.close(ending)

    # --- streams -------------------------------------------------------------------------------------

    def _new_stream(self, number: int) -> StreamTransport:
        connection = self._connection
        extra = {
            "peername": (self.peer, 0),
            "ssl_object": connection.tls.ssl_object if connection is not None else None,
        }
        transport = self._streams[number] = StreamTransport(self, number, extra)
        return transport

    def _accept(self, number: int) -> None:
        answer: asyncio.BaseProtocol | str = "no streams are served here"
        if self._acceptor is not None:
            answer = self._acceptor.accept(self.peer if self.inbound else "")
        if isinstance(answer, str):
            self.reset_stream(number, answer)
        else:
            protocol = answer
            self._new_stream(number).begin(lambda: protocol)

    def _tell_stream(self, event: StreamData | StreamFinished | StreamReset | StreamWritable) -> None:
        transport = self._streams.get(event.stream)
        if transport is None:
            if isinstance(event, StreamData):
                self.read_stream(event.stream, len(event.data))
        elif isinstance(event, StreamData):
            transport.came(event.data)
        elif isinstance(event, StreamFinished):
            transport.finished()
        elif isinstance(event, StreamReset):
            transport.lost(StreamRefused(event.words) if event.words else ConnectionResetError())
        else:
            transport.room()
