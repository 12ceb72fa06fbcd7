"""Claiming, settling, and what operators do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import LocalError
from gateway.model import DeliveryState, Priority
from gateway.spool import Accepted, Confirmed, Hold, Job, PutBack, Settlement, Spool, SpoolLimits
from gateway.spool.values import DAY
from tests.support.spooling import SMALL, OpenSpool, a_receipt, content, store


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def fill(spool: Spool, *priorities: Priority, to: tuple[str, ...] = ("oncology",)) -> None:
    for priority in priorities:
        number = (await spool.summary()).objects + 1
        await store(spool, content(number, SMALL), number, priority=priority, to=to)


def numbers(jobs: list[Job]) -> list[int]:
    return [job.object.number for job in jobs]


async def state_of(spool: Spool, number: int) -> DeliveryState:
    return (await spool.show(number)).delivery.state


R, I, B = Priority  # noqa: E741 - record, image, bulk


async def test_records_first_then_oldest_first(spool: Spool) -> None:
    await fill(spool, B, I, R, I, R)
    assert numbers(await spool.claim("oncology", 10)) == [3, 5, 2, 4, 1]
    assert await spool.claim("oncology", 10) == []


async def test_a_claim_is_bounded_by_number_bytes_and_priority(spool: Spool) -> None:
    await fill(spool, I, I, I, R, B)
    assert numbers(await spool.claim("oncology", 10, max_priority=R)) == [4]
    assert numbers(await spool.claim("oncology", 1)) == [1]
    assert numbers(await spool.claim("oncology", 10, max_bytes=1)) == [2]
    assert numbers(await spool.claim("oncology", 10, max_bytes=2 * SMALL)) == [3, 5]


async def test_destinations_do_not_share_deliveries(spool: Spool) -> None:
    await fill(spool, R, to=("oncology", "archive"))
    assert await spool.claim("nowhere", 10) == []
    assert [job.delivery.destination for job in await spool.claim("archive", 10)] == ["archive"]
    assert [job.delivery.destination for job in await spool.claim("oncology", 10)] == ["oncology"]


async def test_a_claimed_job_carries_small_bytes(spool: Spool) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    assert job.data == content(1, SMALL)
    assert job.delivery.state is DeliveryState.SENDING


async def test_put_back_waits_until_it_is_due(spool: Spool, clock: Clock) -> None:
    await fill(spool, R, R)
    jobs = await spool.claim("oncology", 10)
    await spool.settle(
        [
            PutBack(jobs[0].delivery.number, 1060.0, "connection refused"),
            PutBack(jobs[1].delivery.number, 1030.0, "connection refused", counts_attempt=False),
        ]
    )
    assert await spool.claim("oncology", 10) == []
    assert await spool.next_due("oncology") == 1030.0
    clock.now = 1030.0
    assert numbers(await spool.claim("oncology", 10)) == [2]
    assert await spool.next_due("oncology") == 1060.0
    clock.now = 1061.0
    job = (await spool.claim("oncology", 10))[0]
    assert (job.object.number, job.delivery.attempts, job.delivery.reason) == (1, 1, "connection refused")
    assert await spool.next_due("oncology") is None
    assert (await spool.show(2)).delivery.attempts == 0
    assert [event.what for event in (await spool.show(1)).history] == ["put-back"]
    assert (await spool.show(2)).history == ()


async def test_a_claim_leaves_out_what_it_is_told_to(spool: Spool) -> None:
    await fill(spool, I, I, R, B)
    assert numbers(await spool.claim("oncology", 2, leave_out={1, 3})) == [2, 4]
    assert numbers(await spool.claim("oncology", 10)) == [3, 1]


async def test_next_due_of_records_does_not_see_images(spool: Spool, clock: Clock) -> None:
    await fill(spool, R, I)
    assert await spool.next_due("oncology", max_priority=R) == 0.0
    job = (await spool.claim("oncology", 1))[0]
    assert await spool.next_due("oncology", max_priority=R) is None
    await spool.settle([PutBack(job.delivery.number, clock.now + 30, "busy")])
    assert await spool.next_due("oncology", max_priority=R) == clock.now + 30
    assert await spool.next_due("oncology") == 0.0


async def test_next_due_is_now_when_something_is_ready(spool: Spool) -> None:
    assert await spool.next_due("oncology") is None
    await fill(spool, B)
    assert await spool.next_due("oncology") == 0.0


async def test_a_record_that_becomes_due_overtakes_images(spool: Spool, clock: Clock) -> None:
    await fill(spool, R, *[I] * 5)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([PutBack(job.delivery.number, 1010.0, "busy")])
    clock.now = 1010.0
    assert numbers(await spool.claim("oncology", 2)) == [1, 2]


async def test_a_clock_that_jumps_back_does_not_strand_anything(spool: Spool, clock: Clock) -> None:
    """Put back under a clock years ahead, which was set right afterwards."""
    await fill(spool, R)
    clock.now = 1000.0 + 10 * 365 * DAY
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([PutBack(job.delivery.number, clock.now + 60, "connection refused")])
    clock.now = 2000.0
    assert await spool.next_due("oncology") == 0.0
    assert numbers(await spool.claim("oncology", 1)) == [1]


async def test_no_wait_is_longer_than_the_limit(spool: Spool, clock: Clock) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([PutBack(job.delivery.number, 1e12, "a courier's mistake")])
    assert await spool.next_due("oncology") == clock.now + SpoolLimits().max_retry_seconds


async def test_accepted_confirmed_and_receipts(spool: Spool) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    receipt = replace(a_receipt(job, 0xB000), comment="coercion of data elements")
    await spool.settle([Accepted(job.delivery.number, receipt)])
    story = await spool.show(job.delivery.number)
    assert story.delivery.state is DeliveryState.ACCEPTED
    assert story.delivery.attempts == 1
    assert story.receipts == ((1, receipt),)
    await spool.settle([Confirmed(1, "storage commitment")])
    assert await state_of(spool, 1) is DeliveryState.CONFIRMED
    assert (await spool.show(1)).history[-1].detail == "storage commitment"


async def test_held_keeps_its_cause(spool: Spool) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([Hold(job.delivery.number, "the centre does not understand it", "rejected")])
    story = await spool.show(1)
    assert (story.delivery.state, story.cause) == (DeliveryState.HELD, "rejected")
    assert story.delivery.reason == "the centre does not understand it"
    assert await spool.claim("oncology", 1) == []


async def test_one_illegal_outcome_leaves_all_of_them_undone(spool: Spool) -> None:
    await fill(spool, R, R)
    job = (await spool.claim("oncology", 1))[0]
    outcomes: list[Settlement] = [
        Accepted(job.delivery.number, a_receipt(job)),
        PutBack(2, 0.0, "never claimed"),
    ]
    with pytest.raises(LocalError, match="queued cannot put back"):
        await spool.settle(outcomes)
    assert await state_of(spool, 1) is DeliveryState.SENDING
    with pytest.raises(LocalError, match="no delivery 99"):
        await spool.settle([PutBack(99, 0.0, "")])


async def test_two_outcomes_of_one_delivery_follow_each_other(spool: Spool) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([Accepted(1, a_receipt(job)), Confirmed(1, "hub receipt")])
    assert await state_of(spool, 1) is DeliveryState.CONFIRMED


async def test_retry_makes_a_waiting_one_due(spool: Spool) -> None:
    await fill(spool, R)
    await spool.claim("oncology", 1)
    await spool.settle([PutBack(1, 5000.0, "busy")])
    work: list[str] = []
    forget = spool.on_work(work.append)
    await spool.retry(1)
    assert await spool.next_due("oncology") == 0.0
    assert work == ["oncology"]
    forget()
    assert len(await spool.claim("oncology", 1)) == 1
    assert (await spool.show(1)).history[-1].what == "retried"


async def test_retry_sends_an_accepted_one_again_while_its_bytes_are_here(spool: Spool) -> None:
    await fill(spool, R)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([Accepted(1, a_receipt(job))])
    await spool.retry(1)
    job = (await spool.claim("oncology", 1))[0]
    await spool.settle([Accepted(1, a_receipt(job))])
    assert len((await spool.show(1)).receipts) == 2
    await spool.expire(now=1e11)
    with pytest.raises(LocalError):
        await spool.retry(1)


async def test_hold_release_and_discard(spool: Spool) -> None:
    await fill(spool, R, R)
    held = await spool.hold(1, "wrong patient", who="physicist")
    assert (held.state, held.reason) == (DeliveryState.HELD, "wrong patient")
    assert numbers(await spool.claim("oncology", 10)) == [2]
    with pytest.raises(LocalError, match="sending cannot hold"):
        await spool.hold(2, "too late")
    with pytest.raises(LocalError, match="sending cannot discard"):
        await spool.discard(2, "too late")
    assert (await spool.release(1)).state is DeliveryState.QUEUED
    assert (await spool.discard(1, "wrong patient")).state is DeliveryState.DISCARDED
    assert [(event.what, event.who) for event in (await spool.show(1)).history] == [
        ("held-by-operator", "physicist"),
        ("released-by-operator", ""),
        ("discarded", ""),
    ]
    with pytest.raises(LocalError):
        await spool.release(1)


async def test_discard_deletes_bytes_only_when_nobody_else_needs_them(spool: Spool) -> None:
    await fill(spool, R, to=("oncology", "archive"))
    await spool.discard(1, "not for them")
    assert (await spool.summary()).objects == 1
    await spool.discard(2, "not for them either")
    assert (await spool.summary()).objects == 0
    assert not (await spool.show(1)).bytes_kept


async def test_retry_held_takes_those_that_were_asked_for(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for number in range(1, 501):
        await store(spool, content(number, 10), number, to=("archive" if number % 2 else "oncology",))
    for destination, cause in (("oncology", "rejected"), ("archive", "no-context")):
        while jobs := await spool.claim(destination, 100):
            await spool.settle([Hold(job.delivery.number, "no", cause) for job in jobs])
    assert await spool.retry_held("oncology", "no-context") == 0
    assert await spool.retry_held("oncology") == 250
    assert await spool.retry_held(cause="no-context") == 250
    assert (await spool.summary()).count(DeliveryState.QUEUED) == 500


async def test_reasons_are_bounded(spool: Spool) -> None:
    await fill(spool, R)
    await spool.hold(1, "x" * 100_000)
    story = await spool.show(1)
    assert len(story.delivery.reason) == len(story.history[0].detail) == 500


async def test_history_is_bounded(spool: Spool) -> None:
    await fill(spool, R)
    for number in range(60):
        await spool.hold(1, f"reason {number}")
        await spool.release(1)
    history = (await spool.show(1)).history
    assert len(history) == SpoolLimits().history_events
    assert history[-2].detail == "reason 59"
