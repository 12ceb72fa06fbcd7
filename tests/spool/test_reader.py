"""Reading: bytes of objects, and questions beside the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.errors import LocalError, SpoolFailure
from gateway.spool import Spool
from tests.support.spooling import (
    EIO,
    LARGE,
    SMALL,
    FaultyFiles,
    OpenSpool,
    content,
    disk_error,
    object_files,
    store,
)


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def spool(open_spool: OpenSpool, files: FaultyFiles) -> Spool:
    return open_spool(files=files)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_reading_in_pieces(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    reader = await asyncio.to_thread(spool.open_data, 1)
    pieces = []
    while piece := reader.read(777):
        pieces.append(piece)
    assert b"".join(pieces) == content(1, size)
    assert reader.read(1) == b""
    assert reader.pread(10, size) == b""
    reader.close()
    reader.close()


async def test_no_such_object(spool: Spool) -> None:
    with pytest.raises(LocalError, match="no object 5"):
        spool.open_data(5)


async def test_a_file_that_shrank_or_is_gone_is_not_served(spool: Spool, directory: Path) -> None:
    await store(spool, content(1, LARGE))
    path = object_files(directory)[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SpoolFailure, match="its size"):
        spool.open_data(1)
    path.unlink()
    with pytest.raises(SpoolFailure, match="cannot be opened"):
        spool.open_data(1)


async def test_a_failing_read_is_said_so(spool: Spool, files: FaultyFiles, directory: Path) -> None:
    await store(spool, content(1, LARGE))
    with spool.open_data(1) as reader:
        files.fail("pread", EIO)
        with pytest.raises(SpoolFailure, match="disk failed"):
            reader.read(10)
        files.mend()
        path = object_files(directory)[0]
        path.write_bytes(b"")
        with pytest.raises(SpoolFailure, match="shorter"):
            reader.read(10)
    with pytest.raises(SpoolFailure, match="closed"):
        reader.read(10)


async def test_questions_go_on_after_a_failure(spool: Spool, files: FaultyFiles) -> None:
    await store(spool, content(1, SMALL))
    files.connect_error = disk_error()
    with pytest.raises(SpoolFailure, match="cannot be read"):
        await spool.show(1)
    files.mend()
    assert (await spool.show(1)).object.size == SMALL


async def test_a_question_never_writes(spool: Spool) -> None:
    def question(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM objects")

    with pytest.raises(SpoolFailure):
        await spool._ask(question)


async def test_what_a_question_raises_is_raised_where_it_is_awaited(spool: Spool) -> None:
    def question(db: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await spool._ask(question)
    assert (await spool.summary()).objects == 0
