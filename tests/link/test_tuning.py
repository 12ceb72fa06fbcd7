"""What is set on the socket of a link, as the kernel sees it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from gateway.link import tuning
from gateway.link.network_watch import NetworkWatch


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        with one, other:
            yield one, other


def test_the_options(pair: tuple[socket.socket, socket.socket]) -> None:
    sock, _ = pair
    tuning.prepare(sock)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == tuning.LEAST_UNSENT
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    tuning.keep_unsent(sock, 5000)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 5000
    tuning.send_no_faster(sock, 123_456)
    assert sock.getsockopt(socket.SOL_SOCKET, 47) == 123_456
    tuning.send_no_faster(sock, 5_000_000_000)
    assert sock.getsockopt(socket.SOL_SOCKET, 47, 8) == (5_000_000_000).to_bytes(8, sys.byteorder)
    tuning.send_no_faster(sock, None)
    assert sock.getsockopt(socket.SOL_SOCKET, 47, 8) == b"\xff" * 8
    assert tuning.congestion_control(sock)


def test_what_nobody_has_acknowledged(pair: tuple[socket.socket, socket.socket]) -> None:
    sock, other = pair
    sock.setblocking(False)
    assert tuning.unacknowledged(sock) == 0
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(65536))
    except BlockingIOError:
        pass
    assert 0 < tuning.unacknowledged(sock) <= sent
    del other


def test_a_socket_that_is_gone_is_no_matter(pair: tuple[socket.socket, socket.socket]) -> None:
    sock, _ = pair
    sock.close()
    tuning.keep_unsent(sock, 1)
    tuning.send_no_faster(sock, 1)


def test_a_socket_that_is_no_tcp_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        tuning.prepare(one)
        tuning.keep_unsent(one, 1)


async def test_a_network_that_changes_is_noticed() -> None:
    changed = asyncio.Event()
    watch = NetworkWatch(changed.set)
    if not watch.start():
        pytest.skip("this system has no rtnetlink")
    ours = "192.0.2.77/32"
    process = await asyncio.create_subprocess_exec("ip", "address", "add", ours, "dev", "lo")
    if await process.wait():
        watch.close()
        pytest.skip("an address can be added to the machine by root only")
    try:
        async with asyncio.timeout(10):
            await changed.wait()
    finally:
        watch.close()
        process = await asyncio.create_subprocess_exec("ip", "address", "del", ours, "dev", "lo")
        await process.wait()
    watch.close()
