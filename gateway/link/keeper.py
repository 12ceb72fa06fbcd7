"""Keeps a site connected to its hub, and lends the connection to whoever delivers or relays.

Implements ports.SiteLink and ports.StreamDialler. One connection at a time. Nothing is lost with a
connection: whoever was delivering is told that nothing is known, and offers the object again on the next
one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.association.dial import open_socket
from gateway.association.tuning import WayThere
from gateway.errors import GatewayError
from gateway.link.feeding import Feeding
from gateway.link.frames import Code
from gateway.link.hello import Capabilities, Hello, Role
from gateway.link.limits import LinkLimits
from gateway.link.live import Ending, Live
from gateway.link.network_watch import NetworkWatch
from gateway.link.ports import BlockSource, Encoder, StreamAcceptor
from gateway.link.redial import Redial, RedialLimits
from gateway.link.session import Session
from gateway.link.tls import SiteContexts
from gateway.link.upgrade import WebSocketBroken, WebSocketEnd, WebSocketLimits
from gateway.link.values import HubReceipt, HubRefusal, LinkDown, Offer, Report
from gateway.link.websocket import LinkConnection
from gateway.link_state import LinkMeasures
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import LinkConnected, LinkLost, Notices
from gateway.shaping.shaper import Shaper

NAME: Final = "hub"
"""What the other end of a site's link is called: in `via`, in logs, in `peername`."""

_AT_ONCE: Final = frozenset({Code.CHANGED})
"""The hub has said what it takes: come back with that."""

_REFUSED: Final = frozenset({Code.VERSION, Code.VIOLATION, Code.REPLACED, Code.NOT_ALLOWED, Code.BUSY})

OnChange = Callable[[str, bool, str], None]
"""Told the link's name, whether it is up, and why not."""


