"""How fast the line is, and from that: how much may wait in the kernel, how long a frame may be. Pure.

The kernel measures at each acknowledgement how fast what it had sent arrived. While there is always
something to send, the best of the last seconds is what the line carries. Before that has gone on for a few
round trips it only says how far TCP has opened its window, and nothing is made of it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

SHARE: Final = 0.05
"""Seconds of the line that may wait in the kernel, and that a frame may take: what a record has before it."""

LEAST: Final = 4 * 1024
MOST: Final = 512 * 1024
UNKNOWN: Final = 32 * 1024
"""Bytes: the bounds of what waits, and what it is while the line is not known."""

SMALLEST: Final = 2 * 1024
LARGEST: Final = 16 * 1024
"""Bytes: the bounds of a frame. Small ones cost 2 % in headers, large ones time."""

HEADROOM: Final = 1.25
"""The kernel may send this much faster than the line is known to be: enough to find out that it is faster."""

_GROWTH: Final = 1.15
"""Faster than before by this much: it is not yet known how fast it can be."""

_INTERVAL: Final = 0.25
"""Seconds between two looks: a look is a system call."""

_MEMORY: Final = 5.0
"""Seconds for which the best counts, or ten round trips if that is more."""

_RUN: Final = 1.0
"""Seconds, or six round trips if that is more, of always something to send, before the line is known."""

_GAP: Final = 0.1
"""Seconds."""


class Pace:
    """The rate of one connection in the direction away from us."""

    def __init__(self) -> None:
        self.rate: float | None = None  # bytes a second
        self._best: deque[tuple[float, float]] = deque()
        self._since: float | None = None  # always something to send since then
        self._plateau = 0.0  # bytes a second that were reached, and not much exceeded since `_grown_at`
        self._grown_at = 0.0
        self._settled = False
        self._busy = 0.0  # seconds in which there was more to send, in all
        self._looked = 0.0
        self._dry: float | None = None

    def due(self, now: float) -> bool:
        """Say whether it is time for a look."""
        return now - self._looked >= _INTERVAL

    def seen(self, now: float, delivered: float, round_trip: float) -> bool:
        """There is more to send, and the kernel measured `delivered` bytes a second. True: look at `rate`."""
        if now - self._looked <= 2 * _INTERVAL:
            self._busy += now - self._looked
        self._looked = now
        while self._best and self._best[0][0] < now - max(_MEMORY, 10 * round_trip):
            self._best.popleft()
        while self._best and self._best[-1][1] <= delivered:
            self._best.pop()
        self._best.append((now, delivered))
        if self._since is None:
            self._since = now
        if delivered > _GROWTH * self._plateau or delivered < self._plateau / 2:
            self._plateau, self._grown_at = delivered, now
        self._settled = now - self._grown_at >= max(_RUN, 4 * round_trip)
        needed = max(_RUN, 6 * round_trip)
        if now - self._since >= needed:
            self.rate = self._best[0][1]
        elif self._busy >= needed:  # in pieces: it may be faster than was known, but not slower
            self.rate = max(self.rate or 0.0, self._best[0][1])
        return self.rate is not None

    def ran_dry(self, now: float) -> None:
        """There is nothing more to send, for now."""
        self._dry = now

    def goes_on(self, now: float) -> None:
        """There is something to send again. A gap that the kernel's own store covers is none."""
        if self._dry is not None and now - self._dry > _GAP:
            self._since = None
            self._best.clear()
        self._dry = None

    @property
    def unsent(self) -> int:
        """Bytes that may wait in the kernel unsent."""
        return UNKNOWN if self.rate is None else max(LEAST, min(MOST, round(self.rate * SHARE)))

    @property
    def piece(self) -> int:
        """Bytes of one frame: a frame that has begun is sent to its end, whatever comes meanwhile."""
        return LARGEST if self.rate is None else max(SMALLEST, min(LARGEST, round(self.rate * SHARE)))

    @property
    def ceiling(self) -> int | None:
        """Bytes a second that the kernel may send at most; None while TCP still opens its window."""
        return None if self.rate is None or not self._settled else round(self.rate * HEADROOM)
