"""Listings, summaries and stories."""

from __future__ import annotations

import random

import pytest

from gateway.errors import LocalError
from gateway.model import DeliveryState, Priority
from gateway.spool import Accepted, Hold, PutBack, Settlement, Spool, queries
from tests.support.spooling import SMALL, OpenSpool, a_receipt, an_instance, content, store


@pytest.fixture
async def spool(open_spool: OpenSpool) -> Spool:
    """A spool with deliveries in every state, to two destinations, of every priority."""
    spool = open_spool(wall_clock=lambda: 1000.0)
    dice = random.Random(4)
    for number in range(1, 101):
        to = dice.choice([("oncology",), ("archive",), ("oncology", "archive")])
        await store(spool, content(number, SMALL), number, to=to, priority=dice.choice(list(Priority)))
    for destination in ("oncology", "archive"):
        outcomes: list[Settlement] = []
        for job in await spool.claim(destination, 40):
            number = job.delivery.number
            outcomes.append(
                dice.choice(
                    [
                        Accepted(number, a_receipt(job)),
                        PutBack(number, 2000.0, "busy"),
                        Hold(number, "no", "rejected"),
                    ]
                )
            )
        await spool.settle(outcomes)
        await spool.claim(destination, 3)
    return spool


@pytest.mark.parametrize("state", [None, *DeliveryState])
@pytest.mark.parametrize("destination", [None, "oncology", "nowhere"])
async def test_pages_join_to_the_whole(
    spool: Spool, state: DeliveryState | None, destination: str | None
) -> None:
    everything = await spool.list_deliveries(limit=1000)
    wanted = [
        row.delivery.number
        for row in everything
        if state in (None, row.delivery.state) and destination in (None, row.delivery.destination)
    ]
    found: list[int] = []
    while page := await spool.list_deliveries(
        state=state, destination=destination, after=found[-1] if found else None, limit=7
    ):
        assert len(page) <= 7
        found += [row.delivery.number for row in page]
    assert found == wanted


async def test_a_page_is_bounded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await spool.list_deliveries(limit=0) == []
    monkeypatch.setattr(queries, "MAX_PAGE", 20)
    assert len(await spool.list_deliveries(limit=10**9)) == 20


async def test_the_summary_counts_what_the_listing_shows(spool: Spool) -> None:
    summary = await spool.summary()
    rows = await spool.list_deliveries(limit=1000)
    assert summary.count() == len(rows)
    for cell in summary.cells:
        same = [
            row
            for row in rows
            if (row.delivery.destination, row.delivery.state, row.delivery.priority)
            == (cell.destination, cell.state, cell.priority)
        ]
        assert (cell.count, cell.bytes) == (len(same), SMALL * len(same))
        assert summary.count(cell.state, destination=cell.destination, priority=cell.priority) == cell.count
    assert (summary.objects, summary.bytes) == (100, 100 * SMALL)
    assert summary.disk_free > 0


async def test_the_oldest_is_the_oldest_undelivered(open_spool: OpenSpool) -> None:
    times = iter(range(10_000))
    spool = open_spool(wall_clock=lambda: float(next(times)))
    assert dict((await spool.summary()).oldest) == {}
    first = await store(spool, content(1, SMALL), 1, priority=Priority.BULK)
    second = await store(spool, content(2, SMALL), 2, priority=Priority.IMAGE)
    received = (await spool.show(first.number)).object.received_at
    of_images = (await spool.show(second.number)).object.received_at
    assert (await spool.summary()).oldest_of("oncology", Priority.IMAGE) == of_images
    assert (await spool.summary()).oldest_of("oncology", Priority.RECORD) is None
    assert (await spool.summary()).oldest_of("oncology") == received
    jobs = await spool.claim("oncology", 2)
    assert (await spool.summary()).oldest_of("oncology") == received
    await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])
    assert dict((await spool.summary()).oldest) == {}


async def test_a_story_tells_all(open_spool: OpenSpool) -> None:
    spool = open_spool(wall_clock=lambda: 1000.0)
    await store(spool, content(1, SMALL), to=("oncology", "archive"))
    await store(spool, content(1, SMALL))
    job = (await spool.claim("archive", 1))[0]
    receipt = a_receipt(job)
    await spool.settle([Accepted(2, receipt)])
    await spool.hold(1, "wait", who="physicist")
    story = await spool.show(1)
    assert story.object.instance == an_instance(1)
    assert [one.destination for one in story.deliveries] == ["oncology", "archive"]
    assert story.receipts == ((2, receipt),)
    assert [event.what for event in story.history] == ["received-again", "held-by-operator"]
    assert story.cause == "operator"
    with pytest.raises(LocalError, match="no delivery 3"):
        await spool.show(3)
