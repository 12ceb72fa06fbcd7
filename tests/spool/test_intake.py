"""Objects while they arrive: limits, pressure, failures of the disk."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

import pytest

from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.model import Priority
from gateway.spool import Spool, SpoolLimits, Stored
from gateway.spool.files import Disk
from gateway.spool.intake import Incoming
from gateway.spool.object_file import CHUNK
from gateway.spool.quota import Ledger
from gateway.spool.values import MIB
from tests.support.spooling import (
    EIO,
    ENOSPC,
    LARGE,
    SMALL,
    FaultyFiles,
    Heard,
    OpenSpool,
    an_instance,
    an_origin,
    content,
    object_files,
    store,
)

SIZES = [0, 1, SMALL, 65_536, 65_537, LARGE, CHUNK, 3 * CHUNK + 17]


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def spool(open_spool: OpenSpool, files: FaultyFiles) -> Spool:
    return open_spool(files=files)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1 << 20, 16_378])
async def test_the_bytes_come_back(spool: Spool, size: int, step: int) -> None:
    data = content(7, size)
    stored = await store(spool, data, step=step)
    assert stored == Stored(1, "new", hashlib.sha256(data).digest(), size)
    with spool.open_data(1) as reader:
        assert reader.size == size
        assert reader.read(size + 1) == data
        assert reader.pread(5, max(0, size - 3)) == data[max(0, size - 3) :]
    job = (await spool.claim("oncology", 1))[0]
    assert job.object.digest == stored.digest
    assert job.data == (data if size <= 65_536 else None)


async def test_short_writes_are_continued(spool: Spool, files: FaultyFiles) -> None:
    files.short_writes = True
    await store(spool, content(1, LARGE))
    with spool.open_data(1) as reader:
        assert reader.read(LARGE) == content(1, LARGE)


async def test_a_disk_that_takes_nothing_is_a_failing_disk(
    spool: Spool, files: FaultyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "write", lambda descriptor, data: 0)
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, LARGE))


async def test_what_is_given_may_change_afterwards(spool: Spool) -> None:
    incoming = spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    buffer = bytearray(1000)
    for value in range(200):
        buffer[:] = bytes([value]) * 1000
        incoming.write(memoryview(buffer))
    stored = await incoming.commit()
    assert stored.digest == hashlib.sha256(b"".join(bytes([n]) * 1000 for n in range(200))).digest()


@pytest.mark.parametrize("call", ["write", "sync", "open_for_write", "create", "close", "sync_directory"])
@pytest.mark.parametrize(("number", "error"), [(EIO, SpoolFailure), (ENOSPC, NoRoom)])
async def test_a_failing_disk_ends_the_object_and_nothing_else(
    spool: Spool,
    files: FaultyFiles,
    call: str,
    number: int,
    error: type[Exception],
    heard: Heard,
    directory: Path,
) -> None:
    files.fail(call, number)
    with pytest.raises(error):
        await store(spool, content(1, LARGE), 1)
    assert heard.alarms() == ["spool.io" if number == EIO else "spool.room"]
    assert (await spool.summary()).objects == 0
    files.mend()
    assert (await store(spool, content(1, LARGE), 1)).outcome == "new"
    await spool.close()
    assert len(object_files(directory)) == 1


async def test_a_failed_sync_is_never_repeated(spool: Spool, files: FaultyFiles) -> None:
    files.fail("sync", EIO)
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, LARGE))
    assert files.calls["sync"] == 1


async def test_a_failure_while_it_arrives_is_told_at_the_next_write(spool: Spool, files: FaultyFiles) -> None:
    files.fail("write", EIO)
    incoming = spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    with pytest.raises(SpoolFailure):
        await grow(incoming, 1000)
    with pytest.raises(SpoolFailure):
        await incoming.commit()
    incoming.abandon()


async def test_what_is_too_large_is_refused(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(max_object_bytes=LARGE))
    await store(spool, content(1, LARGE), 1)
    with pytest.raises(SpoolFailure, match="larger than the limit"):
        await store(spool, content(2, LARGE + 1), 2)
    assert (await spool.summary()).objects == 1


async def grow(incoming: Incoming, chunks: int) -> None:
    for _ in range(chunks):
        incoming.write(bytes(CHUNK))
        await incoming.drained()


class SlowFiles(FaultyFiles):
    """A disk that stands still until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.stuck = threading.Event()

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> int:
        self.stuck.set()
        self.go.wait(30)
        return super().write(descriptor, data)


async def test_a_slow_disk_makes_pressure_and_never_blocks_the_loop(open_spool: OpenSpool) -> None:
    files = SlowFiles()
    limits = SpoolLimits(max_pending_bytes=MIB)
    spool = open_spool(files=files, limits=limits)
    incoming = spool.receive(an_instance(), an_origin(), Priority.BULK, ["oncology"])
    written = 0
    while not incoming.pressure:
        incoming.write(bytes(CHUNK))
        written += CHUNK
        assert written <= 2 * MIB
    waiting = asyncio.create_task(incoming.drained())
    # A record goes past it: its bytes need no file, and nothing in front of it.
    assert (await store(spool, content(2, SMALL), 2)).outcome == "new"
    assert not waiting.done()
    files.go.set()
    await waiting
    assert not incoming.pressure
    await incoming.commit()
    with spool.open_data(2) as reader:
        assert reader.size == written


