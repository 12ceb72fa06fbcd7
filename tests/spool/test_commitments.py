"""What consoles ask: taking requests in, resolving them by what is known, reporting, giving up."""

from __future__ import annotations

import pytest

from gateway.errors import LocalError, NoRoom
from gateway.spool import Accepted, CommitmentState, Confirmed, Hold, PutBack, Spool, SpoolLimits
from gateway.spool.commitment_values import PROCESSING_FAILURE
from gateway.spool.commitments import EXPIRE_SLICE
from gateway.spool.transaction import MAX_REASON
from gateway.spool.values import DAY
from tests.support.committing import (
    NOT_HERE,
    Clock,
    a_reference,
    a_request,
    accept,
    answer,
    ask,
    put,
    references,
    to_ask,
)
from tests.support.spooling import SMALL, OpenSpool, a_receipt, content, store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def reports(spool: Spool) -> list[tuple[int, list[str], list[tuple[str, int]]]]:
    return [
        (
            one.number,
            [ref.sop_instance_uid.rpartition(".")[2] for ref in one.committed],
            [(ref.sop_instance_uid.rpartition(".")[2], reason) for ref, reason in one.failed],
        )
        for one in await spool.commitments_to_report(10)
    ]


async def test_nothing_is_asked_before_the_destination_has_accepted_it(spool: Spool) -> None:
    await put(spool, 1, 2)
    assert (await spool.add_commitment(a_request(1, 2))).outcome == "new"
    assert await to_ask(spool) == []
    job = (await spool.claim("oncology", 1))[0]
    assert await to_ask(spool) == []
    await spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    assert await to_ask(spool) == [a_reference(1)]
    assert await spool.commitments_to_report(10) == []


async def test_what_is_put_back_or_held_waits(spool: Spool) -> None:
    await put(spool, 1, 2)
    await spool.add_commitment(a_request(1, 2))
    jobs = await spool.claim("oncology", 2)
    await spool.settle(
        [PutBack(jobs[0].delivery.number, 2e6, "busy"), Hold(jobs[1].delivery.number, "no", "rejected")]
    )
    assert await to_ask(spool) == []


async def test_what_is_not_here_is_asked_about_at_once(spool: Spool) -> None:
    await spool.add_commitment(a_request(7))
    found = await spool.references_to_ask("oncology", everything=False, limit=10)
    assert [(one.reference, one.object_number) for one in found] == [(a_reference(7), None)]


async def test_another_sop_class_is_another_instance(spool: Spool) -> None:
    """The destination is asked, and can say that class and instance do not belong together."""
    await put(spool, 1)
    await accept(spool)
    request = a_request(1)
    other = a_reference(1).__class__("1.2.3", a_reference(1).sop_instance_uid)
    await spool.add_commitment(request.__class__(**{**_fields(request), "references": (other,)}))
    found = await spool.references_to_ask("oncology", everything=False, limit=10)
    assert [(one.reference, one.object_number) for one in found] == [(other, None)]


def _fields(request: object) -> dict[str, object]:
    return {name: getattr(request, name) for name in request.__slots__}  # type: ignore[attr-defined]


