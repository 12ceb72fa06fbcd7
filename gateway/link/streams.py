"""A relay stream as an asyncio transport: whoever is used to a TCP connection uses it as one.

Bytes, order, half-close and reset are those of TCP (RFC 9293), and so is backpressure: what the other end has
not yet made room for waits here, and the protocol is asked to pause; what the protocol does not want to read
now is not acknowledged, and the other end stops sending when its window is full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from gateway.link.channels import RESUME

_HIGH: Final = 64 * 1024
"""Bytes that wait at which a protocol is asked to pause, unless it sets its own limits."""

_FEW: Final = RESUME
"""Bytes that wait which do not matter: there is no limit below, because nobody tells when they have left."""

_LINGER: Final = 30.0
"""Seconds after our close in which the other end has to end its half too; then the stream is reset."""


class Line(Protocol):
    """What a stream needs of the link that carries it."""

    def write_stream(self, number: int, data: bytes) -> None:
        """Send `data` when its turn comes and the other end has room."""

    def stream_unsent(self, number: int) -> int:
        """Bytes written and not yet sent. When few are left of many, `room` is called."""

    def finish_stream(self, number: int) -> None:
        """Our half ends after what was written."""

    def reset_stream(self, number: int, words: str) -> None:
        """Both halves end now, whatever is on the way."""

    def read_stream(self, number: int, size: int) -> None:
        """So many bytes were taken: the other end may send as many more."""

    def end_stream(self, number: int) -> None:
        """Nothing about this stream is of interest any more."""


class StreamTransport(asyncio.Transport):
    """One stream. The link calls what is under "for the link"; all on the event loop."""

    def __init__(self, line: Line, number: int, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._line = line
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.BaseProtocol | None = None
        self._high, self._low = _HIGH, _HIGH // 4
        self._asked_to_pause = False
        self._in: bytearray | None = None  # what came while the protocol does not read; None: it reads
        self._resuming = False
        self._eof_waits = False
        self._finished = False  # our half ends after what is written
        self._their_end = False
        self._closing = False
        self._gone = False
        self._linger: asyncio.TimerHandle | None = None

    def begin(self, factory: Callable[[], asyncio.BaseProtocol]) -> asyncio.BaseProtocol:
        """Make the protocol and tell it that it is connected."""
        protocol = self._protocol = factory()
        protocol.connection_made(self)
        return protocol

    # --- for the protocol ----------------------------------------------------------------------------

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Whoever is served."""
        if self._protocol is None:
            raise RuntimeError("the stream has not begun")
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Serve another from now on."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """True from `close` or `abort` on, or when the other end or the link has ended it."""
        return self._closing or self._gone

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, or keep it until there is room."""
        if self.is_closing() or self._finished or not data:
            return
        self._line.write_stream(self._number, bytes(data))
        self._weigh()

    def write_eof(self) -> None:
        """End our half once everything is written."""
        if not self._finished and not self._gone:
            self._finished = True
            self._line.finish_stream(self._number)

    def can_write_eof(self) -> bool:
        """Streams have two halves."""
        return True

    def close(self) -> None:
        """Send what is written, then end; nothing more is read."""
        if self.is_closing():
            return
        held, self._in = self._in, None
        if held:
            self._line.read_stream(self._number, len(held))
        self.write_eof()
        self._closing = True
        self._weigh()

    def abort(self) -> None:
        """End at once."""
        if not self._gone:
            self._line.reset_stream(self._number, "")
            self._lose(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """As asyncio.WriteTransport has it."""
        if high is None:
            high = _HIGH if low is None else 4 * low
        low = high // 4 if low is None else low
        if not 0 <= low <= high:
            raise ValueError(f"high ({high}) must be at least low ({low}), and that at least 0")
        self._high, self._low = high, low
        self._weigh()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for room at the other end."""
        return self._line.stream_unsent(self._number)

    def is_reading(self) -> bool:
        """False while the protocol has paused it."""
        return (self._in is None or self._resuming) and not self.is_closing()

    def pause_reading(self) -> None:
        """Keep what comes; the other end's window fills."""
        self._resuming = False
        if self._in is None and not self.is_closing():
            self._in = bytearray()

    def resume_reading(self) -> None:
        """Hand over what has come meanwhile, soon."""
        if self._in is not None and not self._resuming and not self.is_closing():
            self._resuming = True
            self._loop.call_soon(self._resume)

    # --- for the link --------------------------------------------------------------------------------

    def came(self, data: bytes | memoryview) -> None:
        """Bytes came from the other end."""
        if self.is_closing():
            self._line.read_stream(self._number, len(data))  # nobody reads them any more
        elif self._in is not None:
            self._in += data
        else:
            self._hand_over(data)

    def finished(self) -> None:
        """The other end has ended its half."""
        self._their_end = True
        if self._gone:
            self._forget()
        elif self._in is not None:
            self._eof_waits = True
        elif not self._closing:
            self._tell_eof()

    def room(self) -> None:
        """Little is left of what was written."""
        if not self._gone:
            self._weigh()

    def lost(self, error: Exception | None) -> None:
        """The stream was reset, or the link went down with it."""
        if not self._gone:
            self._lose(error)

    # --- inside --------------------------------------------------------------------------------------

    def _resume(self) -> None:
        if self._resuming and self._in is not None:
            self._resuming = False
            held, self._in = bytes(self._in), None
            self._hand_over(held)

    def _weigh(self) -> None:
        """Ask the protocol to pause, or to go on; end when it wants that and all is as good as sent."""
        if self._protocol is None or self._gone:
            return
        size = self._line.stream_unsent(self._number)
        if self._closing and size <= _FEW:
            self._lose(None)
        elif size > max(self._high, _FEW) and not self._asked_to_pause:
            self._asked_to_pause = True
            self._call(self._protocol.pause_writing)
        elif size <= max(self._low, _FEW) and self._asked_to_pause:
            self._asked_to_pause = False
            self._call(self._protocol.resume_writing)

    def _hand_over(self, data: bytes | memoryview) -> None:
        """Let the protocol have `data`, until it pauses in the middle."""
        view = memoryview(data)
        protocol = self._protocol
        while view and self.is_reading():
            if isinstance(protocol, asyncio.BufferedProtocol):
                taken = self._fill(protocol, view)
            else:
                taken = len(view)
                self._call(cast("asyncio.Protocol", protocol).data_received, bytes(view))
            self._line.read_stream(self._number, taken)
            view = view[taken:]
        if self.is_closing():
            self._line.read_stream(self._number, len(view))
        elif not self.is_reading():
            self._keep(view)
        elif self._eof_waits:
            self._eof_waits = False
            self._tell_eof()

    def _keep(self, rest: memoryview) -> None:
        if self._in is not None:
            self._in[:0] = rest

    def _fill(self, protocol: asyncio.BufferedProtocol, view: memoryview) -> int:
        """Fill the protocol's buffer from `view`; return how much went in."""
        room = 0

        def step() -> None:
            nonlocal room
            buffer = memoryview(protocol.get_buffer(len(view))).cast("B")
            room = min(len(buffer), len(view))
            if not room:
                raise RuntimeError("the protocol gave an empty buffer")
            buffer[:room] = view[:room]
            protocol.buffer_updated(room)

        self._call(step)
        return room or len(view)

    def _tell_eof(self) -> None:
        protocol = cast("asyncio.Protocol | asyncio.BufferedProtocol", self._protocol)
        keep = False

        def step() -> None:
            nonlocal keep
            keep = bool(protocol.eof_received())

        self._call(step)
        if not keep:
            self.close()

    def _call(self, step: Callable[..., object], *arguments: object) -> None:
        """Run the protocol's code. A defect there ends this stream, and no other."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns one stream
            self._loop.call_exception_handler(
                {
                    "message": "a protocol on a stream of the link failed",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            if not self._gone:
                self._line.reset_stream(self._number, "a defect at this end")
                self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        """The end as far as the protocol is concerned."""
        self._gone = True
        self._closing = True
        self._in = None
        self._loop.call_soon(self._tell_lost, error)
        if self._finished and not self._their_end and error is None:
            self._linger = self._loop.call_later(_LINGER, self._give_up)
        else:
            self._forget()

    def _tell_lost(self, error: Exception | None) -> None:
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def _give_up(self) -> None:
        self._linger = None
        self._line.reset_stream(self._number, "")
        self._forget()

    def _forget(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._line.end_stream(self._number)
