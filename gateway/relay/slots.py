"""So many at a time, the urgent ones first: how a slow peer is kept from being overrun."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.errors import LocalError


class NoSlot(LocalError):
    """All are taken, and there is no waiting, or no waiting any longer. The text says which."""


@dataclass(order=True, slots=True)
class _Waiter:
    priority: int
    arrival: int
    granted: asyncio.Future[None] = field(compare=False)


class Slots:
    """At most `most` holders; others wait in order of priority and arrival. Belongs to one event loop."""

    def __init__(self, most: int, max_waiting: int, wait: float) -> None:
        """`max_waiting` callers may wait, each for at most `wait` seconds."""
        if most < 1 or max_waiting < 0:
            raise LocalError(f"slots: at least 1 is needed and 0 may wait, not {most} and {max_waiting}")
        self.held = 0
        self._most = most
        self._max_waiting = max_waiting
        self._wait = wait
        self._waiters: list[_Waiter] = []  # in order; only those still waiting
        self._arrivals = 0

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiters)

    @asynccontextmanager
    async def hold(self, priority: int) -> AsyncIterator[None]:
        """Hold a slot for the length of the block. A lower `priority` goes first; then who came first.

        Raises NoSlot at once when too many wait already, or after the waiting time.
        """
        await self.acquire(priority)
        try:
            yield
        finally:
            self.release()

    async def acquire(self, priority: int) -> None:
        """Take a slot, to be given back with `release`; as `hold` does for a block."""
        if self.held < self._most:  # then nobody waits: a slot that becomes free goes to the first in line
            self.held += 1
            return
        if len(self._waiters) >= self._max_waiting:
            raise NoSlot(f"all {self._most} are in use and {len(self._waiters)} are waiting already")
        loop = asyncio.get_running_loop()
        self._arrivals += 1
        waiter = _Waiter(priority, self._arrivals, loop.create_future())
        bisect.insort(self._waiters, waiter)
        timer = loop.call_later(self._wait, self._expire, waiter)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and not waiter.granted.exception():
                self.release()  # it was ours already: hand it on
            else:
                self._forget(waiter)
            raise
        finally:
            timer.cancel()

    def _expire(self, waiter: _Waiter) -> None:
        if not waiter.granted.done():
            self._forget(waiter)
            words = f"none of {self._most} became free within {self._wait:g} s"
            waiter.granted.set_exception(NoSlot(words))

    def _forget(self, waiter: _Waiter) -> None:
        # Waiters compare equal by priority and arrival, and arrival is unique.
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def release(self) -> None:
        """Give a slot back; the first in line gets it."""
        while self._waiters:
            waiter = self._waiters.pop(0)
            if not waiter.granted.done():  # cancelled ones have not run yet to take themselves away
                waiter.granted.set_result(None)
                return
        self.held -= 1
