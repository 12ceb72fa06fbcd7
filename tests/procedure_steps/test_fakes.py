"""The spool in memory that the tests here use answers as the real one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import LocalError
from gateway.spool import Spool
from gateway.spool.step_values import StepRow
from tests.support.spooling import Heard
from tests.support.steps import UID, FakeStepSpool, a_step


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["fake", "real"])
async def spool(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[FakeStepSpool | Spool]:
    if request.param == "fake":
        yield FakeStepSpool(clock)
        return
    real = Spool.open(tmp_path / "spool", notices=Heard().notices, wall_clock=clock)
    yield real
    await real.close()


def numbers(rows: list[StepRow]) -> list[int]:
    return [row.number for row in rows]


async def test_the_first_unfinished_step_of_each_procedure_step(
    spool: FakeStepSpool | Spool, clock: Clock
) -> None:
    kept = [await spool.add_step(step) for step in (a_step(1), a_step(1, "set"), a_step(2), a_step(3))]
    assert numbers(kept) == [1, 2, 3, 4]
    found = await spool.next_steps("oncology", 10)
    assert numbers(found) == [1, 3, 4]
    assert found[0].step == a_step(1)
    assert numbers(await spool.next_steps("oncology", 2)) == [1, 3]
    assert await spool.next_steps("elsewhere", 10) == []
    assert await spool.next_step_due("oncology") == 0.0

    await spool.step_done(1, 0, "")
    await spool.step_held(3, "no")
    await spool.step_put_back(4, clock.now + 10, "later", uncertain=True)
    found = await spool.next_steps("oncology", 10)
    assert numbers(found) == [2]
    assert await spool.steps_open(f"{UID}1", "oncology") == 1
    assert await spool.steps_open(f"{UID}2", "oncology") == 1
    await spool.step_refused(2, 0x0106)
    assert await spool.steps_open(f"{UID}1", "oncology") == 0
    assert await spool.next_steps("oncology", 10) == []
    assert await spool.next_step_due("oncology") == clock.now + 10
    clock.now += 10
    [row] = await spool.next_steps("oncology", 10)
    assert (row.number, row.uncertain, row.attempts, row.reason) == (4, True, 1, "later")

    await spool.step_put_back(4, 0.0, "again", uncertain=False)
    [row] = await spool.next_steps("oncology", 10)
    assert row.uncertain
    await spool.retry_step(3)
    assert numbers(await spool.next_steps("oncology", 10)) == [3, 4]
    await spool.discard_step(3, "no")
    await spool.step_done(4, 0, "")
    assert await spool.next_step_due("oncology") is None


async def test_what_is_finished_stays_so(spool: FakeStepSpool | Spool) -> None:
    await spool.add_step(a_step(1))
    await spool.discard_step(1, "no")
    with pytest.raises(LocalError):
        await spool.step_done(1, 0, "")
    with pytest.raises(LocalError):
        await spool.step_held(1, "")


async def test_everything_is_told(spool: FakeStepSpool | Spool) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    forget = spool.on_step(told.put_nowait)
    async with asyncio.timeout(10):
        await spool.add_step(a_step(1))
        assert await told.get() == "oncology"
        await spool.step_held(1, "")
        assert await told.get() == "oncology"
        await spool.retry_step(1)
        assert await told.get() == "oncology"
    forget()
    await spool.step_done(1, 0, "")
    await spool.next_steps("oncology", 1)
    assert told.empty()
