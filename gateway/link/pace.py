"""How fast the line is, and how much of it may be under way in the kernel unsent. Pure.

Measured where it hurts: while there is always something to send, what leaves is what the line carries. An
interval in which there was nothing to send for a moment says nothing about the line.
"""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.05
"""Seconds of the line that may wait in the kernel: what a treatment record may have before it there."""

LEAST: Final = 4 * 1024
MOST: Final = 512 * 1024
UNKNOWN: Final = 16 * 1024
"""Bytes: the bounds of that, and what it is while the line is not known."""

_INTERVAL: Final = 0.25
"""Seconds of an interval at least: shorter ones see single packets."""

_WEIGHT: Final = 0.4
"""Of the newest interval."""


class Pace:
    """The rate of one connection in the direction away from us."""

    def __init__(self) -> None:
        self.rate: float | None = None  # bytes a second
        self._since: tuple[float, int] | None = None

    def seen(self, now: float, sent: int) -> bool:
        """At `now` there is more to send, and `sent` bytes have left so far; True: `rate` has changed."""
        if self._since is None:
            self._since = now, sent
            return False
        begin, before = self._since
        if now - begin < _INTERVAL:
            return False
        latest = (sent - before) / (now - begin)
        self._since = now, sent
        self.rate = latest if self.rate is None else self.rate + _WEIGHT * (latest - self.rate)
        return True

    def due(self, now: float) -> bool:
        """Say whether `seen` would make something of it: asking the kernel is not for nothing."""
        return self._since is None or now - self._since[0] >= _INTERVAL

    def ran_dry(self) -> None:
        """There was nothing more to send: the interval is worth nothing."""
        self._since = None

    @property
    def unsent(self) -> int:
        """Bytes that may wait in the kernel unsent."""
        if self.rate is None:
            return UNKNOWN
        return max(LEAST, min(MOST, round(self.rate * SHARE)))
