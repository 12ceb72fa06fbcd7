"""Streams as associations: each site has its own services, caps count over all of them, closing is orderly.

A stream is whatever calls a protocol as a transport does; here it is a TCP connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import AssociateAccept
from gateway.listener import ListenerLimits
from gateway.model import AETitle, Route
from gateway.notices import AssociationClosed, AssociationOpened
from gateway.routing import RoutingTable
from gateway.services.registry import ServiceRegistry
from gateway.services.verification import VerificationService
from gateway.sites import LinkRouting
from gateway.stream_door import StreamDoor
from tests.support.notice_log import NoticeLog
from tests.support.wire_peer import request, wire_peer

TABLE = RoutingTable([Route(called=AETitle("ARIA"), to=("oncology",))], AETitle("HUB"))


@dataclass
class Scene:
    """A door, and a port for each of two sites; who connects there is a stream of that site."""

    door: StreamDoor
    log: NoticeLog
    ports: dict[str, int]
    refused: list[str]


@asynccontextmanager
async def scene(limits: ListenerLimits | None = None) -> AsyncIterator[Scene]:
    log = NoticeLog()
    services = {
        site: ServiceRegistry(
            LinkRouting(TABLE, {}, via=site, calls=frozenset(map(AETitle, calls))), [VerificationService()]
        )
        for site, calls in {"one": ["ARIA"], "two": []}.items()
    }
    door = StreamDoor("link", services.get, notices=log.notices, limits=limits)
    refused: list[str] = []
    loop = asyncio.get_running_loop()

    def stream_of(site: str) -> asyncio.BaseProtocol:
        answer = door.accept(site)
        if isinstance(answer, str):
            refused.append(answer)
            return HungUp()
        return answer

    servers = {
        site: await loop.create_server(lambda site=site: stream_of(site), "127.0.0.1", 0)
        for site in ("one", "two", "nobody")
    }
    ports = {site: server.sockets[0].getsockname()[1] for site, server in servers.items()}
    try:
        yield Scene(door, log, ports, refused)
        await door.close(grace=1)
        assert not door.associations
    finally:
        for server in servers.values():
            server.close()
            await server.wait_closed()


class HungUp(asyncio.Protocol):
    """As a stream that is not served: it ends at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.abort()  # type: ignore[attr-defined]


async def test_a_stream_is_served_as_a_connection_to_a_listener_is() -> None:
    async with scene() as at:
        async with wire_peer(at.ports["one"]) as peer:
            assert isinstance(await peer.associate(request("ARIA")), AssociateAccept)
            assert (await peer.echo()).status == 0x0000
            await at.log.wait(AssociationOpened)
            assert [one.listener for one in at.door.associations] == ["link"]
            assert at.door.established == 1
        await at.log.wait(AssociationClosed)


async def test_what_is_open_to_one_site_is_closed_to_the_other() -> None:
    async with scene() as at, wire_peer(at.ports["two"]) as peer:
        assert isinstance(await peer.associate(request("ARIA")), AssociateRejected)


async def test_a_site_that_nobody_knows_is_not_served() -> None:
    async with scene() as at, wire_peer(at.ports["nobody"]) as peer:
        assert await peer.ended() == b""
        assert at.refused == ["there is no such site here"]
        assert not at.door.associations


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ListenerLimits(max_connections=1), "the limit of 1 connections is reached"),
        (ListenerLimits(max_per_address=1), "the limit of 1 connections over one link"),
    ],
)
async def test_streams_beyond_a_cap_are_refused(limits: ListenerLimits, words: str) -> None:
    async with scene(limits) as at, wire_peer(at.ports["one"]) as first:
        await first.associate(request("ARIA"))
        async with wire_peer(at.ports["one"]) as second:
            assert await second.ended() == b""
        assert words in at.refused[0]


async def test_a_link_that_is_full_takes_nothing_from_another_one() -> None:
    async with scene(ListenerLimits(max_per_address=1)) as at, wire_peer(at.ports["one"]) as first:
        await first.associate(request("ARIA"))
        async with wire_peer(at.ports["two"]) as other:
            assert isinstance(await other.associate(request("HUB")), AssociateAccept)


async def test_associations_beyond_their_cap_are_rejected_as_transient() -> None:
    async with scene(ListenerLimits(max_associations=1)) as at, wire_peer(at.ports["one"]) as first:
        await first.associate(request("ARIA"))
        async with wire_peer(at.ports["one"]) as second:
            answer = await second.associate(request("ARIA"))
            assert isinstance(answer, AssociateRejected)
            assert (answer.result, answer.source, answer.diagnostic) == (2, 3, 2)


async def test_a_door_that_closes_ends_what_is_open_and_serves_no_more() -> None:
    async with scene() as at, wire_peer(at.ports["one"]) as peer:
        await peer.associate(request("ARIA"))
        await at.door.close(grace=0.1)
        assert not at.door.associations
        assert at.door.accept("one") == "the gateway is stopping"
