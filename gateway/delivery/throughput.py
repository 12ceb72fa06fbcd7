"""How fast a destination takes objects, all associations together, while there is something to send. Pure.

The time that the queue needs is reckoned from it. Only busy time counts, and older busy time counts less, so
that it is the rate of the objects and the line of the last minutes, whatever the pauses between them.
"""

from __future__ import annotations

from typing import Final

HALF_LIFE: Final = 60.0
"""Seconds of busy time after which what was measured counts half."""

ENOUGH: Final = 1.0
"""Seconds of busy time before there is a rate at all."""


class Throughput:
    """Bytes of objects per second of busy time. `now` is a reading of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._bytes = 0.0
        self._seconds = 0.0
        self._busy_since: float | None = None

    def busy(self, now: float) -> None:
        """Something is on the wire from now on."""
        if self._busy_since is None:
            self._busy_since = now

    def idle(self, now: float) -> None:
        """Nothing is on the wire any more."""
        self._count(now)
        self._busy_since = None

    def done(self, now: float, size: int) -> None:
        """An object of `size` bytes has arrived."""
        self._count(now)
        self._bytes += size

    def rate(self, now: float) -> float | None:
        """Return bytes per second; None until enough was measured."""
        running = 0.0 if self._busy_since is None else max(0.0, now - self._busy_since)
        # What is under way counts only once it takes longer than so far: a large object is no standstill.
        seconds = max(self._seconds, running)
        return self._bytes / seconds if seconds >= ENOUGH and self._bytes else None

    def _count(self, now: float) -> None:
        if self._busy_since is None:
            return
        elapsed = max(0.0, now - self._busy_since)
        kept = 0.5 ** (elapsed / HALF_LIFE)
        self._bytes *= kept
        self._seconds = self._seconds * kept + elapsed
        self._busy_since = now
