"""Asking destinations: what comes next, what is being asked about, what was put off."""

from __future__ import annotations

import pytest

from gateway.errors import LocalError
from gateway.model import DeliveryState, Priority
from gateway.spool import Spool, asks
from gateway.spool.values import DAY
from tests.support.committing import (
    Clock,
    a_reference,
    a_request,
    accept,
    answer,
    ask,
    put,
    references,
    states,
    to_ask,
)
from tests.support.spooling import SMALL, OpenSpool, content, store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def test_everything_accepted_is_asked_about_when_that_is_wanted(spool: Spool) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    assert await to_ask(spool) == []
    found = await spool.references_to_ask("oncology", everything=True, limit=10)
    assert [(one.reference, one.object_number) for one in found] == [(a_reference(1), 1), (a_reference(2), 2)]
    assert await to_ask(spool, "nowhere", everything=True) == []


async def test_what_a_console_waits_for_comes_first_then_records(spool: Spool) -> None:
    await store(spool, content(1, SMALL), 1, priority=Priority.IMAGE)
    await put(spool, 2, 3)
    await accept(spool)
    await spool.add_commitment(a_request(3))
    assert await to_ask(spool, everything=True) == list(references(3, 2, 1))
    found = await spool.references_to_ask("oncology", everything=True, limit=2)
    assert [one.reference for one in found] == list(references(3, 2))


async def test_nothing_is_asked_about_twice_at_a_time(spool: Spool) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    await ask(spool, 1)
    assert await to_ask(spool, everything=True) == [a_reference(2)]
    await spool.add_commitment(a_request(1, 2, uid="1.2.3.2"))
    assert await to_ask(spool) == [a_reference(2)]


async def test_one_answer_serves_all_who_wait_for_it(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await spool.add_commitment(a_request(1, uid="1.2.3.2"))
    await answer(spool, uid, 1)
    assert len(await spool.commitments_to_report(10)) == 2


async def test_what_was_put_off_waits(spool: Spool, clock: Clock) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await spool.add_commitment(a_request(1, 7))
    uid = await ask(spool, 1, 2, 7)
    await spool.ask_put_off(uid, clock.now + 60, "refused")
    assert await to_ask(spool, everything=True) == []
    assert await spool.overdue_asks(clock.now + DAY) == []
    assert await spool.next_commitment_due(clock.now) == clock.now + 60
    # A new transaction about the same does not make it due.
    await spool.add_commitment(a_request(1, uid="1.2.3.2"))
    assert await to_ask(spool, everything=True) == []
    clock.now += 60
    assert set(await to_ask(spool)) == set(references(1, 7))
    assert set(await to_ask(spool, everything=True)) == set(references(1, 2, 7))


async def test_what_is_asked_about_twice_waits_for_the_last_answer(spool: Spool) -> None:
    """Two asks name it because it was begun twice: the end of one leaves it to the other."""
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1, 7))
    first, second = await ask(spool, 1, 7), await ask(spool, 1, 7)
    await spool.ask_put_off(first, 0.0, "no answer")
    assert await to_ask(spool, everything=True) == []
    await spool.ask_put_off(second, 0.0, "no answer")
    assert set(await to_ask(spool, everything=True)) == set(references(1, 7))
    third = await ask(spool, 1, 7, deadline=0.0)
    assert (await spool.overdue_asks(0.0))[0].attempts == 2  # the one that was left to the other is none
    assert await answer(spool, third, 1, 7) == ("known", 0, 0)


async def test_attempts_are_counted_for_the_wait_after_them(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(7))
    for attempt, number in enumerate((1, 1, 7, 7), 1):
        uid = await ask(spool, number, deadline=clock.now)
        overdue = await spool.overdue_asks(clock.now)
        assert [(one.destination, one.references, one.attempts) for one in overdue] == [
            ("oncology", references(number), attempt if number == 1 else attempt - 2)
        ]
        await spool.ask_put_off(uid, 0.0, "no answer")


async def test_a_wait_is_bounded_whatever_the_clock_did(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(7))
    clock.now += 1e9
    uid = await ask(spool, 1, 7, deadline=clock.now + 3600)
    clock.now -= 1e9
    assert [one.transaction_uid for one in await spool.overdue_asks(clock.now)] == [uid]
    clock.now += 1e9
    await spool.ask_put_off(uid, clock.now + 1e12, "no answer")
    assert await spool.next_commitment_due(clock.now) == clock.now + DAY
    clock.now -= 1e9
    assert set(await to_ask(spool, everything=True)) == set(references(1, 7))


