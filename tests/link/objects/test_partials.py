"""Partial objects in files: the contract, and what a power cut, a full disk and strangers leave."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import NoRoom, SpoolFailure
from gateway.link.objects import part_file
from gateway.link.objects.log_file import ENTRY_SIZE
from gateway.link.objects.partials import DAY, FilePartials, PartialLimits
from gateway.link.values import BLOCK
from gateway.notices import Notices
from gateway.spool import Spool, SpoolLimits
from tests.link.objects.partials_contract import SIZE, PartialsContract, blocks, data_of, expected, fill, held

LIMITS = SpoolLimits(reserve_bytes=0, floor_bytes=0)


class FileRig:
    """A store in a directory, beside a spool."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = 1_000_000.0
        self._running: list[tuple[Spool, ThreadPoolExecutor]] = []

    async def start(self) -> None:
        self.spool = await asyncio.to_thread(Spool.open, self.directory / "spool", LIMITS, notices=Notices())
        executor = ThreadPoolExecutor(2)
        self._running.append((self.spool, executor))
        limits = PartialLimits(max_partials=4, max_partial_bytes=4 * SIZE)
        self.now = max((p.stat().st_mtime for p in self.files("")), default=self.now)
        self.partials = FilePartials(
            self.directory / "partials", self.spool, executor, limits, wall_clock=lambda: self.now
        )
        await self.partials.start()

    async def restart(self, *, kill: bool) -> None:
        """Whatever the process knew is gone; files are as they are. (A kill leaves what was written.)"""
        await self.close()
        await self.start()

    async def later(self) -> None:
        self.now = max(path.stat().st_mtime for path in self.files("")) + 15 * DAY
        await self.partials.sweep()

    async def stored(self) -> Sequence[tuple[str, bytes]]:
        found = []
        for row in await self.spool.list_deliveries():
            with self.spool.open_data(row.object.number) as reader:
                found.append((row.object.instance.sop_instance_uid, reader.read(row.object.size + 1)))
        return found

    def files(self, suffix: str) -> list[Path]:
        return sorted(path for path in (self.directory / "partials").rglob(f"*{suffix}") if path.is_file())

    async def close(self) -> None:
        for spool, executor in self._running:
            executor.shutdown()
            await spool.close()
        self._running.clear()


@pytest.fixture(name="rig")
async def a_rig(tmp_path: Path) -> AsyncIterator[FileRig]:
    rig = FileRig(tmp_path)
    await rig.start()
    yield rig
    await rig.close()


class TestContract(PartialsContract):
    """The files of a directory."""


Damage = Callable[[Path, Path], None]


def _flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda part, log: _flip(part, -2 * BLOCK), 2),
        (lambda part, log: _flip(part, -4 * BLOCK), 0),
        (lambda part, log: os.truncate(part, part.stat().st_size - 1), 3),
        (lambda part, log: os.truncate(part, part.stat().st_size - 2 * BLOCK), 2),
        (lambda part, log: os.truncate(part, 10), 0),
        (lambda part, log: os.truncate(part, 0), 0),
        (lambda part, log: _flip(part, 140), 0),
        (lambda part, log: os.truncate(log, log.stat().st_size - 1), 3),
        (lambda part, log: os.truncate(log, log.stat().st_size - ENTRY_SIZE), 3),
        (lambda part, log: _flip(log, -1), 3),
        (lambda part, log: _flip(log, -2 * ENTRY_SIZE), 2),
        (lambda part, log: _flip(log, 0), 0),
        (lambda part, log: _flip(log, 15), 0),
        (lambda part, log: os.truncate(log, 0), 0),
        (lambda part, log: os.truncate(log, 5), 0),
        (lambda part, log: log.unlink(), 0),
        (lambda part, log: part.unlink(), 0),
    ],
    ids=[
        "a bit",
        "a bit of the first",
        "end cut",
        "two cut",
        "cut in its header",
        "empty",
        "a bit of its header",
        "entry cut",
        "entry gone",
        "a bit of an entry",
        "a bit of another",
        "no magic",
        "a bit of the head",
        "no log",
        "log cut in its head",
        "no log at all",
        "no part at all",
    ],
)
async def test_a_power_cut_costs_what_does_not_hold(rig: FileRig, damage: Damage, left: int) -> None:
    await fill(rig.partials, 1, 4)
    (part,), (log,) = rig.files(".part"), rig.files(".log")
    damage(part, log)
    await rig.restart(kill=True)
    partial = await rig.partials.open(expected())
    assert partial.held == left * BLOCK
    for block in blocks(data_of(1), partial.held):
        await partial.append(block)
    await partial.keep(("oncology",))
    assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]
    assert rig.files("") == []


