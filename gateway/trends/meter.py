"""Which bytes and segments are whose: from what the open associations have carried to what is new. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model import Peer
from gateway.traffic import OpenAssociation, Traffic

_HEADERS: Final = 52
"""Bytes of IPv4 and TCP with timestamps around each segment: an estimate, IPv6 has twenty more."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What went over the wire since the last look."""

    sent: int = 0
    received: int = 0
    segments: int | None = None  # None where the kernel does not tell
    retransmitted: int = 0
    round_trip: float | None = None  # of the kernel, when something went out since
    retransmitted_bytes: int | None = None  # None where the kernel does not tell


def difference(now: Traffic, before: Traffic | None) -> Carried:
    """Return what came since `before` (None: since the association began)."""
    sent, received = on_wire(now)
    sent_before, received_before = on_wire(before) if before is not None else (0, 0)
    segments = None
    if now.segments_out is not None:
        segments = now.segments_out - ((before.segments_out or 0) if before is not None else 0)
    moved = sent > sent_before or received > received_before
    return Carried(
        sent=max(0, sent - sent_before),
        received=max(0, received - received_before),
        segments=None if segments is None else max(0, segments),
        retransmitted=max(0, now.retransmitted - (before.retransmitted if before is not None else 0)),
        retransmitted_bytes=_more(now.retransmitted_bytes, before),
        round_trip=now.round_trip if moved and now.round_trip else None,
    )


def _more(now: int | None, before: Traffic | None) -> int | None:
    if now is None:
        return None
    return max(0, now - ((before.retransmitted_bytes or 0) if before is not None else 0))


def on_wire(traffic: Traffic) -> tuple[int, int]:
    """Return bytes sent and received with their headers; of the PDUs alone where the kernel tells nothing."""
    sent, received = traffic.bytes_out, traffic.bytes_in
    if traffic.tcp_out is not None and traffic.segments_out is not None:
        sent = traffic.tcp_out + _HEADERS * traffic.segments_out
    if traffic.tcp_in is not None and traffic.segments_in is not None:
        received = traffic.tcp_in + _HEADERS * traffic.segments_in
    return sent, received


class Owners:
    """Whose association it is: that of the peer we dialled, or of the one that calls with this title.

    What runs over a link is nobody's: its bytes are counted where the link itself is, under its own name.
    """

    def __init__(self, peers: Iterable[Peer]) -> None:
        self._titles: dict[str, list[Peer]] = {}
        peers = tuple(peers)
        self._links = frozenset(peer.via for peer in peers if peer.via)
        self._beyond = frozenset(peer.name for peer in peers if peer.via)
        for peer in peers:
            self._titles.setdefault(str(peer.ae_title), []).append(peer)

    def of(self, association: OpenAssociation) -> str | None:
        """Return the name of the peer; None for a caller that is no peer of ours."""
        if association.peer in self._beyond or (not association.peer and association.address in self._links):
            return None
        if association.peer:
            return association.peer
        found = self._titles.get(association.calling_ae, [])
        here = [peer for peer in found if peer.host == association.address]
        return next((peer.name for peer in (*here, *found)), None)


class Meter:
    """Remembers what every open association had carried when it was last looked at."""

    def __init__(self, open_associations: Mapping[str, OpenAssociation], owners: Owners) -> None:
        """`open_associations` by ID, as they are at any moment."""
        self._open = open_associations
        self._owners = owners
        self._seen: dict[str, Traffic] = {}

    def read_all(self) -> list[tuple[str, Carried]]:
        """Return what is new on every association, by peer."""
        found = [one for association in tuple(self._open) if (one := self.read(association)) is not None]
        self._seen = {key: seen for key, seen in self._seen.items() if key in self._open}
        return found

    def read(self, association: str) -> tuple[str, Carried] | None:
        """Return whose association it is, and what is new on it; None when it is nobody's."""
        meter = self._open.get(association)
        if meter is None or (owner := self._owners.of(meter)) is None:
            return None
        now = meter.measure()
        carried = difference(now, self._seen.get(association))
        self._seen[association] = now
        return owner, carried
