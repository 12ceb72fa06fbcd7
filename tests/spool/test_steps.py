"""Procedure steps in the spool: order per instance, attempts, ends, bounds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.errors import LocalError, NoRoom
from gateway.spool import Spool, SpoolLimits, StepCounts, StepState, steps
from gateway.spool.transaction import MAX_REASON, MAX_WHO
from gateway.spool.values import DAY
from tests.support.committing import Clock, a_step
from tests.support.spooling import OpenSpool


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def following(spool: Spool, destination: str = "oncology") -> list[int]:
    return [row.number for row in await spool.next_steps(destination, 100)]


async def test_one_after_the_other_per_instance(spool: Spool) -> None:
    for kind, number in (("create", 1), ("set", 1), ("create", 2), ("set", 2), ("set", 1)):
        await spool.add_step(a_step(kind, number))
    assert await following(spool) == [1, 3]
    await spool.step_done(1, 0, "")
    assert await following(spool) == [2, 3]
    await spool.step_done(3, 0, "")
    await spool.step_done(2, 0, "")
    assert await following(spool) == [4, 5]
    assert [row.number for row in await spool.next_steps("oncology", 1)] == [4]


async def test_destinations_do_not_wait_for_each_other(spool: Spool) -> None:
    await spool.add_step(a_step(to="oncology"))
    await spool.add_step(a_step(to="archive"))
    assert await following(spool) == [1]
    assert await following(spool, "archive") == [2]
    assert await following(spool, "nowhere") == []


async def test_a_step_keeps_what_it_is(spool: Spool) -> None:
    step = a_step("set", data=b"\x08\x00")
    row = await spool.add_step(step)
    assert (row.step, row.state, row.attempts, row.uncertain) == (step, StepState.QUEUED, 0, False)
    assert (await spool.next_steps("oncology", 1))[0] == row
    assert "data=" not in repr(row)


async def test_what_is_put_back_waits_and_what_follows_waits_with_it(spool: Spool, clock: Clock) -> None:
    await spool.add_step(a_step("create"))
    await spool.add_step(a_step("set"))
    assert await spool.next_step_due("oncology") == 0.0
    await spool.step_put_back(1, clock.now + 10, "no answer", uncertain=True)
    assert await following(spool) == []
    assert await spool.next_step_due("oncology") == clock.now + 10
    clock.now += 10
    assert await spool.next_step_due("oncology") == 0.0
    row = (await spool.next_steps("oncology", 10))[0]
    assert (row.number, row.attempts, row.uncertain, row.reason) == (1, 1, True, "no answer")
    await spool.step_put_back(1, 0.0, "refused", uncertain=False)
    row = (await spool.next_steps("oncology", 10))[0]
    assert (row.attempts, row.uncertain) == (2, True)  # what may have happened does not unhappen


async def test_a_wait_is_bounded_whatever_the_clock_did(spool: Spool, clock: Clock) -> None:
    await spool.add_step(a_step())
    await spool.step_put_back(1, 1e18, "no answer", uncertain=False)
    assert await spool.next_step_due("oncology") == clock.now + DAY
    clock.now -= 1e5
    assert await spool.next_step_due("oncology") == 0.0
    assert await following(spool) == [1]


async def test_what_is_held_keeps_its_successors(spool: Spool) -> None:
    await spool.add_step(a_step("create"))
    await spool.add_step(a_step("set"))
    await spool.add_step(a_step("create", 2))
    await spool.step_held(1, "no such attribute")
    assert await following(spool) == [3]
    await spool.step_done(3, 0, "")
    assert await spool.next_step_due("oncology") is None
    assert await spool.step_counts() == StepCounts(queued=1, held=1)
    row = await spool.retry_step(1, who="physicist")
    assert (row.state, row.who, row.reason) == (StepState.QUEUED, "physicist", "")
    assert await following(spool) == [1]


async def test_a_person_gives_a_step_up(spool: Spool) -> None:
    await spool.add_step(a_step("create"))
    await spool.add_step(a_step("set"))
    await spool.step_held(1, "no")
    row = await spool.discard_step(1, "entered by hand", who="physicist")
    assert (row.state, row.reason, row.who) == (StepState.DISCARDED, "entered by hand", "physicist")
    assert await following(spool) == [2]


async def test_what_was_refused_is_over(spool: Spool) -> None:
    await spool.add_step(a_step())
    await spool.step_refused(1, 0x0106)
    row = (await spool.list_steps())[0]
    assert (row.state, row.status, row.attempts) == (StepState.REFUSED, 0x0106, 1)
    with pytest.raises(LocalError, match="that is refused cannot be retried"):
        await spool.retry_step(1)
    with pytest.raises(LocalError, match="no procedure step 2"):
        await spool.retry_step(2)


async def test_the_data_goes_with_the_end(spool: Spool, directory: Path) -> None:
    for number in range(1, 6):
        await spool.add_step(a_step(number=number, data=b"name"))
    await spool.step_done(1, 0xB000, "a warning")
    await spool.step_refused(2, 0x0110)
    await spool.discard_step(3, "no")
    await spool.step_held(4, "no")
    done = (await spool.list_steps())[0]
    assert (done.status, done.comment, done.size, done.step.data) == (0xB000, "a warning", 4, b"")
    await spool.close()
    db = sqlite3.connect(directory / "journal.db")
    assert db.execute("SELECT step FROM step_data ORDER BY step").fetchall() == [(4,), (5,)]
    db.close()


async def test_open_steps_of_an_instance_are_counted(spool: Spool) -> None:
    uid = a_step().sop_instance_uid
    assert await spool.steps_open(uid, "oncology") == 0
    await spool.add_step(a_step("create"))
    await spool.add_step(a_step("set"))
    await spool.add_step(a_step("set", to="archive"))
    await spool.step_held(1, "no")
    assert await spool.steps_open(uid, "oncology") == 2
    await spool.discard_step(1, "no")
    assert await spool.steps_open(uid, "oncology") == 1


async def test_listings(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, number, to in (("create", 1, "oncology"), ("set", 1, "oncology"), ("create", 2, "archive")):
        await spool.add_step(a_step(kind, number, to=to))
    await spool.add_step(a_step("set", 1))
    rows = await spool.list_steps()
    assert [(row.number, row.waits_for) for row in rows] == [(1, None), (2, 1), (3, None), (4, 1)]
    assert [row.step.data for row in rows] == [b""] * 4
    await spool.step_done(1, 0, "")
    await spool.step_held(2, "no")
    assert [row.number for row in await spool.list_steps(states=[StepState.HELD])] == [2]
    waiting = [StepState.QUEUED, StepState.HELD]
    assert [row.number for row in await spool.list_steps(states=waiting)] == [2, 3, 4]
    assert [row.number for row in await spool.list_steps(states=[StepState.DONE])] == [1]
    assert [row.number for row in await spool.list_steps(destination="archive")] == [3]
    assert await spool.list_steps(destination="nowhere") == []
    assert [row.number for row in await spool.list_steps(after=1, limit=2)] == [2, 3]
    assert await spool.list_steps(limit=0) == []
    monkeypatch.setattr(steps, "MAX_PAGE", 2)
    assert len(await spool.list_steps(limit=10**9)) == 2


async def test_bounds(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(max_steps=2, max_step_bytes=10))
    await spool.add_step(a_step(data=b"123456"))
    with pytest.raises(NoRoom):
        await spool.add_step(a_step(data=b"12345"))
    await spool.add_step(a_step(data=b"1"))
    with pytest.raises(NoRoom, match="2 procedure steps wait"):
        await spool.add_step(a_step(data=b""))
    await spool.step_done(1, 0, "")
    await spool.add_step(a_step(data=b"12345"))


async def test_a_full_disk_refuses_steps(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(quota_bytes=1000, reserve_bytes=0))
    with pytest.raises(NoRoom, match="no room"):
        await spool.add_step(a_step())


async def test_every_state_survives_a_restart(open_spool: OpenSpool, clock: Clock) -> None:
    spool = open_spool(wall_clock=clock)
    for number in range(1, 7):
        await spool.add_step(a_step(number=number))
    await spool.step_put_back(2, clock.now + 10, "no answer", uncertain=True)
    await spool.step_held(3, "no")
    await spool.step_done(4, 0, "")
    await spool.step_refused(5, 0x0110)
    await spool.discard_step(6, "no")
    before = await spool.list_steps()
    await spool.close()
    spool = open_spool(wall_clock=clock)
    assert await spool.list_steps() == before
    assert await following(spool) == [1]


async def test_words_are_bounded(spool: Spool) -> None:
    for number in range(1, 4):
        await spool.add_step(a_step(number=number))
    await spool.step_put_back(1, 0.0, "x" * 10_000, uncertain=False)
    await spool.step_done(2, 0, "x" * 10_000)
    await spool.discard_step(3, "x" * 10_000, who="x" * 10_000)
    put_back, done, discarded = await spool.list_steps()
    assert len(put_back.reason) == len(done.comment) == len(discarded.reason) == MAX_REASON
    assert len(discarded.who) == MAX_WHO
