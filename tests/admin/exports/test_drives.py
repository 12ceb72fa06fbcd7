"""Which mounts count as drives somebody may carry away."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.exports import drives
from gateway.admin.exports.drives import Drives
from tests.support.drives import block_device, machine, plug_in


def names(root: Path) -> list[str]:
    return [drive.name for drive in Drives(root).list()]


@pytest.mark.parametrize("mount", ["/media/anna/STICK", "/run/media/anna/STICK", "/mnt/usb", "/mnt/usb1"])
def test_where_systems_mount_drives_there_is_one(tmp_path: Path, mount: str) -> None:
    machine(tmp_path, plug_in(tmp_path, mount))
    (drive,) = Drives(tmp_path).list()
    assert drive.path == tmp_path / mount.lstrip("/")
    assert drive.name == mount.rpartition("/")[2]
    assert (drive.filesystem, drive.writable, drive.largest_file) == ("exfat", True, None)
    assert 0 < drive.free <= drive.total
    found = Drives(tmp_path).find(drive.id)
    assert found is not None
    assert replace(found, free=drive.free) == drive  # others write on this machine's disk meanwhile
    assert Drives(tmp_path).find("x" * 16) is None


def test_a_name_with_spaces_is_read_as_it_is(tmp_path: Path) -> None:
    machine(tmp_path, plug_in(tmp_path, "/media/anna/MY STICK"))
    assert names(tmp_path) == ["MY STICK"]


@pytest.mark.parametrize(("removable", "found"), [(True, ["stick"]), (False, [])])
@pytest.mark.parametrize("partition", [True, False])
def test_a_removable_device_counts_wherever_it_is(
    tmp_path: Path, removable: bool, partition: bool, found: list[str]
) -> None:
    machine(tmp_path, plug_in(tmp_path, "/data/stick"))
    block_device(tmp_path, "8:17", removable=removable, partition=partition)
    assert names(tmp_path) == found


def test_the_system_is_no_drive_even_on_a_card_that_can_be_taken_out(tmp_path: Path) -> None:
    machine(tmp_path, plug_in(tmp_path, "/boot/firmware", filesystem="vfat"), plug_in(tmp_path, "/data"))
    block_device(tmp_path, "8:17", removable=True)
    block_device(tmp_path, "8:2", removable=True)
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("filesystem", ["autofs", "nfs4", "overlay"])
def test_what_nobody_carries_away_is_no_drive(tmp_path: Path, filesystem: str) -> None:
    machine(tmp_path, plug_in(tmp_path, filesystem=filesystem))
    assert names(tmp_path) == []


def test_a_read_only_drive_says_so(tmp_path: Path) -> None:
    machine(tmp_path, plug_in(tmp_path, options="ro"))
    assert [drive.writable for drive in Drives(tmp_path).list()] == [False]


def test_fat_has_a_largest_file(tmp_path: Path) -> None:
    machine(tmp_path, plug_in(tmp_path, filesystem="vfat"))
    assert Drives(tmp_path).list()[0].largest_file == 2**32 - 1


def test_nonsense_and_too_much_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [plug_in(tmp_path, f"/media/usb{number}") for number in range(5)]
    machine(tmp_path, "nonsense", "1 2 3 - x", "36 21 8:17 / /media/gone rw - ext4 /dev/x rw", *lines)
    monkeypatch.setattr(drives, "MAX_DRIVES", 3)
    assert names(tmp_path) == ["usb0", "usb1", "usb2"]
    assert Drives(tmp_path / "nowhere").list() == []


def test_this_machine_can_be_read() -> None:
    assert all(os.path.ismount(drive.path) for drive in Drives().list())
