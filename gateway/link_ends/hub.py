"""At a hub: the links of its sites, where their objects go, and which way is back to each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from gateway import __version__, chores, settings
from gateway.association.admission import Services
from gateway.association.way import Carrier
from gateway.config.kinds import Place
from gateway.config.linking import Link
from gateway.config.schema import Config
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.link.compression.codecs import FEATURES
from gateway.link.compression.decoder import Restorer
from gateway.link.door import DoorLimits, HubDoor
from gateway.link.objects.partials import FilePartials, PartialLimits
from gateway.link.objects.receiver import Receiver, ReceiverLimits
from gateway.link.objects.reports import Reports
from gateway.link.values import Offer
from gateway.link_ends.surroundings import ServicesOf, Surroundings
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import Peer, Route
from gateway.sites import Sites
from gateway.stream_door import StreamDoor

_WRITE_THREADS = 4  # of partial objects, for all sites together


class HubEnd:
    """Implements LinkEnd."""

    def __init__(
        self,
        link: Link,
        place: Place,
        around: Surroundings,
        partials: FilePartials,
        executor: ThreadPoolExecutor,
    ) -> None:
        """Raises LocalError naming a file at fault."""
        config = around.config
        self._around = around
        self._partials = partials
        self._executor = executor
        self._sites = Sites(settings.sites(config), around.routing, around.peers)
        self._services: dict[str, Services] = {}
        self._streams = StreamDoor(
            "link", self._services.get, notices=around.notices, limits=settings.listener_limits(config)
        )
        self._restorer = Restorer()
        self._door = HubDoor(
            place.host,
            place.port,
            settings.link_tls(link),
            spool=around.spool.identity,
            software=f"dicom-gateway {__version__}",
            names=self._sites.names,
            directory=self._sites,
            receiver=Receiver(
                around.spool,
                partials,
                allow=self._allow,
                notices=around.notices,
                limits=receiver_limits(config, link),
            ),
            reports=Reports(around.spool),
            notices=around.notices,
            acceptor=self._streams,
            decoder=self._restorer.decoder,
            features=FEATURES,
            shaper=around.shaper_of(*self._sites.names),
            on_change=around.link_changed,
            limits=settings.link_limits(config),
            door=door_limits(link),
        )
        self._sweeping: asyncio.Task[None] | None = None

    @classmethod
    async def make(cls, link: Link, place: Place, around: Surroundings) -> Self:
        """Return the end, with what is on the disk of transfers that were cut."""
        executor = ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="partials")
        directory = around.config.gateway.state_dir / "link" / "partials"
        partials = FilePartials(directory, around.spool, executor, partial_limits(link))
        try:
            await partials.start()
            end = cls(link, place, around, partials, executor)
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return end

    def carrier_to(self, via: str) -> Carrier | None:
        """See LinkEnd."""
        return self._door.carrier_to(via)

    def transport(self, peer: Peer) -> Transport | None:
        """See LinkEnd. What is sent down goes over associations: a console takes it, or says why not."""
        return None

    def policy(self, peer: Peer) -> DeliveryPolicy | None:
        """See LinkEnd."""
        return None

    def serve(self, services_of: ServicesOf) -> None:
        """See LinkEnd. To each site what is open to it."""
        for name in self._sites.names:
            self._services[name] = services_of(self._sites.routing(name))

    def linked(self, via: str) -> LinkMeasures | None:
        """See LinkEnd."""
        return self._door.measures(via)

    def sites(self) -> Sequence[SiteStatus]:
        """See LinkEnd."""
        return self._door.sites()

    async def start(self) -> None:
        """See LinkEnd."""
        await self._door.start()
        self._sweeping = asyncio.create_task(chores.sweep(self._partials.sweep), name="partials")

    async def turn_away(self) -> None:
        """See LinkEnd."""
        await self._streams.close()

    async def close(self) -> None:
        """See LinkEnd."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await self._door.close()
        await self._restorer.close()
        self._executor.shutdown(wait=False)

    def _allow(self, site: str, offer: Offer) -> Route | str:
        return self._sites.to_store(site, offer.called_ae, offer.calling_ae)


def door_limits(link: Link) -> DoorLimits:
    """[link.each_site], as far as connections are concerned."""
    sites = link.each_site
    return DoorLimits(
        max_connections=sites.max_connections,
        max_strangers=sites.max_strangers,
        handshake=sites.handshake,
    )


def receiver_limits(config: Config, link: Link) -> ReceiverLimits:
    """[link.each_site] and [spool], as far as objects under way are concerned."""
    return ReceiverLimits(
        max_transfers=link.each_site.max_offered, max_object_bytes=config.spool.max_object_bytes
    )


def partial_limits(link: Link) -> PartialLimits:
    """[link.each_site], as far as unfinished objects are concerned."""
    sites = link.each_site
    return PartialLimits(
        max_partials=sites.max_unfinished,
        max_partial_bytes=sites.max_unfinished_total_bytes,
        partial_seconds=sites.keep_unfinished,
    )
