"""The link: it carries, delays, narrows, is cut in two ways, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.demo.link import Cut, Link, LinkLimits

SOON = 5.0  # seconds within which what must happen happens


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[tuple[str, int]]:
    """A target that sends back what it gets, and closes when the other side does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


class Caller:
    """The near end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, link: Link) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", link.port))

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        async with asyncio.timeout(SOON):
            return await self.reader.readexactly(len(data))

    async def hears_nothing(self, seconds: float = 0.15) -> bool:
        """True when nothing at all, neither bytes nor an end, comes within the time."""
        try:
            async with asyncio.timeout(seconds):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        async with asyncio.timeout(SOON):
            try:
                await self.reader.read(1)
            except ConnectionResetError:
                return True
        return False


async def test_carries_bytes_both_ways() -> None:
    async with echo_server() as target, Link(target) as link:
        caller = await Caller.connect(link)
        assert await caller.ask(b"x" * 300_000) == b"x" * 300_000
        assert link.carried == 600_000
        assert link.connections == 1
        caller.writer.close()


async def test_end_of_stream_passes_after_the_last_byte() -> None:
    async with echo_server() as target, Link(target, delay=0.02) as link:
        caller = await Caller.connect(link)
        caller.writer.write(b"last words")
        caller.writer.write_eof()
        async with asyncio.timeout(SOON):
            assert await caller.reader.read(-1) == b"last words"
        caller.writer.close()


async def test_delay_is_paid_in_each_direction() -> None:
    loop = asyncio.get_running_loop()
    async with echo_server() as target, Link(target, delay=0.1) as link:
        caller = await Caller.connect(link)
        start = loop.time()
        await caller.ask(b"ping")
        assert 0.2 <= loop.time() - start < 2.0
        caller.writer.close()


async def test_rate_is_shared_by_all_connections() -> None:
    loop = asyncio.get_running_loop()
    async with echo_server() as target, Link(target, rate=1_000_000) as link:
        callers = [await Caller.connect(link) for _ in range(2)]
        start = loop.time()
        await asyncio.gather(*(caller.ask(b"x" * 150_000) for caller in callers))
        assert 0.3 <= loop.time() - start < 3.0
        for caller in callers:
            caller.writer.close()


async def test_reset_cut_resets_what_is_open_and_what_comes() -> None:
    async with echo_server() as target, Link(target) as link:
        caller = await Caller.connect(link)
        await caller.ask(b"before")
        link.cut(Cut.RESET)
        assert not link.up
        assert await caller.is_reset()
        late = await Caller.connect(link)
        assert await late.is_reset()
        link.restore()
        again = await Caller.connect(link)
        assert await again.ask(b"after") == b"after"
        for one in (caller, late, again):
            one.writer.close()


async def test_reset_cut_reaches_the_target_too() -> None:
    greeted, lost = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        greeted.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read(1)
        lost.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Link(server.sockets[0].getsockname()) as link:
        caller = await Caller.connect(link)
        caller.writer.write(b"x")
        async with asyncio.timeout(SOON):
            await greeted.wait()
            link.cut()
            await lost.wait()
        caller.writer.close()
    server.close()


async def test_silent_cut_stops_both_directions_and_keeps_connections() -> None:
    async with echo_server() as target, Link(target) as link:
        caller = await Caller.connect(link)
        await caller.ask(b"before")
        link.cut(Cut.SILENT)
        caller.writer.write(b"held")
        assert await caller.hears_nothing()
        carried = link.carried
        link.restore()
        async with asyncio.timeout(SOON):
            assert await caller.reader.readexactly(4) == b"held"
        assert link.carried == carried + 8
        caller.writer.close()


async def test_connections_opened_during_a_silent_cut_work_afterwards() -> None:
    async with echo_server() as target, Link(target) as link:
        link.cut(Cut.SILENT)
        caller = await Caller.connect(link)
        caller.writer.write(b"hello")
        assert await caller.hears_nothing()
        link.restore()
        async with asyncio.timeout(SOON):
            assert await caller.reader.readexactly(5) == b"hello"
        caller.writer.close()


async def test_target_that_is_absent_looks_like_a_reset() -> None:
    async with echo_server() as target:
        pass
    async with Link(target) as link:
        caller = await Caller.connect(link)
        assert await caller.is_reset()
        caller.writer.close()


async def test_connections_beyond_the_limit_are_reset() -> None:
    async with echo_server() as target, Link(target, limits=LinkLimits(max_connections=1)) as link:
        first = await Caller.connect(link)
        await first.ask(b"x")
        second = await Caller.connect(link)
        assert await second.is_reset()
        assert await first.ask(b"still") == b"still"
        first.writer.close()
        second.writer.close()


async def test_bytes_in_flight_are_bounded() -> None:
    """A sender that is faster than the link is slowed down, not buffered."""
    limit = 256 * 1024
    async with (
        echo_server() as target,
        Link(target, delay=60, limits=LinkLimits(max_in_flight=limit)) as link,
    ):
        caller = await Caller.connect(link)
        caller.writer.write(b"x" * (64 << 20))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await caller.writer.drain()
        # The rest stays at the sender: kernel buffers take a few MiB, the link its limit.
        assert caller.writer.transport.get_write_buffer_size() > 48 << 20
        assert link.carried == 0
        caller.writer.transport.abort()


async def test_leaving_resets_what_is_open() -> None:
    async with echo_server() as target:
        async with Link(target) as link:
            caller = await Caller.connect(link)
            await caller.ask(b"x")
        assert await caller.is_reset()
        assert link.connections == 0
        caller.writer.close()
