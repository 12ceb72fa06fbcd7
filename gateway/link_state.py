"""What is known of one way, as values that everybody shows: measured numbers, and a hub's sites. Pure.

Whoever keeps a connection says what it measured (`LinkMeasures`); delivery adds the state and the queue. None
means: not measured (yet), and is never shown as 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LinkMeasures:
    """What was measured of the way to one peer, or of the link to a hub."""

    rtt: float | None = None  # seconds, smoothed
    goodput: float | None = None  # bytes of objects per second, while there is something to send
    loss: float | None = None  # part of the segments that had to be sent again, 0 to 1, of the last hour
    retransmitted: int | None = None  # bytes sent again since the process began
    ratio: float | None = None  # bytes of objects for each byte that was sent for them; 1.5: two thirds sent

    def over(self, other: LinkMeasures) -> LinkMeasures:
        """Return these, and where nothing was measured those of `other`."""
        return LinkMeasures(
            rtt=other.rtt if self.rtt is None else self.rtt,
            goodput=other.goodput if self.goodput is None else self.goodput,
            loss=other.loss if self.loss is None else self.loss,
            retransmitted=other.retransmitted if self.retransmitted is None else self.retransmitted,
            ratio=other.ratio if self.ratio is None else self.ratio,
        )


UNMEASURED = LinkMeasures()

Measured = Callable[[str], LinkMeasures | None]
"""Tells what was measured of the way to the peer of that name; None for a way that others measure."""


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """One site of a hub at this moment. Wall-clock times are seconds since the epoch."""

    name: str
    connected: bool
    since: float | None  # connected or away since then; None: never seen since the hub began
    last_contact: float | None  # when something last came from it
    address: str = ""  # where its connection comes from
    version: str = ""  # its software, as it says
    reason: str = ""  # why it is not connected, in words; may be empty
    measures: LinkMeasures = LinkMeasures()
    receiving: int = 0  # objects that are begun and not complete
    partial_bytes: int = 0  # of them, kept here
    objects: int = 0  # received from it since the hub began
    bytes: int = 0  # their original bytes
    rate: float | None = None  # bytes of objects per second coming in, over the last minute
    queued: int | None = None  # objects that wait at the site, as it says
    queued_bytes: int | None = None
    oldest: float | None = None  # when the oldest of those was received there


Sites = Callable[[], Sequence[SiteStatus]]
"""Tells how the sites of a hub stand, in the order of the configuration."""


class WaysView(Protocol):
    """What is measured of the ways to the peers, and how a hub's sites stand (gateway.links.Links)."""

    def measures(self, peer: str) -> LinkMeasures | None:
        """What was measured of the way to `peer`."""

    def rate_cap(self, peer: str) -> int | None:
        """Bytes per second that the schedule allows now; None for no cap."""

    def sites(self) -> Sequence[SiteStatus]:
        """The sites of a hub, in the order of the configuration."""


class NoWays:
    """Nothing is measured, nothing is capped, there is no site."""

    def measures(self, peer: str) -> LinkMeasures | None:
        return None

    def rate_cap(self, peer: str) -> int | None:
        return None

    def sites(self) -> Sequence[SiteStatus]:
        return ()
