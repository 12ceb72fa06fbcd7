"""What was synced is there after a power cut; what was not is gone, or torn, or there by chance."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.fuse.mount import Mounted
from tests.durability.fuse.mounts import is_mounted

pytestmark = pytest.mark.fuse


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mounted]:
    with Mounted(tmp_path, seed=1) as mounted:
        yield mounted


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def write(path: Path, data: bytes, *, sync: bool, name: bool) -> None:
    """Write a file; make its contents, and its name, durable or not."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    if name:
        sync_directory(path.parent)


def test_it_is_a_filesystem(disk: Mounted) -> None:
    folder = disk.path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 300_000)
    (folder / "one").rename(folder / "two")
    (folder / "three").write_bytes(b"3")
    (folder / "two").replace(folder / "three")
    assert (folder / "three").stat().st_size == 300_000
    assert os.listdir(folder) == ["three"]  # noqa: PTH208 - as the spool does it
    os.truncate(folder / "three", 5)
    assert (folder / "three").read_bytes() == b"xxxxx"
    with pytest.raises(OSError, match="not empty"):
        folder.rmdir()
    with (folder / "three").open("r+b") as file:
        (folder / "three").unlink()
        file.seek(5)
        file.write(b"yy")
        file.flush()
        file.seek(0)
        assert file.read() == b"xxxxxyy", "a file that is open outlives its name"
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        folder.stat()


def test_what_was_synced_with_its_name_is_there_after_the_cut(disk: Mounted) -> None:
    write(disk.path / "kept", b"k" * 10_000, sync=True, name=True)
    disk.cut(policy=None)
    disk.power_on()
    assert (disk.path / "kept").read_bytes() == b"k" * 10_000


@pytest.mark.parametrize(("sync", "name"), [(False, True), (True, False), (False, False)])
def test_without_both_syncs_a_file_is_lost_or_empty(disk: Mounted, sync: bool, name: bool) -> None:
    write(disk.path / "lost", b"l" * 10_000, sync=sync, name=name)
    assert (disk.path / "lost").stat().st_size == 10_000, "until the cut it looks as if all were well"
    disk.cut(policy=None)
    disk.power_on()
    found = disk.path / "lost"
    assert not found.exists() or found.read_bytes() == b""


def test_some_of_what_was_not_synced_may_survive_and_differently_each_time(disk: Mounted) -> None:
    """The negative control of every cut drawn by chance: a writer that never syncs loses something soon."""
    whole = torn = gone = 0
    for number in range(30):
        path = disk.path / f"{number}"
        write(path, bytes([number + 1]) * 100_000, sync=False, name=False)
        cut = disk.cut()
        assert cut.sectors_pending == 196
        disk.power_on()
        if not path.exists():
            gone += 1
        elif path.read_bytes() == bytes([number + 1]) * 100_000:
            whole += 1
        else:
            torn += 1
    assert gone
    assert torn
    assert whole + torn + gone == 30


