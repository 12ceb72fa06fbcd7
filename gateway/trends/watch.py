"""Somebody looks at the page: for as long as the lease is renewed, every destination is asked (probe.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

LEASE: Final = 10.0
"""Seconds that one renewal holds."""


class Probing(Protocol):
    """One peer's probe."""

    async def run(self) -> None:
        """Ask until cancelled."""

    def make_room(self) -> None:
        """Something is to be delivered to the peer."""


class Watch:
    """The probes of all destinations, while there is a lease. Belongs to one event loop."""

    def __init__(self, probes: Callable[[], dict[str, Probing]], lease: float = LEASE) -> None:
        """`probes` makes them, by destination, when the first lease begins."""
        self._make = probes
        self._lease = lease
        self._probes: dict[str, Probing] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._end: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def watching(self) -> bool:
        """True while there is a lease."""
        return bool(self._tasks)

    def renew(self) -> float:
        """Watch from now on for as long as a lease holds; return its seconds."""
        loop = asyncio.get_running_loop()
        if self._end is not None:
            self._end.cancel()
        self._end = loop.call_later(self._lease, self._over)
        if not self._tasks:
            self._probes = self._make()
            self._tasks = [
                loop.create_task(probe.run(), name=f"watch {name}") for name, probe in self._probes.items()
            ]
            for task in self._tasks:
                task.add_done_callback(_defect)
        return self._lease

    def make_room(self, peer: str) -> None:
        """Something became queued for `peer`, or a person wants something of it."""
        probe = self._probes.get(peer)
        if probe is not None:
            probe.make_room()

    async def close(self) -> None:
        """Stop asking, and release the associations."""
        if self._end is not None:
            self._end.cancel()
        self._over()
        if self._ending:
            await asyncio.wait(self._ending)

    def _over(self) -> None:
        self._end = None
        tasks, self._tasks, self._probes = self._tasks, [], {}
        for task in tasks:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def _defect(task: asyncio.Task[None]) -> None:
    """An exception that nobody expected is the process's business."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        task.get_loop().call_exception_handler(
            {"message": f"a defect in {task.get_name()}", "exception": error, "task": task}
        )
