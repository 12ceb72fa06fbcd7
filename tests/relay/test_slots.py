from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import LocalError
from gateway.relay.slots import NoSlot, Slots
from tests.support.loop_clock import FastLoop, run_fast, turns


class Holder:
    """Somebody who wants a slot, keeps it until told, and notes how it went."""

    def __init__(self, slots: Slots, priority: int = 0, log: list[str] | None = None, name: str = "") -> None:
        self.has = False
        self.refusal = ""
        self._done = asyncio.Event()
        self._log = log
        self._name = name
        self.task = asyncio.get_running_loop().create_task(self._run(slots, priority))

    async def _run(self, slots: Slots, priority: int) -> None:
        try:
            async with slots.hold(priority):
                self.has = True
                if self._log is not None:
                    self._log.append(self._name)
                try:
                    await self._done.wait()
                finally:
                    self.has = False
        except NoSlot as error:
            self.refusal = str(error)

    async def leave(self) -> None:
        self._done.set()
        await self.task


async def test_so_many_at_a_time() -> None:
    slots = Slots(2, 10, 60.0)
    holders = [Holder(slots) for _ in range(3)]
    await turns()
    assert [holder.has for holder in holders] == [True, True, False]
    assert (slots.held, slots.waiting) == (2, 1)
    await holders[0].leave()
    await turns()
    assert holders[2].has
    for holder in holders[1:]:
        await holder.leave()
    assert (slots.held, slots.waiting) == (0, 0)


async def test_the_urgent_go_first_and_among_equals_who_came_first() -> None:
    slots, log = Slots(1, 10, 60.0), []
    holders = [
        Holder(slots, priority, log, name)
        for priority, name in ((1, "first"), (2, "bulk"), (1, "b"), (0, "record"), (1, "c"))
    ]
    await turns()
    for name in ("first", "record", "b", "c", "bulk"):
        assert log[-1] == name
        await next(holder for holder in holders if holder.has).leave()
        await turns()
    assert slots.held == 0


async def test_too_many_who_wait_are_refused_at_once() -> None:
    slots = Slots(1, 1, 60.0)
    holders = [Holder(slots) for _ in range(3)]
    await turns()
    assert "waiting already" in holders[2].refusal
    assert slots.waiting == 1
    for holder in holders:
        await holder.leave()
    assert slots.held == 0


async def test_nobody_need_wait_where_waiting_is_off() -> None:
    slots = Slots(1, 0, 60.0)
    async with slots.hold(0):
        with pytest.raises(NoSlot):
            async with slots.hold(0):
                pass
    async with slots.hold(0):
        assert slots.held == 1


def test_waiting_ends_with_words() -> None:
    async def scenario() -> None:
        slots = Slots(1, 5, 10.0)
        first, second = Holder(slots), Holder(slots)
        await asyncio.sleep(9.9)
        assert (second.refusal, slots.waiting) == ("", 1)
        await asyncio.sleep(0.2)
        assert "within 10 s" in second.refusal
        assert slots.waiting == 0
        await first.leave()
        assert slots.held == 0

    run_fast(scenario())


async def test_an_error_in_the_block_gives_the_slot_back() -> None:
    slots = Slots(1, 0, 1.0)
    with pytest.raises(ZeroDivisionError):
        async with slots.hold(0):
            raise ZeroDivisionError
    assert slots.held == 0


async def test_who_is_cancelled_waits_no_longer() -> None:
    slots = Slots(1, 5, 60.0)
    first, second, third = (Holder(slots) for _ in range(3))
    await turns()
    second.task.cancel()
    await asyncio.wait([second.task])
    assert slots.waiting == 1
    third.task.cancel()
    slots.release()  # before the cancelled one had its turn
    await asyncio.wait([third.task])
    assert (slots.held, slots.waiting) == (0, 0)
    first.task.cancel()


def test_a_grant_leaves_no_timer() -> None:
    async def scenario() -> None:
        slots = Slots(1, 5, 60.0)
        first, second = Holder(slots), Holder(slots)
        await turns()
        await first.leave()
        await second.leave()
        await asyncio.sleep(1000)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        assert loop.wakings == 1

    run_fast(scenario())


async def test_cancelled_at_the_moment_of_the_grant() -> None:
    slots = Slots(1, 5, 60.0)
    first, second, third = (Holder(slots) for _ in range(3))
    await turns()
    first._done.set()
    for _ in range(10):  # until the grant was made, and no turn longer
        await asyncio.sleep(0)
        if slots.waiting == 1:
            break
    assert not second.has
    second.task.cancel()
    await asyncio.wait([second.task])
    await turns()
    assert third.has
    await third.leave()
    assert (slots.held, slots.waiting) == (0, 0)


@pytest.mark.parametrize(("most", "waiting"), [(0, 1), (1, -1)])
def test_numbers_that_make_no_sense_are_refused(most: int, waiting: int) -> None:
    with pytest.raises(LocalError):
        Slots(most, waiting, 1.0)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 4),
    st.lists(st.sampled_from(["come", "come", "leave", "cancel", "turn", "rest", "wait"]), max_size=60),
    st.integers(0, 10_000),
)
def test_never_more_than_most_and_no_slot_is_lost(
    most: int, max_waiting: int, steps: list[str], seed: int
) -> None:
    async def scenario() -> None:
        rng = random.Random(seed)
        slots = Slots(most, max_waiting, 5.0)
        holders: list[Holder] = []

        def check() -> None:
            assert sum(holder.has for holder in holders) <= most
            assert slots.held <= most
            assert slots.waiting <= max_waiting

        async def check_at_rest() -> None:
            await turns()
            check()
            waiting = [holder for holder in holders if not holder.task.done() and not holder.has]
            assert slots.waiting == len(waiting)
            assert slots.held == sum(holder.has for holder in holders)
            assert not waiting or slots.held == most  # nobody waits beside a free slot

        for step in steps:
            if step == "come":
                holders.append(Holder(slots, rng.randrange(3)))
            elif step == "leave" and holders:
                rng.choice(holders)._done.set()
            elif step == "cancel" and holders:
                rng.choice(holders).task.cancel()
            elif step == "turn":
                await asyncio.sleep(0)
            elif step == "rest":
                await check_at_rest()
            elif step == "wait":
                await asyncio.sleep(rng.choice([0.0, 1.0, 5.0]))
            check()
        await check_at_rest()
        for holder in holders:
            holder._done.set()
        if holders:
            await asyncio.wait([holder.task for holder in holders])
        assert (slots.held, slots.waiting) == (0, 0)
        async with slots.hold(0):
            pass

    run_fast(scenario())
