"""What has to fit between [link], [[site]], and the peers and routes that use them: one function per rule."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from gateway.config.checks import Finding, overlap
from gateway.config.linking import HUB
from gateway.config.problems import Severity
from gateway.config.schema import Config, Peer


def run(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the link of `config`, and with what goes over it."""
    for check in _CHECKS:
        yield from check(config)


def _ends(config: Config) -> Iterator[Finding]:
    """A gateway is a site or a hub."""
    link = config.link
    if link is None:
        return
    if link.hub is None and link.listen is None:
        yield Finding(("link",), "neither dials a hub nor listens for sites", "hub, or listen")
    elif link.hub is not None and link.listen is not None:
        yield Finding(("link", "listen"), "a gateway is a site or a hub, not both", "hub, or listen")
    if link.hub is None and link.tls.server_name is not None:
        yield Finding(("link", "tls", "server_name"), "a hub dials nobody whose name it could check")


def _port(config: Config) -> Iterator[Finding]:
    place = config.link.listen if config.link is not None else None
    if place is None or not place.port:
        return
    here = ("link", "listen")
    for listener in config.listeners:
        if listener.port == place.port and overlap(listener.address, place.host):
            yield Finding(here, f"the listener {listener.name} has this port already")
    if config.metrics.port == place.port and overlap(config.metrics.address, place.host):
        yield Finding(here, "the metrics have this port already")


def _sites(config: Config) -> Iterator[Finding]:
    listens = config.link is not None and config.link.listen is not None
    if listens and not config.sites:
        yield Finding(("link", "listen"), "there is no site: nobody may connect", "", Severity.WARNING)
    if not listens:
        for number, _ in enumerate(config.sites):
            yield Finding(("site", number), "only a hub has sites", "[link] with listen")


def _calls(config: Config) -> Iterator[Finding]:
    """What a site may call has a route, and the route does not lead back to the site."""
    by_name = {peer.name: peer for peer in config.peers}
    titles = {route.called for route in config.routes}
    for number, site in enumerate(config.sites):
        for position, title in enumerate(site.calls):
            if title not in titles:
                yield Finding(
                    ("site", number, "calls", position),
                    "no route has this called AE title",
                    ", ".join(sorted(titles)) or "add a [[route]]",
                )
            back = [
                name
                for route in config.routes
                for name in route.to
                if route.called == title and name in by_name and by_name[name].via == site.name
            ]
            if back:
                yield Finding(
                    ("site", number, "calls", position),
                    f"leads back to this site, by the peer {back[0]}",
                    "titles of systems that are not at the site",
                )
        if site.calling == ():
            yield Finding(
                ("site", number, "calling"), "nobody there could call", "leave it out to admit every caller"
            )


def _ways(config: Config) -> Iterator[Finding]:
    """A peer is reached by host and port, or by the link."""
    for number, peer in enumerate(config.peers):
        if peer.via is None:
            yield from _dialled(number, peer)
        else:
            yield from _over_the_link(number, peer, config)


def _dialled(number: int, peer: Peer) -> Iterator[Finding]:
    for key, value in (("host", peer.host), ("port", peer.port)):
        if value is None:
            yield Finding(
                ("peer", number, key), "missing", "host and port, or via for a peer beyond the link"
            )


def _over_the_link(number: int, peer: Peer, config: Config) -> Iterator[Finding]:
    for key, value in (("host", peer.host), ("port", peer.port), ("tls", peer.tls)):
        if value is not None:
            yield Finding(("peer", number, key), "has no meaning with via: the link leads to this peer")
    if peer.compress:
        yield Finding(("peer", number, "compress"), "has no meaning with via: the link compresses by itself")
    here = ("peer", number, "via")
    if config.link is None:
        yield Finding(here, "there is no link that could lead to it", "a [link] section")
    elif config.link.hub is not None:
        if peer.via != HUB:
            yield Finding(here, "a site reaches others by its hub only", f'"{HUB}"')
    elif config.link.listen is not None and peer.via not in (names := [one.name for one in config.sites]):
        close = difflib.get_close_matches(peer.via or "", names, n=1)
        hint = f', did you mean "{close[0]}"?' if close else ""
        yield Finding(here, f"no site has this name{hint}", ", ".join(names) or "add a [[site]]")


def _windows(config: Config) -> Iterator[Finding]:
    if config.link is None:
        return
    limits = config.link.limits
    for name in ("record_window", "image_window", "bulk_window", "stream_window"):
        if getattr(limits, name) > limits.max_window:
            yield Finding(("link", "limits", name), "is more than it may grow to", "at most max_window")
    if limits.payload > limits.max_payload:
        yield Finding(("link", "limits", "payload"), "is longer than what we take", "at most max_payload")


_CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _ends,
    _port,
    _sites,
    _calls,
    _ways,
    _windows,
)
