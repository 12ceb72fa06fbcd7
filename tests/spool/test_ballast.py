"""A disk that others have filled: what is here goes on being delivered, and a start is possible."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import NoRoom, SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Accepted, SpoolLimits
from gateway.spool.ballast import NAME, SIZE, Ballast
from gateway.spool.files import Disk
from gateway.spool.recovery import JOURNAL
from gateway.spool.values import GIB, MIB
from tests.support.spooling import (
    SMALL,
    FaultyFiles,
    Heard,
    OpenSpool,
    a_receipt,
    content,
    disk_error,
    disk_full,
    store,
)

LIMITS = SpoolLimits(reserve_bytes=2 * MIB, floor_bytes=1 * MIB)


class FullDisk(FaultyFiles):
    """A disk with as much room as the test says; SQLite finds none while there is a ballast and `full`."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.free = GIB
        self.fill_error: OSError | None = None

    def disk(self, path: Path) -> Disk:
        return Disk(self.free, GIB, None)

    def remove(self, path: Path) -> None:
        super().remove(path)
        if path.name == NAME:
            self.free += SIZE
            self.commit_error = self.connect_error = None


@pytest.fixture
def files(directory: Path) -> FullDisk:
    return FullDisk(directory)


def fill(files: FullDisk) -> None:
    files.free = 0
    files.commit_error = disk_full()


async def test_with_plenty_of_room_there_is_a_ballast(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool(limits=LIMITS)
    assert (directory / NAME).stat().st_size == SIZE
    assert (directory / NAME).stat().st_blocks * 512 >= SIZE, "a hole keeps no room"
    await spool.close()
    assert (directory / NAME).exists()


def test_a_small_disk_has_none(open_spool: OpenSpool, directory: Path, files: FullDisk) -> None:
    files.free = LIMITS.reserve_bytes + LIMITS.floor_bytes + SIZE
    open_spool(limits=LIMITS, files=files)
    assert not (directory / NAME).exists()


def test_one_that_is_not_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(bytes(1000))
    Ballast(tmp_path, FaultyFiles()).keep(LIMITS)
    assert (tmp_path / NAME).stat().st_size == SIZE


def test_it_is_not_given_up_while_there_is_room(tmp_path: Path) -> None:
    files = FullDisk(tmp_path)
    ballast = Ballast(tmp_path, files)
    ballast.keep(LIMITS)
    files.free = SIZE
    assert not ballast.drop()
    files.free = SIZE - 1
    assert ballast.drop()
    files.free = 0
    assert not ballast.drop(), "there is none any more"


async def test_what_is_delivered_is_written_down_on_a_full_disk(
    open_spool: OpenSpool, files: FullDisk, heard: Heard
) -> None:
    spool = open_spool(limits=LIMITS, files=files)
    await store(spool, content(1, SMALL), 1)
    (job,) = await spool.claim("oncology", 1)
    fill(files)
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    assert (await spool.show(1)).delivery.state is DeliveryState.ACCEPTED
    assert len((await spool.show(1)).receipts) == 1
    assert heard.alarms() == ["spool.full"]


async def test_everyone_of_a_batch_is_answered_once(open_spool: OpenSpool, files: FullDisk) -> None:
    spool = open_spool(limits=LIMITS, files=files)
    await store(spool, content(1, SMALL), 1)
    files.commit_error = disk_full()
    files.free = 0
    stored = await asyncio.gather(*(store(spool, content(n, 100_000), n) for n in range(2, 8)))
    assert sorted(one.number for one in stored) == list(range(2, 8))
    for one in stored:
        with spool.open_data(one.number) as reader:
            assert reader.size == 100_000


async def test_without_one_everybody_hears_that_the_disk_is_full(
    open_spool: OpenSpool, files: FullDisk, directory: Path
) -> None:
    spool = open_spool(limits=LIMITS, files=files)
    (directory / NAME).unlink()
    fill(files)
    with pytest.raises(NoRoom, match="make room"):
        await store(spool, content(1, SMALL), 1)
    files.mend()
    files.free = GIB
    await store(spool, content(1, SMALL), 1)


async def test_a_start_on_a_full_disk(open_spool: OpenSpool, files: FullDisk, heard: Heard) -> None:
    spool = open_spool(limits=LIMITS, files=files)
    await store(spool, content(1, SMALL), 1)
    await spool.close()
    files.free = 0
    files.connect_error = disk_error()  # SQLite has many words for it
    spool = open_spool(limits=LIMITS, files=files)
    assert len(await spool.claim("oncology", 10)) == 1
    assert heard.alarms() == ["spool.full"]


async def test_a_start_on_a_full_disk_without_one_says_what_it_is(
    open_spool: OpenSpool, files: FullDisk, directory: Path
) -> None:
    await open_spool(limits=LIMITS, files=files).close()
    (directory / NAME).unlink()
    files.free = 0
    files.connect_error = disk_error()
    with pytest.raises(SpoolFailure, match=r"the disk is full \(make room"):
        open_spool(limits=LIMITS, files=files)


async def test_a_broken_disk_is_not_called_full(
    open_spool: OpenSpool, files: FullDisk, directory: Path
) -> None:
    await open_spool(limits=LIMITS, files=files).close()
    files.connect_error = disk_error()
    with pytest.raises(SpoolFailure, match="check the disk"):
        open_spool(limits=LIMITS, files=files)
    assert (directory / NAME).exists()
    assert (directory / JOURNAL).exists()