class HubLink:
    """The link of a site to its hub. `start` it, and `close` it."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: TlsMaterial,
        *,
        spool: bytes,
        software: str,
        notices: Notices,
        acceptor: StreamAcceptor | None = None,
        encoder: Callable[[frozenset[str]], Encoder] | None = None,
        features: frozenset[str] = frozenset(),
        shaper: Shaper | None = None,
        on_change: OnChange | None = None,
        limits: LinkLimits | None = None,
        redial: RedialLimits | None = None,
    ) -> None:
        """`spool`: its identity. `encoder` makes one for a connection, given the codecs the hub knows."""
        self._hub = Peer(NAME, AETitle("HUB"), host, port, tls)
        self._contexts = SiteContexts(tls, host)
        self._spool = spool
        self._software = software
        self._notices = notices
        self._acceptor = acceptor
        self._encoder = encoder
        self._features = features
        self._shaper = shaper
        self._on_change = on_change
        self._limits = limits or LinkLimits()
        self._redial_limits = redial or RedialLimits()
        self._redial = Redial(self._redial_limits)
        self._way = WayThere()
        self._take_report: Callable[[Report], Awaitable[None]] | None = None
        self._assumed: Hello | None = None
        self._live: Live | None = None
        self._feeding: Feeding | None = None
        self._over: asyncio.Future[Ending] | None = None
        self._first: asyncio.Future[None] | None = None  # settled when frames may be sent, or it is over
        self._opened: asyncio.Event = asyncio.Event()  # frames may be sent
        self._kicked = asyncio.Event()
        self._up_since: float | None = None
        self._told = ""
        self._task: asyncio.Task[None] | None = None
        self._network = NetworkWatch(self.kick)
        self._stopping = False

    async def start(self) -> None:
        """Begin to dial."""
        self._network.start()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="link")

    async def close(self) -> None:
        """Say goodbye, and dial no more."""
        self._stopping = True
        self._network.close()
        live, over = self._live, self._over
        if live is not None and over is not None:
            live.close(Code.NORMAL, "the gateway is stopping")
            await asyncio.wait([over], timeout=self._redial_limits.connect)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._live is not None:
            self._live.abort("the gateway is stopping")

    def kick(self) -> None:
        """Dial now, if it is waiting: a network came back, or somebody asks for it."""
        self._kicked.set()

    # --- SiteLink ------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Frames may be sent."""
        return self._live is not None and self._live.usable

    @property
    def greeted(self) -> bool:
        """Both ends have said hello: the link is known to work."""
        return self.up and self._up_since is not None

    @property
    def hub_spool(self) -> bytes:
        """The identity of the hub's spool, as it said the last time; empty before."""
        return self._assumed.spool if self._assumed is not None else b""

    @property
    def rtt(self) -> float | None:
        """Smoothed round trip in seconds."""
        return self._live.rtt if self._live is not None else None

    @property
    def reason(self) -> str:
        """Why it is down, in words; empty while it is up or was never tried."""
        return "" if self.greeted else self._told

    async def wait_up(self) -> None:
        """Return when `up`."""
        while not self.up:
            self._opened.clear()
            await self._opened.wait()

    async def deliver(self, offer: Offer, source: BlockSource) -> HubReceipt | HubRefusal:
        """See SiteLink."""
        feeding = self._feeding
        if feeding is None or not self.up:
            raise LinkDown(self._told or "the link to the hub is down")
        return await feeding.deliver(offer, source)

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """See StreamDialler. A link that has been down is not waited for: the caller shall know at once."""
        if not self.up and not self._told:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self.wait_up()
        live = self._live
        if live is None or not live.usable:
            raise LinkDown(self._told or "the link to the hub is down")
        return live.open_stream(factory)

    def on_report(self, take: Callable[[Report], Awaitable[None]]) -> None:
        """See SiteLink. Before `start`."""
        self._take_report = take

    def measures(self) -> LinkMeasures:
        """Return what was measured of the link."""
        if self._live is None:
            return LinkMeasures(loss=self._way.loss, retransmitted=self._way.retransmitted)
        return self._live.measures()

    def tell_queue(self, objects: int, size: int, oldest: int) -> bool:
        """Tell the hub what waits here: a number, bytes, seconds. False: there is no link now."""
        live = self._live
        if live is None or not live.usable:
            return False
        live.session.tell_queue(objects, size, oldest)
        live.touch()
        return True

    # --- dialling ------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._kicked.clear()
            loop = asyncio.get_running_loop()
            ending = await self._one()
            up = loop.time() - self._up_since if self._up_since is not None else 0.0
            self._down(ending, up)
            if self._stopping:
                return
            if ending.code in _AT_ONCE and not ending.ours:
                continue
            refused = ending.code in _REFUSED or isinstance(ending.__cause__, WebSocketBroken)
            delay = self._redial.next(up=up, refused=refused, retry_after=ending.retry_after)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._kicked.wait()

    async def _one(self) -> Ending:
        """Make one connection, and return how it ended."""
        loop = asyncio.get_running_loop()
        limits = self._redial_limits
        self._over = loop.create_future()
        self._first = loop.create_future()
        try:
            sock = await open_socket(self._hub, limits.connect)
            try:
                pipe = self._contexts.begin()
                live = Live(self, inbound=False, way=self._way, acceptor=self._acceptor, shaper=self._shaper)
                end = WebSocketEnd(WebSocketLimits(), host=self._hub.host)
                connection = LinkConnection(live, pipe, end, client=True)
                live.attach(connection)
                await loop.create_connection(lambda: connection, sock=sock)
            except BaseException:
                sock.close()
                raise
        except GatewayError as error:
            return Ending(str(error))
        try:
            async with asyncio.timeout(limits.handshake):
                await self._first
        except TimeoutError:
            live.abort("the hub did not complete the handshake in time")
        except asyncio.CancelledError:
            live.abort("the gateway is stopping")
            raise
        ending = await self._over
        if pipe.resumed and self._up_since is None:
            self._contexts.forget()
        return ending

    def _down(self, ending: Ending, up: float) -> None:
        live, self._live, self._feeding = self._live, None, None
        was_up, self._up_since = self._up_since is not None, None
        words = str(ending)
        if was_up or words != self._told:
            self._told = words
            traffic = live.measure() if live is not None else None
            self._notices.publish(
                LinkLost(
                    NAME,
                    inbound=False,
                    address=self._hub.host,
                    reason=words,
                    seconds=up,
                    bytes_in=traffic.bytes_in if traffic else 0,
                    bytes_out=traffic.bytes_out if traffic else 0,
                )
            )
            if self._on_change is not None:
                self._on_change(NAME, False, words)
        self._notices.open_associations.pop(_ENTRY, None)

    # --- LiveOwner -----------------------------------------------------------------------------------

    def shaken(self, _connection: LinkConnection) -> str:
        """TLS has checked the hub's name already."""
        return ""

    def opened(self, live: Live) -> None:
        """Speak at once, with what the hub took the last time."""
        takes = Capabilities.of(self._limits, self._features)
        hello = Hello(Role.SITE, self._spool, 0, 0, takes, self._software)
        session = Session(hello, self._limits, live.now(), assumed=self._assumed)
        known = self._known()
        self._feeding = Feeding(live, self._make_encoder(known), self._take_report)
        self._live = live
        live.begin(session, self._feeding, peer=NAME)
        self._notices.open_associations[_ENTRY] = live
        self._opened.set()
        self._settle_first()

    def greeted_by(self, live: Live, hello: Hello) -> None:
        """Remember what the hub takes; the link is up."""
        known = self._known()
        self._assumed = hello
        if not live.usable or live is not self._live:
            return
        if self._feeding is not None and hello.takes.features != known:
            self._feeding.use(self._make_encoder(hello.takes.features))
        self._up_since = live.now()
        self._told = ""
        connection = live.connection
        if connection is not None:
            self._contexts.keep(connection.tls)
            self._notices.publish(
                LinkConnected(
                    NAME,
                    inbound=False,
                    address=live.address,
                    tls=connection.session_words,
                    software=hello.software,
                    resumed=connection.tls.resumed,
                )
            )
        if self._on_change is not None:
            self._on_change(NAME, True, "")

    def lost(self, _live: Live, error: Ending) -> None:
        """The connection is over."""
        if self._over is not None and not self._over.done():
            self._over.set_result(error)
        self._settle_first()

    def _settle_first(self) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def _known(self) -> frozenset[str]:
        """The codecs that the hub knew the last time."""
        return self._assumed.takes.features if self._assumed is not None else frozenset()

    def _make_encoder(self, known: frozenset[str]) -> Encoder | None:
        return self._encoder(known) if self._encoder is not None and known else None


_ENTRY: Final = "link-hub"
"""Of the open associations: so that the link's traffic is counted like theirs."""
