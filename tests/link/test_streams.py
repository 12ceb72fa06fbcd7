"""A stream as an asyncio transport: what asyncio promises of one holds, in whatever order things happen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.link.channels import RESUME
from gateway.link.streams import StreamTransport


class Line:
    """What a link would do, written down."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.waiting = 0  # bytes of `sent` that no frame has taken
        self.stuck = False
        self.finished = False
        self.resets: list[str] = []
        self.credit = 0
        self.ended = False

    def write_stream(self, number: int, data: bytes) -> None:
        assert number == 7
        assert not self.finished
        self.sent += data
        if self.stuck:
            self.waiting += len(data)

    def stream_unsent(self, number: int) -> int:
        return self.waiting

    def finish_stream(self, number: int) -> None:
        assert not self.finished
        self.finished = True

    def reset_stream(self, number: int, words: str) -> None:
        self.resets.append(words)

    def read_stream(self, number: int, size: int) -> None:
        self.credit += size

    def end_stream(self, number: int) -> None:
        self.ended = True


class Reader(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, keep_open: bool = False) -> None:
        self.told: list[Any] = []
        self.data = bytearray()
        self.keep_open = keep_open
        self.transport: Any = None
        self.pause_after = 10**9

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.pause_after:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keep_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(("lost", exc))


class Filler(asyncio.BufferedProtocol):
    """A protocol with a small buffer of its own, as associations have."""

    def __init__(self, transport_pause_at: int = 10**9) -> None:
        self.data = bytearray()
        self.buffer = bytearray(100)
        self.pause_at = transport_pause_at
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]
        if len(self.data) >= self.pause_at:
            self.transport.pause_reading()


def made(protocol: asyncio.BaseProtocol) -> tuple[Line, StreamTransport]:
    line = Line()
    transport = StreamTransport(line, 7, {"peername": ("hub", 0)})
    transport.begin(lambda: protocol)
    return line, transport


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_is_written_leaves_in_order_and_the_end_after_it() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.write(b"a")
    transport.write(bytearray(b"b"))
    transport.write(memoryview(b"c"))
    transport.write_eof()
    transport.write(b"too late")
    assert (bytes(line.sent), line.finished) == (b"abc", True)
    assert transport.can_write_eof()
    transport.came(b"an answer is still read")
    assert reader.data == b"an answer is still read"
    assert transport.get_extra_info("peername") == ("hub", 0)


async def test_credit_goes_back_for_what_was_taken_only() -> None:
    reader = Reader()
    reader.pause_after = 5
    line, transport = made(reader)
    transport.came(b"12345")
    transport.came(b"6789")
    assert (bytes(reader.data), line.credit) == (b"12345", 5)
    assert not transport.is_reading()
    reader.pause_after = 10**9
    transport.resume_reading()
    transport.came(b"0")  # before what was kept was handed over
    assert transport.is_reading()
    await settle()
    assert (bytes(reader.data), line.credit) == (b"1234567890", 10)


async def test_a_pause_right_after_a_resume_holds() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.pause_reading()
    transport.came(b"x")
    transport.resume_reading()
    transport.pause_reading()
    await settle()
    assert (bytes(reader.data), line.credit) == (b"", 0)


async def test_a_protocol_with_its_own_buffer_is_filled_piece_by_piece() -> None:
    filler = Filler(250)
    line, transport = made(filler)
    data = bytes(range(256)) * 3
    transport.came(data)
    assert len(filler.data) == 300  # it paused in the middle
    assert line.credit == 300
    filler.pause_at = 10**9
    transport.resume_reading()
    await settle()
    assert filler.data == data
    assert line.credit == len(data)


async def test_the_end_comes_after_what_waits() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.pause_reading()
    transport.came(b"last words")
    transport.finished()
    assert "eof" not in reader.told
    transport.resume_reading()
    await settle()
    assert reader.data == b"last words"
    assert reader.told == ["made", "eof", ("lost", None)]
    assert (line.finished, line.ended) == (True, True)


