"""The scrub: what lost a bit is found, held and told, before anybody has need of it."""

from __future__ import annotations

import asyncio
import errno
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Spool
from gateway.spool.scrub import Scrub
from gateway.spool.scrub_values import PassReport, ScrubPolicy
from gateway.spool.values import MIB
from tests.support.spooling import LARGE, SMALL, FaultyFiles, Heard, OpenSpool, content, object_files, store

S = DeliveryState


class Rig:
    """A scrub whose pauses are written down instead of waited for."""

    def __init__(
        self, spool: Spool, directory: Path, heard: Heard, policy: ScrubPolicy | None = None
    ) -> None:
        self.slept: list[float] = []
        self.now = 1_700_000_000.0
        self.scrub = Scrub(
            spool,
            directory,
            heard.notices,
            policy or ScrubPolicy(start_after=0.0),
            wall_clock=lambda: self.now,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scrub]:
        task = asyncio.create_task(self.scrub.run())
        try:
            yield self.scrub
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def whole_pass(self) -> PassReport:
        """Run until a pass has come to its end."""
        async with self.running() as scrub:
            return await ended(scrub)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it tells, it tells when asked
            await asyncio.sleep(0.005)


async def ended(scrub: Scrub) -> PassReport:
    await until(lambda: scrub.status().last is not None and not scrub.status().running)
    last = scrub.status().last
    assert last is not None
    return last


async def states(spool: Spool) -> list[tuple[DeliveryState, str]]:
    return [(row.delivery.state, row.cause) for row in await spool.list_deliveries()]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def change(directory: Path, sql: str) -> None:
    db = sqlite3.connect(directory / "journal.db")
    db.execute(sql)
    db.commit()
    db.close()


async def test_a_sound_store_is_read_and_nothing_is_said(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL), 1)
    await store(spool, content(2, LARGE), 2)
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.sound
    assert (report.objects, report.bytes) == (2, SMALL + LARGE)
    assert report.journal_rows >= 5
    assert heard.alarms() == []
    assert await states(spool) == [(S.QUEUED, "")] * 2


async def test_an_empty_store_takes_no_time(open_spool: OpenSpool, directory: Path, heard: Heard) -> None:
    rig = Rig(open_spool(), directory, heard)
    report = await rig.whole_pass()
    assert (report.objects, report.bytes, report.sound) == (0, 0, True)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_bit_that_flipped_is_found_held_and_told(
    open_spool: OpenSpool, directory: Path, heard: Heard, size: int
) -> None:
    spool = open_spool()
    await store(spool, content(1, size), 1, to=("oncology", "archive"))
    await store(spool, content(2, size), 2)
    if size == LARGE:
        flip(object_files(directory)[0], 150_000)
    else:
        change(directory, "UPDATE inline SET data = zeroblob(length(data)) WHERE object = 1")
    rig = Rig(spool, directory, heard)
    report = await rig.whole_pass()
    assert (report.objects, report.damaged) == (2, 1)
    assert await states(spool) == [(S.HELD, "damaged"), (S.HELD, "damaged"), (S.QUEUED, "")]
    assert heard.alarms() == ["spool.damaged"]
    (found,) = rig.scrub.status().found
    assert (found.number, found.verdict) == (1, "damaged")
    assert [job.object.number for job in await spool.claim("oncology", 10)] == [2]


