"""The connection of a link over real sockets: TLS, upgrade, messages, backpressure, and every way to fail."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.association.tls import client_context
from gateway.link.tls import TlsFailed
from gateway.link.upgrade import WebSocketBroken, WebSocketLimits
from tests.support.certs import Authority
from tests.support.link_ends import Ends, Recorder, ends


async def test_messages_both_ways(tmp_path: Path) -> None:
    big = bytes(range(256)) * 200
    async with ends(tmp_path, hub=lambda: Recorder(greeting=(b"welcome",))) as it:
        site = await it.dial(Recorder(greeting=(b"hello", big)))
        assert await site.wait_messages(1) == [b"welcome"]
        hub = it.hubs[0]
        assert await hub.wait_messages(2) == [b"hello", big]
        assert hub.site == "clinic-07"
        assert hub.connection is not None
        assert hub.connection.session_words.startswith("TLSv1.3")


async def test_an_end_in_order_is_told_to_both(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        site = await it.dial(Recorder(greeting=(b"last",)))
        assert await it_hub(it).wait_messages(1) == [b"last"]
        assert site.connection is not None
        site.connection.close()
        assert "the other end closed the connection" in str(await it.hubs[0].wait_gone())
        await site.wait_gone()


def it_hub(it: Ends) -> Recorder:
    """The first connection as the hub sees it."""
    return it.hubs[0]


async def test_what_is_said_after_the_end_is_dropped(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        site = await it.dial(Recorder(greeting=(b"last",)))
        assert await it_hub(it).wait_messages(1) == [b"last"]
        assert site.connection is not None
        assert it.hubs[0].connection is not None
        site.connection.close()
        site.connection.send(b"too late")
        site.connection.flush()
        await it.hubs[0].wait_gone()
        it.hubs[0].connection.send(b"much too late")
        it.hubs[0].connection.flush()
        await site.wait_gone()
        assert it.hubs[0].messages == [b"last"]


async def test_the_first_messages_leave_with_the_second_flight(tmp_path: Path) -> None:
    """Two round trips from TCP connect to data: SYN, ClientHello, and then everything at once."""
    flights: list[str] = []
    async with ends(tmp_path) as it:

        async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Pass bytes on in turns: one flight each way at a time, as a line of long delay would."""
            far, away = await asyncio.open_connection("127.0.0.1", it.port)
            try:
                while not it.hubs[0].messages:
                    flight = await reader.read(65536)
                    flights.append("up")
                    away.write(flight)
                    if it.hubs[0].open.is_set() or len(flights) > 2:
                        break
                    answer = await far.read(65536)
                    flights.append("down")
                    writer.write(answer)
                await it.hubs[0].wait_messages(1)
            finally:
                away.close()
                writer.close()

        server = await asyncio.start_server(between, "127.0.0.1", 0)
        site = await it.dial(Recorder(greeting=(b"a record",)), server.sockets[0].getsockname()[1])
        await site.wait_gone()
        assert it.hubs[0].messages == [b"a record"]
        # up: ClientHello; down: ServerHello to Finished; up: certificate, Finished, upgrade and the record.
        assert flights == ["up", "down", "up"]
        server.close()
        await server.wait_closed()


async def test_a_reconnect_resumes_the_tls_session_and_still_knows_the_site(tmp_path: Path) -> None:
    spent = []
    async with ends(tmp_path, hub=lambda: Recorder(greeting=(b"welcome",))) as it:
        for resumed in (False, True, True):
            site = await it.dial(Recorder(greeting=(b"hello",)))
            await site.wait_messages(1)
            await it.hubs[-1].wait_messages(1)
            assert site.connection is not None
            assert site.connection.tls.resumed is resumed
            assert it.hubs[-1].site == "clinic-07"
            it.contexts.keep(site.connection.tls)
            spent.append(site.connection.bytes_in + site.connection.bytes_out)
            site.connection.close()
            await site.wait_gone()
    assert spent[1] < spent[0]


async def test_a_site_of_another_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority.create(tmp_path / "other", "stranger").issue("clinic-07")
    trusting = type(stranger)(stranger.certificate, stranger.key, tmp_path / "centre-ca.pem")
    async with ends(tmp_path, site_tls=trusting) as it:
        site = await it.dial()
        assert (
            str(await site.wait_gone()) == "the peer does not trust the authority that issued our certificate"
        )
        assert isinstance(await it.hubs[0].wait_gone(), TlsFailed)
        assert not it.hubs[0].open.is_set()


