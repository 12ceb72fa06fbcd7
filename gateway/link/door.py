"""Where the sites of a hub arrive: who is who, one connection for each, and the way back to each of them.

The certificate says which site it is, and the directory whether it may come. A newer connection of a site
takes the place of the older one, which is told so: after a cut the hub often does not know yet that the
older is dead.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.association.tuning import WayThere
from gateway.errors import LocalError
from gateway.link.feeding import Counts
from gateway.link.frames import Code
from gateway.link.hello import Capabilities, Hello, Role
from gateway.link.limits import LinkLimits
from gateway.link.live import Ending, Live
from gateway.link.ports import Decoder, ObjectReceiver, ReportBook, SiteDirectory, StreamAcceptor
from gateway.link.receiving import Receiving
from gateway.link.session import Session
from gateway.link.tls import HubContext, TlsFailed
from gateway.link.upgrade import WebSocketEnd, WebSocketLimits
from gateway.link.values import LinkDown
from gateway.link.websocket import LinkConnection
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import TlsMaterial
from gateway.notices import Alarm, ConnectionRefused, LinkConnected, LinkLost, Notices, RefusalKind
from gateway.shaping.shaper import Shaper

NAME: Final = "link"
"""What the place is called in logs, as a listener's name."""

OnChange = Callable[[str, bool, str], None]
"""Told a site's name, whether its link is up, and why not."""


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Counts and seconds."""

    max_connections: int = 512
    """Connections of sites, and of whoever has not yet said who it is."""
    max_strangers: int = 64
    """Of these, those in their handshake."""
    handshake: float = 15.0
    """From TCP connect until the upgrade is answered."""
    backlog: int = 256
    grace: float = 5.0
    """In which sites are told when the hub stops."""


@dataclass(frozen=True, slots=True)
class _Queue:
    """What waits at a site, as it said last. None: it has not said."""

    objects: int | None = None
    size: int | None = None
    oldest: float | None = None  # wall clock: when the oldest was received


@dataclass(slots=True, eq=False)
class _Site:
    """What is known of one site, whether it is here or not."""

    name: str
    way: WayThere
    live: Live | None = None  # since both said hello
    since: float | None = None  # wall clock
    begun: float = 0.0  # monotonic
    contact: float | None = None
    address: str = ""
    software: str = ""
    reason: str = ""
    objects: int = 0
    received: int = 0
    measures: LinkMeasures = field(default_factory=LinkMeasures)
    queue: _Queue = field(default_factory=_Queue)


class HubDoor:
    """The listening end of the link. `start` it, and `close` it."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: TlsMaterial,
        *,
        spool: bytes,
        software: str,
        names: Sequence[str],
        directory: SiteDirectory,
        receiver: ObjectReceiver,
        reports: ReportBook,
        notices: Notices,
        acceptor: StreamAcceptor | None = None,
        decoder: Callable[[str], Decoder] | None = None,
        features: frozenset[str] = frozenset(),
        shaper: Shaper | None = None,
        on_change: OnChange | None = None,
        limits: LinkLimits | None = None,
        door: DoorLimits | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`names` of all sites, in the order of the configuration; `decoder` makes one for a connection.

        Raises LocalError, naming the file at fault.
        """
        self._address = host, port
        self._context = HubContext(tls)
        self._spool = spool
        self._software = software
        self._directory = directory
        self._receiver = receiver
        self._reports = reports
        self._notices = notices
        self._acceptor = acceptor
        self._decoder = decoder
        self._features = features
        self._shaper = shaper
        self._on_change = on_change
        self._limits = limits or LinkLimits()
        self._door = door or DoorLimits()
        self._wall_clock = wall_clock
        self._sites = {name: _Site(name, WayThere()) for name in names}
        self._numbers = itertools.count(1)
        self._open: dict[Live, _Guest] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self.port = port

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen from now on; `sockets` are bound and listening already. Raises LocalError."""
        loop = asyncio.get_running_loop()
        host, port = self._address
        try:
            if sockets:
                sockets[0].setblocking(False)
                self._server = await loop.create_server(self._arrives, sock=sockets[0])
            else:
                self._server = await loop.create_server(
                    self._arrives, host, port, backlog=self._door.backlog, reuse_address=True
                )
        except OSError as error:
            raise LocalError(f"the link cannot listen on {host} port {port}: {error.strerror}") from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, while it listens."""
        return tuple(self._server.sockets) if self._server is not None else ()

    async def close(self) -> None:
        """Tell every site, and let nobody in any more."""
        if self._server is not None:
            self._server.close()
        for live in tuple(self._open):
            live.close(Code.NORMAL, "the hub is stopping", retry_after=1)
        if self._open:
            self._empty.clear()
            try:
                async with asyncio.timeout(self._door.grace):
                    await self._empty.wait()
            except TimeoutError:
                for live in tuple(self._open):
                    live.abort("the hub is stopping")
        while self._settling:
            await asyncio.wait(tuple(self._settling))

    # --- the ways back -------------------------------------------------------------------------------

    def carrier_to(self, site: str) -> SiteCarrier | None:
        """Return the way to whoever is behind `site`; None when there is no site of that name."""
        return SiteCarrier(self, site) if site in self._sites else None

    def live(self, site: str) -> Live | None:
        """Return the connection of `site`; None while it is not here."""
        known = self._sites.get(site)
        return known.live if known is not None else None

    def why_not(self, site: str) -> str:
        """Return why `site` is not here, in words."""
        known = self._sites.get(site)
        reason = known.reason if known is not None else ""
        return f"the link of {site} is down" + (f": {reason}" if reason else "")

    # --- what is shown -------------------------------------------------------------------------------

    def sites(self) -> list[SiteStatus]:
        """Return how every site stands, in the order of the configuration."""
        return [self._status(site) for site in self._sites.values()]

    def measures(self, site: str) -> LinkMeasures | None:
        """Return what was measured of the link of `site`."""
        known = self._sites.get(site)
        if known is None:
            return None
        return known.live.measures() if known.live is not None else known.measures

    def _status(self, site: _Site) -> SiteStatus:
        live = site.live
        counts = live.counts if live is not None else Counts()
        contact = site.contact
        queue = site.queue
        if live is not None:
            contact = self._wall_clock() - (live.now() - live.heard_at)
            queue = self._queue(live)
        return SiteStatus(
            name=site.name,
            connected=live is not None,
            since=site.since,
            last_contact=contact,
            address=site.address,
            version=site.software,
            reason="" if live is not None else site.reason,
            measures=live.measures() if live is not None else site.measures,
            receiving=live.under_way if live is not None else 0,
            objects=site.objects + counts.objects,
            bytes=site.received + counts.original,
            queued=queue.objects,
            queued_bytes=queue.size,
            oldest=queue.oldest,
        )

    def _queue(self, live: Live) -> _Queue:
        told = live.queue
        if told is None:
            return _Queue()
        waited = told.oldest + live.now() - live.queue_at
        return _Queue(told.objects, told.size, self._wall_clock() - waited if told.objects else None)

    # --- arriving ------------------------------------------------------------------------------------

    def _arrives(self) -> asyncio.Protocol:
        guest = _Guest(self)
        limits = self._door
        strangers = sum(not one.known for one in self._open.values())
        if len(self._open) >= limits.max_connections or strangers >= limits.max_strangers:
            return _TurnedAway(self._notices, "too many connections to the link")
        live = Live(guest, inbound=True, way=WayThere(), acceptor=self._acceptor, shaper=self._shaper)
        guest.live = live
        guest.deadline = asyncio.get_running_loop().call_later(limits.handshake, guest.too_slow)
        self._open[live] = guest
        self._empty.clear()
        pipe, trouble = self._context.begin()
        if trouble:
            words = f"the link goes on with the certificate it had: {trouble}"
            self._notices.publish(Alarm("certificate-unreadable", words))
        connection = LinkConnection(live, pipe, WebSocketEnd(WebSocketLimits()), client=False)
        live.attach(connection)
        return connection

    def _refusal(self, site: str) -> str:
        if not site:
            return "the certificate names no site"
        refusal = self._directory.refusal(site)
        if not refusal and site not in self._sites:
            refusal = f"there is no site {site} here"
        return refusal

    def _greeted(self, guest: _Guest, live: Live, hello: Hello) -> None:
        site = self._sites[guest.site]
        older = site.live
        if older is not None and older is not live:
            site.live = None
            older.close(Code.REPLACED, "there is a newer connection of this site")
        site.live = live
        site.since, site.begun = self._wall_clock(), live.now()
        site.address, site.software, site.reason = live.address, hello.software, ""
        self._notices.open_associations[guest.entry] = live
        connection = live.connection
        self._notices.publish(
            LinkConnected(
                site.name,
                inbound=True,
                address=live.address,
                tls=connection.session_words if connection is not None else "",
                software=hello.software,
                resumed=connection is not None and connection.tls.resumed,
            )
        )
        if self._on_change is not None:
            self._on_change(site.name, True, "")

    def _lost(self, guest: _Guest, live: Live, error: Ending) -> None:
        self._open.pop(live, None)
        if not self._open:
            self._empty.set()
        if guest.receiving is not None:
            task = asyncio.get_running_loop().create_task(guest.receiving.settled())
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        if not guest.greeted:
            kind: RefusalKind = "tls" if isinstance(error.__cause__, TlsFailed) else ""
            self._notices.publish(ConnectionRefused(NAME, live.address, str(error), kind))
            return
        self._book(self._sites[guest.site], live, error)  # whoever counts bytes looks once more
        self._notices.open_associations.pop(guest.entry, None)

    def _book(self, site: _Site, live: Live, error: Ending) -> None:
        counts = live.counts
        site.objects += counts.objects
        site.received += counts.original
        traffic = live.measure()
        self._notices.publish(
            LinkLost(
                site.name,
                inbound=True,
                address=live.address,
                reason=str(error),
                seconds=live.now() - site.begun,
                bytes_in=traffic.bytes_in,
                bytes_out=traffic.bytes_out,
            )
        )
        if site.live is not live:
            return  # a newer one is here already
        site.measures, site.queue = live.measures(), self._queue(live)
        site.live = None
        site.contact = self._wall_clock() - (live.now() - live.heard_at)
        site.since = self._wall_clock()
        site.reason = str(error)
        if self._on_change is not None:
            self._on_change(site.name, False, site.reason)


class SiteCarrier:
    """The way to the systems behind one site. Implements ports.StreamDialler."""

    def __init__(self, door: HubDoor, site: str) -> None:
        self._door = door
        self._site = site

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """See StreamDialler. A site that is not here is not waited for, whatever `timeout_s`."""
        live = self._door.live(self._site)
        if live is None:
            raise LinkDown(self._door.why_not(self._site))
        return live.open_stream(factory)


class _Guest:
    """One connection on its way in, and as long as it lasts. The LiveOwner at a hub."""

    def __init__(self, door: HubDoor) -> None:
        self._door = door
        self.live: Live | None = None
        self.site = ""
        self.entry = ""
        self.known = False  # the certificate was good, and frames may be exchanged
        self.greeted = False
        self.receiving: Receiving | None = None
        self.deadline: asyncio.TimerHandle | None = None

    def too_slow(self) -> None:
        """The handshake takes too long."""
        if self.live is not None:
            self.live.abort("the handshake was not completed in time")

    def shaken(self, connection: LinkConnection) -> str:
        """The certificate says who it is."""
        self.site = connection.tls.site
        return self._door._refusal(self.site)

    def opened(self, live: Live) -> None:
        """The upgrade is done: begin."""
        door = self._door
        self.known = True
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        number = next(door._numbers)
        self.entry = f"link-{number}"
        live.way = door._sites[self.site].way
        takes = Capabilities.of(door._limits, door._features)
        session = Session(Hello(Role.HUB, door._spool, 0, 0, takes, door._software), door._limits, live.now())
        decoder = door._decoder(self.site) if door._decoder is not None else None
        self.receiving = Receiving(
            live,
            self.site,
            number,
            receiver=door._receiver,
            reports=door._reports,
            decoder=decoder,
        )
        live.begin(session, self.receiving, peer=self.site)

    def greeted_by(self, live: Live, hello: Hello) -> None:
        """Both know each other."""
        if live.usable:
            self.greeted = True
            self._door._greeted(self, live, hello)

    def lost(self, live: Live, error: Ending) -> None:
        """It is over."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        self._door._lost(self, live, error)


class _TurnedAway(asyncio.Protocol):
    """A connection that there is no room for."""

    def __init__(self, notices: Notices, words: str) -> None:
        self._notices = notices
        self._words = words

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it before a byte is read."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._notices.publish(ConnectionRefused(NAME, address, self._words, "limit"))
        transport.close()
