from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.association.pool import AssociationPool


@dataclass(eq=False)
class Warm:
    """An association as the pool sees it."""

    kind: str = "a"
    usable: bool = True
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def release(self) -> None:
        self.usable = False
        self.gone.set()

    def abort(self) -> None:
        self.usable = False


def anything(_: Warm) -> bool:
    return True


async def test_the_most_recently_used_is_taken_first() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    first, second = Warm(), Warm()
    pool.give_back(first)
    pool.give_back(second)
    assert len(pool) == 2
    assert pool.take(anything) is second
    assert pool.take(anything) is first
    assert pool.take(anything) is None
    assert len(pool) == 0


async def test_only_one_that_fits_is_taken() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    fitting, other = Warm("ct"), Warm("rt")
    pool.give_back(fitting)
    pool.give_back(other)
    assert pool.take(lambda warm: warm.kind == "ct") is fitting
    assert pool.take(lambda warm: warm.kind == "ct") is None
    await pool.close()


async def test_an_idle_one_is_released_when_its_time_is_over() -> None:
    pool: AssociationPool[Warm] = AssociationPool(0.02)
    idle = Warm()
    pool.give_back(idle)
    async with asyncio.timeout(5):
        await idle.gone.wait()
    assert pool.take(anything) is None
    await pool.close()


async def test_use_starts_the_clock_again() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    warm = Warm()
    for _ in range(3):
        pool.give_back(warm)
        assert pool.take(anything) is warm
    assert warm.usable
    assert len(pool) == 0


async def test_one_that_ended_is_not_given_out_and_not_taken_in() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    warm = Warm()
    pool.give_back(warm)
    warm.usable = False
    assert len(pool) == 0
    assert pool.take(anything) is None
    pool.give_back(warm)
    assert pool.take(anything) is None
    assert not warm.gone.is_set()


async def test_shrinking_releases_what_was_idle_longest() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    old, young = Warm(), Warm()
    pool.give_back(old)
    pool.give_back(young)
    await pool.shrink(1)
    assert old.gone.is_set()
    assert pool.take(anything) is young


async def test_closing_releases_all_and_keeps_none_afterwards() -> None:
    pool: AssociationPool[Warm] = AssociationPool(60)
    before, after = Warm(), Warm()
    pool.give_back(before)
    await pool.close()
    assert before.gone.is_set()
    pool.give_back(after)
    async with asyncio.timeout(5):
        await after.gone.wait()
