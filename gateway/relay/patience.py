"""How long the relay waits, per operation, given how far away the peer is. Pure.

The configured times say how long a peer may need by itself. The way adds to that: every operation needs some
round trips, and one lost packet costs about one more for each of them. Nothing here bounds a whole transfer,
which may take hours: each time is for one step, and progress starts it again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelayTimeouts:
    """How long one step may take, in seconds."""

    connect: float = 5.0  # from dialling to an open association: TCP, TLS and A-ASSOCIATE together
    response: float = 60.0  # from the end of a request to the first response
    between: float = 60.0  # from one response, or sub-operation, to the next
    release: float = 10.0  # from A-RELEASE-RQ to A-RELEASE-RP
    stall: float = 60.0  # the peer's TCP takes nothing of what we send
    idle: float = 3600.0  # nothing is asked and nothing is heard


@dataclass(frozen=True, slots=True)
class PatienceLimits:
    """Where growing ends, in seconds. A configured time that is longer stands as it is."""

    connect: float = 30.0
    response: float = 300.0
    between: float = 300.0
    release: float = 15.0
    stall: float = 300.0


CONNECT_TRIPS = 4
"""TCP one, TLS two (1.2; 1.3 needs one), A-ASSOCIATE one."""

SPARE = 2
"""Every round trip may be needed twice: a packet may be lost."""

STALL_TRIPS = 8
"""A sender that lost a window of data comes back after some doubled retransmission times (RFC 6298 5.5)."""


def adapted(
    timeouts: RelayTimeouts, rtt: float | None, limits: PatienceLimits | None = None
) -> RelayTimeouts:
    """Return `timeouts` for a peer that is `rtt` seconds away (`Reachability.rtt_bound`; None: not known).

    None gives `timeouts` as they are. No time gets shorter than it was, none longer than its limit.
    """
    if rtt is None or not rtt > 0:
        return timeouts
    limits = limits or PatienceLimits()
    return RelayTimeouts(
        connect=_grown(timeouts.connect, CONNECT_TRIPS * SPARE * rtt, limits.connect),
        response=_grown(timeouts.response, SPARE * rtt, limits.response),
        between=_grown(timeouts.between, SPARE * rtt, limits.between),
        release=_grown(timeouts.release, SPARE * rtt, limits.release),
        stall=_grown(timeouts.stall, STALL_TRIPS * rtt, limits.stall),
        idle=timeouts.idle,  # whoever is silent on purpose is not waiting for the way
    )


def _grown(base: float, more: float, most: float) -> float:
    return max(base, min(base + more, most))
