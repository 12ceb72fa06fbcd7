"""What is known of one destination's link: its state in words, and its speed. Pure: time is an argument.

    unknown   nothing was tried since the start
    online    the last thing tried worked
    degraded  it answers, but objects are refused for now, cut or time out
    offline   it cannot be reached, or will not associate

Round-trip time and goodput are smoothed as RFC 6298 2 does for RTT: an eighth of each new sample.
"""

from __future__ import annotations

import enum

from gateway.notices import LinkChanged

SMOOTHING = 1 / 8
GOODPUT_MIN_BYTES = 256 * 1024
"""Smaller objects measure the round trip, not the bandwidth."""

TURNAROUND_MAX_BYTES = 64 * 1024
"""Larger objects measure the bandwidth, not the round trip."""

DEGRADED_AFTER = 2
"""Troubles in a row, with no success in between, that make a link degraded."""


class LinkState(enum.StrEnum):
    """State of the way to one destination."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class LinkMonitor:
    """Watches one destination. Each method returns the notice to publish when the state changed."""

    def __init__(self, destination: str, now: float) -> None:
        self.destination = destination
        self.state = LinkState.UNKNOWN
        self.reason = ""
        self.since = now  # wall clock, seconds: when the state began
        self.last_success: float | None = None  # wall clock: last object accepted or probe answered
        self.rtt: float | None = None  # seconds, of a C-ECHO on an open association
        self.turnaround: float | None = None  # seconds from sending a small object to its answer
        self.goodput: float | None = None  # bytes per second of large objects, per association
        self._troubles = 0

    def probed(self, now: float, rtt: float | None, *, flowing: bool) -> LinkChanged | None:
        """A probe succeeded. `flowing` False: the peer answers, but objects do not pass yet."""
        if rtt is not None:
            self.rtt = _smooth(self.rtt, rtt)
        self.last_success = now
        if not flowing:
            return self._become(LinkState.DEGRADED, self.reason, now)
        self._troubles = 0
        return self._become(LinkState.ONLINE, "", now)

    def passed(self, now: float, size: int, seconds: float) -> LinkChanged | None:
        """An object of `size` bytes was accepted `seconds` after its first byte was sent."""
        if seconds > 0 and size >= GOODPUT_MIN_BYTES:
            self.goodput = _smooth(self.goodput, size / seconds)
        if size <= TURNAROUND_MAX_BYTES:
            self.turnaround = _smooth(self.turnaround, seconds)
        self.last_success = now
        self._troubles = 0
        return self._become(LinkState.ONLINE, "", now)

    def answered(self, now: float) -> LinkChanged | None:
        """The peer refused an object for the object's own sake: the link itself works."""
        self.last_success = now
        return self._become(LinkState.ONLINE, "", now) if self._troubles == 0 else None

    def troubled(self, now: float, reason: str, *, paused: bool) -> LinkChanged | None:
        """An object was cut, timed out or refused for now. `paused`: the destination is left alone for it."""
        self._troubles += 1
        if paused or self._troubles >= DEGRADED_AFTER:
            return self._become(LinkState.DEGRADED, reason, now)
        return None

    def failed(self, now: float, reason: str) -> LinkChanged | None:
        """The destination cannot be reached or will not associate."""
        self._troubles += 1
        return self._become(LinkState.OFFLINE, reason, now)

    def _become(self, state: LinkState, reason: str, now: float) -> LinkChanged | None:
        before, self.reason = self.state, reason
        if state is before:
            return None
        self.state = state
        self.since = now
        return LinkChanged(self.destination, before.value, state.value, reason)


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
