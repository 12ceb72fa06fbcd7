"""When a round is due, with virtual time."""

from __future__ import annotations

import asyncio

from gateway.commitment.pace import Pace
from tests.support.loop_clock import run_fast, turns


def clock() -> float:
    return asyncio.get_running_loop().time()


def test_the_earliest_event_counts_and_is_used_up() -> None:
    async def scenario() -> None:
        pace = Pace(clock)
        start = clock()
        pace.wake(30)
        pace.wake(5)
        pace.wake(60)
        await pace.wait()
        assert clock() - start == 5
        waiting = asyncio.ensure_future(pace.wait())
        await turns()
        assert not waiting.done()
        pace.wake()
        await waiting
        assert clock() - start == 5

    run_fast(scenario())


def test_an_event_while_waiting_brings_it_forward() -> None:
    async def scenario() -> None:
        pace = Pace(clock)
        start = clock()
        pace.wake(30)
        waiting = asyncio.ensure_future(pace.wait())
        await asyncio.sleep(10)
        pace.wake(1)
        await waiting
        assert clock() - start == 11

    run_fast(scenario())


def test_what_is_put_off_waits_whatever_happens_and_then_comes_by_itself() -> None:
    async def scenario() -> None:
        pace = Pace(clock)
        start = clock()
        pace.put_off(100)
        pace.wake()
        await pace.wait()
        assert clock() - start == 100

    run_fast(scenario())


def test_resumed_it_goes_at_once() -> None:
    async def scenario() -> None:
        pace = Pace(clock)
        start = clock()
        pace.put_off(100)
        waiting = asyncio.ensure_future(pace.wait())
        await asyncio.sleep(1)
        pace.wake()
        pace.resume()
        await waiting
        assert clock() - start == 1

    run_fast(scenario())


def test_idle_it_sets_no_timer() -> None:
    async def scenario() -> int:
        waiting = asyncio.ensure_future(Pace(clock).wait())
        await turns()
        waiting.cancel()
        loop = asyncio.get_running_loop()
        return int(loop.wakings)  # type: ignore[attr-defined]

    assert run_fast(scenario()) == 0
