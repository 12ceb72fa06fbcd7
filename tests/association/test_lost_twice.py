"""asyncio tells of a loss twice, and that is no defect of ours."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.association.lost_twice import is_lost_twice


class Broken(socket.socket):
    """Takes a little at a time, and breaks when it is told to."""

    broken = False

    def send(self, data: Any, *more: Any) -> int:
        if self.broken:
            raise BrokenPipeError(32, "Broken pipe")
        return super().send(data[:1000], *more)


class Writer(asyncio.Protocol):
    """Writes whenever it is told that there is room, as TLS does."""

    def __init__(self, sock: Broken) -> None:
        self.sock = sock
        self.lost = 0
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def resume_writing(self) -> None:
        self.sock.broken = True
        assert self.transport is not None
        self.transport.write(b"more")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1
        self.ended.set()


async def test_it_is_known_and_the_protocol_was_told_once() -> None:
    loop = asyncio.get_running_loop()
    contexts: list[dict[str, Any]] = []
    told = asyncio.Event()

    def handler(_: object, context: dict[str, Any]) -> None:
        contexts.append(context)
        told.set()

    loop.set_exception_handler(handler)
    ours, theirs = socket.socketpair()
    sock = Broken(ours.family, ours.type, ours.proto, fileno=ours.detach())
    sock.setblocking(False)
    transport, protocol = await loop.create_connection(lambda: Writer(sock), sock=sock)
    transport.write(bytes(1500))  # the second half waits, is sent, and then there is room
    async with asyncio.timeout(5):
        await protocol.ended.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    theirs.close()
    assert protocol.lost == 1
    if not contexts:
        pytest.skip("this version of asyncio tells of a loss once")
    assert [is_lost_twice(context) for context in contexts] == [True]


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"exception": AttributeError("x")},
        {"exception": AttributeError("x"), "handle": None},
        {"exception": ValueError("x"), "message": "y"},
    ],
)
def test_anything_else_is_a_defect(context: dict[str, Any]) -> None:
    assert not is_lost_twice(context)


async def test_an_attribute_error_of_ours_is_a_defect() -> None:
    loop = asyncio.get_running_loop()
    contexts: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: contexts.append(context))

    def ours() -> None:
        raise AttributeError("'NoneType' object has no attribute 'connection_lost'")

    loop.call_soon(ours)
    for _ in range(3):
        await asyncio.sleep(0)
    assert [is_lost_twice(context) for context in contexts] == [False]
