"""What only shows when the sections are seen together: one small function per rule.

A check yields findings; the loader adds file, line and what was written. Checks read values only.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.config.limits import Backoff
from gateway.config.linking import Site
from gateway.config.problems import Severity
from gateway.config.schema import Config, Listener, Peer
from gateway.config.toml_lines import KeyPath
from gateway.model import AETitle

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_UNIX_PATH_MAX = 107  # sun_path, without the closing NUL


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem by its place in the tree."""

    path: KeyPath
    message: str
    allowed: str = ""
    severity: Severity = Severity.ERROR


def run(config: Config) -> Iterator[Finding]:
    """Yield what is wrong between the parts of `config`."""
    for check in _CHECKS:
        yield from check(config)


def is_public(address: str) -> bool:
    """Say whether `address` may be reached from the public Internet; "every address" may."""
    if address in _WILDCARDS:
        return True
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_private or parsed.is_loopback or parsed.is_link_local)


def _names(config: Config) -> Iterator[Finding]:
    kinds: tuple[tuple[str, Sequence[Listener | Peer | Site]], ...]
    kinds = (("listener", config.listeners), ("peer", config.peers), ("site", config.sites))
    for kind, parties in kinds:
        names = [party.name for party in parties]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Finding((kind, number, "name"), f"another {kind} has this name")


def _ports(config: Config) -> Iterator[Finding]:
    for number, later in enumerate(config.listeners):
        for earlier in config.listeners[:number]:
            if later.port and later.port == earlier.port and overlap(later.address, earlier.address):
                yield Finding(("listener", number, "port"), f"the listener {earlier.name} has it already")
                break
    metrics = config.metrics
    for listener in config.listeners:
        if metrics.port == listener.port and overlap(metrics.address, listener.address):
            yield Finding(("metrics", "port"), f"the listener {listener.name} has it already")


def overlap(one: str, other: str) -> bool:
    """Say whether two addresses to listen on are the same, or one of them is every address."""
    return one == other or one in _WILDCARDS or other in _WILDCARDS


def _plain_listeners(config: Config) -> Iterator[Finding]:
    for number, listener in enumerate(config.listeners):
        here: KeyPath = ("listener", number, "address")
        if listener.tls is not None:
            continue
        if is_public(listener.address) and not listener.plain_on_public:
            yield Finding(
                here,
                "plain DICOM would be open to the world here",
                "a private or loopback address, a tls table, or plain_on_public = true",
            )
        elif listener.allow is None and not _is_loopback(listener.address):
            yield Finding(
                ("listener", number),
                "plain DICOM without `allow`: everybody on this network may connect",
                'for example allow = ["192.0.2.0/24"]',
                Severity.WARNING,
            )


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _plain_peers(config: Config) -> Iterator[Finding]:
    for number, peer in enumerate(config.peers):
        if peer.tls is None and not peer.plain_on_public and _is_public_literal(peer.host or ""):
            yield Finding(
                ("peer", number, "host"),
                "plain DICOM would cross the public Internet",
                "a private address, a tls table, or plain_on_public = true",
            )


