"""Answers from a configuration that is there, so that the wizard begins where the box is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.admin.installing.answers import Answers, Callers, Centre, Console, Tls
from gateway.config import Config, load
from gateway.config.schema import Listener, Peer, Route


def read(texts: Mapping[str, str], main: Path) -> Answers:
    """Return the answers that these files give. ConfigErrors when they are no configuration. Costs time."""
    return answers_of(load(main, check_files=False, texts=texts))


def answers_of(config: Config) -> Answers:
    """Return the answers that a configuration gives."""
    down = {route.to[0] for route in config.routes if _leads_down(route, config)}
    listed = {str(title) for route in config.routes for title in route.calling or ()}
    stored = {name for route in config.routes if route.mode == "store" for name in route.to}
    reached = {name for route in config.routes for name in route.to}
    # Who is beyond a link is no matter of this page: such peers stay as they are.
    direct = [peer for peer in config.peers if peer.via is None]
    consoles = [
        peer
        for peer in direct
        if peer.name in down
        or peer.name not in reached  # nothing is sent there, but answers about what it sent itself
        or (str(peer.ae_title) in listed and peer.name not in stored)
    ]
    ways = [route for route in config.routes if not _leads_down(route, config)]
    centres = _in_order([peer for peer in direct if peer not in consoles], ways)
    shown = [
        Console(str(peer.ae_title), peer.name, peer.host or "", peer.port or 0, peer.name in down)
        for peer in consoles
    ]
    known = {console.ae_title for console in shown}
    for route in ways:
        for title in route.calling or ():
            if str(title) not in known:
                known.add(str(title))
                shown.append(Console(str(title)))
    listener = _listener(config)
    return Answers(
        gateway=config.gateway.name,
        ae_title=str(config.gateway.ae_title),
        listener=listener.name if listener else "console",
        address=listener.address if listener else "",
        port=listener.port if listener else 0,
        allow=tuple(str(network) for network in (listener.allow or ())) if listener else (),
        listener_tls=listener is not None and listener.tls is not None,
        centres=tuple(_centre(peer, ways) for peer in centres),
        consoles=tuple(shown),
        callers=_callers(ways, known),
    )


def _listener(config: Config) -> Listener | None:
    """Return the listener of the treatment LAN: the first one that is plain, as consoles mostly are."""
    plain = [listener for listener in config.listeners if listener.tls is None]
    return next(iter([*plain, *config.listeners]), None)


def _leads_down(route: Route, config: Config) -> bool:
    """Say whether a route is for what the centre sends to a console."""
    if route.mode != "relay" or len(route.to) != 1:
        return False
    stored = {name for other in config.routes if other.mode == "store" for name in other.to}
    listed = {title for other in config.routes for title in other.calling or ()}
    peer = next((one for one in config.peers if one.name == route.to[0]), None)
    if peer is None or peer.name in stored or route.called != peer.ae_title:
        return False
    return bool(stored) or peer.ae_title in listed


def _in_order(peers: list[Peer], ways: list[Route]) -> list[Peer]:
    """Sort centres as the routes name them: what is relayed goes to the first of a route."""
    named = list(dict.fromkeys(name for route in ways for name in route.to))
    return sorted(peers, key=lambda peer: named.index(peer.name) if peer.name in named else len(named))


def _centre(peer: Peer, ways: list[Route]) -> Centre:
    tls = peer.tls
    return Centre(
        name=peer.name,
        ae_title=str(peer.ae_title),
        host=peer.host or "",
        port=peer.port or 0,
        called=tuple(dict.fromkeys(str(route.called) for route in ways if peer.name in route.to)),
        tls=Tls(str(tls.certificate), str(tls.key), str(tls.ca), tls.server_name or "") if tls else None,
        calling_ae=str(peer.calling_ae) if peer.calling_ae is not None else "",
        commitment=peer.commitment,
    )


def _callers(ways: list[Route], known: set[str]) -> Callers:
    """Say who may send. "as-is" when the routes differ: then they are left as they are."""
    lists = [None if route.calling is None else {str(title) for title in route.calling} for route in ways]
    if all(one == known for one in lists):  # also when there is no route yet
        return "listed"
    return "everybody" if all(one is None for one in lists) else "as-is"
