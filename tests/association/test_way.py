"""The way to a peer: plain, TLS, or over a link; and nothing goes plain by an oversight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.association.dial import connect
from gateway.association.errors import ConnectFailed
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tls import ClientContexts, client_context
from gateway.association.way import Ways, check
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from tests.support.certs import Authority

PLAIN = Peer("plain", AETitle("A"), "192.0.2.1", 104)
BEHIND = Peer("behind", AETitle("B"), "", 0, via="hub")


class Carrier:
    """A link that notes what it is asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[float] = []
        self.error = error

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        self.asked.append(timeout_s)
        if self.error is not None:
            raise self.error
        protocol = factory()
        transport = asyncio.Transport()
        protocol.connection_made(transport)
        return transport, protocol


def test_each_peer_has_its_way(tmp_path: Path) -> None:
    tls = Authority.create(tmp_path).issue("gateway")
    secure = Peer("secure", AETitle("C"), "192.0.2.1", 2762, tls)
    carrier = Carrier()
    ways = Ways(ClientContexts(), {"hub": carrier}.get)
    assert ways.of(PLAIN) is None
    assert ways.of(BEHIND) is carrier
    context = ways.of(secure)
    for peer, way in ((PLAIN, None), (BEHIND, carrier), (secure, context)):
        check(peer, way)
    with pytest.raises(ConnectFailed, match="there is no link to moon"):
        ways.of(Peer("lost", AETitle("D"), "", 0, via="moon"))


def test_nothing_goes_another_way_by_an_oversight(tmp_path: Path) -> None:
    tls = Authority.create(tmp_path).issue("gateway")
    secure = Peer("secure", AETitle("C"), "192.0.2.1", 2762, tls)
    context = client_context(tls)
    wrong: list[tuple[Peer, Any]] = [
        (secure, None),
        (secure, Carrier()),
        (PLAIN, context),
        (BEHIND, None),
        (BEHIND, context),
    ]
    for peer, way in wrong:
        with pytest.raises(LocalError):
            check(peer, way)


async def test_a_link_carries_the_connection() -> None:
    made = asyncio.Event()
    phases: list[str] = []

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.set()

    carrier = Carrier()
    timeouts = RequestorTimeouts(connect=3.0)
    await connect(Client, BEHIND, way=carrier, timeouts=timeouts, on_phase=phases.append)
    assert made.is_set()
    assert (carrier.asked, phases) == ([3.0], ["tcp"])


async def test_a_link_that_is_down_is_no_connection() -> None:
    carrier = Carrier(PeerError("the link is down: no route"))
    with pytest.raises(ConnectFailed) as raised:
        await connect(asyncio.Protocol, BEHIND, way=carrier, timeouts=RequestorTimeouts())
    assert raised.value.phase == "tcp"
    assert str(raised.value) == "the link to hub does not carry us: the link is down: no route"
