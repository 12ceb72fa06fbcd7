"""One object to one file: the order of what is made durable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.errors import NoRoom, SpoolFailure
from gateway.spool.object_file import failure_from
from tests.support.spooling import (
    EIO,
    ENOSPC,
    LARGE,
    FaultyFiles,
    OpenSpool,
    content,
    object_files,
    store,
)


async def test_written_then_synced_then_committed(open_spool: OpenSpool) -> None:
    """Each step of FORMAT.md is finished before the next begins, for every object."""
    files = FaultyFiles()
    spool = open_spool(files=files)
    for number in range(1, 30):
        files.log.clear()
        await store(spool, content(number, LARGE), number)
        names = [call for call, _ in files.log]
        taken = names.index("open_for_write")
        order = [
            taken,
            names.index("write", taken),
            names.index("sync", taken),
            names.index("close", names.index("sync", taken)),
            names.index("commit", taken),
        ]
        assert all(before < after for before, after in pairwise(order)), names
        assert "write" not in names[names.index("sync", taken) :]


async def test_a_name_is_synced_before_its_file_is_taken(open_spool: OpenSpool) -> None:
    files = FaultyFiles()
    spool = open_spool(files=files)
    for number in range(1, 30):
        await store(spool, content(number, LARGE), number)
    not_durable: set[str] = set()
    taken = 0
    for call, path in files.log:
        if call == "create":
            not_durable.add(path)
        elif call == "sync_directory":
            not_durable = {one for one in not_durable if not one.startswith(path)}
        elif call == "open_for_write":
            assert path not in not_durable
            taken += 1
    assert taken == 29


def test_errors_are_put_into_our_words() -> None:
    assert isinstance(failure_from(OSError(ENOSPC, "No space left on device", "/secret/path")), NoRoom)
    failure = failure_from(OSError(EIO, "Input/output error", "/secret/path"))
    assert isinstance(failure, SpoolFailure)
    assert str(failure) == "the disk failed: Input/output error"


async def test_a_file_that_cannot_be_closed_is_refused_and_leaves_nothing(
    open_spool: OpenSpool, directory: Path
) -> None:
    files = FaultyFiles()
    spool = open_spool(files=files)
    await store(spool, content(1, LARGE), 1)
    files.fail("close", EIO)
    with pytest.raises(SpoolFailure, match="Input/output"):
        await store(spool, content(2, LARGE), 2)
    files.mend()
    await spool.close()
    assert len(object_files(directory)) == 1


async def test_the_file_of_an_object_that_failed_is_not_used_for_another(open_spool: OpenSpool) -> None:
    """It may be longer than the next object, and its pages may count as clean."""
    files = FaultyFiles()
    spool = open_spool(files=files)
    files.fail("sync", EIO)
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, LARGE), 1)
    files.mend()
    stored = await store(spool, content(2, LARGE // 2), 2)
    with spool.open_data(stored.number) as reader:
        assert reader.read(LARGE) == content(2, LARGE // 2)