def _is_public_literal(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:
        return False  # a name: where it leads is not known here


def _metrics_address(config: Config) -> Iterator[Finding]:
    if config.metrics.port is not None and is_public(config.metrics.address):
        yield Finding(("metrics", "address"), "open to the world", "a private or loopback address")


def _destinations(config: Config) -> Iterator[Finding]:
    known = [peer.name for peer in config.peers]
    for number, route in enumerate(config.routes):
        here: KeyPath = ("route", number, "to")
        if not route.to:
            yield Finding(here, "nobody would get the objects", "one or more names of peers")
        for position, name in enumerate(route.to):
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f', did you mean "{close[0]}"?' if close else ""
                yield Finding(
                    (*here, position), f"no peer has this name{hint}", ", ".join(known) or "add a [[peer]]"
                )
            elif name in route.to[:position]:
                yield Finding((*here, position), "named twice")


def _budgeted(config: Config) -> Iterator[Finding]:
    known = [peer.name for peer in config.peers]
    for position, name in enumerate(config.data_budget.counted or ()):
        if name not in known:
            here: KeyPath = ("data_budget", "counted", position)
            yield Finding(here, "no peer has this name", ", ".join(known) or "add a [[peer]]")


def _shaped(config: Config) -> Iterator[Finding]:
    known = [peer.name for peer in config.peers]
    for position, name in enumerate(config.traffic.shaped or ()):
        if name not in known:
            here: KeyPath = ("traffic", "shaped", position)
            yield Finding(here, "no peer has this name", ", ".join(known) or "add a [[peer]]")
    for number, window in enumerate(config.traffic.windows):
        if window.days == ():
            yield Finding(("traffic", "window", number, "days"), "it would never hold", "leave it out")


def _shares(config: Config) -> Iterator[Finding]:
    budget = config.data_budget
    if budget.bulk_share > budget.image_share:
        yield Finding(
            ("data_budget", "bulk_share"),
            "images would wait before bulk objects",
            "at most its `image_share`",
        )


def _called_titles(config: Config) -> Iterator[Finding]:
    """Routes may share a called title when their calling titles tell them apart; the first match wins."""
    taken: dict[AETitle, list[frozenset[AETitle] | None]] = {}
    for number, route in enumerate(config.routes):
        earlier = taken.setdefault(route.called, [])
        mine = frozenset(route.calling) if route.calling is not None else None
        if None in earlier:
            yield Finding(
                ("route", number, "called"),
                "never reached: an earlier route takes this title from every caller",
                "each called title once, or `calling` to tell them apart",
            )
        elif mine is not None and any(other & mine for other in earlier if other):
            yield Finding(("route", number, "calling"), "an earlier route takes this title from this caller")
        if route.calling == ():
            yield Finding(
                ("route", number, "calling"), "nobody could send here", "leave it out to admit every caller"
            )
        earlier.append(mine)


def _loops(config: Config) -> Iterator[Finding]:
    routed = {name for route in config.routes for name in route.to}
    for number, peer in enumerate(config.peers):
        for listener in config.listeners:
            if peer.name in routed and _is_this(peer, listener):
                yield Finding(
                    ("peer", number, "port"),
                    f"this is our own listener {listener.name}: objects would go round in a circle",
                )


def _is_this(peer: Peer, listener: Listener) -> bool:
    if peer.port != listener.port or peer.host is None:
        return False
    host = peer.host.lower().removesuffix(".")
    if host == "localhost" or (_literal(host) and _is_loopback(host)):
        return listener.address in _WILDCARDS or _is_loopback(listener.address)
    return host == listener.address


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _nothing_to_do(config: Config) -> Iterator[Finding]:
    takes_sites = config.link is not None and config.link.listen is not None
    if not config.listeners and not takes_sites:
        yield Finding(("listener",), "there is no listener: nobody can connect", "", Severity.WARNING)
    if not config.routes:
        yield Finding(("route",), "there is no route: every object is refused", "", Severity.WARNING)


def _room(config: Config) -> Iterator[Finding]:
    spool = config.spool
    if spool.reserve_bytes <= spool.floor_bytes:
        yield Finding(("spool", "reserve"), "leaves nothing for treatment records", "more than spool.floor")
    if spool.quota_bytes is not None and spool.quota_bytes <= spool.reserve_bytes:
        yield Finding(("spool", "quota"), "leaves no room for images", "more than spool.reserve")
    if spool.max_pending_bytes > spool.max_pending_total_bytes:
        yield Finding(
            ("spool", "max_pending"),
            "is more than all objects may have together",
            "at most spool.max_pending_total",
        )


def _waits(config: Config) -> Iterator[Finding]:
    delivery = config.delivery
    for name, backoff in (
        ("object_backoff", delivery.object_backoff),
        ("link_backoff", delivery.link_backoff),
        ("pause_backoff", delivery.pause_backoff),
    ):
        yield from _rising(("delivery", name, "base"), backoff)
    yield from _rising(("commitment", "report_backoff", "base"), config.commitment.report_backoff)
    yield from _rising(("procedure_steps", "backoff", "base"), config.procedure_steps.backoff)


def _rising(path: KeyPath, backoff: Backoff) -> Iterator[Finding]:
    if backoff.base > backoff.ceiling:
        yield Finding(path, "is longer than the ceiling", "at most its `ceiling`")


def _answers_to_us(config: Config) -> Iterator[Finding]:
    """A peer that is called by a title which leads elsewhere cannot bring us its answers."""
    taken = {route.called for route in config.routes}
    for number, peer in enumerate(config.peers):
        asked = peer.commitment in ("always", "on-request")
        if peer.calling_ae in taken and asked:
            yield Finding(
                ("peer", number, "calling_ae"),
                "a route has this title: results of storage commitment reach us only on our own association, "
                "and not when this peer calls back",
                "a title without a route of its own",
                Severity.WARNING,
            )


def _stored_there(config: Config) -> Iterator[Finding]:
    """Commitment, queued steps and the guard belong to objects that are stored here."""
    for number, route in enumerate(config.routes):
        if route.mode == "relay" and route.mpps == "queue":
            yield Finding(
                ("route", number, "mpps"), "nothing is queued on a route that relays everything", '"relay"'
            )


def _names_of_certificates(config: Config) -> Iterator[Finding]:
    for number, peer in enumerate(config.peers):
        if peer.tls is not None and not peer.tls.check_name:
            yield Finding(
                ("peer", number, "tls", "check_name"),
                "whoever holds any certificate of these authorities can pose as this peer",
                "true, or a `ca` that issued the peer's certificate only",
                Severity.WARNING,
            )


def _socket(config: Config) -> Iterator[Finding]:
    if len(bytes(config.operator.socket)) > _UNIX_PATH_MAX:
        yield Finding(
            ("operator", "socket"), "is too long for a Unix socket", f"{_UNIX_PATH_MAX} bytes at most"
        )


_CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    _names,
    _ports,
    _plain_listeners,
    _plain_peers,
    _metrics_address,
    _destinations,
    _budgeted,
    _shaped,
    _shares,
    _called_titles,
    _loops,
    _nothing_to_do,
    _room,
    _waits,
    _stored_there,
    _answers_to_us,
    _names_of_certificates,
    _socket,
)
