"""The WAL is filled with zeros at the start: faster commits, and nothing else changes (FORMAT.md, Start)."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from gateway.notices import Notices
from gateway.spool import Spool, SpoolLimits
from gateway.spool.files import Files
from gateway.spool.recovery import WAL_READY
from tests.support.spooling import SMALL, OpenSpool, content, store


def wal(directory: Path) -> Path:
    return directory / "journal.db-wal"


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


async def test_the_wal_has_its_blocks_from_the_start(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    assert blocks(wal(directory)) >= WAL_READY
    await store(spool, content(1, SMALL), 1)
    assert wal(directory).stat().st_size == WAL_READY


async def test_what_was_committed_into_the_zeros_survives_a_crash(
    open_spool: OpenSpool, directory: Path, tmp_path: Path
) -> None:
    spool = open_spool()
    for number in range(1, 4):
        await store(spool, content(number, SMALL), number)
    shutil.copytree(directory, tmp_path / "crashed")
    again = Spool.open(tmp_path / "crashed", notices=Notices())
    assert again.recovery.objects == 3
    await again.close()


async def test_a_crash_before_anything_was_committed(
    open_spool: OpenSpool, directory: Path, tmp_path: Path
) -> None:
    class Crashed(Files):
        def fill_empty(self, path: Path, size: int) -> None:
            super().fill_empty(path, size)
            shutil.copytree(directory, tmp_path / "crashed")

    open_spool(files=Crashed())
    again = Spool.open(tmp_path / "crashed", notices=Notices())
    assert again.recovery.objects == 0
    await again.close()


async def test_a_wal_with_contents_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "wal"
    path.write_bytes(b"frames")
    Files().fill_empty(path, WAL_READY)
    assert path.read_bytes() == b"frames"


async def test_that_the_wal_is_empty_is_durable_before_the_first_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    sync, write = os.fdatasync, os.pwrite

    def synced(descriptor: int) -> None:
        called.append("sync")
        sync(descriptor)

    def written(descriptor: int, data: bytes, offset: int) -> int:
        called.append("write")
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(os, "pwrite", written)
    (tmp_path / "wal").touch()
    Files().fill_empty(tmp_path / "wal", 2 << 20)
    assert called == ["sync", "write", "write", "sync"]


async def test_without_room_the_wal_stays_small(open_spool: OpenSpool, directory: Path) -> None:
    free = shutil.disk_usage(directory.parent).free
    open_spool(limits=SpoolLimits(reserve_bytes=free))
    assert blocks(wal(directory)) < WAL_READY


async def test_a_disk_that_refuses_is_heard_of_with_the_next_object(open_spool: OpenSpool) -> None:
    class Refusing(Files):
        def fill_empty(self, path: Path, size: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    spool = open_spool(files=Refusing())
    await store(spool, content(1, SMALL), 1)
