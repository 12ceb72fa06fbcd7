"""A disk that is really full: a small ext4 on a loop device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.errors import NoRoom, SpoolFailure
from gateway.model import Priority
from gateway.spool import Accepted, Spool, SpoolLimits, Stored
from gateway.spool.store import Store
from gateway.spool.values import MIB
from tests.support.small_disk import Ballast, small_disk
from tests.support.spooling import Heard, a_receipt, content, store

pytestmark = pytest.mark.root

LIMITS = SpoolLimits(reserve_bytes=16 * MIB, floor_bytes=8 * MIB, min_free_inodes=100)


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(96) as place:
        yield place


@pytest.fixture
async def spool(disk: Path, heard: Heard) -> AsyncIterator[Spool]:
    spool = Spool.open(disk / "spool", LIMITS, notices=heard.notices)
    yield spool
    await spool.close()


async def fill(spool: Spool, priority: Priority, size: int, first: int, count: int) -> int:
    """Store objects one after the other until one is refused; return how many were taken."""
    for number in range(first, first + count):
        try:
            await store(spool, content(number, size), number, priority=priority)
        except NoRoom:
            return number - first
    return count


async def test_images_stop_records_go_on_and_room_comes_back(
    spool: Spool, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = await fill(spool, Priority.IMAGE, MIB, 1, 1000)
    assert 30 < images < 80
    assert heard.alarms() == ["spool.room"]
    records = await fill(spool, Priority.RECORD, 20_000, 10_000, 200)
    assert records == 200
    assert await fill(spool, Priority.IMAGE, MIB, 20_000, 1) == 0
    removed = asyncio.Semaphore(0)
    loop, remove = asyncio.get_running_loop(), Store.remove

    def noted(self: Store, number: int) -> None:
        remove(self, number)
        loop.call_soon_threadsafe(removed.release)

    monkeypatch.setattr(Store, "remove", noted)
    for row in await spool.list_deliveries(limit=20):
        await spool.discard(row.delivery.number, "to make room")
    for _ in range(20):  # files are removed after the commit that says so
        await removed.acquire()
    await spool.summary()
    assert await fill(spool, Priority.IMAGE, MIB, 30_000, 3) == 3


async def test_records_stop_at_the_floor_and_deliveries_can_be_settled(spool: Spool) -> None:
    taken = await fill(spool, Priority.RECORD, MIB, 1, 1000)
    assert 40 < taken < 90
    while jobs := await spool.claim("oncology", 10):
        await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])
    report = await spool.expire(now=1e11)
    assert report.objects == taken


async def test_a_disk_that_somebody_else_fills(spool: Spool, disk: Path) -> None:
    """Not a block left, without the spool being asked: refused, abandoned, and everything goes on after."""
    await store(spool, content(1, MIB), 1)
    ballast = Ballast(disk)
    ballast.leave(0)
    results = await asyncio.gather(
        *(store(spool, content(n, MIB if n % 2 else 60_000), n) for n in range(2, 60)),
        return_exceptions=True,
    )
    assert all(isinstance(one, Stored | NoRoom | SpoolFailure) for one in results)
    assert any(isinstance(one, NoRoom) for one in results)
    watch = asyncio.ensure_future(spool.wait_failed())
    ballast.remove()
    await spool.summary()
    assert not watch.done()
    watch.cancel()
    kept = sum(isinstance(one, Stored) for one in results) + 1
    assert (await spool.summary()).objects == kept
    await store(spool, content(99, MIB), 99)
    for number in range(1, kept + 1):
        with spool.open_data(number) as reader:
            assert len(reader.read(2 * MIB)) == reader.size
