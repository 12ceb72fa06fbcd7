"""The server under callers that are slow, silent, many, or gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import SpoolFailure
from gateway.operator.http import HttpLimits, HttpServer, Request, Response

SHORT = HttpLimits(
    max_connections=3,
    request_timeout=0.2,
    idle_timeout=0.2,
    body_timeout=0.2,
    write_timeout=0.2,
    max_body_bytes=100,
)


class Site:
    """A server whose handler reads the body and answers with it, or with an endless stream."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = HttpServer(
            self.handle, lambda status, words: Response(status, "text/plain", words.encode()), SHORT
        )
        self.stream_ended = asyncio.Event()

    async def handle(self, request: Request) -> Response:
        if request.path == "/broken":
            return Response(200, "text/plain", self.broken(), 100)
        if request.path == "/endless":
            return Response(200, "text/plain", self.endless())
        return Response(200, "text/plain", await request.read())

    async def endless(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            self.stream_ended.set()

    async def broken(self) -> AsyncIterator[bytes]:
        yield b"x"
        raise SpoolFailure("the disk is gone")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "http.sock")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(site.path))
    await site.server.start(sock)
    yield site
    await site.server.close()


async def finish(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_requests_follow_each_other_on_one_connection(site: Site) -> None:
    reader, writer = await site.connect()
    for _ in range(3):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"hi"
    await finish(writer)


@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"])
async def test_a_body_that_was_never_announced_is_not_waited_for(site: Site, length: bytes) -> None:
    reader, writer = await site.connect()
    for _ in range(2):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await finish(writer)


async def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    reader, writer = await site.connect()
    for body in (b"1", b"2"):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n" + body)
    for body in (b"1", b"2"):
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(1) == body
    await finish(writer)


async def test_a_caller_that_waits_for_100_continue_gets_it(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b"100" in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"hi")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await finish(writer)


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
async def test_who_stays_silent_is_let_go(site: Site, said: bytes) -> None:
    reader, writer = await site.connect()
    writer.write(said)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    await finish(writer)


async def test_a_body_that_stops_arriving_is_answered_with_408(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nbut no more")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert b" 408 " in answer
    await finish(writer)


async def test_a_body_without_an_end_is_cut_at_the_limit(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"a\r\n0123456789\r\n" * 20
    )
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert b" 413 " in answer
    await finish(writer)


async def test_who_does_not_take_its_answer_is_let_go(site: Site) -> None:
    _, writer = await site.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        await site.stream_ended.wait()
    await finish(writer)


async def test_who_goes_away_ends_its_stream(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read(10)
    writer.transport.abort()
    async with asyncio.timeout(5):
        await site.stream_ended.wait()


async def test_an_answer_that_breaks_off_is_logged_and_cannot_pass_for_whole(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await site.connect()
    writer.write(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    assert answer.endswith(b"\r\n\r\nx")
    assert "the disk is gone" in caplog.text
    await finish(writer)


async def test_more_connections_than_allowed_are_told_so(site: Site) -> None:
    held = [await site.connect() for _ in range(SHORT.max_connections)]
    for _, writer in held:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")  # ... and no body: it stays
    reader, writer = await site.connect()
    async with asyncio.timeout(5):
        assert b" 503 " in await reader.read()
    for _, held_writer in [*held, (reader, writer)]:
        await finish(held_writer)


async def test_closing_ends_every_connection(site: Site) -> None:
    reader, writer = await site.connect()
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read(10)
    async with asyncio.timeout(5):
        await site.server.close()
        await site.stream_ended.wait()
    await finish(writer)