async def test_pressure_counts_all_objects_together(open_spool: OpenSpool) -> None:
    files = SlowFiles()
    limits = SpoolLimits(max_pending_bytes=64 * MIB, max_pending_total_bytes=2 * MIB)
    spool = open_spool(files=files, limits=limits)
    objects = [spool.receive(an_instance(n), an_origin(), Priority.BULK, ["oncology"]) for n in range(1, 5)]
    for incoming in objects:
        incoming.write(bytes(MIB))
    assert all(incoming.pressure for incoming in objects)
    files.go.set()
    for incoming in objects:
        await incoming.drained()
        await incoming.commit()


@pytest.mark.parametrize("size", [SMALL, LARGE, 3 * CHUNK])
async def test_abandon_leaves_nothing(spool: Spool, size: int, directory: Path) -> None:
    before = (await spool.summary()).room[Priority.IMAGE]
    incoming = spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    incoming.write(content(1, size))
    incoming.abandon()
    incoming.abandon()
    with pytest.raises(LocalError):
        incoming.write(b"more")
    with pytest.raises(LocalError):
        await incoming.commit()
    summary = await spool.summary()
    assert summary.objects == 0
    assert abs(summary.room[Priority.IMAGE] - before) < 64 * MIB
    assert spool._intake.shop.pending.bytes in (0, size) or size > CHUNK
    await spool.close()
    assert object_files(directory) == []
    assert spool._intake.shop.pending.bytes == 0


async def test_a_commit_whose_waiter_went_away_is_a_commit(spool: Spool) -> None:
    incoming = spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    incoming.write(content(1, LARGE))
    work = asyncio.Event()
    spool.on_work(lambda destination: work.set())
    waiter = asyncio.create_task(incoming.commit())
    await asyncio.sleep(0)  # it begins
    waiter.cancel()
    await work.wait()
    assert waiter.cancelled()
    assert (await spool.summary()).objects == 1
    assert spool._ledger._promised == 0


async def test_a_destination_is_needed(spool: Spool) -> None:
    with pytest.raises(LocalError):
        spool.receive(an_instance(), an_origin(), Priority.IMAGE, [])


class FullFiles(FaultyFiles):
    """A disk of any size."""

    free = 100 * MIB
    inodes = 100_000

    def disk(self, path: Path) -> Disk:
        return Disk(self.free, 1000 * MIB, self.inodes)


async def test_images_are_refused_and_records_are_not(open_spool: OpenSpool, heard: Heard) -> None:
    files = FullFiles()
    files.free = 70 * MIB
    spool = open_spool(files=files)
    for _ in range(3):
        with pytest.raises(NoRoom):
            spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    assert heard.alarms() == ["spool.room"]
    await store(spool, content(1, SMALL), priority=Priority.RECORD)
    files.free = 200 * MIB
    await spool.summary()
    await store(spool, content(2, SMALL), 2, priority=Priority.IMAGE)
    files.free = 70 * MIB
    await spool.summary()
    with pytest.raises(NoRoom):
        spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    assert heard.alarms() == ["spool.room", "spool.room"]


async def test_room_that_comes_back_is_noticed_without_a_put(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FullFiles()
    files.free = 70 * MIB
    spool = open_spool(files=files)
    with pytest.raises(NoRoom):
        spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    files.free = 200 * MIB
    refreshed = asyncio.Event()
    refresh = Ledger.refresh

    def noted(self: Ledger, disk: Disk, kept: int) -> None:
        refresh(self, disk, kept)
        if disk.free == files.free:
            refreshed.set()

    monkeypatch.setattr(Ledger, "refresh", noted)
    await asyncio.wait_for(refreshed.wait(), 30)
    spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"]).abandon()


async def test_an_object_that_grows_past_the_mark_is_refused_while_it_grows(
    open_spool: OpenSpool, heard: Heard
) -> None:
    files = FullFiles()
    files.free = 90 * MIB
    spool = open_spool(files=files)
    incoming = spool.receive(an_instance(), an_origin(), Priority.IMAGE, ["oncology"])
    with pytest.raises(NoRoom):
        await grow(incoming, 40)
    assert 8 * MIB <= incoming.size <= 10 * MIB
    assert heard.alarms() == ["spool.room"]


async def test_files_are_refused_when_inodes_run_short(open_spool: OpenSpool) -> None:
    files = FullFiles()
    files.free, files.inodes = 1000 * MIB, 900
    spool = open_spool(files=files)
    with pytest.raises(NoRoom, match="inodes"):
        await store(spool, content(1, LARGE), 1, priority=Priority.IMAGE)
    await store(spool, content(2, SMALL), 2, priority=Priority.IMAGE)
    await store(spool, content(3, LARGE), 3, priority=Priority.RECORD)


async def test_the_quota_holds(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(quota_bytes=20 * MIB, reserve_bytes=4 * MIB))
    stored = await asyncio.gather(
        *(store(spool, content(n, MIB), n, priority=Priority.IMAGE) for n in range(1, 31)),
        return_exceptions=True,
    )
    assert 12 <= sum(isinstance(one, Stored) for one in stored) <= 16
    assert {type(one) for one in stored} == {Stored, NoRoom}
    await store(spool, content(99, MIB), 99, priority=Priority.RECORD)
    assert (await spool.summary()).bytes <= 20 * MIB
