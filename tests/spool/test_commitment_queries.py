"""Reports, listings, counts, and when something becomes due."""

from __future__ import annotations

import pytest

from gateway.spool import CommitmentCounts, CommitmentState, Spool, commitment_queries
from tests.support.committing import Clock, a_request, accept, answer, ask, put
from tests.support.spooling import OpenSpool


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def test_a_listing_tells_how_far_each_is(spool: Spool, clock: Clock) -> None:
    to = ("oncology", "archive")
    await put(spool, 1, 2, 3, 4, to=to)
    await spool.add_commitment(a_request(1, 2, 3, 4, to=to))
    await spool.add_commitment(a_request(9, uid="1.2.3.2"))
    await accept(spool, "oncology")
    await accept(spool, "archive")
    await answer(spool, await ask(spool, 1, 2, 3), 1, failed=[2, 3])
    await answer(spool, await ask(spool, 1, 2, destination="archive"), 1, 2)
    rows = await spool.list_commitments(10)
    assert [row.number for row in rows] == [2, 1]
    row = rows[1]
    # 3 has failed already, but archive has not said anything; 4 was not asked about.
    assert (row.open, row.committed, row.failed) == (2, 1, 1)
    assert (row.destinations, row.state) == (to, CommitmentState.OPEN)
    assert (row.calling_ae, row.called_ae, row.listener, row.address) == (
        "LINAC1",
        "ARIA",
        "console",
        "192.0.2.20",
    )
    assert (row.received_at, row.finished_at, row.attempts) == (clock.now, None, 0)
    assert [one.number for one in await spool.list_commitments(1)] == [2]
    assert [one.number for one in await spool.list_commitments(10, before=2)] == [1]
    assert await spool.list_commitments(0) == []


async def test_a_listing_is_bounded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await spool.add_commitment(a_request(1, uid=f"1.2.{number}"))
    monkeypatch.setattr(commitment_queries, "MAX_PAGE", 3)
    assert len(await spool.list_commitments(10**9)) == 3


async def test_counts(spool: Spool) -> None:
    assert await spool.commitment_counts() == CommitmentCounts(0, 0, 0)
    for number in range(3):
        await spool.add_commitment(a_request(number, uid=f"1.2.{number}"))
    first, second = await ask(spool, 0), await ask(spool, 1)
    assert await spool.commitment_counts() == CommitmentCounts(3, 0, 2)
    await answer(spool, first, 0)
    assert await spool.commitment_counts() == CommitmentCounts(2, 1, 1)
    await answer(spool, second, 1)
    await spool.commitment_reported(1)
    await spool.give_up_commitment(2, "no answer")
    assert await spool.commitment_counts() == CommitmentCounts(1, 0, 0)


async def test_the_next_moment_is_the_earliest_after_now(spool: Spool, clock: Clock) -> None:
    now = clock.now
    assert await spool.next_commitment_due(now) is None
    await put(spool, 1)
    await accept(spool)
    for number in (7, 8):
        await spool.add_commitment(a_request(number, uid=f"1.2.{number}"))
    await answer(spool, await ask(spool, 8), 8)
    await spool.commitment_report_failed(2, now + 50, "no answer")  # a report
    await spool.ask_put_off(await ask(spool, 1), now + 40, "refused")  # a delivery
    await spool.ask_put_off(await ask(spool, 7), now + 30, "refused")  # an item
    await ask(spool, 9, deadline=now + 20)  # an answer that does not come
    moments = []
    due: float | None = now
    while due is not None:
        due = await spool.next_commitment_due(due)
        moments.append(due)
    assert moments == [now + 20, now + 30, now + 40, now + 50, None]


async def test_asks_become_overdue_at_their_deadline(spool: Spool, clock: Clock) -> None:
    first, second = await ask(spool, 2, deadline=clock.now + 20), await ask(spool, 1, deadline=clock.now + 10)
    assert await spool.overdue_asks(clock.now + 9) == []
    assert [one.transaction_uid for one in await spool.overdue_asks(clock.now + 10)] == [second]
    overdue = await spool.overdue_asks(clock.now + 20)
    assert [one.transaction_uid for one in overdue] == [second, first]


async def test_reports_come_by_the_limit(spool: Spool) -> None:
    for number in range(3):
        await spool.add_commitment(a_request(1, uid=f"1.2.{number}"))
    await answer(spool, await ask(spool, 1), 1)
    assert [one.number for one in await spool.commitments_to_report(2)] == [1, 2]
