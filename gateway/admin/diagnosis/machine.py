"""Readings of the machine, shared by all who look, and not taken more often than every few seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.health import report
from gateway.health.report import MachineReport

_KEEP = 4.0  # seconds


class MachineWatch:
    """Reads the machine in a thread when somebody looks and the last reading is old."""

    def __init__(
        self,
        read: Callable[[Sequence[Path]], MachineReport] = report.read,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._last: MachineReport | None = None
        self._at = 0.0
        self._of: tuple[Path, ...] = ()

    async def report(self, folders: Sequence[Path]) -> MachineReport:
        """Return a reading that is a few seconds old at most."""
        wanted = tuple(folders)
        async with self._lock:  # those who come meanwhile get the same reading
            if self._last is None or self._of != wanted or self._clock() - self._at > _KEEP:
                self._last = await asyncio.to_thread(self._read, wanted)
                self._at, self._of = self._clock(), wanted
            return self._last
