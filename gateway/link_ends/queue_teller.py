"""At a site: tells the hub what waits here, so that the centre sees it. Seldom; nothing on an idle link."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from typing import Final, Protocol

from gateway.errors import SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import SpoolSummary

INTERVAL: Final = 10.0
"""Seconds between looks while something waits: each word costs some 150 bytes on the line."""

_WAITING: Final = (DeliveryState.QUEUED, DeliveryState.SENDING)


class Store(Protocol):
    """What is needed of the spool."""

    async def summary(self) -> SpoolSummary: ...

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]: ...


class QueueTeller:
    """Looks when something became queued, and then now and then until nothing waits any more."""

    def __init__(
        self,
        spool: Store,
        destinations: Collection[str],
        tell: Callable[[int, int, int], bool],
        *,
        interval: float = INTERVAL,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`tell` gets objects, bytes and the age of the oldest in seconds; False: there is no link now."""
        self._spool = spool
        self._destinations = frozenset(destinations)
        self._tell = tell
        self._interval = interval
        self._wall_clock = wall_clock
        self._told: tuple[int, int] | None = None  # on this connection
        self._news = asyncio.Event()
        self._forget: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._forget = self._spool.on_work(self._work)
        self._task = asyncio.create_task(self._run(), name="tell the hub what waits")

    async def close(self) -> None:
        """End."""
        if self._forget is not None:
            self._forget()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def link_changed(self, up: bool) -> None:
        """A new connection knows nothing yet."""
        self._told = None
        if up:
            self._news.set()

    def _work(self, destination: str) -> None:
        if destination in self._destinations:
            self._news.set()

    async def _run(self) -> None:
        with contextlib.suppress(SpoolFailure):  # whoever keeps objects ends the process for it
            while True:
                await self._news.wait()
                self._news.clear()
                await self._look()
                await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        summary = await self._spool.summary()
        cells = [c for c in summary.cells if c.destination in self._destinations and c.state in _WAITING]
        waiting = sum(cell.count for cell in cells), sum(cell.bytes for cell in cells)
        known = [at for name in self._destinations if (at := summary.oldest_of(name)) is not None]
        age = max(0.0, self._wall_clock() - min(known)) if known and waiting[0] else 0.0
        if waiting != self._told and self._tell(*waiting, round(age)):
            self._told = waiting
        if waiting[0]:
            self._news.set()  # until it is told that nothing waits