async def test_a_hub_with_another_name_is_refused(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        it.contexts.server_name = "hub.example.org"
        site = await it.dial()
        assert str(await site.wait_gone()) == "the peer's certificate is for another host name"
        assert not site.open.is_set()


async def test_tls_1_2_is_refused(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        context = client_context(it.site_tls)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", it.port, ssl=context, server_hostname="localhost")
        assert isinstance(await it.hubs[0].wait_gone(), TlsFailed)


async def test_a_site_that_the_hub_does_not_know_is_told_so(tmp_path: Path) -> None:
    async with ends(tmp_path, hub=lambda: Recorder(deny="no site is called clinic-07 here")) as it:
        site = await it.dial(Recorder(greeting=(b"hello",)))
        error = await site.wait_gone()
        assert isinstance(error, WebSocketBroken)
        assert str(error) == "the hub refused the connection (403): no site is called clinic-07 here"
        assert it.hubs[0].messages == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", b"400"),
        (b"POST /link HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"\x16\x03\x01 nonsense\r\n\r\n", b"400"),
        (
            b"GET /other HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            b"404",
        ),
    ],
)
async def test_whoever_asks_for_something_else_gets_an_answer(
    tmp_path: Path, request_: bytes, status: bytes
) -> None:
    async with ends(tmp_path) as it:
        reader, writer = await _plain(it.port, client_context(it.site_tls))
        writer.write(request_)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert isinstance(await it.hubs[0].wait_gone(), WebSocketBroken)
        writer.close()


async def test_a_head_without_an_end_is_cut_off(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        _, writer = await _plain(it.port, client_context(it.site_tls))
        writer.write(b"GET /link HTTP/1.1\r\n" + b"X-More: of it\r\n" * 2000)
        assert "too long" in str(await it.hubs[0].wait_gone())
        writer.close()


async def test_a_message_beyond_the_limit_is_cut_off(tmp_path: Path) -> None:
    async with ends(tmp_path, limits=WebSocketLimits(message=1000)) as it:
        site = await it.dial(Recorder(greeting=(b"x" * 1000,)))
        await it_hub(it).wait_messages(1)
        assert site.connection is not None
        site.connection.send(b"x" * 1001)
        site.connection.flush()
        assert "a message of more than 1000 bytes" in str(await it.hubs[0].wait_gone())
        await site.wait_gone()


async def test_what_is_no_websocket_frame_is_cut_off(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        site = await it.dial(Recorder(greeting=(b"hello",)))
        await site_open(site)
        assert site.connection is not None
        site.connection.tls.write(b"\xff" * 50)
        site.connection.flush()
        assert isinstance(await it.hubs[0].wait_gone(), WebSocketBroken)
        await site.wait_gone()


async def site_open(site: Recorder) -> None:
    async with asyncio.timeout(10):
        await site.open.wait()


async def test_nothing_is_piled_up_for_an_end_that_does_not_read(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        site = await it.dial()
        await site_open(site)
        connection = site.connection
        assert connection is not None
        await it.hubs[0].open.wait()
        hub = it.hubs[0].connection
        assert hub is not None
        assert hub._transport is not None
        hub._transport.pause_reading()
        sent = 0
        while connection.room:
            connection.send(b"x" * 16384)
            connection.flush()
            sent += 1
            await asyncio.sleep(0)
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() <= 17 * 1024
        info = connection.tcp_info()
        assert info is not None
        assert info.not_sent is not None
        assert info.not_sent <= 16 * 1024 + 64 * 1024  # the kernel ends a packet it has begun
        site.room.clear()
        hub._transport.resume_reading()
        async with asyncio.timeout(10):
            await site.room.wait()
        assert len(await it.hubs[0].wait_messages(sent)) == sent


async def test_an_end_that_only_asks_and_never_reads_is_cut_off(tmp_path: Path) -> None:
    async with ends(tmp_path) as it:
        site = await it.dial()
        await site_open(site)
        connection = site.connection
        assert connection is not None
        assert connection._transport is not None
        connection._transport.pause_reading()
        frame = b"\x89\xfd" + bytes(4) + b"p" * 125  # a masked ping
        async with asyncio.timeout(30):
            while not it.hubs or not it.hubs[0].gone.is_set():
                connection.tls.write(frame * 1000)
                connection.flush()
                await asyncio.sleep(0)
        assert "does not read" in str(it.hubs[0].error)
        connection.abort()


async def _plain(port: int, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
