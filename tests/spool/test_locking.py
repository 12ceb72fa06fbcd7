"""The directory of a spool: made durable before anything is in it, and one process at a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import SpoolFailure
from gateway.spool.locking import SpoolInUse, take_lock
from tests.support.spooling import EIO, FaultyFiles


def test_one_process_at_a_time(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "spool", FaultyFiles())
    with pytest.raises(SpoolInUse, match="another process has the spool"):
        take_lock(tmp_path / "spool", FaultyFiles())
    os.close(lock)
    os.close(take_lock(tmp_path / "spool", FaultyFiles()))


@pytest.mark.parametrize("there", [False, True])
def test_its_name_is_durable_even_when_an_earlier_start_made_it(tmp_path: Path, there: bool) -> None:
    """That start may have ended between making it and syncing what it is in."""
    directory, files = tmp_path / "spool", FaultyFiles()
    if there:
        directory.mkdir()
    os.close(take_lock(directory, files))
    assert ("sync_directory", str(tmp_path)) in files.log


def test_a_name_that_was_not_synced_is_made_anew_by_the_next_start(tmp_path: Path) -> None:
    directory, files = tmp_path / "spool", FaultyFiles()
    files.fail("sync_directory", EIO)
    with pytest.raises(SpoolFailure, match=r"Input/output error .*check the disk"):
        take_lock(directory, files)
    assert not directory.exists()
    files.mend()
    os.close(take_lock(directory, files))


def test_a_directory_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(SpoolFailure, match="cannot be used: Not a directory"):
        take_lock(tmp_path / "spool", FaultyFiles())
