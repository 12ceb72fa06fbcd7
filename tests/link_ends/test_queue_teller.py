"""What a site tells its hub of its queue: when it changes, seldom, anew on every connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from gateway.errors import SpoolFailure
from gateway.link_ends.queue_teller import INTERVAL, QueueTeller
from gateway.model import DeliveryState, Priority
from gateway.spool import SpoolSummary
from gateway.spool.values import SummaryCell
from tests.support.loop_clock import run_fast, turns

NOW = 5000.0


class Store:
    """A spool whose queue the test sets."""

    def __init__(self) -> None:
        self.cells: tuple[SummaryCell, ...] = ()
        self.callbacks: list[Callable[[str], None]] = []
        self.looks = 0
        self.fails = False

    async def summary(self) -> SpoolSummary:
        self.looks += 1
        if self.fails:
            raise SpoolFailure("the disk failed")
        oldest = {"centre": {Priority.IMAGE: NOW - 60}}
        return SpoolSummary(self.cells, oldest, 0, 0, 1, 1, None, dict.fromkeys(Priority, 1))

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def queue(self, count: int, size: int = 10, *, destination: str = "centre") -> None:
        state = DeliveryState.QUEUED
        self.cells = (SummaryCell(destination, state, Priority.IMAGE, count, count * size),) if count else ()
        for callback in self.callbacks:
            callback(destination)


class Scene:
    """A teller, and what it said."""

    def __init__(self) -> None:
        self.store = Store()
        self.up = True
        self.said: list[tuple[int, int, int]] = []
        self.teller = QueueTeller(self.store, ["centre"], self._tell, wall_clock=lambda: NOW)
        self.teller.start()

    def _tell(self, objects: int, size: int, oldest: int) -> bool:
        if self.up:
            self.said.append((objects, size, oldest))
        return self.up


def playing(play: Callable[[Scene], Coroutine[None, None, None]]) -> None:
    async def scenario() -> None:
        scene = Scene()
        await play(scene)
        await scene.teller.close()
        assert scene.store.callbacks == []

    run_fast(scenario())


def test_each_change_is_told_and_none_sooner_than_the_interval() -> None:
    async def play(scene: Scene) -> None:
        scene.store.queue(1)
        await turns()
        assert scene.said == [(1, 10, 60)]
        scene.store.queue(2)
        scene.store.queue(3)
        await asyncio.sleep(INTERVAL - 1)
        assert len(scene.said) == 1
        await asyncio.sleep(2)
        assert scene.said[1:] == [(3, 30, 60)]
        scene.store.cells = ()  # delivered: nobody says so
        await asyncio.sleep(INTERVAL + 1)
        assert scene.said[2:] == [(0, 0, 0)]

    playing(play)


def test_an_idle_site_says_nothing_and_does_not_even_look() -> None:
    async def play(scene: Scene) -> None:
        scene.teller.link_changed(True)
        await asyncio.sleep(3600)
        assert scene.said == [(0, 0, 0)]
        assert scene.store.looks == 1

    playing(play)


def test_a_queue_that_stays_as_it_is_is_told_once() -> None:
    async def play(scene: Scene) -> None:
        scene.store.queue(5)
        await asyncio.sleep(3600)
        assert scene.said == [(5, 50, 60)]

    playing(play)


def test_a_new_connection_is_told_anew_and_a_missing_one_later() -> None:
    async def play(scene: Scene) -> None:
        scene.up = False
        scene.store.queue(5)
        await asyncio.sleep(100)
        assert scene.said == []
        scene.up = True
        scene.teller.link_changed(True)
        await asyncio.sleep(INTERVAL + 1)
        assert scene.said == [(5, 50, 60)]
        scene.teller.link_changed(False)
        scene.teller.link_changed(True)
        await asyncio.sleep(INTERVAL + 1)
        assert scene.said == [(5, 50, 60)] * 2

    playing(play)


def test_what_goes_elsewhere_is_not_the_hubs_business() -> None:
    async def play(scene: Scene) -> None:
        scene.store.queue(5, destination="archive")
        await asyncio.sleep(100)
        assert scene.said == []

    playing(play)


def test_a_spool_that_failed_is_left_to_others() -> None:
    async def play(scene: Scene) -> None:
        scene.store.fails = True
        scene.store.queue(1)
        await asyncio.sleep(100)
        assert scene.said == []

    playing(play)
