"""What is found after a crash, and put right: FORMAT.md, "Start"."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.errors import LocalError, SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Accepted, Spool, recovery
from gateway.spool.schema import MIGRATIONS, PLACE_MISSING
from gateway.spool.transaction import Transaction
from gateway.spool.values import CAUSE_MISSING
from tests.support.spooling import (
    EIO,
    LARGE,
    SMALL,
    FaultyFiles,
    Heard,
    OpenSpool,
    a_receipt,
    content,
    disk_error,
    object_files,
    store,
)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_new_spool(open_spool: OpenSpool, directory: Path) -> None:
    report = open_spool().recovery
    assert (report.created, report.objects, report.leftovers) == (True, 0, 0)
    assert mode(directory) == 0o700
    for name in ("journal.db", "journal.db-wal", "journal.db-shm", "lock"):
        assert mode(directory / name) == 0o600, name


_BALLAST = {"open_for_read", "remove", "create", "close"}
"""What is done for the file that keeps room (ballast.py): nothing depends on it."""


async def test_names_of_the_journal_are_durable_before_it_is_used(
    open_spool: OpenSpool, directory: Path
) -> None:
    files = FaultyFiles()
    open_spool(files=files)
    made = [("make_directory", str(directory)), ("sync_directory", str(directory.parent))]
    assert [call for call in files.log if call in made] == made
    last = len(files.log) - 1 - files.log[::-1].index(("sync_directory", str(directory)))
    assert ("make_directory", str(directory / "objects")) in files.log[:last]
    assert ("commit", "") in files.log[:last]
    # Only now may it say that it has a WAL, whose absence would mean that something is lost.
    assert [call for call in files.log[last + 1 :] if call[0] not in _BALLAST] == [("commit", "")]


async def test_everything_is_there_again(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for number in range(1, 6):
        await store(spool, content(number, LARGE if number % 2 else SMALL), number)
    await spool.close()
    spool = open_spool()
    assert (spool.recovery.created, spool.recovery.objects, spool.recovery.leftovers) == (False, 5, 0)
    for number in range(1, 6):
        with spool.open_data(number) as reader:
            assert reader.read(LARGE) == content(number, LARGE if number % 2 else SMALL)
    assert (await store(spool, content(6, LARGE), 6)).number == 6


async def test_a_second_process_is_turned_away(open_spool: OpenSpool) -> None:
    first = open_spool()
    with pytest.raises(SpoolFailure, match="another process"):
        open_spool()
    await first.close()
    open_spool()


async def test_a_failed_start_lets_go_of_the_lock(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    await spool.close()
    db = sqlite3.connect(directory / "journal.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(SpoolFailure, match="newer version"):
        open_spool()
    db = sqlite3.connect(directory / "journal.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    db.close()
    open_spool()


async def test_sending_is_queued_again(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for number in range(1, 4):
        await store(spool, content(number, SMALL), number)
    jobs = await spool.claim("oncology", 2)
    await spool.settle([Accepted(jobs[0].delivery.number, a_receipt(jobs[0]))])
    await spool.close()
    spool = open_spool()
    assert spool.recovery.requeued == 1
    summary = await spool.summary()
    assert summary.count(DeliveryState.QUEUED) == 2
    assert summary.count(DeliveryState.ACCEPTED) == 1
    assert summary.count(DeliveryState.SENDING) == 0
    assert (await spool.claim("oncology", 1))[0].delivery.reason == "the gateway restarted"


async def test_leftovers_are_removed_and_foreign_files_are_not(
    open_spool: OpenSpool, directory: Path
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    await spool.close()
    kept = object_files(directory)
    for name in ("000000/000000900.dcm", "000007/000007001.dcm"):
        (directory / "objects" / name).parent.mkdir(exist_ok=True)
        (directory / "objects" / name).write_bytes(b"torn")
    (directory / "objects/000000/README").write_text("mine")
    spool = open_spool()
    assert spool.recovery.leftovers == 2
    assert object_files(directory) == kept
    assert not (directory / "objects/000007").exists()
    assert (directory / "objects/000000/README").exists()


async def test_a_missing_file_holds_what_was_not_delivered(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE), 1, to=("oncology", "archive"))
    await store(spool, content(2, LARGE), 2)
    job = (await spool.claim("archive", 1))[0]
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    await spool.close()
    object_files(directory)[0].unlink()
    spool = open_spool()
    assert spool.recovery.missing == (1,)
    assert heard.alarms() == ["spool.missing"]
    states = {
        (row.object.number, row.delivery.destination): (row.delivery.state, row.cause)
        for row in await spool.list_deliveries()
    }
    assert states == {
        (1, "oncology"): (DeliveryState.HELD, CAUSE_MISSING),
        (1, "archive"): (DeliveryState.ACCEPTED, ""),
        (2, "oncology"): (DeliveryState.QUEUED, ""),
    }
    with pytest.raises(SpoolFailure):
        spool.open_data(1)
    assert await spool.retry_held() == 0
    with pytest.raises(LocalError, match="not here any more"):
        await spool.release(1)
    await spool.close()
    spool = open_spool()
    assert spool.recovery.missing == ()
    assert heard.alarms() == ["spool.missing"]


async def test_a_missing_directory_is_many_missing_files(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    for number in range(1, 6):
        await store(spool, content(number, LARGE), number)
    await spool.close()
    for path in object_files(directory):
        path.unlink()
    (directory / "objects/000000").rmdir()
    (directory / "objects").rmdir()
    spool = open_spool()
    assert spool.recovery.missing == (1, 2, 3, 4, 5)
    assert (await store(spool, content(9, LARGE), 9)).outcome == "new"


async def test_a_missing_object_that_is_sent_again_is_delivered(
    open_spool: OpenSpool, directory: Path
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE), to=("oncology", "archive"))
    await spool.close()
    object_files(directory)[0].unlink()
    spool = open_spool()
    stored = await store(spool, content(1, LARGE))
    assert (stored.outcome, stored.number) == ("new", 2)
    states = [
        (row.object.number, row.delivery.destination, row.delivery.state)
        for row in await spool.list_deliveries()
    ]
    assert states == [
        (1, "oncology", DeliveryState.DISCARDED),
        (1, "archive", DeliveryState.DISCARDED),
        (2, "oncology", DeliveryState.QUEUED),
        (2, "archive", DeliveryState.QUEUED),
    ]


async def test_a_file_that_is_back_is_used_again(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    await spool.close()
    path = object_files(directory)[0]
    path.rename(directory / "away")
    await open_spool().close()
    (directory / "away").rename(path)
    spool = open_spool()
    assert await spool.retry_held() == 1
    with spool.open_data(1) as reader:
        assert reader.size == LARGE


async def test_recovery_can_be_repeated(open_spool: OpenSpool, directory: Path) -> None:
    """A crash at any of its own steps is a crash before it: fail each call in turn, then start again."""
    spool = open_spool()
    await store(spool, content(1, LARGE), 1)
    await store(spool, content(2, LARGE), 2)
    await store(spool, content(3, SMALL), 3)
    await spool.claim("oncology", 1)
    await spool.close()
    object_files(directory)[0].unlink()
    leftover = directory / "objects/000003/000003001.dcm"
    leftover.parent.mkdir()
    for call in ("list_names", "remove", "sync_directory", "make_directory"):
        for after in range(4):
            leftover.parent.mkdir(exist_ok=True)
            leftover.write_bytes(b"torn")
            files = FaultyFiles()
            files.fail(call, EIO, after=after)
            try:
                await open_spool(files=files).close()
            except SpoolFailure:
                pass
            else:
                break
    for _ in range(2):
        spool = open_spool()
        summary = await spool.summary()
        assert summary.count(DeliveryState.HELD) == 1
        assert summary.count(DeliveryState.QUEUED) == 2
        assert summary.objects == 2
        assert not leftover.exists()
        await spool.close()


async def test_a_journal_that_cannot_be_opened_is_said_so(open_spool: OpenSpool, directory: Path) -> None:
    files = FaultyFiles()
    files.connect_error = disk_error()
    with pytest.raises(SpoolFailure, match="cannot be opened"):
        open_spool(files=files)
    await open_spool().close()
    (directory / "journal.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(SpoolFailure, match="not a database"):
        open_spool()


async def test_a_directory_that_cannot_be_made_is_said_so(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolFailure, match="cannot be used"):
        Spool.open(tmp_path / "file/spool", notices=heard.notices)


async def test_a_start_that_fails_while_it_says_what_is_missing_has_said_nothing(
    open_spool: OpenSpool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would be an object without bytes whose delivery is still queued, and nobody told."""

    def half_of_it(tx: Transaction, number: int) -> None:
        tx.write("UPDATE objects SET place = ? WHERE number = ?", PLACE_MISSING, number)
        raise disk_error()

    spool = open_spool()
    await store(spool, content(1, LARGE))
    await spool.close()
    object_files(directory)[0].unlink()
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "mark_missing", half_of_it)
        with pytest.raises(SpoolFailure):
            open_spool()
    spool = open_spool()
    assert spool.recovery.missing == (1,)
    assert [row.delivery.state for row in await spool.list_deliveries()] == [DeliveryState.HELD]