def _rows(path: Path, synchronous: str, numbers: range) -> None:
    """Insert a row per number, each in a transaction of its own; rows are of different sizes."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, data BLOB)")
    sync_directory(path.parent)
    for number in numbers:
        db.execute("INSERT INTO rows VALUES (?, ?)", (number, bytes([number % 256]) * (number * 37 % 9000)))
    # Left open: the power goes while it is in use. The connection is closed on what is no longer mounted.
    _LEFT_OPEN.append(db)


_LEFT_OPEN: list[sqlite3.Connection] = []


@pytest.fixture(autouse=True)
def _close_what_was_left_open() -> Iterator[None]:
    yield
    while _LEFT_OPEN:
        _LEFT_OPEN.pop().close()


def _found(path: Path) -> set[int]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = db.execute("SELECT number, data FROM rows").fetchall()
    finally:
        db.close()
    assert all(data == bytes([number % 256]) * (number * 37 % 9000) for number, data in rows)
    return {number for number, _ in rows}


def test_sqlite_in_wal_mode_keeps_every_synced_commit_over_many_cuts(disk: Mounted) -> None:
    path = disk.path / "test.db"
    for first in range(0, 600, 30):
        _rows(path, "FULL", range(first, first + 30))
        write(disk.path / "beside", bytes(first % 251 + 1 for _ in range(5000)), sync=False, name=False)
        assert disk.cut().sectors_pending, "the cut found nothing to tear"
        disk.power_on()
        assert _found(path) == set(range(first + 30))


def test_sqlite_that_does_not_sync_loses_commits(disk: Mounted) -> None:
    path = disk.path / "test.db"
    _rows(path, "FULL", range(1))
    _rows(path, "OFF", range(1, 50))
    disk.cut(policy=None)
    disk.power_on()
    assert _found(path) == {0}


def test_a_lock_keeps_another_process_out_and_ends_with_its_owner(disk: Mounted) -> None:
    take = (
        "import fcntl, sys; file = open(sys.argv[1], 'w');"
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print('mine')"
    )
    hold = subprocess.Popen(
        [sys.executable, "-c", f"{take}; sys.stdout.flush(); sys.stdin.read()", disk.path / "lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert hold.stdout is not None
    assert hold.stdin is not None
    assert hold.stdout.readline() == b"mine\n"
    second = [sys.executable, "-c", take, disk.path / "lock"]
    assert b"BlockingIOError" in subprocess.run(second, capture_output=True).stderr
    hold.kill()
    hold.wait()
    hold.stdin.close()
    hold.stdout.close()
    assert subprocess.run(second, capture_output=True).stdout == b"mine\n"


def test_a_process_sees_nothing_between_the_cut_and_its_death(disk: Mounted, tmp_path: Path) -> None:
    """It writes and syncs, and says so outside, until it is cut; the last thing it says is durable."""
    told = tmp_path / "told"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, disk.path / "numbers", told])
    for cuts in range(1, 6):
        disk.freeze_at("fsync", nth=50 + cuts, after=bool(cuts % 2))
        assert disk.wait_frozen(30)
        disk.cut(writer.pid, policy=None)
        assert writer.wait(10) == -9
        disk.power_on()
        said = int(told.read_text())
        assert said <= (disk.path / "numbers").stat().st_size // 8 <= said + 1
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, disk.path / "numbers", told])
    disk.cut(writer.pid)
    writer.wait(10)
    disk.power_on()


_WRITER = """
import os, sys
from pathlib import Path
path, told = map(Path, sys.argv[1:])
file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
above = os.open(path.parent, os.O_RDONLY)
os.fsync(above)
outside = os.open(told, os.O_WRONLY | os.O_CREAT, 0o600)
number = os.fstat(file).st_size // 8
while True:
    number += 1
    os.write(file, number.to_bytes(8, "big"))
    os.fsync(file)
    os.pwrite(outside, b"%20d" % number, 0)
"""


def test_it_is_unmounted_at_the_end_whoever_still_uses_it(tmp_path: Path) -> None:
    with Mounted(tmp_path / "a name with spaces, ä and \\") as mounted:
        path, pid = mounted.path, mounted.pid
        assert is_mounted(path)
        file = os.open(path / "open", os.O_WRONLY | os.O_CREAT)
    assert not is_mounted(path)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(OSError, match="not connected"):
        os.close(file)


def test_it_is_unmounted_when_the_process_that_mounted_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.durability.fuse.mount import Mounted\n"
        "mounted = Mounted(pathlib.Path(sys.argv[1])).start(); print(mounted.pid, flush=True)\n"
        "(mounted.path / 'open').open('wb'); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_mounted(tmp_path / "disk")
    ended = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert _ends(ended, 10)
    assert not is_mounted(tmp_path / "disk")


def _ends(pidfd: int, timeout: float) -> bool:
    import select

    try:
        return bool(select.select([pidfd], [], [], timeout)[0])
    finally:
        os.close(pidfd)


def test_its_memory_stays_small_whatever_is_written(disk: Mounted) -> None:
    """Zeros take no room, what is overwritten is not kept, what is removed is dropped."""
    before = disk.stats().resident_kib
    for name in ("one", "two", "three"):
        with (disk.path / name).open("wb") as file:
            for _ in range(33):
                file.write(bytes(1 << 20))
            os.fsync(file.fileno())
    with (disk.path / "again").open("wb") as file:
        for number in range(300):
            file.seek(0)
            file.write(bytes([number % 256]) * (1 << 18))
            os.fsync(file.fileno())
    for number in range(300):
        path = disk.path / f"{number}"
        write(path, bytes([number % 255 + 1]) * (1 << 18), sync=True, name=True)
        path.unlink()
        sync_directory(disk.path)
    grown = disk.stats().resident_kib - before
    assert grown < 200 << 10, f"{grown} KiB after 99 MiB of zeros, 75 MiB overwritten and 75 MiB removed"


def test_a_recording_done_again_gives_the_same_disk(disk: Mounted) -> None:
    (disk.path / "before").write_bytes(b"b")
    disk.record()
    write(disk.path / "one", b"1" * 5000, sync=True, name=False)
    disk.mark("said something")
    (disk.path / "folder").mkdir()
    (disk.path / "one").rename(disk.path / "folder" / "uno")
    (disk.path / "before").unlink()
    begun, log = disk.recorded()
    for op in log:
        begun.apply(op)
    assert begun.marks == ["said something"]
    now = disk.disk()
    assert {path: content and content.read(0, 9999) for path, content in begun.tree().items()} == {
        path: content and content.read(0, 9999) for path, content in now.tree().items()
    }
    assert set(now.tree()) == {"", "folder", "folder/uno"}
