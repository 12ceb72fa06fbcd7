"""What may be reached over a link, and by whom. Pure: titles in, an answer out.

A link brings callers that no address list can tell apart, so each has a door of its own: the called AE titles
that are open to it, the calling AE titles it may use, and never a way back to where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.dicom.negotiation import Rejection
from gateway.model import AETitle, Peer, Route
from gateway.routing import (
    REASON_CALLED_AE_NOT_RECOGNIZED,
    REASON_CALLING_AE_NOT_RECOGNIZED,
    REJECTED_PERMANENT,
    SOURCE_USER,
    OwnTitle,
    RoutingTable,
)

HUB = "hub"
"""The name of the other end of a site's link, as peers have it in `via`."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site that may connect to this hub."""

    name: str  # as the certificate of its link says
    calls: frozenset[AETitle]  # called titles that are open to it
    calling: frozenset[AETitle] | None = None  # titles it may call with; None: any


class LinkRouting:
    """The routes of this gateway as far as they are open to one link. Stands where a RoutingTable does."""

    def __init__(
        self,
        table: RoutingTable,
        peers: Mapping[str, Peer],
        *,
        via: str,
        calls: frozenset[AETitle] | None = None,
        calling: frozenset[AETitle] | None = None,
    ) -> None:
        """`via`: the link, as peers behind it have it. `calls`, `calling`: None means every title."""
        self._table = table
        self._behind = frozenset(name for name, peer in peers.items() if peer.via == via)
        self._via = via
        self._calls = calls
        self._calling = calling

    def resolve(self, called: str, calling: str) -> Route | OwnTitle | Rejection:
        """As RoutingTable.resolve. Our own title is open to every link: its test must always work."""
        target = self._table.resolve(called, calling)
        if not isinstance(target, Route):
            return target
        if self._calls is not None and target.called not in self._calls:
            return _rejected(
                REASON_CALLED_AE_NOT_RECOGNIZED, f"{target.called!r} is not open to the site {self._via!r}"
            )
        if self._calling is not None and calling.strip(" ") not in self._calling:
            return _rejected(
                REASON_CALLING_AE_NOT_RECOGNIZED,
                f"the site {self._via!r} may not call as {calling.strip(' ')!r}",
            )
        if not self._behind.isdisjoint(target.to):
            return _rejected(
                REASON_CALLED_AE_NOT_RECOGNIZED,
                f"the route of {target.called!r} leads back over the link it came from",
            )
        return target

    def to_store(self, called: str, calling: str) -> Route | str:
        """Return the route of an object that is to be kept here, or why it is not taken, in words."""
        target = self.resolve(called, calling)
        if isinstance(target, Rejection):
            return target.words
        if isinstance(target, OwnTitle):
            return f"no objects are taken for {target.title!r}, which is this gateway itself"
        if target.mode != "store":
            return f"the route of {target.called!r} keeps no objects here: it relays them"
        return target


class Sites:
    """The sites of this hub. Implements link.ports.SiteDirectory."""

    def __init__(self, sites: Iterable[Site], table: RoutingTable, peers: Mapping[str, Peer]) -> None:
        self._routings = {
            site.name: LinkRouting(table, peers, via=site.name, calls=site.calls, calling=site.calling)
            for site in sites
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every site, in the order of the configuration."""
        return tuple(self._routings)

    def refusal(self, site: str) -> str:
        """Return why the site with this certificate name may not connect; empty: it may."""
        if site in self._routings:
            return ""
        return f"there is no site {_shown(site)} here; add a [[site]] with this name to admit it"

    def routing(self, site: str) -> LinkRouting:
        """Return what is open to `site`, one of `names`."""
        return self._routings[site]

    def to_store(self, site: str, called: str, calling: str) -> Route | str:
        """Return the route of an object that `site` offers, or why it is not taken, in words."""
        routing = self._routings.get(site)
        return self.refusal(site) if routing is None else routing.to_store(called, calling)


def _rejected(reason: int, words: str) -> Rejection:
    return Rejection(REJECTED_PERMANENT, SOURCE_USER, reason, words)


def _shown(name: str) -> str:
    """A name from a certificate: anybody may have written it."""
    return repr(name[:80]) if name.isprintable() else ascii(name[:80])
