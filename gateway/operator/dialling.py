"""The way to a peer when a person asks: TLS material is read afresh, so that what was mended counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.association.tls import client_context
from gateway.association.way import Way
from gateway.model import Peer

WayTo = Callable[[Peer], Way]
"""The ways of the running gateway: over its links."""


async def way(peer: Peer, way_to: WayTo | None) -> Way:
    """Return the way to `peer`. Raises LocalError or ConnectFailed when there is none to be tried."""
    if peer.via and way_to is not None:
        return way_to(peer)
    return await asyncio.to_thread(client_context, peer.tls) if peer.tls else None