async def test_an_answer_that_was_faster_is_not_put_off(spool: Spool) -> None:
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await answer(spool, uid, 1)
    await spool.ask_put_off(uid, 0.0, "too late")
    await spool.ask_put_off("2.25.99", 0.0, "nobody asked")
    assert await answer(spool, uid, 1) == ("again", 0, 0)


async def test_a_transaction_uid_is_used_once(spool: Spool) -> None:
    await spool.ask_begun("oncology", "2.25.1", references(1), 0.0)
    with pytest.raises(LocalError, match="already"):
        await spool.ask_begun("oncology", "2.25.1", references(1), 0.0)
    with pytest.raises(LocalError, match="needs an instance"):
        await spool.ask_begun("oncology", "2.25.2", (), 0.0)


async def test_a_delivery_that_was_sent_anew_is_asked_about_anew(spool: Spool) -> None:
    """The answer to what was asked before says nothing about it."""
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await spool.retry(1)
    await answer(spool, uid, 1)
    assert await states(spool) == [DeliveryState.QUEUED]
    assert await spool.commitments_to_report(10) == []
    await accept(spool)
    assert await to_ask(spool) == [a_reference(1)]
    await answer(spool, await ask(spool, 1), 1)
    assert len(await spool.commitments_to_report(10)) == 1


async def test_a_delivery_queued_again_meanwhile_is_not_asked_about(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    await spool.retry(1)
    assert await to_ask(spool, everything=True) == []


async def test_what_was_released_is_asked_about(spool: Spool, clock: Clock) -> None:
    """The bytes are gone, the history too in the end: the destination knows."""
    await put(spool, 1, 2)  # the newest object stays in the history in any case
    await accept(spool)
    await spool.add_commitment(a_request(1))
    await spool.expire(clock.now + 8 * DAY)
    assert await states(spool) == [DeliveryState.RELEASED] * 2
    assert await to_ask(spool, everything=True) == [a_reference(1)]
    await spool.expire(clock.now + 1000 * DAY)
    assert len(await states(spool)) == 1
    found = await spool.references_to_ask("oncology", everything=True, limit=10)
    assert [(one.reference, one.object_number) for one in found] == [(a_reference(1), None)]
    await answer(spool, await ask(spool, 1), 1)
    assert len((await spool.commitments_to_report(10))[0].committed) == 1


async def test_more_than_one_look(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found not to be ready does not hide what comes after it."""
    monkeypatch.setattr(asks, "LOOK_SLICE", 2)
    numbers = range(1, 11)
    await spool.add_commitment(a_request(*numbers))
    await put(spool, *range(1, 8))  # they are not ready any more: they came, and wait to be sent
    assert await to_ask(spool) == list(references(8, 9, 10))
    await accept(spool)
    assert set(await to_ask(spool)) == set(references(*numbers))
    assert set(await to_ask(spool, everything=True)) == set(references(*numbers))
    uid = await ask(spool, *range(1, 8))
    await spool.ask_put_off(uid, 1.0, "refused")
    assert set(await to_ask(spool, everything=True)) == set(references(*numbers))


async def test_a_copy_accepted_while_the_other_is_asked_about_is_not_asked_about(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    uid = await ask(spool, 1)
    await store(spool, content(99, SMALL), 1)
    await spool.release(2)
    await accept(spool)
    assert await to_ask(spool, everything=True) == []
    await answer(spool, uid, 1)
    # The answer was about the first: the second is asked about in its turn.
    assert await states(spool) == [DeliveryState.CONFIRMED, DeliveryState.ACCEPTED]
    assert await to_ask(spool, everything=True) == [a_reference(1)]


async def test_listings_show_accepted_deliveries_that_are_being_asked_about(
    spool: Spool, clock: Clock
) -> None:
    await put(spool, 1, 2, 3)
    await accept(spool)
    await ask(spool, 1)
    await spool.ask_put_off(await ask(spool, 2), clock.now + 60, "refused")
    rows = await spool.list_deliveries(state=DeliveryState.ACCEPTED, destination="oncology")
    assert [row.delivery.number for row in rows] == [1, 2, 3]
    assert [row.delivery.not_before for row in rows] == [0.0, 0.0, 0.0]
    assert await spool.next_due("oncology") is None
    assert await spool.claim("oncology", 10) == []
