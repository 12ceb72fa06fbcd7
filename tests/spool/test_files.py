"""The filesystem seam, on the real filesystem."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.spool.files import Files


def test_the_disk_says_how_much_room_it_has(tmp_path: Path) -> None:
    disk = Files().disk(tmp_path)
    stat = os.statvfs(tmp_path)
    assert disk.total == stat.f_blocks * stat.f_frsize
    assert 0 < disk.free <= disk.total


def test_a_filesystem_without_a_number_of_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """btrfs says 0 of 0: that is no shortage."""
    stat = list(os.statvfs(tmp_path))
    stat[5] = stat[6] = stat[7] = 0
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(stat))
    assert Files().disk(tmp_path).inodes_free is None


def test_write_back_can_be_started_and_a_file_synced(tmp_path: Path) -> None:
    files = Files()
    descriptor = files.create(tmp_path / "file")
    assert files.write(descriptor, memoryview(bytes(100_000))) == 100_000
    files.start_writeback(descriptor, 0, 100_000)
    files.sync(descriptor)
    assert files.size(descriptor) == 100_000
    files.close(descriptor)
    with pytest.raises(FileExistsError):
        files.create(tmp_path / "file")
    descriptor = files.open_for_read(tmp_path / "file")
    assert files.pread(descriptor, 10, 99_995) == bytes(5)
    files.close(descriptor)


def test_write_back_is_left_out_where_the_c_library_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.spool.files._sync_file_range", lambda: None)
    files = Files()
    descriptor = files.create(tmp_path / "file")
    files.start_writeback(descriptor, 0, 10)
    files.close(descriptor)


def test_descriptors_are_not_inherited(tmp_path: Path) -> None:
    files = Files()
    for descriptor in (files.create(tmp_path / "file"), files.lock(tmp_path / "lock")):
        assert not os.get_inheritable(descriptor)
        files.close(descriptor)


def test_a_lock_is_for_one(tmp_path: Path) -> None:
    files = Files()
    first = files.lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        files.lock(tmp_path / "lock")
    files.close(first)
    files.close(files.lock(tmp_path / "lock"))


def test_a_file_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "000000001.dcm"
    path.write_bytes(b"an object")
    with pytest.raises(FileExistsError):
        Files().create(path)
    assert path.read_bytes() == b"an object"


def test_a_file_that_is_gone_is_not_made_in_passing(tmp_path: Path) -> None:
    """Its name would not be durable: names are made by `create`, and synced."""
    path = tmp_path / "000000001.dcm"
    with pytest.raises(FileNotFoundError):
        Files().open_for_write(path)
    assert not path.exists()


def test_syncs_reach_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file itself, and of the directory itself."""
    synced: list[tuple[str, int]] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda number, n=name, r=real: (synced.append((n, os.fstat(number).st_ino)), r(number))
        )
    files = Files()
    descriptor = files.create(tmp_path / "one")
    files.sync(descriptor)
    files.close(descriptor)
    files.sync_directory(tmp_path)
    assert synced == [("fdatasync", (tmp_path / "one").stat().st_ino), ("fsync", tmp_path.stat().st_ino)]
