"""When the next round of some work is due: events bring it forward, failures put it off. Exact timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_NEVER = float("inf")


class Pace:
    """One worker's appointment with itself. Times are those of `clock`, monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Nothing is due until `wake`."""
        self._clock = clock
        self._due = _NEVER
        self._not_before = -_NEVER
        self._changed = asyncio.Event()

    def wake(self, delay: float = 0.0) -> None:
        """Make the next round due in `delay` seconds, if it is not due earlier already."""
        at = self._clock() + delay
        if at < self._due:
            self._due = at
            self._changed.set()

    def put_off(self, delay: float) -> None:
        """Let no round begin within `delay` seconds, whatever wakes us; when they are over one begins."""
        self._not_before = self._clock() + delay
        self._due = min(self._due, self._not_before)
        self._changed.set()

    def resume(self) -> None:
        """Forget that anything was put off."""
        self._not_before = -_NEVER
        self._changed.set()

    async def wait(self) -> None:
        """Return when a round is due; there is none after it until the next `wake`."""
        while True:
            self._changed.clear()
            due = max(self._due, self._not_before) if self._due < _NEVER else _NEVER
            left = due - self._clock()
            if left <= 0:
                self._due = _NEVER
                return
            try:
                async with asyncio.timeout(None if left == _NEVER else left):
                    await self._changed.wait()
            except TimeoutError:
                pass