async def test_a_protocol_may_go_on_after_the_end() -> None:
    reader = Reader(keep_open=True)
    line, transport = made(reader)
    transport.finished()
    await settle()
    transport.write(b"an answer")
    assert not transport.is_closing()
    transport.close()
    await settle()
    assert bytes(line.sent) == b"an answer"
    assert reader.told == ["made", "eof", ("lost", None)]


async def test_a_writer_is_asked_to_pause_and_to_go_on() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.set_write_buffer_limits(high=100_000)
    assert transport.get_write_buffer_limits() == (25_000, 100_000)
    line.stuck = True
    transport.write(bytes(90_000))
    assert "pause" not in reader.told
    transport.write(bytes(20_000))
    assert reader.told == ["made", "pause"]
    assert transport.get_write_buffer_size() == 110_000
    line.waiting = 50_000
    transport.room()
    assert "resume" not in reader.told
    line.waiting = RESUME
    transport.room()
    assert reader.told == ["made", "pause", "resume"]


async def test_limits_below_what_is_told_do_not_block_for_ever() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.set_write_buffer_limits(high=0)
    line.stuck = True
    transport.write(bytes(RESUME))
    assert reader.told == ["made"]
    transport.write(b"x")
    assert reader.told == ["made", "pause"]
    line.waiting = RESUME
    transport.room()
    assert reader.told == ["made", "pause", "resume"]
    with pytest.raises(ValueError, match="at least"):
        transport.set_write_buffer_limits(high=1, low=2)


async def test_a_close_waits_until_as_good_as_everything_has_left() -> None:
    reader = Reader()
    line, transport = made(reader)
    line.stuck = True
    transport.write(bytes(100_000))
    transport.close()
    assert transport.is_closing()
    await settle()
    assert not any(isinstance(one, tuple) for one in reader.told)
    transport.came(b"nobody reads this")
    assert line.credit == len(b"nobody reads this")
    line.waiting = 0
    transport.room()
    await settle()
    assert reader.told[-1] == ("lost", None)
    assert not line.ended  # the other end has not ended its half
    transport.finished()
    assert line.ended
    assert line.resets == []


async def test_an_end_that_never_ends_its_half_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.link.streams._LINGER", 0.01)
    line, transport = made(Reader())
    transport.close()
    await settle()
    assert line.resets == []
    await asyncio.sleep(0.05)
    assert line.resets == [""]
    assert line.ended


async def test_abort_and_loss() -> None:
    reader = Reader()
    line, transport = made(reader)
    transport.abort()
    transport.abort()
    await settle()
    assert (line.resets, line.ended) == ([""], True)
    assert reader.told == ["made", ("lost", None)]

    reader = Reader()
    line, transport = made(reader)
    gone = ConnectionResetError()
    transport.lost(gone)
    transport.lost(gone)
    transport.write(b"into the void")
    await settle()
    assert (line.resets, line.ended, bytes(line.sent)) == ([], True, b"")
    assert reader.told == ["made", ("lost", gone)]


async def test_a_defect_of_a_protocol_ends_its_stream_and_no_other() -> None:
    class Bad(Reader):
        def data_received(self, data: bytes) -> None:
            raise KeyError("a defect")

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bad = Bad()
    line, transport = made(bad)
    transport.came(b"x")
    await settle()
    assert line.resets == ["a defect at this end"]
    assert isinstance(bad.told[-1][1], KeyError)
    assert told[0]["protocol"] is bad


async def test_closing_within_data_received_keeps_order() -> None:
    class Closing(Reader):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()

    reader = Closing()
    line, transport = made(reader)
    transport.came(b"hello")
    await settle()
    assert (bytes(line.sent), line.finished, line.credit) == (b"bye", True, 5)
    assert reader.told == ["made", ("lost", None)]
