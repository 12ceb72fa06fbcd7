"""The event loop's end of the spool."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.errors import SpoolFailure
from gateway.spool import SpoolLimits
from gateway.spool.files import Disk
from gateway.spool.journal import Batch
from gateway.spool.loop_side import LoopSide
from gateway.spool.quota import Ledger
from gateway.spool.values import MIB
from tests.support.spooling import Heard


@pytest.fixture
def side(heard: Heard) -> LoopSide:
    ledger = Ledger(SpoolLimits(), Disk(1000 * MIB, 2000 * MIB, None), 0)
    return LoopSide(heard.notices, ledger, lambda numbers: None)


async def test_everything_is_taken_in_on_the_loop_thread_in_order(side: LoopSide) -> None:
    side.bind()
    taken: list[object] = []
    done = asyncio.Event()

    def answer(result: object, error: object) -> None:
        taken.append((result, threading.current_thread() is threading.main_thread()))

    def work(destination: str) -> None:
        taken.append(destination)
        done.set()

    side.on_work(work)

    def elsewhere() -> None:
        for number in range(3):
            side.deliver(Batch(results=[(answer, number, None)]))
        side.deliver(Batch(results=[(answer, 3, None)], work={"oncology"}))

    await asyncio.to_thread(elsewhere)
    await done.wait()
    assert taken == [(0, True), (1, True), (2, True), (3, True), "oncology"]


async def test_a_defect_in_a_thread_ends_the_process(side: LoopSide, heard: Heard) -> None:
    side.bind()
    watch = asyncio.create_task(side.wait_failed())
    await asyncio.to_thread(side.defect, ZeroDivisionError())
    with pytest.raises(SpoolFailure, match="ZeroDivisionError"):
        await watch
    assert heard.alarms() == ["spool.failed"]


def test_what_comes_too_late_is_dropped(side: LoopSide) -> None:
    async def bind() -> None:
        side.bind()

    side.deliver(Batch())  # before the first use
    asyncio.run(bind())
    side.deliver(Batch())  # after the loop was closed
