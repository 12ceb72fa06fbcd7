"""The same SOP Instance UID again: every row of the table in FORMAT.md."""

from __future__ import annotations

import pytest

from gateway.model import Delivery, DeliveryState, Priority
from gateway.spool import Accepted, Spool, SpoolLimits
from gateway.spool.states import Event
from gateway.spool.transaction import Transaction
from gateway.spool.values import CAUSE_CONFLICT, CAUSE_REBUILT
from tests.support.spooling import (
    EXPLICIT,
    IMPLICIT,
    LARGE,
    SMALL,
    Heard,
    OpenSpool,
    a_receipt,
    content,
    object_files,
    store,
)

pytestmark = pytest.mark.parametrize("size", [SMALL, LARGE])


async def deliver(spool: Spool, destination: str = "oncology") -> None:
    jobs = await spool.claim(destination, 100)
    await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])


async def deliveries(spool: Spool) -> list[tuple[int, str, DeliveryState, str]]:
    return [
        (row.object.number, row.delivery.destination, row.delivery.state, row.cause)
        for row in await spool.list_deliveries()
    ]


async def first_delivery(spool: Spool, object_number: int) -> Delivery:
    rows = await spool.list_deliveries()
    return next(row.delivery for row in rows if row.object.number == object_number)


async def test_the_same_again_is_one_object(spool: Spool, size: int, heard: Heard) -> None:
    first = await store(spool, content(1, size))
    again = await store(spool, content(1, size))
    assert (first.outcome, again.outcome) == ("new", "duplicate")
    assert again.number == first.number
    assert again.digest == first.digest
    assert await deliveries(spool) == [(1, "oncology", DeliveryState.QUEUED, "")]
    assert (await spool.summary()).objects == 1
    assert (await spool.show(1)).history[0].what == "received-again"
    assert heard.alarms() == []


async def test_the_file_of_a_duplicate_is_removed(open_spool: OpenSpool, size: int) -> None:
    spool = open_spool()
    for _ in range(3):
        await store(spool, content(1, size))
    await spool.close()
    assert len(object_files(spool.directory)) == (1 if size == LARGE else 0)