async def test_what_is_confirmed_already_is_committed_by_itself(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.settle([Confirmed(1, "verified")])
    await spool.add_commitment(a_request(1))
    assert await to_ask(spool) == []
    assert await reports(spool) == [(1, ["1"], [])]


async def test_what_becomes_confirmed_by_other_means_is_committed(spool: Spool) -> None:
    await put(spool, 1)
    await spool.add_commitment(a_request(1))
    await accept(spool)
    await spool.settle([Confirmed(1, "verified")])
    assert await reports(spool) == [(1, ["1"], [])]


async def test_committed_only_if_every_destination_committed_it(spool: Spool) -> None:
    to = ("oncology", "archive")
    await put(spool, 1, 2, 3, to=to)
    await spool.add_commitment(a_request(1, 2, 3, to=to))
    await accept(spool, "oncology")
    await accept(spool, "archive")
    assert (await answer(spool, await ask(spool, 1, 2, 3), 1, 2, failed=[3]))[0] == "known"
    assert await reports(spool) == []
    uid = await ask(spool, 1, 2, 3, destination="archive")
    await spool.ask_answered(
        uid,
        references(1),
        [(a_reference(2), 0x0213), (a_reference(3), 0x0213)],
        "committed",
        resend=frozenset(),
    )
    # 3 failed at both: the first destination's reason is reported.
    assert await reports(spool) == [(1, ["1"], [("2", 0x0213), ("3", NOT_HERE)])]


async def test_a_reference_named_twice_counts_once(spool: Spool) -> None:
    await spool.add_commitment(a_request(1, 1, 2))
    assert await to_ask(spool) == list(references(1, 2))
    assert (await spool.list_commitments(10))[0].open == 2


async def test_a_request_for_nothing_is_a_mistake(spool: Spool) -> None:
    with pytest.raises(LocalError):
        await spool.add_commitment(a_request(1, to=()))
    assert await spool.list_commitments(10) == []


async def test_the_same_request_again_adds_nothing(spool: Spool) -> None:
    first = await spool.add_commitment(a_request(1, 2))
    again = await spool.add_commitment(a_request(2, 1))  # the order says nothing
    assert (again.number, again.outcome) == (first.number, "again")
    assert len(await spool.list_commitments(10)) == 1
    await answer(spool, await ask(spool, 1, 2), 1, 2)
    assert (await spool.add_commitment(a_request(1, 2))).outcome == "again"
    assert len(await spool.commitments_to_report(10)) == 1


async def test_the_same_transaction_for_something_else_is_told_apart(spool: Spool) -> None:
    first = await spool.add_commitment(a_request(1, 2))
    for other in (a_request(1), a_request(1, 2, called="ARCHIVE")):
        added = await spool.add_commitment(other)
        assert (added.number, added.outcome) == (first.number, "different")
    assert (await spool.add_commitment(a_request(1, calling="LINAC2"))).outcome == "new"


@pytest.mark.parametrize("end", ["reported", "given up"])
async def test_a_console_that_asks_again_is_told_again(spool: Spool, clock: Clock, end: str) -> None:
    await spool.add_commitment(a_request(1))
    await answer(spool, await ask(spool, 1), 1)
    await spool.commitment_report_failed(1, clock.now + 5, "no answer")
    if end == "reported":
        await spool.commitment_reported(1)
    else:
        await spool.give_up_commitment(1, "no answer for a week")
    assert await reports(spool) == []
    clock.now += 100.0
    assert (await spool.add_commitment(a_request(1))).outcome == "again"
    report = (await spool.commitments_to_report(10))[0]
    assert (report.attempts, report.received_at, report.resolved_at) == (0, clock.now - 100, clock.now)
    assert (await spool.list_commitments(1))[0].state is CommitmentState.REPORTING


async def test_a_report_that_failed_waits(spool: Spool, clock: Clock) -> None:
    await spool.add_commitment(a_request(1))
    await answer(spool, await ask(spool, 1), 1)
    await spool.commitment_report_failed(1, clock.now + 5, "no answer")
    assert await reports(spool) == []
    assert await spool.next_commitment_due(clock.now) == clock.now + 5
    row = (await spool.list_commitments(10))[0]
    assert (row.attempts, row.reason, row.not_before) == (1, "no answer", clock.now + 5)
    clock.now += 5
    assert (await spool.commitments_to_report(10))[0].attempts == 1
    await spool.commitment_reported(1)
    assert await reports(spool) == []
    assert (await spool.list_commitments(10))[0].finished_at == clock.now


async def test_a_clock_set_back_does_not_strand_a_report(spool: Spool, clock: Clock) -> None:
    await spool.add_commitment(a_request(1))
    await answer(spool, await ask(spool, 1), 1)
    clock.now += 1e9
    await spool.commitment_report_failed(1, clock.now + 5, "no answer")
    clock.now -= 1e9
    assert len(await reports(spool)) == 1


@pytest.mark.parametrize("call", ["commitment_reported", "commitment_report_failed", "give_up_commitment"])
async def test_only_what_is_to_be_reported_can_be_reported(spool: Spool, call: str) -> None:
    arguments = {"commitment_report_failed": (0.0, "x"), "give_up_commitment": ("x",)}.get(call, ())
    with pytest.raises(LocalError, match="no commitment 1"):
        await getattr(spool, call)(1, *arguments)
    await spool.add_commitment(a_request(1))
    with pytest.raises(LocalError, match="not to be reported"):
        await getattr(spool, call)(1, *arguments)


async def test_patience_ends(spool: Spool, clock: Clock) -> None:
    await put(spool, 1, 2)
    await spool.add_commitment(a_request(1, 2))
    clock.now += 10
    for number in range(EXPIRE_SLICE + 1):
        await spool.add_commitment(a_request(1, uid=f"1.2.{number}", calling="LATER"))
    assert await spool.oldest_open_commitment() == clock.now - 10
    assert await spool.expire_commitments(clock.now) == 2
    assert await reports(spool) == [(1, [], [("1", PROCESSING_FAILURE), ("2", PROCESSING_FAILURE)])]
    assert await spool.expire_commitments(clock.now + 1) == EXPIRE_SLICE + 1
    assert await spool.oldest_open_commitment() is None
    # What happens to the deliveries from now on changes nothing.
    await accept(spool)
    assert await to_ask(spool) == []


async def test_what_was_committed_before_patience_ended_stays_so(spool: Spool, clock: Clock) -> None:
    await spool.add_commitment(a_request(1, 2))
    await answer(spool, await ask(spool, 1), 1)
    assert await spool.expire_commitments(clock.now + 1) == 1
    assert await reports(spool) == [(1, ["1"], [("2", PROCESSING_FAILURE)])]


async def test_a_discarded_delivery_leaves_the_answer_to_the_destination(spool: Spool) -> None:
    await put(spool, 1)
    await spool.add_commitment(a_request(1))
    await spool.discard(1, "given up")
    assert await to_ask(spool) == [a_reference(1)]


async def test_another_content_under_the_same_uid_is_waited_for(spool: Spool) -> None:
    """One was accepted, the other is held: to say `committed` would speak for both."""
    await put(spool, 1)
    await accept(spool)
    await store(spool, content(99, SMALL), 1)
    await spool.add_commitment(a_request(1))
    assert await to_ask(spool) == []
    await spool.discard(2, "the first one is right")
    assert await to_ask(spool) == [a_reference(1)]


async def test_another_content_that_comes_while_the_answer_is_awaited_is_waited_for(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await store(spool, content(99, SMALL), 1)
    await answer(spool, uid, 1)
    assert await reports(spool) == []
    await spool.discard(2, "the first one is right")
    assert await reports(spool) == [(1, ["1"], [])]


async def test_an_object_that_comes_after_the_request_is_waited_for(spool: Spool) -> None:
    await spool.add_commitment(a_request(1))
    await put(spool, 1)
    assert await to_ask(spool) == []
    await accept(spool)
    assert await to_ask(spool) == [a_reference(1)]


async def test_bounds(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(max_open_commitments=3, max_commitment_items=3, max_open_items=5))
    with pytest.raises(NoRoom, match="more than 3"):
        await spool.add_commitment(a_request(1, 2, 3, 4))
    await spool.add_commitment(a_request(1, 2, 3))
    with pytest.raises(NoRoom, match="too many instances"):
        await spool.add_commitment(a_request(1, 2, uid="1.2.3.2", to=("oncology", "archive")))
    await spool.add_commitment(a_request(1, uid="1.2.3.2"))
    await spool.add_commitment(a_request(1, uid="1.2.3.3"))
    with pytest.raises(NoRoom, match="3 requests"):
        await spool.add_commitment(a_request(1, uid="1.2.3.4"))
    assert (await spool.add_commitment(a_request(1, uid="1.2.3.3"))).outcome == "again"
    await spool.expire_commitments(2e12)
    with pytest.raises(NoRoom):  # it has not been reported yet
        await spool.add_commitment(a_request(1, uid="1.2.3.4"))
    await spool.commitment_reported(1)
    await spool.add_commitment(a_request(1, uid="1.2.3.4"))


async def test_a_full_disk_refuses_requests(open_spool: OpenSpool) -> None:
    spool = open_spool(limits=SpoolLimits(quota_bytes=1000, reserve_bytes=0))
    with pytest.raises(NoRoom, match="no room"):
        await spool.add_commitment(a_request(1, 2, 3))


async def test_every_state_survives_a_restart(open_spool: OpenSpool, clock: Clock) -> None:
    """Waiting, ready, asked, put off, to be reported, put off again, reported, given up."""
    spool = open_spool(wall_clock=clock)

    async def again() -> Spool:
        await spool.close()
        return open_spool(wall_clock=clock)

    await put(spool, 1)
    await spool.add_commitment(a_request(1))
    spool = await again()
    assert await to_ask(spool) == []
    await accept(spool)
    spool = await again()
    assert await to_ask(spool) == [a_reference(1)]
    uid = await ask(spool, 1)
    spool = await again()
    assert await to_ask(spool) == []
    await spool.ask_put_off(uid, clock.now + 10, "no answer")
    spool = await again()
    assert await to_ask(spool) == []
    assert await spool.next_commitment_due(clock.now) == clock.now + 10
    clock.now += 10
    assert await to_ask(spool) == [a_reference(1)]
    await answer(spool, uid, 1)
    spool = await again()
    assert await reports(spool) == [(1, ["1"], [])]
    await spool.commitment_report_failed(1, clock.now + 10, "no answer")
    spool = await again()
    assert await reports(spool) == []
    await spool.give_up_commitment(1, "enough")
    spool = await again()
    assert (await spool.list_commitments(1))[0].state is CommitmentState.GIVEN_UP
    await spool.add_commitment(a_request(1))
    await spool.commitment_reported(1)
    spool = await again()
    assert (await spool.list_commitments(1))[0].state is CommitmentState.REPORTED


async def test_words_and_waits_are_bounded(spool: Spool, clock: Clock) -> None:
    await spool.add_commitment(a_request(1))
    await answer(spool, await ask(spool, 1), 1)
    await spool.commitment_report_failed(1, 1e18, "x" * 10_000)
    row = (await spool.list_commitments(1))[0]
    assert (len(row.reason), row.not_before) == (MAX_REASON, clock.now + DAY)
    await spool.give_up_commitment(1, "x" * 10_000)
    assert len((await spool.list_commitments(1))[0].reason) == MAX_REASON
