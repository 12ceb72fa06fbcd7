"""The page's database: durable, private, and never open to anybody because it was damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.admin.access import store as module
from gateway.admin.access.schema import MIGRATIONS
from gateway.admin.access.store import DATABASE, MARKER, Store, StoreFailure, read_only, write_durably

ADD = "INSERT INTO meta VALUES ('colour', x'01')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[], Store]]:
    stores: list[Store] = []

    def one() -> Store:
        while stores:
            stores.pop().close()
        stores.append(Store.open(folder))
        return stores[0]

    yield one
    while stores:
        stores.pop().close()


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM meta WHERE name = 'colour'").fetchone()[0])


async def test_what_was_written_is_there_after_a_restart(opened: Callable[[], Store]) -> None:
    await opened().write(lambda db: db.execute(ADD))
    assert opened().read(count) == 1


async def test_a_change_that_fails_leaves_nothing(opened: Callable[[], Store]) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute(ADD)
        raise LookupError("on the way")

    store = opened()
    with pytest.raises(LookupError):
        await store.write(half)
    assert store.read(count) == 0


async def test_an_error_of_the_database_is_a_failure_in_words(opened: Callable[[], Store]) -> None:
    store = opened()
    with pytest.raises(StoreFailure, match="could not be saved"):
        await store.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StoreFailure, match="cannot be read"):
        store.read(lambda db: db.execute("DELETE FROM meta"))  # the reading side only reads


async def test_changes_that_wait_are_bounded(
    opened: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    with pytest.raises(StoreFailure, match="try again"):
        await opened().write(lambda db: db.execute(ADD))


def test_the_files_are_for_their_owner_alone(opened: Callable[[], Store], folder: Path) -> None:
    before = os.umask(0)
    try:
        opened().read(count)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_one_page_per_folder(opened: Callable[[], Store], folder: Path) -> None:
    opened()
    with pytest.raises(StoreFailure, match="another page is running"):
        Store.open(folder)


def test_a_first_start_is_one_until_there_is_an_admin(opened: Callable[[], Store]) -> None:
    assert opened().first_start
    again = opened()
    assert again.first_start
    assert again.damage == ""


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _holes(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))


def _somebody_elses(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (a)")
    db.close()


@pytest.mark.parametrize("damage", [_garbage, _empty, _truncated, _holes, _somebody_elses, Path.unlink])
async def test_a_damaged_list_is_set_aside_and_is_no_first_start(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    store = Store.open(folder)
    await store.write(lambda db: db.execute(ADD))
    await store.write(lambda db: db.execute("DELETE FROM meta WHERE name = 'first start'"))
    store.close()
    damage(folder / DATABASE)
    content = (folder / DATABASE).read_bytes() if (folder / DATABASE).exists() else None

    for _ in range(2):  # the second start knows as well
        store = Store.open(folder, clock=lambda: 1000.0)
        assert not store.first_start
        assert "list of users" in store.damage
        assert store.read(count) == 0
        store.close()
    if content is not None:
        assert (folder / f"{DATABASE}.damaged-1000").read_bytes() == content


def test_damage_over_and_over_does_not_fill_the_disk(folder: Path) -> None:
    Store.open(folder).close()
    for turn in range(20):
        (folder / DATABASE).write_bytes(b"no database %d" % turn)
        Store.open(folder, clock=lambda turn=turn: 1000.0 + turn).close()  # type: ignore[misc]
    kept = sorted(path.name for path in folder.glob("*.damaged-*"))
    assert len(kept) == module.MAX_SET_ASIDE + 1
    assert kept[0] == f"{DATABASE}.damaged-1000"  # the one with the users


def test_a_power_cut_in_the_first_start_leaves_a_first_start(folder: Path) -> None:
    Store.open(folder).close()
    (folder / MARKER).write_bytes(b"")  # the database was in place, the marker not written
    store = Store.open(folder)
    assert store.first_start
    store.close()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / f"{DATABASE}.new").write_bytes(b"half a database")
    store = Store.open(folder)
    assert store.first_start
    store.close()


def test_a_newer_version_is_left_alone(folder: Path) -> None:
    Store.open(folder).close()
    with sqlite3.connect(folder / DATABASE) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    for _ in range(2):  # the lock is given back
        with pytest.raises(StoreFailure, match="newer version"):
            Store.open(folder)
    assert not list(folder.glob("*.damaged-*"))


def test_a_disk_that_does_not_answer_is_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(folder).close()

    def fails(path: Path) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(module, "_check", fails)
    with pytest.raises(StoreFailure, match="disk I/O error"):
        Store.open(folder)
    assert not list(folder.glob("*.damaged-*"))


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreFailure, match="cannot be used"):
        Store.open(tmp_path / "state")


def test_another_process_may_read_meanwhile(opened: Callable[[], Store], folder: Path) -> None:
    with pytest.raises(StoreFailure, match="no users yet"):
        read_only(folder)
    opened()
    db = read_only(folder)
    assert count(db) == 0
    with pytest.raises(sqlite3.OperationalError):
        db.execute(ADD)
    db.close()


def test_a_committed_change_survives_a_kill(folder: Path) -> None:
    program = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from gateway.admin.access.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        f"asyncio.run(store.write(lambda db: db.execute({ADD!r})))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], check=False).returncode == -9
    store = Store.open(folder)
    assert store.read(count) == 1
    store.close()


def test_a_file_is_put_in_place_whole(tmp_path: Path) -> None:
    (tmp_path / "code.new").symlink_to(tmp_path / "elsewhere")  # left there by somebody
    write_durably(tmp_path / "code", b"one")
    write_durably(tmp_path / "code", b"two")
    assert (tmp_path / "code").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "code").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["code"]
