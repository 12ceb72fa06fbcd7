"""The way to a peer: plain TCP, TLS, or over a link that carries connections to whoever is behind it.

Everybody who dials asks for the way first, and hands it to `dial.connect`; nobody else needs to know that a
peer has no address of its own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from gateway.association.errors import ConnectFailed
from gateway.association.tls import ClientContexts
from gateway.errors import LocalError
from gateway.model import Peer


class Carrier(Protocol):
    """What carries connections to peers that no TCP connection of ours reaches: a link."""

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect the protocol that `factory` gives, as `loop.create_connection` does.

        Raises PeerError when that is not possible within `timeout_s` seconds.
        """


Way = ssl.SSLContext | Carrier | None
"""A context: TCP and TLS. A carrier: no TCP connection of our own. None: plain TCP."""


class Ways:
    """The ways to all peers of a running gateway: made once, and `of` is handed to all who dial."""

    def __init__(self, contexts: ClientContexts, carrier_to: Callable[[str], Carrier | None]) -> None:
        """`carrier_to` gives the link of the name in `Peer.via`; None when there is none by that name."""
        self._contexts = contexts
        self._carrier_to = carrier_to

    def of(self, peer: Peer) -> Way:
        """Return the way to `peer`; raises ConnectFailed when it cannot even be tried."""
        if not peer.via:
            return self._contexts.of(peer)
        carrier = self._carrier_to(peer.via)
        if carrier is None:
            raise ConnectFailed("tcp", f"there is no link to {peer.via}, behind which {peer.name} is")
        return carrier


def check(peer: Peer, way: Way) -> None:
    """Raise LocalError when `way` is not one to `peer`: nothing may go plain by an oversight."""
    if peer.via:
        if way is None or isinstance(way, ssl.SSLContext):
            raise LocalError(
                f"peer {peer.name!r} is behind the link to {peer.via!r}; only the running gateway has links"
            )
    elif (peer.tls is not None) != isinstance(way, ssl.SSLContext):
        raise LocalError(f"peer {peer.name!r}: its TLS material and the TLS context given do not match")
