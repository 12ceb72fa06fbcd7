"""Faults come as asked: on the right call, as often as asked; and they leave what real ones leave."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.fuse.mount import Mounted
from tests.durability.fuse.rules import FAIL_AFTER

pytestmark = pytest.mark.fuse


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with Mounted(tmp_path, seed=1, cached=False) as mounted:
        yield mounted


def _calls(path: Path) -> dict[str, object]:
    """One way to make each call, on a folder that has the file `file` and the empty folder `empty`."""
    file = path / "file"

    def with_file(flags: int, use: object) -> object:
        def call() -> None:
            descriptor = os.open(file, flags)
            try:
                use(descriptor)  # type: ignore[operator]
            finally:
                os.close(descriptor)

        return call

    return {
        "create": (path / "new").touch,
        "mkdir": (path / "folder").mkdir,
        "open": with_file(os.O_RDONLY, lambda _: None),
        "read": with_file(os.O_RDONLY, lambda descriptor: os.read(descriptor, 10)),
        "write": with_file(os.O_WRONLY, lambda descriptor: os.write(descriptor, b"new")),
        "truncate": lambda: os.truncate(file, 1),
        "fallocate": with_file(os.O_WRONLY, lambda descriptor: os.posix_fallocate(descriptor, 0, 100)),
        "rename": lambda: file.rename(path / "other"),
        "unlink": file.unlink,
        "rmdir": (path / "empty").rmdir,
        "fsync": with_file(os.O_WRONLY, os.fdatasync),
        "fsyncdir": lambda: _sync_directory(path),
        "getattr": file.stat,
        "readdir": lambda: os.listdir(path),  # noqa: PTH208
        "statfs": lambda: os.statvfs(path),
    }


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """One for all calls: each has a folder of its own on it."""
    with Mounted(tmp_path_factory.mktemp("shared"), cached=False) as mounted:
        yield mounted


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("operation", sorted(_calls(Path())))
def test_every_call_fails_as_asked_and_then_works(shared: Mounted, operation: str, error: int) -> None:
    disk, folder = shared, shared.path / f"{operation}-{error}"
    disk.mend()
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    (folder / "empty").mkdir()
    call = _calls(folder)[operation]
    # A lookup that failed the kernel tries once more by itself.
    rule = disk.fail(
        operation, error=error, times=2 if operation == "getattr" else 1, path=f"/{folder.name}*"
    )
    with pytest.raises(OSError, match=os.strerror(error)) as raised:
        call()  # type: ignore[operator]
    assert raised.value.errno == error
    struck = disk.struck()
    assert struck == {rule: 2 if operation == "getattr" else 1}
    call()  # type: ignore[operator]
    assert disk.struck() == struck


def test_only_the_wanted_write_of_the_wanted_file_fails(disk: Mounted) -> None:
    rule = disk.fail("write", path="/b", nth=3, times=2)
    with (disk.path / "a").open("wb", buffering=0) as a, (disk.path / "b").open("wb", buffering=0) as b:
        failed = []
        for number in range(1, 7):
            a.write(b"a")
            try:
                b.write(b"b")
            except OSError:
                failed.append(number)
    assert failed == [3, 4]
    assert disk.struck() == {rule: 2}
    assert (disk.path / "b").read_bytes() == b"bbbb"


def test_what_a_failed_fsync_did_not_write_is_not_written_by_the_next_one(disk: Mounted) -> None:
    """As ext4: the pages count as clean. Whoever syncs again and believes it has lost the data."""
    with (disk.path / "file").open("wb", buffering=0) as file:
        _sync_directory(disk.path)
        file.write(b"first")
        disk.fail("fsync", path="/file")
        with pytest.raises(OSError, match="Input/output"):
            os.fsync(file.fileno())
        os.fsync(file.fileno())
        assert (disk.path / "file").read_bytes() == b"first", "until the cut it looks as if all were well"
    disk.cut(policy=None)
    disk.power_on()
    assert b"first" not in (disk.path / "file").read_bytes()


def test_what_is_written_again_after_a_failed_fsync_can_be_synced(disk: Mounted) -> None:
    with (disk.path / "file").open("wb", buffering=0) as file:
        _sync_directory(disk.path)
        file.write(b"first")
        disk.fail("fsync")
        with pytest.raises(OSError, match="Input/output"):
            os.fsync(file.fileno())
        file.seek(0)
        file.write(b"again")
        os.fsync(file.fileno())
    disk.cut(policy=None)
    disk.power_on()
    assert (disk.path / "file").read_bytes() == b"again"


def test_a_call_can_be_done_and_fail_nevertheless(disk: Mounted) -> None:
    with (disk.path / "file").open("wb", buffering=0) as file:
        _sync_directory(disk.path)
        file.write(b"done")
        disk.fail("fsync", action=FAIL_AFTER)
        with pytest.raises(OSError, match="Input/output"):
            os.fsync(file.fileno())
    disk.cut(policy=None)
    disk.power_on()
    assert (disk.path / "file").read_bytes() == b"done"


def test_short_writes_take_half(disk: Mounted) -> None:
    disk.short_writes(path="/file", nth=2, times=1)
    with (disk.path / "file").open("wb", buffering=0) as file:
        assert [file.write(b"12345678") for _ in range(3)] == [8, 4, 8]
    assert (disk.path / "file").read_bytes() == b"12345678123412345678"


def test_a_full_disk_says_so_before_and_at_the_write(disk: Mounted) -> None:
    (disk.path / "old").write_bytes(bytes(50_000))
    disk.space(free=100_000)
    room = os.statvfs(disk.path)
    assert room.f_bavail * room.f_frsize == 24 * 4096
    with (disk.path / "file").open("wb", buffering=0) as file:
        file.write(bytes(22 * 4096))
        with pytest.raises(OSError, match="No space left"):
            file.write(bytes(20_000))
    (disk.path / "old").unlink()
    (disk.path / "file").write_bytes(bytes(140_000))


def test_inodes_can_run_out(disk: Mounted) -> None:
    disk.space(inodes=2)
    assert os.statvfs(disk.path).f_favail == 2
    (disk.path / "1").touch()
    (disk.path / "2").mkdir()
    with pytest.raises(OSError, match="No space left"):
        (disk.path / "3").touch()
    with pytest.raises(OSError, match="No space left"):
        (disk.path / "3").mkdir()


def test_read_only_stops_files_that_are_open_too(disk: Mounted) -> None:
    (disk.path / "old").write_bytes(b"old")
    with (disk.path / "file").open("wb", buffering=0) as file:
        disk.read_only()
        with pytest.raises(OSError, match="Read-only"):
            file.write(b"x")
        with pytest.raises(OSError, match="Read-only"):
            os.fsync(file.fileno())
    for change in ((disk.path / "new").touch, (disk.path / "old").unlink, (disk.path / "folder").mkdir):
        with pytest.raises(OSError, match="Read-only"):
            change()
    assert (disk.path / "old").read_bytes() == b"old"
    disk.mend()
    (disk.path / "old").unlink()


def test_a_bit_that_is_turned_over_is_seen_by_whoever_opens_the_file_next(disk: Mounted) -> None:
    (disk.path / "file").write_bytes(b"aaaa")
    assert (disk.path / "file").read_bytes() == b"aaaa"
    disk.flip("/file", 2, bit=1)
    assert (disk.path / "file").read_bytes() == b"aaca"
    with pytest.raises(ValueError, match="no byte 4"):
        disk.flip("/file", 4)


def test_a_read_that_fails_is_seen_by_whoever_reads_there(disk: Mounted) -> None:
    """Nothing is read ahead: the kernel would swallow the error of what nobody has asked for yet."""
    (disk.path / "file").write_bytes(b"x" * 64 * 4096)
    disk.fail("read", nth=20)
    failed = []
    descriptor = os.open(disk.path / "file", os.O_RDONLY)
    for page in range(64):
        try:
            os.pread(descriptor, 4096, page * 4096)
        except OSError:
            failed.append(page)
    os.close(descriptor)
    assert failed == [19]
