"""What happens when the journal cannot be written: nobody is told success, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import PutBack, Spool, journal, recovery
from gateway.spool.journal import MAX_BATCH, MAX_FAILURES
from gateway.spool.transaction import Transaction
from tests.support.spooling import (
    LARGE,
    SMALL,
    FaultyFiles,
    Heard,
    OpenSpool,
    content,
    disk_error,
    disk_full,
    object_files,
    store,
)


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def spool(open_spool: OpenSpool, files: FaultyFiles) -> Spool:
    return open_spool(files=files)


async def test_those_who_wait_together_are_committed_together(spool: Spool, files: FaultyFiles) -> None:
    before = files.calls["commit"]
    await asyncio.gather(*(store(spool, content(n, SMALL), n) for n in range(40)))
    assert files.calls["commit"] - before < 20
    assert (await spool.summary()).objects == 40


async def test_a_batch_is_bounded(spool: Spool, files: FaultyFiles) -> None:
    """Whoever came last does not wait for a transaction without end, and its size in memory has a bound."""
    seen: list[Transaction] = []
    await asyncio.gather(*(spool._submit(seen.append) for _ in range(5 * MAX_BATCH)))
    counts = Counter(id(tx) for tx in seen)
    assert max(counts.values()) <= MAX_BATCH
    assert len(counts) >= 5


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_failed_commit_fails_everyone_who_waits(
    spool: Spool, files: FaultyFiles, size: int, heard: Heard, directory: Path
) -> None:
    await store(spool, content(1, size), 1)
    files.commit_error = disk_error()
    results = await asyncio.gather(
        *(store(spool, content(n, size), n) for n in (2, 3)), return_exceptions=True
    )
    assert all(isinstance(one, SpoolFailure) for one in results)
    assert "spool.journal" in heard.alarms()
    files.mend()
    assert (await store(spool, content(2, size), 2)).outcome == "new"
    assert (await spool.summary()).objects == 2
    await spool.close()
    assert len(object_files(directory)) == (2 if size == LARGE else 0)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_commit_that_failed_but_reached_the_disk_keeps_its_bytes(
    spool: Spool, files: FaultyFiles, size: int
) -> None:
    """The outcome of a failed commit is not known. If the row is there its file must be there too."""
    files.commit_error, files.commit_first = disk_error(), True
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, size))
    files.mend()
    assert (await store(spool, content(1, size))).outcome == "duplicate"
    with spool.open_data(1) as reader:
        assert reader.read(size) == content(1, size)


@pytest.mark.parametrize("error", [disk_error(), disk_full()])
async def test_a_destination_that_was_rolled_back_is_numbered_anew(
    open_spool: OpenSpool, files: FaultyFiles, error: sqlite3.Error
) -> None:
    spool = open_spool(files=files)
    files.commit_error = error
    with pytest.raises((SpoolFailure, NoRoom)):
        await store(spool, content(1, SMALL), 1, to=("first",))
    files.mend()
    await store(spool, content(1, SMALL), 1, to=("second",))
    await store(spool, content(2, SMALL), 2, to=("first",))
    await spool.close()
    rows = await open_spool().list_deliveries()
    assert [row.delivery.destination for row in rows] == ["second", "first"]


async def test_readers_do_not_keep_a_failed_database_open(spool: Spool, files: FaultyFiles) -> None:
    """SQLite begins anew only when the last connection is gone."""
    await store(spool, content(1, SMALL), 1)
    await spool.show(1)
    assert spool._reader._db is not None
    files.commit_error = disk_error()
    with pytest.raises(SpoolFailure):
        await store(spool, content(2, SMALL), 2)
    files.mend()
    await store(spool, content(2, SMALL), 2)
    assert spool._reader._db is None
    assert (await spool.show(2)).object.number == 2


async def test_an_idle_journal_sleeps(spool: Spool) -> None:
    await store(spool, content(1, SMALL))
    assert spool._journal._patience() is None


async def test_a_full_disk_at_commit_is_no_room(spool: Spool, files: FaultyFiles, heard: Heard) -> None:
    files.commit_error = disk_full()
    for number in range(MAX_FAILURES + 1):
        with pytest.raises(NoRoom):
            await store(spool, content(1, SMALL), number)
    assert set(heard.alarms()) == {"spool.full"}
    files.mend()
    await store(spool, content(1, SMALL), 1)
    assert (await spool.summary()).objects == 1


async def test_a_settlement_that_fails_says_so(spool: Spool, files: FaultyFiles) -> None:
    await store(spool, content(1, SMALL))
    job = (await spool.claim("oncology", 1))[0]
    files.commit_error = disk_error()
    with pytest.raises(SpoolFailure):
        await spool.settle([PutBack(job.delivery.number, 0.0, "busy")])
    files.mend()
    assert (await spool.show(1)).delivery.state is DeliveryState.SENDING
    await spool.settle([PutBack(job.delivery.number, 0.0, "busy")])


async def test_repeated_failure_ends_the_process(spool: Spool, files: FaultyFiles, heard: Heard) -> None:
    watch = asyncio.create_task(spool.wait_failed())
    files.commit_error = disk_error()
    for number in range(MAX_FAILURES):
        assert not watch.done()
        with pytest.raises(SpoolFailure):
            await store(spool, content(1, SMALL), number)
    with pytest.raises(SpoolFailure, match="3 times in a row"):
        await watch
    assert "spool.failed" in heard.alarms()
    files.mend()
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, SMALL), 1)
    with pytest.raises(SpoolFailure):
        await spool.claim("oncology", 1)


async def test_a_journal_that_cannot_be_opened_again_ends_the_process(
    spool: Spool, files: FaultyFiles, open_spool: OpenSpool
) -> None:
    await store(spool, content(1, SMALL))
    watch = asyncio.create_task(spool.wait_failed())
    files.commit_error = files.connect_error = disk_error()
    with pytest.raises(SpoolFailure):
        await store(spool, content(2, SMALL), 2)
    with pytest.raises(SpoolFailure, match="cannot be opened again"):
        await watch
    await spool.close()
    assert open_spool().recovery.objects == 1


async def test_a_defect_ends_the_process_and_nobody_waits_for_ever(spool: Spool) -> None:
    def defective(tx: Transaction) -> None:
        raise ZeroDivisionError

    watch = asyncio.create_task(spool.wait_failed())
    with pytest.raises(SpoolFailure, match="defect"):
        await spool._submit(defective)
    with pytest.raises(SpoolFailure, match="ZeroDivisionError"):
        await watch
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, SMALL))


async def test_close_ends_the_watch(spool: Spool) -> None:
    watch = asyncio.create_task(spool.wait_failed())
    await spool.close()
    await watch
    with pytest.raises(SpoolFailure, match="closed"):
        await spool.claim("oncology", 1)


async def test_the_wal_is_written_back_and_stays_bounded(
    open_spool: OpenSpool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "WAL_READY", 4096)
    monkeypatch.setattr(journal, "WAL_PAGES_MAX", 2000)
    monkeypatch.setattr(journal, "IDLE_SECONDS", 3600.0)
    spool = open_spool()
    for number in range(700):
        await store(spool, content(number, 40_000), number)
    assert (directory / "journal.db-wal").stat().st_size < 3 * 2000 * 4096
    assert (directory / "journal.db").stat().st_size > 20_000_000


async def test_an_idle_moment_writes_the_wal_back(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    checkpoint = journal.Journal._checkpoint

    def noted(self: journal.Journal) -> None:
        checkpoint(self)
        loop.call_soon_threadsafe(done.set)

    monkeypatch.setattr(journal.Journal, "_checkpoint", noted)
    for number in range(130):
        await store(spool, content(number, 40_000), number)
    size = (directory / "journal.db").stat().st_size
    await asyncio.wait_for(done.wait(), 30)
    assert (directory / "journal.db").stat().st_size > size or size > 5_000_000


async def test_room_is_given_back_to_the_filesystem(
    spool: Spool, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FREE_PAGES_MAX", 100)
    monkeypatch.setattr(journal, "VACUUM_PAGES", 1_000_000)
    monkeypatch.setattr(journal, "IDLE_SECONDS", 0.01)
    for number in range(200):
        await store(spool, content(number, 60_000), number)
    for number in range(200):
        await spool.discard(number + 1, "no need")
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    checkpoint = journal.Journal._checkpoint

    def noted(self: journal.Journal) -> None:
        checkpoint(self)
        loop.call_soon_threadsafe(done.set)

    monkeypatch.setattr(journal.Journal, "_checkpoint", noted)
    monkeypatch.setattr(journal, "WAL_PAGES_IDLE", 0)
    await spool.summary()
    await asyncio.wait_for(done.wait(), 30)
    await spool.close()
    assert (directory / "journal.db").stat().st_size < 6_000_000


async def test_a_claim_does_not_wait_for_the_disk_and_a_put_does(spool: Spool) -> None:
    levels: list[int] = []

    def level(tx: Transaction) -> None:
        levels.append(int(tx.db.execute("PRAGMA synchronous").fetchone()[0]))

    await spool._submit(level, durable=False)
    await spool._submit(level, durable=True)
    assert levels == [1, 2]
    both = [spool._submit(level, durable=durable) for durable in (False, True, False)]
    await asyncio.gather(*both)
    assert levels[3] == 2


async def test_what_fails_after_a_write_is_a_defect(spool: Spool) -> None:
    """Others share the transaction: half an operation must never be committed with them."""

    def half(tx: Transaction) -> None:
        tx.write("DELETE FROM objects")
        raise LocalError("too late")

    await store(spool, content(1, SMALL))
    with pytest.raises(SpoolFailure, match="defect"):
        await spool._submit(half)
    with pytest.raises(SpoolFailure):
        await spool.wait_failed()
    await spool.close()
    db = sqlite3.connect(spool.directory / "journal.db")
    assert db.execute("SELECT count(*) FROM objects").fetchone() == (1,)
    db.close()


async def test_names_are_durable_again_when_the_database_was_opened_anew(
    spool: Spool, files: FaultyFiles, directory: Path
) -> None:
    """Opening it anew makes the WAL anew."""
    files.commit_error = disk_error()
    with pytest.raises(SpoolFailure):
        await store(spool, content(1, SMALL), 1)
    files.mend()
    files.log.clear()
    await store(spool, content(1, SMALL), 1)
    await spool.summary()
    assert ("sync_directory", str(directory)) in files.log


async def test_one_claim_does_not_keep_what_waits_with_it_from_being_synced(spool: Spool) -> None:
    """What need not be durable shares the transaction of what must be."""
    levels: list[int] = []
    gate = threading.Event()

    def level(tx: Transaction) -> None:
        levels.append(int(tx.db.execute("PRAGMA synchronous").fetchone()[0]))

    spool._bind()
    first = spool._journal.submit(lambda _tx: gate.wait(30), durable=False)
    both = [spool._journal.submit(level, durable=durable) for durable in (False, True)]
    gate.set()
    await asyncio.gather(first, *both)
    assert levels[-1] == 2
