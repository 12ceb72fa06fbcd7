"""Object files: names, spares, what is synced before a file may be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.spool.store import SPARES, Store
from tests.support.spooling import EIO, ENOSPC, FaultyFiles


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def store(tmp_path: Path, files: FaultyFiles) -> Store:
    store = Store(tmp_path / "objects", files)
    store.create()
    return store


def test_names_are_durable_before_a_file_is_used(store: Store, files: FaultyFiles, tmp_path: Path) -> None:
    files.log.clear()
    number, descriptor = store.take()
    os.close(descriptor)
    root, folder = tmp_path / "objects", tmp_path / "objects/000000"
    assert files.log == [
        ("make_directory", str(folder)),
        ("sync_directory", str(root)),
        ("create", str(store.path(number))),
        ("close", ""),
        ("sync_directory", str(folder)),
        ("open_for_write", str(store.path(number))),
    ]


def test_a_directory_that_a_crash_left_is_synced_all_the_same(
    store: Store, files: FaultyFiles, tmp_path: Path
) -> None:
    (tmp_path / "objects/000000").mkdir()
    os.close(store.take()[1])
    assert ("sync_directory", str(tmp_path / "objects")) in files.log


def test_spares_cost_one_directory_sync_for_all(store: Store, files: FaultyFiles) -> None:
    store.top_up()
    syncs = files.calls["sync_directory"]
    for _ in range(SPARES):
        os.close(store.take()[1])
    assert files.calls["sync_directory"] == syncs
    os.close(store.take()[1])
    assert files.calls["sync_directory"] == syncs + 1


def test_files_and_directories_are_for_us_alone(store: Store) -> None:
    number, descriptor = store.take()
    os.close(descriptor)
    assert store.path(number).stat().st_mode & 0o777 == 0o600
    assert store.path(number).parent.stat().st_mode & 0o777 == 0o700


def test_directories_hold_a_thousand_files(store: Store) -> None:
    assert store.path(999).parent.name == "000000"
    assert store.path(1000).parent.name == "000001"
    store.number_from(999)
    store.top_up()
    assert [number for _, found in store.scan() for number in found] == [999]
    store.top_up()
    assert {first: len(found) for first, found in store.scan()} == {0: 1, 1000: SPARES}


def test_scan_leaves_foreign_names_alone(store: Store, tmp_path: Path) -> None:
    os.close(store.take()[1])
    (tmp_path / "objects/README").write_text("mine")
    (tmp_path / "objects/000000/note.txt").write_text("mine")
    (tmp_path / "objects/000000/000002000.dcm").write_text("in the wrong place")
    assert list(store.scan()) == [(0, {0})]


def test_close_removes_spares(store: Store) -> None:
    store.top_up()
    os.close(store.take()[1])
    store.close()
    assert list(store.scan()) == [(0, {0})]


def test_removing_twice_is_no_error(store: Store) -> None:
    number, descriptor = store.take()
    os.close(descriptor)
    store.remove(number)
    store.remove(number)
    assert list(store.scan()) == [(0, set())]
    store.remove_empty(0)
    assert list(store.scan()) == []


def test_a_file_whose_name_may_not_be_durable_is_never_used(store: Store, files: FaultyFiles) -> None:
    os.close(store.take()[1])
    files.fail("sync_directory", EIO)
    with pytest.raises(OSError, match="Input/output"):
        store.take()
    files.mend()
    number, descriptor = store.take()
    os.close(descriptor)
    assert number == 2


def test_a_disk_that_fails_at_every_try_is_not_filled_with_empty_files(
    store: Store, files: FaultyFiles, tmp_path: Path
) -> None:
    os.close(store.take()[1])
    files.fail("sync_directory", EIO)
    for _ in range(20):
        with pytest.raises(OSError, match="Input/output"):
            store.take()
        with pytest.raises(OSError, match="Input/output"):
            store.top_up()
    assert len(list((tmp_path / "objects").rglob("*.dcm"))) == 1


def test_inodes_that_run_out_in_the_middle_leave_nothing_behind(
    store: Store, files: FaultyFiles, tmp_path: Path
) -> None:
    os.close(store.take()[1])
    files.fail("create", ENOSPC, after=3)
    with pytest.raises(OSError, match="No space"):
        store.top_up()
    assert len(list((tmp_path / "objects").rglob("*.dcm"))) == 1
    files.mend()
    os.close(store.take()[1])


def test_a_directory_whose_name_was_not_synced_is_made_anew(
    store: Store, files: FaultyFiles, tmp_path: Path
) -> None:
    """To sync once more would say nothing about it: a failed sync counts what it did not write as written."""
    files.fail("sync_directory", EIO)
    with pytest.raises(OSError, match="Input/output"):
        store.take()
    assert not (tmp_path / "objects/000000").exists()
    files.mend()
    files.log.clear()
    os.close(store.take()[1])
    assert files.log[:2] == [
        ("make_directory", str(tmp_path / "objects/000000")),
        ("sync_directory", str(tmp_path / "objects")),
    ]


def test_spares_that_cannot_be_removed_do_not_keep_the_others(store: Store, files: FaultyFiles) -> None:
    store.top_up()
    files.fail("remove", EIO)
    store.close()
    assert files.calls["remove"] == SPARES
