"""What is forgotten, and what is not."""

from __future__ import annotations

import pytest

from gateway.spool import Spool, SpoolLimits, StepState, history
from gateway.spool.values import DAY
from tests.support.committing import Clock, a_reference, a_request, a_step, answer, ask, to_ask
from tests.support.spooling import OpenSpool


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def finish(spool: Spool, *numbers: int, size: int = 1) -> None:
    for number in numbers:
        wanted = range(number * 100, number * 100 + size)
        added = await spool.add_commitment(a_request(*wanted, uid=f"1.2.{number}"))
        await answer(spool, await ask(spool, *wanted), *wanted)
        await spool.commitment_reported(added.number)


async def kept(spool: Spool) -> list[int]:
    return [row.number for row in reversed(await spool.list_commitments(100))]


async def test_finished_transactions_go_by_age(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(wall_clock=clock)
    await finish(spool, 1)
    clock.now += 10
    await finish(spool, 2)
    await spool.add_commitment(a_request(7, uid="1.2.77"))
    await spool.expire(clock.now + 30 * DAY - 5)
    assert await kept(spool) == [2, 3]
    await spool.expire(clock.now + 1000 * DAY)
    assert await kept(spool) == [3]  # it is not finished
    assert await to_ask(spool) == [a_reference(7)]


async def test_finished_transactions_are_bounded_in_number_and_size(
    open_spool: OpenSpool, clock: Clock
) -> None:
    limits = SpoolLimits(commitment_history_rows=3, commitment_history_items=7)
    spool = open_spool(limits=limits, wall_clock=clock)
    await finish(spool, 1, 2, 3, 4)
    await spool.expire(clock.now)
    assert await kept(spool) == [2, 3, 4]
    await finish(spool, 5, size=6)
    await spool.expire(clock.now)
    assert await kept(spool) == [4, 5]


async def test_a_transaction_that_was_forgotten_is_new(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(limits=SpoolLimits(commitment_history_rows=0), wall_clock=clock)
    await finish(spool, 1)
    await spool.expire(clock.now)
    added = await spool.add_commitment(a_request(100, uid="1.2.1"))
    assert (added.number, added.outcome) == (2, "new")  # numbers are never used twice


async def test_asks_go_by_age_and_number(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(limits=SpoolLimits(ask_history_rows=2), wall_clock=clock)
    uids = []
    for number in range(4):
        clock.now += 1
        uids.append(await ask(spool, number))
        if number < 3:
            await spool.ask_put_off(uids[-1], 0.0, "no answer")
    await spool.expire(clock.now)
    outcomes = [(await answer(spool, uid))[0] for uid in uids]
    assert outcomes == ["unknown", "known", "known", "known"]
    await spool.expire(clock.now + 31 * DAY)
    assert [(await answer(spool, uid))[0] for uid in uids] == ["unknown"] * 4


async def test_an_open_ask_is_never_forgotten(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(limits=SpoolLimits(ask_history_rows=0), wall_clock=clock)
    uid = await ask(spool, 1)
    await spool.expire(clock.now + 1000 * DAY)
    assert (await answer(spool, uid, 1))[0] == "known"


async def test_finished_steps_go_by_age_and_number(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(limits=SpoolLimits(step_history_rows=2), wall_clock=clock)
    for number in range(1, 6):
        await spool.add_step(a_step(number=number))
        clock.now += 1
        if number < 5:
            await spool.step_done(number, 0, "")
    await spool.expire(clock.now)
    assert [row.number for row in await spool.list_steps()] == [3, 4, 5]
    await spool.expire(clock.now + 1000 * DAY)
    assert [row.number for row in await spool.list_steps(states=[StepState.QUEUED])] == [5]
    assert (await spool.add_step(a_step())).number == 6


async def test_more_than_one_slice(
    open_spool: OpenSpool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SLICE", 2)
    limits = SpoolLimits(commitment_history_rows=0, ask_history_rows=0, step_history_rows=0)
    spool = open_spool(limits=limits, wall_clock=clock)
    await finish(spool, 1, 2, 3, 4, 5)
    for number in range(1, 6):
        await spool.add_step(a_step(number=number))
        await spool.step_done(number, 0, "")
    await spool.expire(clock.now)
    assert await kept(spool) == []
    assert await spool.list_steps() == []
