"""Reading is held while the other side does not take what was written."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from gateway.association.association import Association
from gateway.relay.pressure import Pressure
from tests.support.loop_clock import turns


class Side:
    """An association as far as pressure sees it; it is its own stream."""

    def __init__(self) -> None:
        self.stream: Any = self
        self.connected = True
        self.writable = True
        self.held: list[str] = []
        self._taken = asyncio.Event()

    def hold_reading(self, why: str) -> None:
        self.held.append(why)

    def resume_reading(self, why: str) -> None:
        if why in self.held:
            self.held.remove(why)

    async def drained(self) -> None:
        await self._taken.wait()
        self._taken.clear()

    def wake(self) -> None:
        """Let go who waits; whether there is room is another question."""
        self._taken.set()


def sides() -> tuple[Pressure, Association, Association, Side, Side]:
    source, to = Side(), Side()
    return Pressure(), cast("Association", source), cast("Association", to), source, to


async def test_nothing_is_held_while_the_other_side_takes_everything() -> None:
    pressure, source, to, held, _ = sides()
    pressure.watch(source, to)
    assert held.held == []
    assert len(asyncio.all_tasks()) == 1


async def test_the_source_is_held_once_until_there_is_room() -> None:
    pressure, source, to, held, full = sides()
    full.writable = False
    pressure.watch(source, to)
    pressure.watch(source, to)
    await turns()
    assert held.held == ["relay"]
    full.wake()  # woken, and still full
    await turns()
    assert held.held == ["relay"]
    full.writable = True
    full.wake()
    await turns()
    assert held.held == []
    assert len(asyncio.all_tasks()) == 1
    full.writable = False
    pressure.watch(source, to)
    assert held.held == ["relay"]
    pressure.end(source)
    await turns()


async def test_a_side_that_is_gone_holds_nobody() -> None:
    pressure, source, to, held, gone = sides()
    gone.writable = False
    pressure.watch(source, to)
    await turns()
    gone.connected = False
    gone.wake()
    await turns()
    assert held.held == []


async def test_both_directions_are_held_on_their_own() -> None:
    pressure, one, other, first, second = sides()
    first.writable = second.writable = False
    pressure.watch(one, other)
    pressure.watch(other, one)
    await turns()
    assert (first.held, second.held) == (["relay"], ["relay"])
    second.writable = True
    second.wake()
    await turns()
    assert (first.held, second.held) == ([], ["relay"])
    first.writable = True
    first.wake()
    await turns()
    assert second.held == []


async def test_the_end_lets_everybody_be_read_from_and_leaves_no_task() -> None:
    pressure, source, to, held, full = sides()
    full.writable = False
    pressure.watch(source, to)
    await turns()
    pressure.end(source, None)
    assert held.held == []
    await turns()
    assert len(asyncio.all_tasks()) == 1
