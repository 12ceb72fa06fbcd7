"""The relay streams of one session: virtual connections, each with its own order, credit and end. Pure.

Whoever opens a stream gives it its number: odd at a site, even at a hub, ascending. Bytes may follow at once.
Of a stream that is over, late frames are thrown away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.link.credit import SendCredit, Window
from gateway.link.encoding import encode, stream_header
from gateway.link.events import (
    Event,
    StreamData,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from gateway.link.frames import Buffer, FrameError, Open, Reset, StreamPiece
from gateway.link.values import KIB

RESUME = 16 * KIB
"""A stream with no more than this left to send is writable again."""


class _Channel:
    __slots__ = (
        "announced",
        "credit",
        "fin_received",
        "fin_sent",
        "fin_wanted",
        "full",
        "ours",
        "out",
        "unsent",
        "window",
    )

    def __init__(self, credit: SendCredit, window: Window, *, ours: bool) -> None:
        self.credit = credit
        self.window = window
        self.ours = ours
        self.announced = not ours
        self.out: deque[memoryview] = deque()
        self.unsent = 0
        self.full = False
        self.fin_wanted = False
        self.fin_sent = False
        self.fin_received = False


class Channels:
    """All streams of one end."""

    def __init__(
        self,
        *,
        first: int,
        most: int,
        emit: Callable[[Event], None],
        control: Callable[[bytes], None],
        grant: Callable[[int, int], None],
    ) -> None:
        """`first` of our numbers; `most` streams of the other end. `grant(stream, limit)` tells credit."""
        self.send_window = 0  # initial credit of a stream, each way: set when the other end is known
        self.receive_window = 0
        self.max_window = 0
        self.may_open = 0
        self._next = first
        self._most = most
        self._last_of_theirs = 0
        self._parity = first % 2
        self._emit = emit
        self._control = control
        self._grant = grant
        self._open: dict[int, _Channel] = {}
        self._ring: deque[int] = deque()  # those that have something to send, or to announce
        self._ours = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    # --- our side ------------------------------------------------------------------------------------------

    def open(self, now: float) -> int | None:
        """Open a stream and return its number; None when the other end takes no more."""
        if self._ours >= self.may_open:
            return None
        number, self._next = self._next, self._next + 2
        self._open[number] = self._channel(now, ours=True)
        self._ours += 1
        self._ring.append(number)
        return number

    def write(self, number: int, data: Buffer) -> bool:
        """Send bytes, which must not change until they have left. False: the stream is over or finished."""
        channel = self._open.get(number)
        if channel is None or channel.fin_wanted:
            return False
        if len(data):
            channel.out.append(memoryview(data).cast("B"))
            channel.unsent += len(channel.out[-1])
            channel.full = channel.full or channel.unsent > RESUME
            self._enter(number)
        return True

    def unsent(self, number: int) -> int:
        """Bytes written and not handed out yet."""
        channel = self._open.get(number)
        return channel.unsent if channel else 0

    def finish(self, number: int) -> None:
        """Nothing more will be written."""
        channel = self._open.get(number)
        if channel and not channel.fin_wanted:
            channel.fin_wanted = True
            self._enter(number)

    def reset(self, number: int, words: str) -> None:
        """Give the stream up, both ways, at once."""
        channel = self._open.get(number)
        if channel is None:
            return
        if channel.announced:
            self._control(encode(Reset(number, words)))
        self._forget(number)

    def read(self, number: int, count: int, now: float, rtt: float) -> None:
        """`count` bytes of it have been taken."""
        channel = self._open.get(number)
        if channel is None:
            return
        limit = channel.window.consumed(count, now, rtt)
        if limit is not None and not channel.fin_received:
            self._grant(number, limit)

    def next(self, payload: int) -> tuple[Buffer, ...] | None:
        """The next frame of the streams, in turn."""
        for _ in range(len(self._ring)):
            number = self._ring[0]
            channel = self._open[number]
            if not channel.announced:
                channel.announced = True
                if not channel.out and not channel.fin_wanted:
                    self._ring.popleft()
                return (encode(Open(number)),)
            self._ring.rotate(-1)
            frame = self._piece(number, channel, payload)
            if frame is not None:
                return frame
        return None

    # --- the other end's -----------------------------------------------------------------------------------

    def opened(self, frame: Open, now: float) -> None:
        """The other end opens one."""
        number = frame.stream
        if number % 2 == self._parity or number <= self._last_of_theirs:
            raise FrameError(f"stream {number} cannot be opened")
        self._last_of_theirs = number
        if len(self._open) - self._ours >= self._most:
            self._control(encode(Reset(number, f"no more than {self._most} streams")))
            return
        self._open[number] = self._channel(now, ours=False)
        self._emit(StreamOpened(number))

    def arrived(self, frame: StreamPiece) -> None:
        """Bytes came, or their end."""
        channel = self._find(frame.stream)
        if channel is None:
            return
        if channel.fin_received:
            raise FrameError(f"bytes after the end of stream {frame.stream}")
        if frame.payload:
            channel.window.arrived(len(frame.payload))
            self._emit(StreamData(frame.stream, frame.payload))
        if frame.fin:
            channel.fin_received = True
            self._emit(StreamFinished(frame.stream))
            self._end_if_over(frame.stream, channel)

    def was_reset(self, frame: Reset) -> None:
        """The other end gives one up."""
        if self._find(frame.stream) is not None:
            self._forget(frame.stream)
            self._emit(StreamReset(frame.stream, frame.words))

    def credited(self, number: int, limit: int) -> None:
        """More of this stream may be sent."""
        channel = self._find(number)
        if channel is not None:
            channel.credit.raised(limit)

    # --- inside --------------------------------------------------------------------------------------------

    def _channel(self, now: float, *, ours: bool) -> _Channel:
        window = Window(self.receive_window, self.max_window, now)
        return _Channel(SendCredit(self.send_window), window, ours=ours)

    def _find(self, number: int) -> _Channel | None:
        channel = self._open.get(number)
        if channel is not None:
            if not channel.announced:
                raise FrameError(f"stream {number} is not open")
            return channel
        known = number < self._next if number % 2 == self._parity else number <= self._last_of_theirs
        if not known or not number:
            raise FrameError(f"stream {number} was never opened")
        return None

    def _enter(self, number: int) -> None:
        if number not in self._ring:
            self._ring.append(number)

    def _piece(self, number: int, channel: _Channel, payload: int) -> tuple[Buffer, ...] | None:
        room = min(payload, channel.credit.available)
        pieces: list[memoryview] = []
        taken = 0
        while channel.out and taken < room:
            piece = channel.out.popleft()
            if len(piece) > room - taken:
                channel.out.appendleft(piece[room - taken :])
                piece = piece[: room - taken]
            pieces.append(piece)
            taken += len(piece)
        channel.unsent -= taken
        channel.credit.sent += taken
        fin = channel.fin_wanted and not channel.out
        if not taken and not fin:
            return None
        if fin or not channel.out:
            self._ring.remove(number)
        if channel.full and channel.unsent <= RESUME:
            channel.full = False
            self._emit(StreamWritable(number))
        channel.fin_sent = fin
        self._end_if_over(number, channel)
        return (stream_header(number, fin), *pieces)

    def _end_if_over(self, number: int, channel: _Channel) -> None:
        if channel.fin_sent and channel.fin_received:
            self._forget(number)

    def _forget(self, number: int) -> None:
        channel = self._open.pop(number)
        self._ours -= channel.ours
        if number in self._ring:
            self._ring.remove(number)
