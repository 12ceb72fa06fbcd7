"""At a site: the link to its hub, over which objects and connections go to the peers with `via`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from gateway import __version__, settings
from gateway.association.admission import Services
from gateway.association.way import Carrier
from gateway.config.kinds import Place
from gateway.config.linking import HUB, Link
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.delivery.transports.link import LinkTransport, Window, claiming
from gateway.link.compression.encoder import Compressor
from gateway.link.keeper import HubLink
from gateway.link.objects.reports import ReportTaker
from gateway.link.redial import RedialLimits
from gateway.link_ends.queue_teller import QueueTeller
from gateway.link_ends.surroundings import ServicesOf, Surroundings
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import Peer
from gateway.sites import LinkRouting
from gateway.stream_door import StreamDoor


class SiteEnd:
    """Implements LinkEnd."""

    def __init__(self, link: Link, place: Place, around: Surroundings) -> None:
        """Raises LocalError naming a file at fault."""
        config = around.config
        self._around = around
        self._section = link
        self._services: Services | None = None
        self._streams = StreamDoor(
            "link",
            lambda _site: self._services,
            notices=around.notices,
            limits=settings.listener_limits(config),
        )
        self._compressor = Compressor()
        self._link = HubLink(
            place.host,
            place.port,
            settings.link_tls(link),
            spool=around.spool.identity,
            software=f"dicom-gateway {__version__}",
            notices=around.notices,
            acceptor=self._streams,
            encoder=self._compressor.encoder,
            shaper=around.shaper_of(HUB),
            on_change=self._changed,
            limits=settings.link_limits(config),
            redial=redial_limits(link),
        )
        behind = [name for name, peer in around.peers.items() if peer.via == HUB]
        self._teller = QueueTeller(around.spool, behind, self._link.tell_queue)
        self._link.on_report(ReportTaker(around.spool, around.spool.identity, lambda: self._link.hub_spool))

    @classmethod
    async def make(cls, link: Link, place: Place, around: Surroundings) -> Self:
        """Return the end."""
        return cls(link, place, around)

    def carrier_to(self, via: str) -> Carrier | None:
        """See LinkEnd."""
        return self._link if via == HUB else None

    def transport(self, peer: Peer) -> Transport | None:
        """See LinkEnd."""
        if peer.via != HUB:
            return None
        around = self._around
        return LinkTransport(
            peer,
            self._link,
            open_data=around.spool.open_data,
            executor=around.executor,
            policy=self.policy(peer),
            window=window(self._section),
        )

    def policy(self, peer: Peer) -> DeliveryPolicy | None:
        """See LinkEnd."""
        return claiming(settings.delivery_policy(self._around.config)) if peer.via == HUB else None

    def serve(self, services_of: ServicesOf) -> None:
        """See LinkEnd. To the hub, the routes of this site, but for those that lead back to it."""
        self._services = services_of(LinkRouting(self._around.routing, self._around.peers, via=HUB))

    def linked(self, via: str) -> LinkMeasures | None:
        """See LinkEnd."""
        return self._link.measures() if via == HUB else None

    def sites(self) -> Sequence[SiteStatus]:
        """See LinkEnd."""
        return ()

    async def start(self) -> None:
        """See LinkEnd."""
        self._teller.start()
        await self._link.start()

    async def turn_away(self) -> None:
        """See LinkEnd."""
        await self._streams.close()

    async def close(self) -> None:
        """See LinkEnd."""
        await self._teller.close()
        await self._link.close()
        await self._compressor.close()

    def _changed(self, link: str, up: bool, reason: str) -> None:
        self._around.link_changed(link, up, reason)
        self._teller.link_changed(up)


def redial_limits(link: Link) -> RedialLimits:
    """[link.dialling], as far as dialling is concerned."""
    dialling = link.dialling
    return RedialLimits(
        connect=dialling.connect,
        handshake=dialling.handshake,
        first=dialling.first,
        most=dialling.most,
        refused_most=dialling.refused_most,
        good=dialling.good,
    )


def window(link: Link) -> Window:
    """[link.dialling], as far as what is offered is concerned."""
    dialling = link.dialling
    return Window(
        small_objects=dialling.max_small,
        small_bytes=dialling.max_small_total_bytes,
        large_objects=dialling.max_large,
    )