async def test_a_crash_before_the_commit_costs_nothing(rig: FileRig) -> None:
    """The spool has a file that no row names, which it removes at its start; the part is still whole."""
    await fill(rig.partials, 1, 6)
    (part,) = rig.files(".part")
    folder = rig.directory / "spool" / "objects" / "000007"
    folder.mkdir()
    (folder / "000007000.dcm").hardlink_to(part)
    await rig.restart(kill=True)
    assert rig.spool.recovery.leftovers == 1
    partial = await rig.partials.open(expected())
    assert partial.held == SIZE
    await partial.keep(("oncology",))
    assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]


@pytest.mark.parametrize("at_start", [False, True])
async def test_a_crash_after_the_commit_leaves_the_spools_bytes_alone(rig: FileRig, at_start: bool) -> None:
    await fill(rig.partials, 1, 6)
    (part,), (log,) = rig.files(".part"), rig.files(".log")
    noted = log.read_bytes()
    partial = await rig.partials.open(expected())
    await partial.keep(("oncology",))
    # As if it had ended before the first name was removed.
    (object_file,) = [p for p in (rig.directory / "spool").rglob("*.dcm") if p.stat().st_size]
    part.hardlink_to(object_file)
    log.write_bytes(noted)
    if at_start:
        await rig.restart(kill=True)
        assert rig.files("") == []
    partial = await rig.partials.open(expected())
    assert partial.held == 0
    await partial.append(bytes(BLOCK))
    await partial.rest()
    assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]


async def test_what_is_not_ours_is_left_alone(rig: FileRig) -> None:
    await fill(rig.partials, 1, 1)
    (part,) = rig.files(".part")
    foreign = part.parent / "README"
    foreign.write_text("not ours")
    await rig.restart(kill=False)
    await rig.later()
    assert rig.files("") == [foreign]


async def test_half_a_pair_is_removed_at_the_start(rig: FileRig) -> None:
    await fill(rig.partials, 1, 1)
    (log,) = rig.files(".log")
    log.unlink()
    await rig.restart(kill=True)
    assert rig.files("") == []
    assert list((rig.directory / "partials").iterdir()) == []


async def test_it_is_synced_now_and_then_and_before_it_is_kept(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(part_file, "SYNC_EVERY", 2 * BLOCK)
    real = os.fdatasync
    monkeypatch.setattr(part_file.os, "fdatasync", lambda fd: (synced.append(fd), real(fd)))
    partial = await rig.partials.open(expected())
    for count, block in enumerate(blocks(data_of(1))[:5], 1):
        await partial.append(block)
        assert len(synced) == 2 * (count // 2)  # both files, after every second block
    await partial.append(blocks(data_of(1))[5])
    del synced[:]
    await partial.keep(("oncology",))
    assert len(synced) >= 2


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, NoRoom), (errno.EDQUOT, NoRoom), (errno.EIO, SpoolFailure)]
)
async def test_a_disk_that_fails_at_a_write_costs_no_more_than_the_block(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    partial = await rig.partials.open(expected())
    all_blocks = blocks(data_of(1))
    await partial.append(all_blocks[0])

    def half(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            return real(descriptor, data[: len(data) // 2 + 1], offset)
        raise OSError(number, "no")

    real = os.pwrite
    with monkeypatch.context() as broken:
        broken.setattr(part_file.os, "pwrite", half)
        with pytest.raises(kind):
            await partial.append(all_blocks[1])
    assert partial.held == BLOCK
    for block in all_blocks[1:]:
        await partial.append(block)
    await partial.keep(("oncology",))
    assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]


async def test_a_sync_that_failed_is_never_believed(rig: FileRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next sync would say that all is well."""
    partial = await rig.partials.open(expected())
    for block in blocks(data_of(1)):
        await partial.append(block)

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as broken:
        broken.setattr(part_file.os, "fdatasync", fails)
        with pytest.raises(SpoolFailure):
            await partial.keep(("oncology",))
    await partial.rest()
    assert rig.files("") == []
    assert await rig.stored() == []
    assert await held(rig.partials, 1) == 0


async def test_room_is_set_aside_for_what_is_to_come(tmp_path: Path) -> None:
    rig = FileRig(tmp_path)
    await rig.start()
    with ThreadPoolExecutor(1) as executor:
        limits = SpoolLimits(reserve_bytes=0, floor_bytes=0, quota_bytes=2 * SIZE)
        small = await asyncio.to_thread(Spool.open, tmp_path / "small", limits, notices=Notices())
        partials = FilePartials(tmp_path / "parts", small, executor)
        await partials.start()
        first = await partials.open(expected(1))
        with pytest.raises(NoRoom):
            await partials.open(expected(2))
        await first.rest()
        second = await partials.open(expected(2))
        await second.rest()
        await small.close()
    await rig.close()


async def test_one_larger_than_all_a_site_may_have_is_refused(rig: FileRig) -> None:
    with pytest.raises(NoRoom, match="larger than"):
        await rig.partials.open(expected(1, 4 * SIZE + 1))


async def test_the_files_are_ours_alone(rig: FileRig) -> None:
    await fill(rig.partials, 1, 1)
    for path in rig.files(""):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert "clinic" not in str(path.relative_to(rig.directory))
