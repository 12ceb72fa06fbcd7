"""When bytes and rows go, and that nothing else makes them go."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import LocalError, SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Accepted, Confirmed, Spool, SpoolLimits
from gateway.spool.retention import SLICE
from gateway.spool.values import DAY
from tests.support.spooling import (
    EIO,
    LARGE,
    SMALL,
    FaultyFiles,
    OpenSpool,
    a_receipt,
    content,
    object_files,
    store,
)

NOW = 1_000_000_000.0


async def deliver(spool: Spool, destination: str = "oncology") -> None:
    while jobs := await spool.claim(destination, 100):
        await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])


@pytest.fixture
def spool(open_spool: OpenSpool) -> Spool:
    return open_spool(wall_clock=lambda: NOW)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_bytes_go_when_the_retention_is_over(spool: Spool, size: int, directory: Path) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    kept = await spool.expire(NOW + 7 * DAY)
    assert (kept.released, kept.objects) == (0, 0)
    report = await spool.expire(NOW + 7 * DAY + 1)
    assert (report.released, report.objects, report.bytes) == (1, 1, size)
    story = await spool.show(1)
    assert (story.delivery.state, story.bytes_kept) == (DeliveryState.RELEASED, False)
    with pytest.raises(SpoolFailure, match="not here any more"):
        spool.open_data(1)
    await spool.close()
    assert object_files(directory) == []


async def test_what_is_not_delivered_is_never_evicted(spool: Spool) -> None:
    await store(spool, content(1, SMALL), 1)
    await store(spool, content(2, SMALL), 2)
    await store(spool, content(3, SMALL), 3)
    await spool.hold(2, "kept back")
    await spool.claim("oncology", 1)
    report = await spool.expire(NOW + 1000 * 365 * DAY)
    assert (report.released, report.objects, report.history) == (0, 0, 0)
    assert (await spool.summary()).objects == 3


async def test_bytes_stay_until_every_destination_has_them(spool: Spool) -> None:
    await store(spool, content(1, SMALL), to=("oncology", "archive"))
    await deliver(spool, "oncology")
    report = await spool.expire(NOW + 8 * DAY)
    assert (report.released, report.objects) == (1, 0)
    job = (await spool.claim("archive", 1))[0]
    assert job.data == content(1, SMALL)
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    assert (await spool.expire(NOW + 8 * DAY)).objects == 1


async def test_more_than_one_slice(spool: Spool) -> None:
    count = 2 * SLICE + 1
    for number in range(count):
        await store(spool, content(number, 10), number)
    await deliver(spool)
    report = await spool.expire(NOW + 8 * DAY)
    assert (report.released, report.objects) == (count, count)


async def test_history_is_bounded_by_age_and_number(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(history_rows=3, history_seconds=30 * DAY), wall_clock=lambda: NOW)
    for number in range(1, 11):
        await store(spool, content(number, 10), number)
    await deliver(spool)
    report = await spool.expire(NOW + 8 * DAY)
    assert (report.released, report.history) == (10, 7)
    assert [row.object.number for row in await spool.list_deliveries()] == [8, 9, 10]
    with pytest.raises(LocalError):
        await spool.show(1)
    assert (await spool.expire(NOW + 40 * DAY)).history == 2


async def test_numbers_are_never_used_twice(open_spool: OpenSpool) -> None:
    limits = SpoolLimits(history_rows=0, history_seconds=0, retention_seconds=0)
    for expected in (1, 2, 3):
        spool = open_spool(limits=limits)
        assert (await store(spool, content(expected, 10), expected)).number == expected
        await deliver(spool)
        await spool.expire(NOW * 10)
        await spool.close()


async def test_the_newest_numbers_outlive_all_history(open_spool: OpenSpool) -> None:
    """The newest delivery may belong to an older object: both carry the number after them."""
    spool = open_spool(limits=SpoolLimits(history_rows=0, history_seconds=0, retention_seconds=0))
    await store(spool, content(1, 10), 1)
    await store(spool, content(2, 10), 2)
    await store(spool, content(1, 10), 1, to=("archive",))
    await deliver(spool)
    await deliver(spool, "archive")
    await spool.expire(NOW * 10)
    assert (await store(spool, content(3, 10), 3)).number == 3
    assert (await spool.list_deliveries())[-1].delivery.number == 4


async def test_a_file_that_cannot_be_removed_is_removed_at_the_next_start(
    open_spool: OpenSpool, directory: Path
) -> None:
    files = FaultyFiles()
    spool = open_spool(files=files, wall_clock=lambda: NOW)
    await store(spool, content(1, LARGE))
    await deliver(spool)
    files.fail("remove", EIO)
    assert (await spool.expire(NOW + 8 * DAY)).objects == 1
    await spool.close()
    assert len(object_files(directory)) == 1
    assert open_spool().recovery.leftovers >= 1
    assert object_files(directory) == []


async def test_what_is_to_be_verified_stays_until_it_is_confirmed(spool: Spool) -> None:
    for number in range(1, 2 * SLICE + 3):
        await store(spool, content(number, SMALL), number, to=("oncology",))
    await store(spool, content(0, SMALL), 9999, to=("archive",))
    await deliver(spool)
    await deliver(spool, "archive")
    later = NOW + 100 * DAY
    report = await spool.expire(later, keep=("oncology",))
    assert (report.released, report.objects) == (1, 1)  # the one at the archive, behind all that is kept
    last = 2 * SLICE + 2
    await spool.settle([Confirmed(last, "committed")])
    report = await spool.expire(later, keep=("oncology",))
    assert (report.released, report.objects) == (1, 1)
    assert (await spool.show(last)).delivery.state is DeliveryState.RELEASED
    report = await spool.expire(later)  # verification was switched off
    assert report.released == 2 * SLICE + 1


async def test_the_retention_counts_from_the_acceptance(open_spool: OpenSpool) -> None:
    now = NOW
    spool = open_spool(wall_clock=lambda: now)
    await store(spool, content(1, SMALL))
    now += 30 * DAY  # a month in the queue
    await deliver(spool)
    assert (await spool.expire(now + 7 * DAY)).released == 0
    assert (await spool.expire(now + 7 * DAY + 1)).released == 1
