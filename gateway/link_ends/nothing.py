"""A gateway without a link."""

from __future__ import annotations

from gateway.association.way import Carrier
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.link_ends.surroundings import ServicesOf
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import Peer


class NoLink:
    """Implements LinkEnd: there is nothing."""

    def carrier_to(self, via: str) -> Carrier | None:
        """See LinkEnd."""
        return None

    def transport(self, peer: Peer) -> Transport | None:
        """See LinkEnd."""
        return None

    def policy(self, peer: Peer) -> DeliveryPolicy | None:
        """See LinkEnd."""
        return None

    def serve(self, services_of: ServicesOf) -> None:
        """See LinkEnd."""

    def linked(self, via: str) -> LinkMeasures | None:
        """See LinkEnd."""
        return None

    def sites(self) -> tuple[SiteStatus, ...]:
        """See LinkEnd."""
        return ()

    async def start(self) -> None:
        """See LinkEnd."""

    async def turn_away(self) -> None:
        """See LinkEnd."""

    async def close(self) -> None:
        """See LinkEnd."""
