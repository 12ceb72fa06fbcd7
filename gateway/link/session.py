"""One connection as a state machine: messages and wishes in, events and messages out. Theory: FORMAT.md.

Pure: no sockets, no clock. `now` is monotonic, in seconds, and never goes back. The owner

- hands each whole message to `received`, and calls `heard` whenever any bytes at all arrive;
- takes messages from `next_frame` when the socket can use them, never before: what leaves is decided there;
- calls `tick` when `deadline` has come;
- after every call looks at `events()`, which is where everything is told.

A site may use everything from the begin, on the strength of what the hub said the last time. A hub is `ready`
when the site's hello is here. What the other end does never raises: it ends the session, with a reason.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from gateway.link.channels import Channels
from gateway.link.control import MAX_WAITING, ControlQueue
from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.events import (
    BlockArrived,
    BlockWanted,
    Ended,
    Event,
    Greeted,
    Ponged,
    QueueTold,
    Reported,
    ReportsSeen,
)
from gateway.link.frames import (
    Accept,
    Buffer,
    Code,
    Credit,
    Data,
    Frame,
    FrameError,
    Goodbye,
    HelloFrame,
    OfferFrame,
    Open,
    Ping,
    Pong,
    Queue,
    ReceiptFrame,
    ReportFrame,
    Reset,
    Seen,
    StreamPiece,
    Unknown,
    Withdraw,
)
from gateway.link.heartbeat import Heartbeat
from gateway.link.hello import BASE, Hello, Role, decode_hello
from gateway.link.incoming import Incoming
from gateway.link.limits import LinkLimits
from gateway.link.news import News
from gateway.link.outgoing import Outgoing
from gateway.link.values import Encoded, HubReceipt, HubRefusal, Offer, Report, Urgency

_MOST: Final = 0xFFFFFFFF  # of what is told in four bytes

_LEAST_PIECE: Final = 512
"""Smaller frames would be mostly headers, whoever asks for them."""


class Session:
    """One connection, from its first frame to its last. Not reusable."""

    def __init__(self, hello: Hello, limits: LinkLimits, now: float, *, assumed: Hello | None = None) -> None:
        """`hello` is ours. `assumed`, for a site: the hub's hello of the last time.

        A `reports_seen` counts reports of the hub with that spool; without `assumed` it is not sent.
        """
        self.role = hello.role
        self.piece = limits.payload
        """Payload of the next frames at most, if that is less than both ends allow: for the owner to set."""
        self.ended: Ended | None = None
        self.other: Hello | None = None
        self._limits = limits
        self._mute = False  # the hub is about to say why it cannot go on
        self._events: deque[Event] = deque()
        self._control = ControlQueue()
        self._news = News(hello.takes.max_reports)
        self._begun = now
        self._heart = Heartbeat(limits, now, pings_when_idle=hello.role is Role.SITE)
        self._out = Outgoing(limits, emit=self._emit, control=self._say)
        self._in = Incoming(limits, emit=self._emit, control=self._say, grant=self._grant)
        self._streams = Channels(
            first=1 if hello.role is Role.SITE else 2,
            most=limits.max_streams,
            emit=self._emit,
            control=self._say,
            grant=lambda stream, limit: self._control.grant(Urgency.RELAY, stream, limit),
        )
        self._streams.receive_window = hello.takes.stream_window
        self._streams.max_window = limits.max_window
        self._peer = BASE if assumed is None else assumed.takes
        self._hello = hello
        if hello.role is Role.SITE:
            self._hello = (
                replace(hello, assumes=assumed.fingerprint)
                if assumed
                else replace(hello, assumes=0, reports_seen=0)
            )
            self._control.hello(self._hello.encode())
            self._use_peer()

    # --- the owner's side ----------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Objects, streams and reports may be sent."""
        return self.ended is None and not self._mute and (self.role is Role.SITE or self.other is not None)

    @property
    def rtt(self) -> float | None:
        """Smoothed round trip, seconds."""
        return self._heart.rtt

    @property
    def busy(self) -> bool:
        """Something is under way: objects without receipt, open streams, or reports."""
        return bool(len(self._out) or len(self._in) or len(self._streams) or len(self._news))

    @property
    def held(self) -> int:
        """Bytes of objects that came and were not consumed."""
        return self._in.held

    def events(self) -> list[Event]:
        """Take what has happened, in order."""
        taken = list(self._events)
        self._events.clear()
        return taken

    def heard(self, now: float) -> None:
        """Bytes came, or the other end's kernel acknowledged some of ours: it lives."""
        self._heart.heard(now)

    def received(self, message: Buffer, now: float) -> None:
        """One whole message came."""
        if self.ended is not None:
            return
        self._heart.heard(now)
        try:
            self._take(decode(message), now)
        except FrameError as error:
            self.close(Code.VIOLATION, str(error))

    def next_frame(self, now: float, most: Urgency = Urgency.BULK) -> tuple[Buffer, ...] | None:
        """The parts of one message that should leave now; None: nothing. `most`: no less urgent class."""
        met = self.ended is None and self.other is not None and not self._control.hello_waits
        if met and self._heart.due(now):
            return (encode(Ping(self._heart.sent(now))),)
        control = self._control.next()
        if control is not None:
            return (control,)
        if not self.ready or most is Urgency.CONTROL:
            return None
        payload = max(_LEAST_PIECE, min(self.piece, self._limits.payload, self._peer.max_payload))
        frame = self._streams.next(payload)
        if frame is None and most > Urgency.RELAY and self.role is Role.SITE:
            frame = self._out.next(most, payload)
        if frame is not None:
            self._heart.active(now)
        return frame

    def has_frames(self, most: Urgency = Urgency.BULK) -> bool:
        """Say whether objects of these classes wait to leave."""
        return self.ended is None and self._out.has_frames(most)

    def deadline(self, now: float) -> float | None:
        """When to call `tick`, and `next_frame` after it; None: never."""
        if self.ended is not None:
            return None
        if self.other is None:
            return self._begun + self._limits.hello_timeout
        return self._heart.deadline(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self.ended is not None:
            return
        if self.other is None:
            if now >= self._begun + self._limits.hello_timeout:
                self.close(Code.SILENT, "no hello came")
        elif self._heart.dead(now):
            self.close(Code.SILENT, "nothing was heard any more")
        else:
            self._heart.due(now)

    def close(self, code: Code, words: str, retry_after: int = 0) -> None:
        """End it: nothing more is sent but the goodbye. Whatever had no answer is unknown."""
        if self.ended is not None:
            return
        if self.role is Role.HUB and self.other is None:
            self._control.hello(self._hello.encode())
        self._control.only(encode(Goodbye(code, retry_after, words)))
        self._end(Ended(code, words, ours=True, retry_after=retry_after))

    # --- objects, at a site --------------------------------------------------------------------------------

    def offer(self, offer: Offer) -> int:
        """Send an object; the number names it in events. Blocks are asked for with BlockWanted."""
        return self._out.offer(offer)

    def wants(self, block: BlockWanted) -> bool:
        """Say whether this block is still of use; look right before encoding it."""
        return self.ended is None and self._out.wanted(block)

    def feed(self, block: BlockWanted, encoded: Encoded) -> None:
        """The block that was wanted. In any order, for large objects; see BlockWanted for small ones."""
        if self.ended is None:
            self._out.feed(block, encoded)

    def withdraw(self, transfer: int) -> None:
        """Do not send this any more. No event follows."""
        self._out.withdraw(transfer)

    def taken(self, seq: int) -> None:
        """Every report up to this one is durable."""
        self._news.seen(seq)
        self._control.seen(seq)

    def tell_queue(self, objects: int, size: int, oldest: int) -> None:
        """Tell the hub what waits here: a number, bytes, seconds. Nothing follows from it."""
        if self.ready:
            told = (min(objects, _MOST), min(size, _MOST << 32), min(oldest, _MOST))
            self._control.queue(Queue(*told))

    # --- objects, at a hub ---------------------------------------------------------------------------------

    def accept(self, transfer: int, offset: int, now: float) -> None:
        """Want this object from `offset` on; its size: nothing of it."""
        self._in.accept(transfer, offset, now, self.rtt or 0.0)

    def again(self, transfer: int, now: float) -> bool:
        """Want it once more from the begin, plain. False: it is over, or began anew too often: refuse it."""
        return self._in.again(transfer, now, self.rtt or 0.0)

    def receipt(self, transfer: int, answer: HubReceipt | HubRefusal, now: float) -> bool:
        """The last word on this object. False: nobody hears it any more."""
        return self.ended is None and self._in.receipt(transfer, answer, now, self.rtt or 0.0)

    def wanted(self, block: BlockArrived) -> bool:
        """Say whether this block is still of use: look right before it is used."""
        return self.ended is None and self._in.wanted(block)

    def consumed(self, block: BlockArrived, now: float) -> None:
        """The block is done with, used or not: more may come."""
        self._in.consumed(block, now, self.rtt or 0.0)

    @property
    def report_room(self) -> int:
        """How many reports may be sent now."""
        return self._news.room if self.ready else 0

    def report(self, report: Report) -> None:
        """Tell the site; `seq` ascends. Only with `report_room`: raises FrameError otherwise."""
        self._news.add(report.seq)
        self._say(encode(ReportFrame(report)))

    # --- streams -------------------------------------------------------------------------------------------

    def open_stream(self, now: float) -> int | None:
        """Open one; None: the other end takes no more. Bytes may be written at once."""
        return self._streams.open(now) if self.ready else None

    def write(self, stream: int, data: Buffer) -> bool:
        """Send bytes, which must not change any more. False: the stream is over."""
        return self.ended is None and self._streams.write(stream, data)

    def unsent(self, stream: int) -> int:
        """Bytes written to it that no frame has taken yet. StreamWritable follows when it gets small."""
        return self._streams.unsent(stream)

    def read(self, stream: int, count: int, now: float) -> None:
        """So many bytes of its StreamData have been taken: more may come."""
        self._streams.read(stream, count, now, self.rtt or 0.0)

    def finish(self, stream: int) -> None:
        """Nothing more will be written to it."""
        self._streams.finish(stream)

    def reset(self, stream: int, words: str) -> None:
        """Give it up, both ways. No event follows."""
        self._streams.reset(stream, words)

    # --- frames that came ----------------------------------------------------------------------------------

    def _take(self, frame: Frame, now: float) -> None:
        if self.other is None and not isinstance(frame, (HelloFrame, Goodbye)):
            raise FrameError("a frame before the hello")
        if isinstance(frame, (Data, StreamPiece)) and len(frame.payload) > self._hello.takes.max_payload:
            raise FrameError(f"a payload of {len(frame.payload)} bytes")
        match frame:
            case Ping(token):
                self._control.pong(token)
                return
            case Pong(token):
                rtt = self._heart.ponged(token, now)
                if rtt is not None:
                    self._emit(Ponged(rtt))
                return
            case Unknown():
                return
            case Queue(objects, size, oldest) if self.role is Role.HUB:
                self._emit(QueueTold(objects, size, oldest))
                return
            case HelloFrame(body):
                self._take_hello(decode_hello(body), now)
            case Goodbye(code, retry_after, words):
                self._control.clear()
                self._end(Ended(code, words, ours=False, retry_after=retry_after))
            case Open():
                self._streams.opened(frame, now)
            case StreamPiece():
                self._streams.arrived(frame)
            case Reset():
                self._streams.was_reset(frame)
            case Credit(Urgency.RELAY, stream, limit):
                self._streams.credited(stream, limit)
            case _ if self.role is Role.HUB:
                self._take_at_hub(frame, now)
            case _:
                self._take_at_site(frame)
        self._heart.active(now)

    def _take_at_hub(self, frame: Frame, now: float) -> None:
        match frame:
            case Data():
                self._in.arrived(frame, now, self.rtt or 0.0)
            case OfferFrame():
                self._in.offered(frame)
            case Withdraw(transfer):
                self._in.withdrawn(transfer, now, self.rtt or 0.0)
            case Seen(seq):
                self._news.seen(seq)
                self._emit(ReportsSeen(seq))
            case _:
                raise FrameError(f"a site does not say {type(frame).__name__}")

    def _take_at_site(self, frame: Frame) -> None:
        match frame:
            case Accept():
                self._out.accepted(frame)
            case ReceiptFrame():
                self._out.receipted(frame)
            case Credit(scope, _, limit):
                self._out.credited(scope, limit)
            case ReportFrame(report):
                self._news.add(report.seq)
                self._emit(Reported(report))
            case _:
                raise FrameError(f"a hub does not say {type(frame).__name__}")

    def _take_hello(self, hello: Hello, now: float) -> None:
        if self.other is not None:
            raise FrameError("a second hello")
        if hello.role is self.role:
            raise FrameError("both ends say they are the same")
        own = self._hello.takes
        if self.role is Role.SITE:
            self._meet_hub(hello)
            return
        if not own.lowest <= hello.speaks <= own.highest:
            spoken = f"{own.lowest} to {own.highest}" if own.lowest < own.highest else f"{own.lowest}"
            self._emit(Greeted(hello))
            self.close(Code.VERSION, f"version {hello.speaks} is not spoken here, but {spoken}")
            return
        if hello.assumes not in (0, self._hello.fingerprint):
            self._emit(Greeted(hello))
            self.close(Code.CHANGED, "the hub is not as the site remembers it")
            return
        self._control.hello(self._hello.encode())
        self.other = hello
        self._peer = hello.takes
        self._heart.expect(hello.takes.keepalive)
        believed = own if hello.assumes else BASE
        self._streams.receive_window = believed.stream_window
        self._use_peer()
        self._in.begin(believed.window, now)
        self._in.widen(own.window, now)
        self._news.most = min(hello.takes.max_reports, own.max_reports)
        self._news.start(hello.reports_seen)
        self._emit(Greeted(hello))

    def _meet_hub(self, hello: Hello) -> None:
        own = self._hello.takes
        self.other = hello
        if self._hello.assumes not in (0, hello.fingerprint) or not (
            own.lowest <= hello.speaks <= own.highest
        ):
            self._mute = True  # its goodbye is on the way
        else:
            self._peer = hello.takes
            self._bound_control()
            self._out.max_transfers = hello.takes.max_transfers
            self._streams.may_open = hello.takes.max_streams
        self._emit(Greeted(hello))

    # --- inside --------------------------------------------------------------------------------------------

    def _bound_control(self) -> None:
        own = self._hello.takes
        self._control.most = MAX_WAITING + own.max_transfers + self._peer.max_transfers + own.max_reports

    def _use_peer(self) -> None:
        self._bound_control()
        self._streams.send_window = self._peer.stream_window
        self._streams.may_open = self._peer.max_streams
        if self.role is Role.SITE:
            self._out.begin(self._peer.window, self._peer.max_transfers)

    def _say(self, message: bytes) -> None:
        if self.ended is not None:
            return
        try:
            self._control.say(message)
        except FrameError as error:
            self.close(Code.VIOLATION, str(error))

    def _grant(self, scope: Urgency, limit: int) -> None:
        self._control.grant(scope, 0, limit)

    def _emit(self, event: Event) -> None:
        if self.ended is None:
            self._events.append(event)

    def _end(self, ended: Ended) -> None:
        self._emit(ended)
        self.ended = ended
