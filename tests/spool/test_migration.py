"""A spool of an older version, with objects in it, is opened by this one."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from gateway.model import DeliveryState, Priority
from gateway.spool.schema import MIGRATIONS, configure, create_or_migrate
from tests.support.committing import a_reference, a_request, a_step, accept, answer, ask, to_ask
from tests.support.spooling import BEAMS_RECORD, EXPLICIT, SMALL, OpenSpool, an_instance, content, store

S = DeliveryState
VERSION_1 = {
    S.QUEUED: 0,
    S.SENDING: 1,
    S.ACCEPTED: 2,
    S.CONFIRMED: 3,
    S.HELD: 4,
    S.RELEASED: 5,
    S.DISCARDED: 6,
}
"""The codes of version 1, written down: the past does not change."""


def write_version_1(directory: Path) -> None:
    """Write a spool as version 1 left it: one object of each state, numbered from 1 in this order."""
    (directory / "objects").mkdir(parents=True)
    db = sqlite3.connect(directory / "journal.db", isolation_level=None)
    configure(db)
    create_or_migrate(db, MIGRATIONS[:1])
    db.execute("BEGIN")
    db.execute("INSERT INTO destinations (id, name) VALUES (1, 'oncology')")
    for number, code in enumerate(VERSION_1.values(), 1):
        data = content(number, SMALL)
        gone = code in (5, 6)
        db.execute(
            "INSERT INTO objects (number, sop_class_uid, sop_instance_uid, transfer_syntax_uid, listener, "
            "address, calling_ae, called_ae, association, priority, digest, size, received_at, place, file, "
            "data_offset, deleted_at) VALUES (?, ?, ?, ?, 'console', '192.0.2.20', 'LINAC1', 'ARIA', 'a1', "
            "0, ?, ?, 1000.0, ?, NULL, 0, ?)",
            (
                number,
                BEAMS_RECORD,
                an_instance(number).sop_instance_uid,
                EXPLICIT,
                hashlib.sha256(data).digest(),
                SMALL,
                2 if gone else 0,
                1000.0 if gone else None,
            ),
        )
        if not gone:
            db.execute("INSERT INTO inline (object, data) VALUES (?, ?)", (number, data))
        db.execute(
            "INSERT INTO deliveries (number, object, destination, priority, size, state, waiting, "
            "not_before, reason, cause, updated_at) VALUES (?, ?, 1, 0, ?, ?, 0, 0, '', ?, 1000.0)",
            (number, number, SMALL, code, "rejected" if code == 4 else ""),
        )
    db.execute("INSERT INTO receipts VALUES (3, 1, 0, '', ?, x'00', 1000.0)", (EXPLICIT,))
    db.execute("INSERT INTO events VALUES (5, 1, 1000.0, 5, 'held', 'no', '')")
    db.execute("COMMIT")
    db.close()


async def test_a_version_1_spool_goes_on(open_spool: OpenSpool, directory: Path) -> None:
    write_version_1(directory)
    spool = open_spool(wall_clock=lambda: 2000.0)
    states = {row.delivery.number: row.delivery.state for row in await spool.list_deliveries()}
    # What was being sent is queued again, as after every restart.
    assert states == dict(enumerate((S.QUEUED, S.QUEUED, *list(VERSION_1)[2:]), 1))
    assert spool.recovery.requeued == 1
    assert (await spool.summary()).objects == 5
    assert len((await spool.show(3)).receipts) == 1
    assert [event.what for event in (await spool.show(5)).history] == ["held"]
    with spool.open_data(1) as reader:
        assert reader.read(SMALL) == content(1, SMALL)
    # What is on its way is known to be this console's.
    left = await spool.unsettled(calling_ae="LINAC1", destinations=["oncology"], most=Priority.RECORD)
    assert (left.count, left.newest) == (3, 7)
    # What had been accepted can be asked about, and the new tables work.
    assert await to_ask(spool, everything=True) == [a_reference(3)]
    await spool.add_commitment(a_request(3, 4))
    await answer(spool, await ask(spool, 3), 3)
    assert len((await spool.commitments_to_report(1))[0].committed) == 2
    assert (await spool.add_step(a_step())).number == 1
    await accept(spool)
    assert (await store(spool, content(8, SMALL), 8)).number == 8
    left = await spool.unsettled(calling_ae="LINAC1", destinations=["oncology"], most=Priority.RECORD)
    assert left.count == 2  # the held one and the new one


async def test_a_migrated_journal_knows_what_came_from_whom(open_spool: OpenSpool, directory: Path) -> None:
    write_version_1(directory)
    await open_spool().close()
    db = sqlite3.connect(directory / "journal.db")
    assert db.execute("SELECT * FROM kinds").fetchall() == [(1, BEAMS_RECORD, "LINAC1")]
    assert db.execute("SELECT DISTINCT kind, received_at FROM deliveries").fetchall() == [(1, 1000.0)]
    assert db.execute("SELECT cause, status, said FROM events").fetchall() == [("", None, "")]
    db.close()


async def test_records_of_a_migrated_journal_are_found_by_day(open_spool: OpenSpool, directory: Path) -> None:
    write_version_1(directory)
    found = await open_spool().records_between(1000.0, 1000.5, 10)
    assert [one.number for one in found] == [7, 6, 5, 4, 3, 2, 1]


async def test_a_migrated_journal_has_the_schema_of_a_new_one(directory: Path, tmp_path: Path) -> None:
    def schema(path: Path) -> list[tuple[str, str, str]]:
        db = sqlite3.connect(path, isolation_level=None)
        configure(db)
        create_or_migrate(db)
        rows = db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        db.close()
        return rows

    write_version_1(directory)
    assert schema(directory / "journal.db") == schema(tmp_path / "new.db")
