"""Who gets in at the TCP level. Real sockets, a real aiohttp server behind the door."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from gateway.admin.access.https import Https
from gateway.admin.door import Door, DoorLimits, doorkeeper

LIMITS = DoorLimits(max_connections=8, max_per_address=8, handshake=60.0, head=60.0, stall=60.0, pause=0.01)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Opened:
    """A door that is open."""

    door: Door
    port: int
    hold: asyncio.Event  # set: /slow answers

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, **options)


@contextlib.asynccontextmanager
async def opened(limits: DoorLimits, context: ssl.SSLContext | None = None) -> AsyncIterator[Opened]:
    hold = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await hold.wait()
        return web.Response(text="late")

    async def plain(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    app = web.Application(middlewares=[doorkeeper])
    app.router.add_get("/", plain)
    app.router.add_get("/slow", slow)
    app.router.add_get("/endless", endless)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    door = Door(sock, cast(Any, runner.server), context, limits)
    door.open()
    try:
        yield Opened(door, sock.getsockname()[1], hold)
    finally:
        hold.set()
        await door.close()
        await runner.cleanup()


async def until(condition: Any) -> None:
    """Wait until a condition holds that has no event of its own."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait for the other side to close; return whether it said something before."""
    try:
        return bool(await asyncio.wait_for(reader.read(100), 10))
    except ConnectionError:
        return False


async def test_a_connection_gets_its_answers_one_after_another() -> None:
    async with opened(LIMITS) as there:
        reader, writer = await there.connect()
        for _ in range(3):
            writer.write(GET)
            assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200")
        assert there.door.connections == 1
        writer.close()
        await until(lambda: there.door.connections == 0)


async def test_connections_are_bounded_and_places_become_free_again() -> None:
    async with opened(replace(LIMITS, max_connections=3)) as there:
        held = [await there.connect() for _ in range(3)]
        await until(lambda: there.door.connections == 3)
        reader, writer = await there.connect()
        assert not await ended(reader)
        writer.close()
        held[0][1].close()
        await until(lambda: there.door.connections == 2)
        reader, writer = await there.connect()
        writer.write(GET)
        assert await reader.readuntil(b"here")
        for _, each in [*held, (reader, writer)]:
            each.close()


async def test_one_address_does_not_take_all_places() -> None:
    async with opened(replace(LIMITS, max_per_address=2)) as there:
        held = [await there.connect(local_addr=("127.0.0.5", 0)) for _ in range(2)]
        await until(lambda: there.door.connections == 2)
        reader, writer = await there.connect(local_addr=("127.0.0.5", 0))
        assert not await ended(reader)
        other, other_writer = await there.connect(local_addr=("127.0.0.6", 0))
        other_writer.write(GET)
        assert await other.readuntil(b"here")
        for _, each in [*held, (reader, writer), (other, other_writer)]:
            each.close()


@pytest.mark.parametrize(
    "first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"G"], ids=["nothing", "half a head", "a letter"]
)
async def test_a_head_that_does_not_come_is_given_up(first: bytes) -> None:
    async with opened(replace(LIMITS, head=0.2)) as there:
        reader, writer = await there.connect()
        writer.write(first)
        assert not await ended(reader)
        await until(lambda: there.door.connections == 0)
        writer.close()


async def test_a_head_that_drips_is_given_up() -> None:
    """Slowloris: a header every now and then keeps nobody's place."""
    async with opened(replace(LIMITS, head=0.3)) as there:
        reader, writer = await there.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(1000):
                writer.write(b"X-%d: y\r\n" % number)
                await writer.drain()
                if reader.at_eof():
                    break
                await asyncio.sleep(0.01)
        assert not await ended(reader)
        await until(lambda: there.door.connections == 0)
        writer.close()


async def test_an_answer_may_take_longer_than_a_head() -> None:
    async with opened(replace(LIMITS, head=0.1)) as there:
        reader, writer = await there.connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.4)
        there.hold.set()
        assert await reader.readuntil(b"late")
        assert not await ended(reader)  # and then the connection is idle, and ends
        writer.close()


async def test_a_browser_that_does_not_read_is_given_up() -> None:
    async with opened(replace(LIMITS, stall=0.3)) as there:
        reader, writer = await there.connect(limit=1)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: there.door.connections == 1)
        await until(lambda: there.door.connections == 0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_takes_a_place_and_has_to_end(first: bytes, tmp_path: Path) -> None:
    context = Https(tmp_path).context
    async with opened(replace(LIMITS, max_connections=1, handshake=0.3), context) as there:
        reader, writer = await there.connect()
        await until(lambda: there.door.connections == 1)
        writer.write(first)
        await ended(reader)
        await until(lambda: there.door.connections == 0)
        writer.close()
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        reader, writer = await there.connect(ssl=trusting)
        writer.write(GET)
        assert await reader.readuntil(b"here")
        writer.close()
        await until(lambda: there.door.connections == 0)


async def test_a_thousand_callers_leave_nothing_behind() -> None:
    async with opened(LIMITS) as there:
        for _ in range(100):
            callers = [await there.connect() for _ in range(10)]
            for _, writer in callers:
                writer.close()
        await until(lambda: there.door.connections == 0)
        assert not there.door._of_address
        reader, writer = await there.connect()
        writer.write(GET)
        assert await reader.readuntil(b"here")
        writer.close()
