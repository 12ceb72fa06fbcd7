"""The state folder's name is as durable as what is in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.errors import LocalError
from gateway.state_folder import make_state_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were synced, in order."""
    folders: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        folders.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return folders


def test_every_folder_above_is_synced_from_the_top(tmp_path: Path, synced: list[Path]) -> None:
    path = tmp_path / "var" / "lib" / "gateway"
    make_state_folder(path)
    assert path.stat().st_mode & 0o777 == 0o700
    assert synced[-3:] == [tmp_path, tmp_path / "var", tmp_path / "var" / "lib"]
    assert synced == sorted(synced)


def test_a_folder_that_is_there_is_synced_too(tmp_path: Path, synced: list[Path]) -> None:
    """Whoever made it may have been killed before its sync."""
    (tmp_path / "state").mkdir()
    make_state_folder(tmp_path / "state")
    assert tmp_path in synced


def test_folders_of_another_filesystem_are_left_alone(tmp_path: Path, synced: list[Path]) -> None:
    make_state_folder(tmp_path / "state")
    device = tmp_path.stat().st_dev
    assert all(folder.stat().st_dev == device for folder in synced)


def test_a_name_that_the_disk_does_not_keep_is_no_place_for_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(LocalError, match="cannot be made durable: Input/output error"):
        make_state_folder(tmp_path / "state")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EROFS])
def test_a_folder_that_cannot_be_synced_at_all_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    make_state_folder(tmp_path / "state")
    assert (tmp_path / "state").is_dir()


def test_a_place_where_nothing_can_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot be made: Not a directory"):
        make_state_folder(tmp_path / "file" / "state")
