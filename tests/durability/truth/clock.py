"""Virtual time for a spool with real threads: hours pass at once, but never while a thread owes an answer."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

MOST_TURNS = 20_000
"""Turns of the loop in one moment: more of them are a loop that spins."""

PATIENCE = 30.0
"""Real seconds in which a thread of the spool has to answer."""


class PatientLoop(asyncio.SelectorEventLoop):
    """Its clock jumps to the next timer when nothing else is to be done and no thread is at work."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.owed = 0
        """Answers that real threads owe: time stands still while there is one."""
        self._patient = _Patient(self)
        super().__init__(self._patient)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now

    def begin_moment(self) -> None:
        """Something new begins: count turns anew."""
        self._patient.turns = 0


class _Patient(selectors.SelectSelector):
    def __init__(self, loop: PatientLoop) -> None:
        super().__init__()
        self._loop = loop
        self.turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise RuntimeError("somebody spins: time does not pass")
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self._loop.owed:
            events = super().select(PATIENCE)
            if not events:
                raise RuntimeError(f"{self._loop.owed} answers of the spool are owed, and none comes")
            return events
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing")
        self._loop.now += timeout
        self.turns = 0
        return super().select(0)
