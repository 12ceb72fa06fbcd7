"""Treatment records by day, and where each of them is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.dicom.sop_classes import RECORD_CLASSES
from gateway.model import DeliveryState, Instance, Priority
from gateway.spool import Accepted, Confirmed, Hold, Spool, SpoolLimits, Stage, StageReport
from gateway.spool.record_queries import DeliveryStanding
from gateway.spool.schema import RECORD_CLASSES_SQL, configure, create_or_migrate
from tests.support.committing import Clock
from tests.support.spooling import (
    BEAMS_RECORD,
    BIG_ENDIAN,
    EXPLICIT,
    SMALL,
    OpenSpool,
    a_receipt,
    an_origin,
    content,
    store,
)

S = DeliveryState
AT_ONCE = SpoolLimits(retention_seconds=0, reserve_bytes=0, floor_bytes=0)
CT = "1.2.840.10008.5.1.4.1.1.2"


async def put(
    spool: Spool, number: int, sop_class: str = BEAMS_RECORD, to: Sequence[str] = ("oncology",)
) -> int:
    incoming = spool.receive(
        Instance(sop_class, f"1.2.3.{number}", EXPLICIT), an_origin(), Priority.IMAGE, tuple(to)
    )
    incoming.write(content(number, SMALL))
    return (await incoming.commit()).number


async def numbers(spool: Spool, since: float = 0.0, until: float = 1e12, limit: int = 100) -> list[int]:
    return [one.number for one in await spool.records_between(since, until, limit)]


def test_the_index_has_every_class_of_records() -> None:
    assert all(f"'{uid}'" in RECORD_CLASSES_SQL for uid in RECORD_CLASSES)
    assert RECORD_CLASSES_SQL.count("'") == 2 * len(RECORD_CLASSES)


async def test_records_of_a_window_newest_first_whatever_their_priority(open_spool: OpenSpool) -> None:
    clock = Clock()
    spool = open_spool(wall_clock=clock)
    for number, at in enumerate((100.0, 199.0, 200.0, 250.0, 299.9, 300.0), 1):
        clock.now = at
        await put(spool, number)
        await put(spool, 100 + number, CT)
    assert await numbers(spool, 200.0, 300.0) == [9, 7, 5]
    assert await numbers(spool, 200.0, 300.0, limit=2) == [9, 7]
    assert await numbers(spool, 300.0, 300.0) == []
    assert await numbers(spool) == [11, 9, 7, 5, 3, 1]


async def test_a_clock_that_was_set_back_changes_no_order(open_spool: OpenSpool) -> None:
    clock = Clock()
    spool = open_spool(wall_clock=clock)
    for number, at in enumerate((500.0, 100.0, 300.0), 1):
        clock.now = at
        await put(spool, number)
    assert await numbers(spool) == [3, 2, 1]  # the order of arrival
    assert await numbers(spool, 0.0, 200.0) == [2]


async def test_the_states_of_each_destination(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await put(spool, 1, to=("oncology", "archive"))
    (job,) = await spool.claim("archive", 1)
    await spool.settle([Hold(job.delivery.number, "no", "refused")])
    (one,) = await spool.records_between(0.0, 1e12, 10)
    assert one.deliveries == (
        DeliveryStanding("oncology", S.QUEUED, confirmed=False),
        DeliveryStanding("archive", S.HELD, confirmed=False),
    )
    assert one.bytes_kept
    (row,) = await spool.record_rows([one.number])
    assert [delivery.cause for delivery in row.deliveries] == ["", "refused"]


async def test_how_far_it_got_and_when(open_spool: OpenSpool) -> None:
    clock = Clock()
    spool = open_spool(wall_clock=clock, limits=AT_ONCE)
    number = await put(spool, 1)

    async def steps() -> tuple[DeliveryState, float | None, float | None, bool]:
        (row,) = await spool.record_rows([number])
        (one,) = row.deliveries
        return one.delivery.state, one.accepted_at, one.confirmed_at, row.bytes_kept

    assert await steps() == (S.QUEUED, None, None, True)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    assert await steps() == (S.ACCEPTED, 1.0, None, True)
    clock.now += 10
    confirmed = clock.now
    await spool.settle([Confirmed(job.delivery.number, "verified")])
    assert await steps() == (S.CONFIRMED, 1.0, confirmed, True)
    clock.now += 10
    await spool.expire(clock.now + 1)
    assert await steps() == (S.RELEASED, 1.0, confirmed, False)
    (one,) = await spool.records_between(0.0, 1e12, 10)
    assert one.deliveries == (DeliveryStanding("oncology", S.RELEASED, confirmed=True),)
    assert not one.bytes_kept


@pytest.mark.parametrize(
    ("stage", "state", "accepted_at"),
    [
        (None, S.SENDING, None),
        (Stage.STORED, S.ACCEPTED, 5.0),
        (Stage.HELD, S.HELD, None),
        (Stage.DISCARDED, S.DISCARDED, None),
    ],
)
async def test_what_only_the_hub_has_did_not_get_there(
    open_spool: OpenSpool, stage: Stage | None, state: DeliveryState, accepted_at: float | None
) -> None:
    spool = open_spool()
    number = await put(spool, 1)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Accepted(job.delivery.number, replace(a_receipt(job), hub=True))])
    if stage is not None:
        report = StageReport(1, bytes(16), job.delivery.number, job.object.digest, stage, 0, "", 5.0)
        await spool.take_report(bytes(16), report)
    (one,) = await spool.records_between(0.0, 1e12, 10)
    assert [each.state for each in one.deliveries] == [state]
    (row,) = await spool.record_rows([number])
    assert (row.deliveries[0].delivery.state, row.deliveries[0].accepted_at) == (state, accepted_at)


async def test_what_is_sent_again_is_not_there_yet(open_spool: OpenSpool) -> None:
    clock = Clock()
    spool = open_spool(wall_clock=clock, limits=AT_ONCE)
    number = await put(spool, 1)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    await spool.settle([Confirmed(job.delivery.number, "verified")])
    await spool.retry(job.delivery.number, who="anna")
    (row,) = await spool.record_rows([number])
    assert (row.deliveries[0].accepted_at, row.deliveries[0].confirmed_at) == (None, None)
    # Accepted again, later than the confirmation: only what happened since counts.
    (job,) = await spool.claim("oncology", 1)
    late = a_receipt(job)
    late = type(late)(late.destination, 0, "", late.transfer_syntax_uid, late.digest, clock.now + 5)
    await spool.settle([Accepted(job.delivery.number, late)])
    await spool.expire(clock.now + 100)
    (row,) = await spool.record_rows([number])
    assert row.deliveries[0].delivery.state is S.RELEASED
    assert (row.deliveries[0].accepted_at, row.deliveries[0].confirmed_at) == (clock.now + 5, None)


async def test_what_was_merged_into_another_copy_is_listed_once(
    open_spool: OpenSpool, directory: Path
) -> None:
    spool = open_spool()
    await store(spool, content(1, SMALL), 1)
    await store(spool, content(2, SMALL), 1, syntax=BIG_ENDIAN)
    await spool.close()
    db = sqlite3.connect(directory / "journal.db")
    db.execute("UPDATE objects SET same_as = 1 WHERE number = 2")
    db.commit()
    db.close()
    assert await numbers(open_spool()) == [1]


async def test_only_records_are_told_about(spool: Spool) -> None:
    image, record = await put(spool, 1, CT), await put(spool, 2)
    rows = await spool.record_rows([image, record, 999])
    assert [row.object.number for row in rows] == [record]


def test_other_objects_do_not_touch_the_index(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    configure(db)
    create_or_migrate(db)
    sql = (
        "INSERT INTO objects (sop_class_uid, sop_instance_uid, transfer_syntax_uid, listener, address, "
        "calling_ae, called_ae, association, priority, digest, size, received_at, place, data_offset) "
        "VALUES (?, '1', '1', '', '', 'A', 'B', '', 0, x'00', 1, 1.0, 0, 0)"
    )
    for uid in (CT, *sorted(RECORD_CLASSES)):
        db.execute(sql, (uid,))
    sql = f"SELECT count(*) FROM objects INDEXED BY objects_records WHERE {RECORD_CLASSES_SQL}"  # noqa: S608
    listed = db.execute(sql).fetchone()
    assert listed == (len(RECORD_CLASSES),)
    db.close()