async def test_the_same_again_after_delivery_is_not_sent_again(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    assert (await store(spool, content(1, size))).outcome == "duplicate"
    assert await deliveries(spool) == [(1, "oncology", DeliveryState.ACCEPTED, "")]


async def test_the_same_for_another_destination_adds_a_delivery(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    work: list[str] = []
    spool.on_work(work.append)
    assert (await store(spool, content(1, size), to=("oncology", "archive"))).outcome == "duplicate"
    assert await deliveries(spool) == [
        (1, "oncology", DeliveryState.ACCEPTED, ""),
        (1, "archive", DeliveryState.QUEUED, ""),
    ]
    assert work == ["archive"]


async def test_the_same_after_its_bytes_went_is_not_sent_again(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    await spool.expire(now=1e11)
    assert (await store(spool, content(1, size))).outcome == "duplicate"
    assert (await spool.summary()).objects == 0


async def test_the_same_after_its_bytes_went_for_another_destination_is_kept_anew(
    spool: Spool, size: int
) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    await spool.expire(now=1e11)
    again = await store(spool, content(1, size), to=("oncology", "archive"))
    assert (again.outcome, again.number) == ("new", 2)
    assert (2, "archive", DeliveryState.QUEUED, "") in await deliveries(spool)
    assert len(await deliveries(spool)) == 2


async def test_what_was_discarded_counts_for_nothing(spool: Spool, size: int, heard: Heard) -> None:
    await store(spool, content(1, size))
    await spool.discard(1, "test patient")
    assert (await store(spool, content(1, size))).outcome == "new"
    await spool.discard(2, "test patient")
    assert (await store(spool, content(2, size))).outcome == "new"
    assert heard.alarms() == []


async def test_other_content_is_a_conflict(spool: Spool, size: int, heard: Heard) -> None:
    first = await store(spool, content(1, size))
    second = await store(spool, content(2, size))
    assert second.outcome == "conflict"
    assert second.number != first.number
    assert await deliveries(spool) == [
        (1, "oncology", DeliveryState.QUEUED, ""),
        (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT),
    ]
    assert heard.alarms() == ["spool.conflict"]
    for number, seed in ((1, 1), (2, 2)):
        with spool.open_data(number) as reader:
            assert reader.read(size + 1) == content(seed, size)


async def test_a_conflict_sent_again_is_a_duplicate_of_it(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await store(spool, content(2, size))
    again = await store(spool, content(2, size), to=("oncology", "archive"))
    assert (again.outcome, again.number) == ("duplicate", 2)
    assert (2, "archive", DeliveryState.HELD, CAUSE_CONFLICT) in await deliveries(spool)


async def test_a_conflict_with_what_was_delivered_and_deleted(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await deliver(spool)
    await spool.expire(now=1e11)
    assert (await store(spool, content(2, size))).outcome == "conflict"


async def test_a_released_conflict_is_sent(spool: Spool, size: int) -> None:
    await store(spool, content(1, size))
    await store(spool, content(2, size))
    await spool.release((await first_delivery(spool, 2)).number)
    assert len(await spool.claim("oncology", 10)) == 2


async def test_another_syntax_is_checked_first(spool: Spool, size: int, heard: Heard) -> None:
    """These bytes are no data sets, so the comparison in the background ends in doubt: a conflict."""
    await store(spool, content(1, size), syntax=EXPLICIT)
    second = await store(spool, content(2, size), syntax=IMPLICIT)
    assert second.outcome == "checking"
    await heard.alarm("spool.conflict")
    assert (2, "oncology", DeliveryState.HELD, CAUSE_CONFLICT) in await deliveries(spool)


async def test_what_is_too_large_to_compare_is_a_conflict_at_once(open_spool: OpenSpool, size: int) -> None:
    spool = open_spool(limits=SpoolLimits(max_compare_bytes=SMALL - 1))
    await store(spool, content(1, size), syntax=EXPLICIT)
    assert (await store(spool, content(2, size), syntax=IMPLICIT)).outcome == "conflict"
    await store(spool, content(1, 10), 2, syntax=EXPLICIT)
    assert (await store(spool, content(2, size), 2, syntax=IMPLICIT)).outcome == "conflict"


async def test_another_syntax_of_what_is_deleted_is_a_conflict(spool: Spool, size: int) -> None:
    await store(spool, content(1, size), syntax=EXPLICIT)
    await deliver(spool)
    await spool.expire(now=1e11)
    assert (await store(spool, content(2, size), syntax=IMPLICIT)).outcome == "conflict"


async def test_one_delivery_per_destination_however_often_it_is_named(spool: Spool, size: int) -> None:
    await store(spool, content(1, size), to=("oncology", "oncology", "archive"))
    assert [one[1] for one in await deliveries(spool)] == ["oncology", "archive"]


async def test_priority_and_origin_are_kept(spool: Spool, size: int) -> None:
    await store(spool, content(1, size), priority=Priority.BULK)
    job = (await spool.claim("oncology", 1))[0]
    assert job.delivery.priority is job.object.priority is Priority.BULK
    assert job.object.origin.calling_ae == "LINAC1"
    assert job.object.size == size


@pytest.mark.parametrize(
    ("sender", "oncology", "archive"),
    [
        ("LINAC1", (DeliveryState.QUEUED, ""), (DeliveryState.DISCARDED, "")),
        ("LINAC2", (DeliveryState.HELD, CAUSE_REBUILT), (DeliveryState.HELD, CAUSE_REBUILT)),
    ],
)
async def test_what_was_found_without_a_row_goes_on_when_its_sender_sends_it_again(
    spool: Spool,
    size: int,
    sender: str,
    oncology: tuple[DeliveryState, str],
    archive: tuple[DeliveryState, str],
) -> None:
    """A console that had no answer sends again: it hears success, and it is delivered where that is to go."""
    first = await store(spool, content(1, size), to=["oncology", "archive"])

    def lose_track(tx: Transaction) -> None:
        tx.move_all(tx.deliveries_of(first.number), Event.LOSE, "found without a row", CAUSE_REBUILT)

    await spool._submit(lose_track)
    again = await store(spool, content(1, size), to=["oncology"], calling=sender)
    assert (again.outcome, again.number) == ("duplicate", first.number)
    assert await deliveries(spool) == [(1, "oncology", *oncology), (1, "archive", *archive)]
