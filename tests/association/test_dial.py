"""From a name and a port to a socket, or to words that say why not."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

import pytest

from gateway.association.dial import connect
from gateway.association.errors import ConnectFailed
from gateway.association.timeouts import RequestorTimeouts
from gateway.model import AETitle, Peer

QUICK = RequestorTimeouts(connect=0.1)


async def why_not(host: str, port: int = 104) -> ConnectFailed:
    peer = Peer("centre", AETitle("CENTRE"), host, port)
    with pytest.raises(ConnectFailed) as raised:
        await connect(asyncio.Protocol, peer, way=None, timeouts=QUICK)
    return raised.value


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = await why_not("ois.example.org")
    assert (error.phase, "ois.example.org" in error.words) == ("resolve", True)
    assert "Name or service not known" in error.words


async def test_a_name_that_cannot_be_one() -> None:
    assert (await why_not("a" * 300 + ".example.org")).phase == "resolve"


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "getaddrinfo", never)
    error = await why_not("ois.example.org")
    assert (error.phase, "too long" in error.words) == ("resolve", True)


async def test_an_address_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "sock_connect", never)
    error = await why_not("192.0.2.1")
    assert (error.phase, "no answer from 192.0.2.1 port 104 within 0.1 s" in error.words) == ("tcp", True)


async def test_an_unreachable_network(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def unreachable(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(loop, "sock_connect", unreachable)
    error = await why_not("192.0.2.1")
    assert (error.phase, "Network is unreachable" in error.words) == ("tcp", True)


async def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    connected = asyncio.Event()

    async def two(*_: Any, **__: Any) -> Any:
        kind = socket.SOCK_STREAM
        return [
            (socket.AF_INET, kind, 6, "", ("127.0.0.9", port)),  # nobody listens there
            (socket.AF_INET, kind, 6, "", ("127.0.0.1", port)),
        ]

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.set()
            transport.close()

    monkeypatch.setattr(loop, "getaddrinfo", two)
    peer = Peer("centre", AETitle("CENTRE"), "ois.example.org", port)
    await connect(Client, peer, way=None, timeouts=RequestorTimeouts())
    await asyncio.wait_for(connected.wait(), 10)
    server.close()
    await server.wait_closed()
