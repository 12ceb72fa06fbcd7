"""What of one console has not been accepted yet."""

from __future__ import annotations

import pytest

from gateway.model import Priority
from gateway.spool import Accepted, Hold, PutBack, Spool, Unsettled, unsettled
from tests.support.committing import accept, put
from tests.support.spooling import SMALL, OpenSpool, a_receipt, an_instance, an_origin, content, store


async def left(
    spool: Spool,
    *destinations: str,
    calling: str = "LINAC1",
    most: Priority = Priority.RECORD,
    up_to: int | None = None,
) -> Unsettled:
    return await spool.unsettled(
        calling_ae=calling, destinations=destinations or ("oncology",), most=most, up_to=up_to
    )


async def test_what_is_queued_being_sent_or_held_counts(spool: Spool) -> None:
    assert await left(spool) == Unsettled(0, 0)
    await put(spool, 1, 2, 3, 4)
    assert await left(spool) == Unsettled(4, 4)
    jobs = await spool.claim("oncology", 3)
    assert await left(spool) == Unsettled(4, 4)
    await spool.settle(
        [
            Accepted(jobs[0].delivery.number, a_receipt(jobs[0])),
            PutBack(jobs[1].delivery.number, 1e12, "busy"),
            Hold(jobs[2].delivery.number, "no", "rejected"),
        ]
    )
    assert await left(spool) == Unsettled(3, 4)
    await spool.discard(3, "no")
    assert await left(spool) == Unsettled(2, 4)
    await spool.retry(1)
    assert await left(spool) == Unsettled(3, 4)
    await accept(spool)
    assert await left(spool) == Unsettled(1, 4)


async def test_only_what_was_asked_for_counts(spool: Spool) -> None:
    await put(spool, 1, to=("oncology", "archive"))
    await store(spool, content(2, SMALL), 2, priority=Priority.IMAGE)
    incoming = spool.receive(an_instance(3), an_origin("LINAC2"), Priority.RECORD, ("oncology",))
    incoming.write(b"x")
    await incoming.commit()
    await put(spool, 4)
    assert (await left(spool)).count == 2
    assert (await left(spool, "archive")).count == 1
    assert (await left(spool, "oncology", "archive", "nowhere")).count == 3
    assert (await left(spool, most=Priority.BULK)).count == 3
    assert (await left(spool, up_to=3)).count == 1
    assert (await left(spool, calling="LINAC2")).count == 1
    assert (await left(spool, calling="LINAC3")) == Unsettled(0, 4)


async def test_what_came_twice_belongs_to_who_made_it_go_there(spool: Spool) -> None:
    await put(spool, 1)
    incoming = spool.receive(an_instance(1), an_origin("LINAC2"), Priority.RECORD, ("oncology", "archive"))
    incoming.write(content(1, SMALL))
    assert (await incoming.commit()).outcome == "duplicate"
    assert (await left(spool)).count == 1
    assert (await left(spool, "oncology", "archive", calling="LINAC2")).count == 1


async def test_counting_ends(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(spool, 1, 2, 3, to=("oncology", "archive"))
    monkeypatch.setattr(unsettled, "COUNT_MOST", 4)
    assert (await left(spool, "oncology", "archive")).count == 4


async def test_it_survives_a_restart(open_spool: OpenSpool) -> None:
    spool = open_spool()
    await put(spool, 1, 2)
    await spool.claim("oncology", 1)
    await spool.close()
    assert await left(open_spool()) == Unsettled(2, 2)


async def test_who_waits_for_deliveries_is_told(spool: Spool) -> None:
    told: list[str] = []
    stop = spool.on_settled(told.append)
    await put(spool, 1, 2, to=("oncology", "archive"))
    await spool.claim("oncology", 1)
    assert told == []
    await spool.settle([PutBack(1, 0.0, "busy")])
    assert told == ["oncology"]
    await accept(spool, "archive")
    assert told == ["oncology", "archive"]
    await spool.discard(3, "no")
    assert told == ["oncology", "archive", "oncology"]
    stop()
    await spool.discard(1, "no")
    assert len(told) == 3
