"""An event loop whose clock jumps to the next timer when nothing else is to be done: hours pass at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

MOST_TURNS = 10_000
"""Turns of the loop in one moment: more of them are a loop that spins."""


class FastLoop(asyncio.SelectorEventLoop):
    """Virtual time. No real I/O: whoever waits for some while no timer is set waits for ever."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wakings = 0
        """How often it woke because a timer was due."""
        super().__init__(_Jumping(self))
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: FastLoop) -> None:
        super().__init__()
        self._loop = loop
        self._turns = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing")
        self._turns += 1
        if timeout > 0:
            self._loop.now += timeout
            self._loop.wakings += 1
            self._turns = 0
        if self._turns > MOST_TURNS:
            raise RuntimeError("somebody spins: time does not pass")
        return super().select(0)


def run_fast(scenario: Coroutine[Any, Any, T]) -> T:
    """Run `scenario` on a loop of its own with virtual time."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(scenario)


async def turns(count: int = 20) -> None:
    """Let everything that can go on without time passing do so."""
    for _ in range(count):
        await asyncio.sleep(0)
