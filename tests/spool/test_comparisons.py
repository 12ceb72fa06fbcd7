"""What is committed and to be compared: not confirmed before, never sent again blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.model import DeliveryState
from gateway.spool import Reference, Spool
from gateway.spool.commitment_values import CommitmentState
from tests.support.committing import a_reference, a_request, accept, ask, put, references, states, to_ask
from tests.support.spooling import Heard, OpenSpool

COMPARE = ("oncology",)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def committed(spool: Spool, *numbers: int) -> None:
    """The destination says that it keeps these; what it keeps is to be compared."""
    uid = await ask(spool, *numbers)
    await spool.ask_answered(
        uid, references(*numbers), [], "N-EVENT-REPORT", resend=frozenset(), compare=COMPARE
    )


async def to_compare(spool: Spool) -> list[Reference]:
    return [one.reference for one in await spool.references_to_compare("oncology", limit=1000)]


async def compared(
    spool: Spool, same: Sequence[int] = (), other: Sequence[int] = (), gone: Sequence[int] = ()
) -> None:
    uid = await ask(spool, *same, *other, *gone)
    await spool.ask_answered(
        uid,
        references(*same),
        [(one, 0x0112) for one in references(*gone)],
        "compared",
        resend=frozenset({0x0112}),
        other=dict.fromkeys(references(*other), "attribute (0008,0013) is different"),
        hows=dict.fromkeys(references(*same), "fetched back: the same bytes"),
    )


async def test_a_commitment_alone_confirms_nothing(spool: Spool) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await committed(spool, 1, 2)
    assert await states(spool) == [DeliveryState.ACCEPTED] * 2
    assert await to_compare(spool) == list(references(1, 2))
    assert await to_ask(spool, everything=True) == []  # it has answered: nothing is asked of it again
    assert (await spool.show(1)).commitment == "comparing"
    await compared(spool, same=[1])
    assert await states(spool) == [DeliveryState.CONFIRMED, DeliveryState.ACCEPTED]
    history = [(one.what, one.detail) for one in (await spool.show(1)).history]
    assert history == [("committed", "N-EVENT-REPORT"), ("confirmed", "fetched back: the same bytes")]


async def test_without_a_comparison_a_commitment_confirms(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    uid = await ask(spool, 1)
    await spool.ask_answered(uid, references(1), [], "N-EVENT-REPORT", resend=frozenset(), compare=("other",))
    assert await states(spool) == [DeliveryState.CONFIRMED]


async def test_another_object_under_the_uid_is_held_and_never_sent_again(spool: Spool, heard: Heard) -> None:
    await put(spool, 1)
    await spool.add_commitment(a_request(1))
    await accept(spool)
    await committed(spool, 1)
    await compared(spool, other=[1])
    [row] = await spool.list_deliveries()
    assert (row.delivery.state, row.cause) == (DeliveryState.HELD, "kept-other")
    assert "attribute (0008,0013) is different" in row.delivery.reason
    assert heard.alarms() == ["spool.kept-other"]
    [report] = await spool.commitments_to_report(10)
    assert report.failed == ((a_reference(1), 0x0110),)


async def test_what_is_gone_after_all_is_sent_once_more_and_then_held(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await committed(spool, 1)
    await compared(spool, gone=[1])
    assert await states(spool) == [DeliveryState.QUEUED]
    await accept(spool)
    assert await to_compare(spool) == []  # the commitment was about the object that is gone
    await committed(spool, 1)
    await compared(spool, gone=[1])
    assert await states(spool) == [DeliveryState.HELD]


async def test_a_console_hears_of_it_when_it_is_compared(spool: Spool) -> None:
    await put(spool, 1)
    await spool.add_commitment(a_request(1))
    await accept(spool)
    await committed(spool, 1)
    [row] = await spool.list_commitments(10)
    assert row.state is CommitmentState.OPEN
    assert await spool.commitments_to_report(10) == []
    await compared(spool, same=[1])
    [report] = await spool.commitments_to_report(10)
    assert report.committed == references(1)


async def test_a_request_that_comes_while_it_is_compared_waits_for_that(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await committed(spool, 1)
    await spool.add_commitment(a_request(1))
    assert await to_ask(spool) == []
    await compared(spool, same=[1])
    assert [len(one.committed) for one in await spool.commitments_to_report(10)] == [1]


async def test_what_cannot_be_told_is_asked_about_later_and_later(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await committed(spool, 1)
    waits = []
    for _ in range(12):
        uid = await ask(spool, 1)
        await spool.ask_answered(uid, [], [], "compared", resend=frozenset())
        due = await spool.next_commitment_due(clock.now)
        assert due is not None
        assert await to_compare(spool) == []
        waits.append(due - clock.now)
        clock.now = due
        assert await to_compare(spool) == [a_reference(1)]
    assert waits[:4] == [300, 600, 1200, 2400]
    assert max(waits) == 300 * 256
    assert await states(spool) == [DeliveryState.ACCEPTED]


async def test_an_interrupted_comparison_is_made_again(
    spool: Spool, open_spool: OpenSpool, clock: Clock
) -> None:
    await put(spool, 1)
    await accept(spool)
    await committed(spool, 1)
    uid = await ask(spool, 1)
    await spool.close()
    again = await asyncio.to_thread(open_spool, wall_clock=clock)
    assert await to_compare(again) == []  # the question is open
    await again.look_ups_interrupted("elsewhere", comparisons=False)
    assert await to_compare(again) == []
    await again.look_ups_interrupted("oncology", comparisons=True)
    assert await to_compare(again) == [a_reference(1)]
    await again.ask_answered(uid, references(1), [], "compared", resend=frozenset())  # late, and true
    assert await states(again) == [DeliveryState.CONFIRMED]


async def test_a_request_that_its_destination_may_answer_is_not_taken_for_a_comparison(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await ask(spool, 1)
    await spool.look_ups_interrupted("oncology", comparisons=True)
    assert await to_ask(spool, everything=True) == []
    await spool.look_ups_interrupted("oncology", comparisons=False)  # where all are queries
    assert await to_ask(spool, everything=True) == [a_reference(1)]


async def test_a_late_refusal_counts_while_it_is_not_compared(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    first = await ask(spool, 1)
    await spool.ask_put_off(first, 0, "no answer in time")
    await committed(spool, 1)
    await spool.ask_answered(
        first, [], [(a_reference(1), 0x0110)], "N-EVENT-REPORT", resend=frozenset(), compare=COMPARE
    )
    assert await states(spool) == [DeliveryState.HELD]


async def test_a_second_commitment_does_not_begin_the_comparison_anew(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    first = await ask(spool, 1)
    await spool.ask_put_off(first, 0, "no answer in time")
    await committed(spool, 1)
    await spool.ask_answered(first, references(1), [], "late", resend=frozenset(), compare=COMPARE)
    history = [one.what for one in (await spool.show(1)).history]
    assert history == ["committed"]


async def test_comparisons_that_nobody_makes_any_more_are_forgotten(spool: Spool) -> None:
    numbers = range(1, 403)
    await put(spool, *numbers)
    await spool.add_commitment(a_request(1))
    await accept(spool)
    await committed(spool, *numbers)
    await spool.forget_comparisons("elsewhere")
    assert len(await to_compare(spool)) == 402
    await spool.forget_comparisons("oncology")
    assert await to_compare(spool) == []
    assert len(await to_ask(spool, everything=True)) == 402
    assert await to_ask(spool) == [a_reference(1)]  # the console's question too


async def test_since_when_the_oldest_is_not_confirmed(spool: Spool, clock: Clock) -> None:
    assert await spool.unconfirmed_since("oncology") is None
    await put(spool, 1, 2)
    assert await spool.unconfirmed_since("oncology") is None
    await accept(spool)
    accepted_at = clock.now
    clock.now += 5000
    await put(spool, 3)
    await accept(spool)
    await committed(spool, 1)
    assert await spool.unconfirmed_since("oncology") == accepted_at
    assert await spool.unconfirmed_since("elsewhere") is None
    await compared(spool, same=[1])
    uid = await ask(spool, 2)
    await spool.ask_answered(uid, references(2), [], "committed", resend=frozenset())
    assert await spool.unconfirmed_since("oncology") == clock.now


async def test_the_bytes_of_an_object_say_who_it_is(spool: Spool) -> None:
    await put(spool, 1)
    stored = await spool.stored(1)
    assert stored.instance.sop_instance_uid == a_reference(1).sop_instance_uid
