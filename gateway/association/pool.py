"""Warm associations to one peer: kept open for a while after use, because opening one costs round trips.

Exact timers, no polling: an idle association costs one timer handle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Poolable(Protocol):
    """What can be kept warm."""

    @property
    def usable(self) -> bool:
        """False once it is over or coming to its end."""

    async def release(self) -> None:
        """Release politely, within a bound; the peer has no say in whether it ends."""

    def abort(self) -> None:
        """Close at once."""


A = TypeVar("A", bound=Poolable)


class AssociationPool(Generic[A]):
    """Idle associations of one peer, the most recently used taken first."""

    def __init__(self, idle_hold: float) -> None:
        """`idle_hold`: seconds after which an association without work is released."""
        self._idle_hold = idle_hold
        self._idle: list[tuple[A, asyncio.TimerHandle]] = []
        self._releasing: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """The usable associations that wait for work."""
        return sum(association.usable for association, _ in self._idle)

    def take(self, fits: Callable[[A], bool]) -> A | None:
        """Take a warm association that `fits`, or None."""
        for index in range(len(self._idle) - 1, -1, -1):
            association, timer = self._idle[index]
            if not association.usable:
                timer.cancel()
                association.abort()  # its end may have begun at the other side only
                del self._idle[index]
            elif fits(association):
                timer.cancel()
                del self._idle[index]
                return association
        return None

    def give_back(self, association: A) -> None:
        """Keep `association` warm, unless it is over or the pool is closed."""
        if not association.usable:
            association.abort()
            return
        if self._closed:
            self._release_soon(association)
            return
        timer = asyncio.get_running_loop().call_later(self._idle_hold, self._expire, association)
        self._idle.append((association, timer))

    async def shrink(self, most: int) -> None:
        """Make room at the peer: release what was idle longest until `most` are left. Waits for it."""
        for index in range(len(self._idle) - 1, -1, -1):
            association, timer = self._idle[index]
            if not association.usable:
                timer.cancel()
                association.abort()
                del self._idle[index]
        while len(self._idle) > most:
            association, timer = self._idle.pop(0)
            timer.cancel()
            await _release(association)

    async def close(self) -> None:
        """Release everything and wait for it; the time-out of a release bounds that."""
        self._closed = True
        for association, timer in self._idle:
            timer.cancel()
            self._release_soon(association)
        self._idle.clear()
        if self._releasing:
            await asyncio.wait(self._releasing)

    def _expire(self, association: A) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not association]
        self._release_soon(association)

    def _release_soon(self, association: A) -> None:
        task = asyncio.get_running_loop().create_task(_release(association), name="release")
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)


async def _release(association: Poolable) -> None:
    if association.usable:
        await association.release()
    else:
        association.abort()
