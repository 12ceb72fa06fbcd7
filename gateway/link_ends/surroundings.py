"""What the rest of the gateway gives to the link's end, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from gateway.association.admission import Services
from gateway.association.way import Carrier
from gateway.config.schema import Config
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.routing import Routing, RoutingTable
from gateway.shaping.shaper import Shaper
from gateway.spool import Spool

ServicesOf = Callable[[Routing], Services]
"""Makes the services for callers to whom a part of the routes is open."""


class LinkEnd(Protocol):
    """The end of the link, or of the links, at this gateway."""

    def carrier_to(self, via: str) -> Carrier | None:
        """Return what carries connections to the peers that are reached `via`; None: no such link."""

    def transport(self, peer: Peer) -> Transport | None:
        """Return what brings objects to `peer` as transfers; None: they go over an association."""

    def policy(self, peer: Peer) -> DeliveryPolicy | None:
        """Return the policy of such a transport; None: that of all others."""

    def serve(self, services_of: ServicesOf) -> None:
        """From now on the other end's streams are served. Before `start`."""

    def linked(self, via: str) -> LinkMeasures | None:
        """Return what was measured of the link that peers are reached `via`."""

    def sites(self) -> Sequence[SiteStatus]:
        """Return how every site stands; at a hub only."""

    async def start(self) -> None:
        """Begin to dial, or to listen. Raises LocalError."""

    async def turn_away(self) -> None:
        """Serve no more streams, and let those come to their end."""

    async def close(self) -> None:
        """Let go of everything. What was taken stays durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every end is given."""

    config: Config
    own_ae: AETitle
    peers: Mapping[str, Peer]
    routing: RoutingTable
    spool: Spool
    executor: Executor  # for reading stored objects
    notices: Notices
    link_changed: Callable[[str, bool, str], None]  # the link by its name, whether it is up, why it is not
    shaper: Shaper
    shaped: frozenset[str]  # names of peers whose traffic is shaped

    def shaper_of(self, *via: str) -> Shaper | None:
        """Return the shaper when traffic of a peer that is reached by one of these links is shaped."""
        behind = {name for name, peer in self.peers.items() if peer.via in via}
        return self.shaper if behind & self.shaped else None
