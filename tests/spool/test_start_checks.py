"""A journal that is damaged is told, with what to do; a passing trouble is not taken for damage."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Spool
from gateway.spool.start_checks import JournalLost, lost
from tests.durability.damage.filled import data_set
from tests.support.spooling import FaultyFiles, Heard, OpenSpool, an_instance, object_files, store

S = DeliveryState


async def filled(open_spool: OpenSpool, directory: Path) -> Path:
    """A copy of a spool as a kill leaves it: one small object, one in a file."""
    spool = open_spool()
    await store(spool, data_set(1, 500), 1)
    await store(spool, data_set(2, 90_000), 2)
    copy = directory.with_name("killed")
    shutil.copytree(directory, copy)
    await spool.close()
    return copy


@pytest.mark.parametrize("damage", ["header", "noise"])
async def test_a_damaged_journal_names_the_remedy(
    open_spool: OpenSpool, directory: Path, heard: Heard, damage: str
) -> None:
    await filled(open_spool, directory)
    path = directory / "journal.db"
    whole = path.read_bytes()
    path.write_bytes(bytes(100) + whole[100:] if damage == "header" else b"\xbd" * len(whole))
    with pytest.raises(JournalLost, match="dicom-gateway spool rebuild"):
        Spool.open(directory, notices=heard.notices)
    assert len(path.read_bytes()) == len(whole)  # left as it was


async def test_damage_is_believed_when_it_is_said_twice(open_spool: OpenSpool, directory: Path) -> None:
    await filled(open_spool, directory)

    class Once(FaultyFiles):
        asked = 0

        def connect(self, path: Path) -> sqlite3.Connection:
            self.asked += 1
            if self.asked == 1:
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            return super().connect(path)

    spool = open_spool(files=Once())
    assert spool.recovery.objects == 2


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY])
def test_other_troubles_are_no_damage(code: int) -> None:
    error = sqlite3.OperationalError("some trouble")
    error.sqlite_errorcode = code
    assert lost(error) is None


def cut(wal: Path) -> None:
    wal.write_bytes(wal.read_bytes()[:4096])


@pytest.mark.parametrize("harm", [Path.unlink, cut])
async def test_a_wal_that_is_gone_or_cut_removes_no_object(
    open_spool: OpenSpool, directory: Path, heard: Heard, harm: object
) -> None:
    copy = await filled(open_spool, directory)
    assert callable(harm)
    harm(copy / "journal.db-wal")
    (kept,) = object_files(copy)
    spool = Spool.open(copy, notices=heard.notices)
    assert kept.exists()
    assert heard.alarms() == ["spool.journal-tail"]
    rows = await spool.list_deliveries()
    assert [(row.object.instance, row.delivery.state, row.cause) for row in rows] == [
        (an_instance(2), S.HELD, "rebuilt")
    ]
    await spool.close()
    again = Spool.open(copy, notices=heard.notices)  # said and done once
    assert heard.alarms() == ["spool.journal-tail"]
    assert again.recovery.objects == 1
    await again.close()


async def test_a_spool_that_was_closed_needs_no_wal(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    await filled(open_spool, directory)
    assert not (directory / "journal.db-wal").exists()
    spool = open_spool()
    assert spool.recovery.objects == 2
    assert heard.alarms() == []


async def test_objects_behind_a_damaged_frame_are_taken_up_again(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    first = open_spool()
    await store(first, data_set(3, 500), 3)  # so that the destination is known
    await first.discard(1, "not wanted")
    await first.close()
    copy = await filled(open_spool, directory)
    wal = copy / "journal.db-wal"
    data = bytearray(wal.read_bytes())
    data[32 + 24 + 40] ^= 1  # in the first frame: SQLite reads none
    wal.write_bytes(data)
    spool = Spool.open(copy, notices=heard.notices)
    assert heard.alarms() == ["spool.journal-tail"]
    jobs = await spool.claim("oncology", 10)
    assert [job.object.instance for job in jobs] == [an_instance(1), an_instance(2)]
    assert jobs[0].data == data_set(1, 500)
    with spool.open_data(jobs[1].object.number) as reader:
        assert reader.read(1 << 20) == data_set(2, 90_000)
    await spool.close()
    again = Spool.open(copy, notices=heard.notices)
    assert again.recovery.objects == 2
    await again.close()


async def test_a_number_that_has_lost_its_name_gets_no_other(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    copy = await filled(open_spool, directory)
    wal = copy / "journal.db-wal"
    data = bytearray(wal.read_bytes())
    data[32 + 24 + 40] ^= 1  # the frame with the name of the destination
    wal.write_bytes(data)
    spool = Spool.open(copy, notices=heard.notices)
    rows = await spool.list_deliveries()
    assert {(row.delivery.destination, row.delivery.state) for row in rows} == {("unknown", S.HELD)}
    assert len(rows) == 2
    await spool.close()


def test_the_wal_is_not_missed_while_the_first_start_goes_on(tmp_path: Path, heard: Heard) -> None:
    first = Spool.open(tmp_path / "spool", notices=heard.notices)
    asyncio.run(first.close())
    assert heard.alarms() == []