async def test_what_is_known_to_be_damaged_is_not_told_twice_and_may_come_back(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    path = object_files(directory)[0]
    flip(path, 150_000)
    await Rig(spool, directory, heard).whole_pass()
    (directory / "scrub.json").unlink()
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.damaged == 1
    assert heard.alarms() == ["spool.damaged"]
    flip(path, 150_000)
    (directory / "scrub.json").unlink()
    report = await Rig(spool, directory, heard).whole_pass()
    assert (report.damaged, report.back) == (0, 1)
    assert await states(spool) == [(S.HELD, "damaged")]
    await spool.release(1)
    assert len(await spool.claim("oncology", 10)) == 1


async def test_files_that_are_cut_short_or_gone(open_spool: OpenSpool, directory: Path, heard: Heard) -> None:
    spool = open_spool()
    for number in (1, 2):
        await store(spool, content(number, LARGE), number)
    first, second = object_files(directory)
    first.write_bytes(first.read_bytes()[:-1])
    second.unlink()
    report = await Rig(spool, directory, heard).whole_pass()
    assert (report.damaged, report.missing) == (1, 1)
    assert await states(spool) == [(S.HELD, "damaged"), (S.HELD, "missing")]
    assert heard.alarms() == ["spool.damaged", "spool.missing"]


@pytest.mark.parametrize("call", ["open_for_read", "pread"])
async def test_a_file_that_the_disk_does_not_give_back(
    open_spool: OpenSpool, directory: Path, heard: Heard, call: str
) -> None:
    files = FaultyFiles()
    spool = open_spool(files=files)
    await store(spool, content(1, LARGE))
    files.fail(call, errno.EIO)
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.unreadable == 1
    assert await states(spool) == [(S.HELD, "unreadable")]
    assert heard.alarms() == ["spool.unreadable"]
    files.mend()
    await spool.retry(1)
    (job,) = await spool.claim("oncology", 1)
    with spool.open_data(job.object.number) as reader:
        assert reader.read(LARGE) == content(1, LARGE)


async def test_a_passing_trouble_is_read_once_more(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    class Once(FaultyFiles):
        def pread(self, descriptor: int, length: int, offset: int) -> bytes:
            data = super().pread(descriptor, length, offset)
            return data if self.calls["pread"] > 1 else bytes(len(data))

    spool = open_spool(files=Once())
    await store(spool, content(1, LARGE))
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.sound
    assert heard.alarms() == []


async def test_it_leaves_the_disk_to_others(open_spool: OpenSpool, directory: Path, heard: Heard) -> None:
    spool = open_spool()
    await store(spool, content(1, 3 * MIB))
    rig = Rig(spool, directory, heard, ScrubPolicy(bytes_per_second=MIB, start_after=0.0))
    await rig.whole_pass()
    assert sum(pause >= 0.99 for pause in rig.slept) == 3  # a MiB is a second


async def test_a_busy_disk_is_left_alone_for_a_while(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    rig = Rig(spool, directory, heard, ScrubPolicy(start_after=0.0, busy_seconds=0.0, busy_pause=77.0))
    await rig.whole_pass()
    assert 77.0 in rig.slept


async def test_it_goes_on_where_it_was_after_a_restart(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    for number in range(1, 6):
        await store(spool, content(number, SMALL), number)
    rig = Rig(spool, directory, heard)
    gate: Callable[[float], Awaitable[None]] = rig._sleep
    reached = asyncio.Event()

    async def stop_at_three(seconds: float) -> None:
        current = rig.scrub.status().current
        if current is not None and current.objects == 2:
            reached.set()
            await asyncio.Event().wait()
        await gate(seconds)

    rig.scrub._sleep = stop_at_three
    async with rig.running():
        await asyncio.wait_for(reached.wait(), 20)
    saved = json.loads((directory / "scrub.json").read_text())
    assert saved["after"] == 2
    again = Rig(spool, directory, heard)
    report = await again.whole_pass()
    assert report.objects == 5
    assert report.started_at == rig.now


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"current": {}, "after": -1}', '{"current": null}', "\0" * 99]
)
async def test_progress_that_makes_no_sense_is_none(
    open_spool: OpenSpool, directory: Path, heard: Heard, text: str
) -> None:
    spool = open_spool()
    (directory / "scrub.json").write_text(text)
    await store(spool, content(1, SMALL))
    assert (await Rig(spool, directory, heard).whole_pass()).objects == 1


async def test_somebody_who_asks_gets_a_pass_now(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL))
    rig = Rig(spool, directory, heard, ScrubPolicy(bytes_per_second=0))
    async with rig.running() as scrub:
        await asyncio.sleep(0.05)
        assert scrub.status().last is None  # nothing is planned
        assert scrub.status().next_at is None
        scrub.request()
        report = await ended(scrub)
        assert (report.kind, report.objects) == ("requested", 1)


async def test_the_next_pass_is_planned(open_spool: OpenSpool, directory: Path, heard: Heard) -> None:
    rig = Rig(open_spool(), directory, heard, ScrubPolicy(every=1000.0, start_after=0.0))
    async with rig.running() as scrub:
        await ended(scrub)
        await until(lambda: scrub.status().next_at is not None)
        assert scrub.status().next_at == pytest.approx(rig.now + 1000.0)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE counters SET count = count + 1 WHERE subject = 0",
        "UPDATE counters SET bytes = bytes - 1 WHERE subject = 1",
        "DELETE FROM destinations",
        "DELETE FROM objects WHERE number = 1",
    ],
)
async def test_a_journal_that_contradicts_itself_is_told(
    open_spool: OpenSpool, directory: Path, heard: Heard, sql: str
) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL))
    await store(spool, content(2, SMALL), 2)
    change(directory, sql)
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.journal_faults > 0
    assert "spool.journal-damaged" in heard.alarms()


async def test_a_delivery_that_its_index_has_lost_is_found(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL))
    db = sqlite3.connect(directory / "journal.db")
    db.execute("PRAGMA writable_schema = ON")
    (sql,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'deliveries_in_order'").fetchone()
    db.execute("UPDATE sqlite_master SET sql = sql || ' WHERE 0' WHERE name = 'deliveries_in_order'")
    db.commit()
    db.close()
    db = sqlite3.connect(directory / "journal.db")
    db.execute("REINDEX deliveries_in_order")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'deliveries_in_order'", (sql,))
    db.commit()
    db.close()
    await spool.close()
    spool = open_spool()
    assert await spool.claim("oncology", 10) == []  # the damage is that bad: it would never be sent
    report = await Rig(spool, directory, heard).whole_pass()
    assert report.journal_faults == 1
    assert "spool.journal-damaged" in heard.alarms()
