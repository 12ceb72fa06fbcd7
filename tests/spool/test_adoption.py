"""Objects that are whole in a file elsewhere are taken in as they are."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.dicom.part10 import file_meta
from gateway.errors import NoRoom, SpoolFailure
from gateway.model import DeliveryState, Priority
from gateway.spool import Spool, SpoolLimits, Stage, Stored, Transfer, Whole
from tests.support.spooling import (
    EIO,
    LARGE,
    FaultyFiles,
    Heard,
    OpenSpool,
    an_instance,
    an_origin,
    content,
    disk_error,
    object_files,
    store,
)

DATA = content(1, LARGE)


def a_whole(number: int = 1, data: bytes = DATA) -> Whole:
    header = file_meta(an_instance(number), source_ae="LINAC1")
    digest = hashlib.sha256(data).digest()
    transfer = Transfer("clinic-07", bytes(16), number, digest)
    return Whole(
        an_instance(number),
        an_origin(),
        Priority.IMAGE,
        ("oncology",),
        digest,
        len(data),
        len(header),
        transfer,
    )


def a_file(directory: Path, number: int = 1, data: bytes = DATA) -> Path:
    directory.parent.mkdir(exist_ok=True)
    path = directory.parent / f"part-{number}"
    path.write_bytes(file_meta(an_instance(number), source_ae="LINAC1") + data)
    return path


async def take_in(spool: Spool, path: Path, whole: Whole | None = None) -> Stored:
    whole = whole or a_whole()
    return await spool.adopt(path, whole, spool.make_room(whole.priority, whole.size))


async def test_it_is_here_without_a_second_copy(open_spool: OpenSpool, directory: Path) -> None:
    path = a_file(directory)
    spool = open_spool()
    stored = await take_in(spool, path)
    assert (stored.number, stored.outcome) == (1, "new")
    (kept,) = object_files(directory)
    assert kept.stat().st_ino == path.stat().st_ino
    path.unlink()
    with spool.open_data(1) as reader:
        assert reader.read(LARGE + 1) == DATA
    await spool.export(1, directory.parent / "exported.dcm")
    await spool.close()
    spool = open_spool()
    assert spool.recovery.objects == 1
    assert spool.recovery.leftovers == 0
    with spool.open_data(1) as reader:
        assert reader.read(LARGE + 1) == DATA
    (job,) = await spool.claim("oncology", 1)
    assert job.object.digest == hashlib.sha256(DATA).digest()


async def test_its_site_is_told_of_it(spool: Spool, directory: Path) -> None:
    await take_in(spool, a_file(directory))
    await spool.hold(1, "wait")
    (report,) = await spool.reports_waiting("clinic-07", bytes(16), 0, 10)
    assert (report.delivery, report.stage) == (1, Stage.HELD)


async def test_the_same_object_again_leaves_no_second_file(spool: Spool, directory: Path) -> None:
    await store(spool, DATA, 1, priority=Priority.IMAGE)
    stored = await take_in(spool, a_file(directory))
    assert stored.outcome == "duplicate"
    await spool.close()  # files are removed behind the answer
    assert len(object_files(directory)) == 1


async def test_a_disk_without_links_has_it_moved(open_spool: OpenSpool, directory: Path) -> None:
    class NoLinks(FaultyFiles):
        def link(self, path: Path, other: Path) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    path = a_file(directory)
    spool = open_spool(files=NoLinks())
    await take_in(spool, path)
    assert not path.exists()
    with spool.open_data(1) as reader:
        assert reader.read(LARGE + 1) == DATA


async def test_its_name_is_durable_before_its_row(open_spool: OpenSpool, directory: Path) -> None:
    class Logging(FaultyFiles):
        def link(self, path: Path, other: Path) -> None:
            super().link(path, other)
            self.log.append(("link", str(other)))

    files = Logging()
    path = a_file(directory)
    spool = open_spool(files=files)
    files.log.clear()
    await take_in(spool, path)
    (named,) = [place for place, (call, _) in enumerate(files.log) if call == "link"]
    # At once: what makes names ready for later syncs the same directory, but only some calls after that.
    assert files.log[named + 1] == ("sync_directory", str(Path(files.log[named][1]).parent))
    assert "commit" not in [call for call, _ in files.log[:named]]


@pytest.mark.parametrize("call", ["sync_directory", "link"])
async def test_a_disk_that_fails_leaves_nothing_behind_but_the_file(
    open_spool: OpenSpool, directory: Path, call: str
) -> None:
    class Files(FaultyFiles):
        def link(self, path: Path, other: Path) -> None:
            self._called("link", path)
            super().link(path, other)

    files = Files()
    path = a_file(directory)
    spool = open_spool(files=files)
    await store(spool, content(2, LARGE), 2)  # there are spares now: what follows is about this file
    room = spool.make_room(Priority.IMAGE, LARGE)
    files.fail(call, EIO)
    with pytest.raises(SpoolFailure):
        await spool.adopt(path, a_whole(), room)
    files.mend()
    assert path.read_bytes().endswith(DATA)
    assert len(object_files(directory)) == 1
    stored = await take_in(spool, path)
    assert stored.outcome == "new"


async def test_a_commit_that_fails_leaves_the_file_to_its_owner(
    open_spool: OpenSpool, directory: Path
) -> None:
    files = FaultyFiles()
    path = a_file(directory)
    spool = open_spool(files=files)
    await store(spool, content(2, LARGE), 2)
    files.commit_error = disk_error()
    with pytest.raises(SpoolFailure):
        await take_in(spool, path)
    files.mend()
    assert path.read_bytes().endswith(DATA)
    stored = await take_in(spool, path)
    assert stored.outcome == "new"
    assert (await spool.summary()).objects == 2


async def test_there_has_to_be_room(open_spool: OpenSpool, directory: Path, heard: Heard) -> None:
    limits = SpoolLimits(quota_bytes=500_000, reserve_bytes=0, floor_bytes=0)
    spool = open_spool(limits=limits)
    room = spool.make_room(Priority.IMAGE, LARGE)
    with pytest.raises(NoRoom):
        spool.make_room(Priority.IMAGE, LARGE)
    assert "spool.room" in heard.alarms()
    room.close()
    await take_in(spool, a_file(directory))
    # It counts for what is kept now.
    spool.make_room(Priority.IMAGE, 200_000).close()
    with pytest.raises(NoRoom):
        spool.make_room(Priority.IMAGE, 300_000)


async def test_there_has_to_be_an_inode(open_spool: OpenSpool) -> None:
    class Crowded(FaultyFiles):
        def disk(self, path: Path) -> object:  # type: ignore[override]
            return replace(super().disk(path), inodes_free=1000)

    spool = open_spool(files=Crowded())
    with pytest.raises(NoRoom, match="inodes"):
        spool.make_room(Priority.IMAGE, LARGE)
    room = spool.make_room(Priority.RECORD, LARGE)
    room.close()


async def test_a_conflict_is_kept_and_held(spool: Spool, directory: Path) -> None:
    await store(spool, content(9, LARGE), 1)
    stored = await take_in(spool, a_file(directory))
    assert stored.outcome == "conflict"
    assert (await spool.show(2)).delivery.state is DeliveryState.HELD
