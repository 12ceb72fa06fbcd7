"""Both ends of a link's connection over a real socket, with owners that write down what they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import PeerError
from gateway.link.tls import HubContext, SiteContexts
from gateway.link.upgrade import WebSocketEnd, WebSocketLimits
from gateway.link.websocket import LinkConnection
from gateway.model import TlsMaterial
from tests.support.certs import Authority


@dataclass
class Recorder:
    """An owner of a connection."""

    deny: str = ""
    greeting: tuple[bytes, ...] = ()  # sent as soon as that is possible
    messages: list[bytes] = field(default_factory=list)
    connection: LinkConnection | None = None
    error: PeerError | None = None
    site: str = ""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    on_message: Callable[[bytes], None] | None = None

    def shaken(self, connection: LinkConnection) -> str:
        self.connection = connection
        self.site = connection.tls.site
        return self.deny

    def opened(self, connection: LinkConnection) -> None:
        for message in self.greeting:
            connection.send(message)
        self.open.set()

    def received(self, message: bytes) -> None:
        self.messages.append(message)
        self.came.set()
        if self.on_message is not None:
            self.on_message(message)

    def heard(self) -> None: ...

    def taken(self) -> None:
        self.room.set()

    def lost(self, error: PeerError) -> None:
        self.error = error
        self.gone.set()

    async def wait_messages(self, count: int) -> list[bytes]:
        """Return once so many have come."""
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                self.came.clear()
                await self.came.wait()
        return self.messages

    async def wait_gone(self) -> PeerError:
        """Return why the connection ended, once it has."""
        async with asyncio.timeout(10):
            await self.gone.wait()
        assert self.error is not None
        return self.error


@dataclass
class Ends:
    """A hub that listens, and sites that dial it."""

    site_tls: TlsMaterial
    hub_tls: TlsMaterial
    port: int
    hubs: list[Recorder]
    contexts: SiteContexts
    limits: WebSocketLimits

    async def dial(self, site: Recorder | None = None, port: int | None = None) -> Recorder:
        """Connect one more site; it need not come to anything."""
        site = site or Recorder()
        end = WebSocketEnd(self.limits, host="localhost")
        tls = self.contexts.begin()
        loop = asyncio.get_running_loop()
        await loop.create_connection(
            lambda: LinkConnection(site, tls, end, client=True), "127.0.0.1", port or self.port
        )
        return site


@contextlib.asynccontextmanager
async def ends(
    tmp_path: Path,
    *,
    hub: Callable[[], Recorder] = Recorder,
    site_tls: TlsMaterial | None = None,
    limits: WebSocketLimits | None = None,
) -> AsyncIterator[Ends]:
    """A listening hub with a certificate for localhost."""
    authority = Authority.create(tmp_path, "centre")
    hub_tls = authority.issue("hub")
    site_tls = site_tls or authority.issue("clinic-07", hosts=["clinic-07"])
    limits = limits or WebSocketLimits()
    context = HubContext(hub_tls)
    hubs: list[Recorder] = []

    def accepted() -> LinkConnection:
        owner = hub()
        hubs.append(owner)
        return LinkConnection(owner, context.begin()[0], WebSocketEnd(limits), client=False)

    server = await asyncio.get_running_loop().create_server(accepted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made = Ends(site_tls, hub_tls, port, hubs, SiteContexts(site_tls, "localhost"), limits)
    try:
        yield made
    finally:
        server.close()
        for one in hubs:
            if one.connection is not None:
                one.connection.abort()
        await server.wait_closed()
