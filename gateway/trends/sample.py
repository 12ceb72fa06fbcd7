"""What an interval was like, and how that is gathered. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.trends.middle import median

LinkWord = Literal["up", "degraded", "down", "unknown"]

GOODPUT_MIN_BYTES: Final = 256 * 1024
"""Smaller objects measure the round trip, not the bandwidth."""

MAX_ROUND_TRIPS: Final = 512
"""Measured in one interval; what comes beyond takes the place of every other one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval of one peer. Seconds and bytes."""

    start: float  # wall clock, as it was then: a label
    seconds: float  # monotonic
    up: float
    degraded: float
    down: float
    rtt_min: float | None
    rtt_median: float | None
    rtt_max: float | None
    goodput: float | None  # bytes per second of large objects, per association
    sent: int
    received: int
    objects: int
    segments: int | None  # sent; None where the kernel does not tell
    retransmitted: int

    @property
    def loss(self) -> float | None:
        """The part of the segments that had to be sent again."""
        if not self.segments:
            return None
        return min(1.0, self.retransmitted / self.segments)


@dataclass(slots=True)
class Gathering:
    """What comes together during one interval."""

    states: dict[str, float] = field(default_factory=dict)  # seconds by word
    sent: int = 0
    received: int = 0
    objects: int = 0
    _asked: list[float] = field(default_factory=list)  # round trips of C-ECHO
    _of_kernel: list[float] = field(default_factory=list)  # round trips of TCP
    _large_bytes: int = 0
    _large_seconds: float = 0.0
    _segments: int | None = None
    _retransmitted: int = 0

    def lasted(self, state: LinkWord, seconds: float) -> None:
        """The link was in `state` for so long."""
        self.states[state] = self.states.get(state, 0.0) + max(0.0, seconds)

    def round_trip(self, seconds: float, *, of_kernel: bool = False) -> None:
        """A round trip was measured: by C-ECHO, or by the kernel for its own purposes."""
        into = self._of_kernel if of_kernel else self._asked
        if len(into) >= MAX_ROUND_TRIPS:
            del into[::2]
        into.append(seconds)

    def delivered(self, size: int, seconds: float) -> None:
        """An object of `size` bytes was accepted `seconds` after it began to leave."""
        self.objects += 1
        if size >= GOODPUT_MIN_BYTES and seconds > 0:
            self._large_bytes += size
            self._large_seconds += seconds

    def carried(self, sent: int, received: int) -> None:
        """So many bytes went over the wire."""
        self.sent += max(0, sent)
        self.received += max(0, received)

    def segments(self, sent: int, again: int) -> None:
        """So many TCP segments went out, and so many of them were sent again."""
        self._segments = (self._segments or 0) + max(0, sent)
        self._retransmitted += max(0, again)

    def close(self, start: float, seconds: float) -> Sample:
        """Return what it was like."""
        # The way that objects take is measured by C-ECHO. The kernel's number ends at whatever answers for
        # the peer (a satellite modem's accelerator), so it counts only where there is no better one.
        trips = self._asked or self._of_kernel
        return Sample(
            start=start,
            seconds=seconds,
            up=self.states.get("up", 0.0),
            degraded=self.states.get("degraded", 0.0),
            down=self.states.get("down", 0.0),
            rtt_min=min(trips, default=None),
            rtt_median=median(trips) if trips else None,
            rtt_max=max(trips, default=None),
            goodput=self._large_bytes / self._large_seconds if self._large_seconds else None,
            sent=self.sent,
            received=self.received,
            objects=self.objects,
            segments=self._segments,
            retransmitted=self._retransmitted,
        )
