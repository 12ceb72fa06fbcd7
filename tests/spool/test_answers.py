"""What an answer does: proof, refusal, sending again, late and odd answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model import DeliveryState
from gateway.spool import Confirmed, Spool, answers
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
    states,
    to_ask,
)
from tests.support.spooling import LARGE, SMALL, Heard, OpenSpool, content, object_files, store

S = DeliveryState


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(open_spool: OpenSpool, clock: Clock) -> Spool:
    return open_spool(wall_clock=clock)


async def whats(spool: Spool, number: int) -> list[str]:
    return [event.what for event in (await spool.show(number)).history]


async def test_what_is_committed_is_confirmed_and_says_how(spool: Spool) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    assert await answer(spool, await ask(spool, 1), 1, 2) == ("known", 0, 0)
    # 2 was not asked about: naming it proves nothing.
    assert await states(spool) == [S.CONFIRMED, S.ACCEPTED]
    event = (await spool.show(1)).history[-1]
    assert (event.what, event.detail) == ("confirmed", "committed by the archive")


async def test_what_is_refused_is_held_with_an_alarm(spool: Spool, heard: Heard) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    assert await answer(spool, await ask(spool, 1), failed=[1]) == ("known", 0, 1)
    story = await spool.show(1)
    assert (story.delivery.state, story.cause) == (S.HELD, "not-committed")
    assert "0x0112" in story.delivery.reason
    assert heard.alarms() == ["spool.not-committed"]
    report = (await spool.commitments_to_report(10))[0]
    assert (report.committed, report.failed) == ((), ((a_reference(1), NOT_HERE),))
    await spool.retry(1)
    await accept(spool)
    assert await to_ask(spool, everything=True) == [a_reference(1)]


async def test_many_refusals_raise_few_alarms(
    spool: Spool, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_NAMED", 2)
    await put(spool, 1, 2, 3, 4)
    await accept(spool)
    assert await answer(spool, await ask(spool, 1, 2, 3, 4), failed=[1, 2, 3, 4]) == ("known", 0, 4)
    assert heard.alarms() == ["spool.not-committed"] * 3


async def test_sent_again_once_and_no_more(spool: Spool, heard: Heard) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    assert await answer(spool, await ask(spool, 1), failed=[1], resend=[NOT_HERE]) == ("known", 1, 0)
    assert await states(spool) == [S.QUEUED]
    assert await whats(spool, 1) == ["sent-again"]
    assert await to_ask(spool, everything=True) == []
    assert await spool.commitments_to_report(10) == []
    await accept(spool)
    assert heard.alarms() == []
    assert await to_ask(spool) == [a_reference(1)]
    assert await answer(spool, await ask(spool, 1), failed=[1], resend=[NOT_HERE]) == ("known", 0, 1)
    assert await states(spool) == [S.HELD]
    assert len((await spool.commitments_to_report(10))[0].failed) == 1


async def test_sent_again_makes_work(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    woken: list[str] = []
    spool.on_work(woken.append)
    await answer(spool, await ask(spool, 1), failed=[1], resend=[NOT_HERE])
    assert woken == ["oncology"]


async def test_nothing_is_sent_again_without_its_bytes(
    open_spool: OpenSpool, directory: Path, heard: Heard
) -> None:
    spool = open_spool()
    await store(spool, content(1, LARGE))
    await accept(spool)
    await spool.add_commitment(a_request(1))
    await spool.close()
    for path in object_files(directory):
        path.unlink()
    spool = open_spool()
    assert await answer(spool, await ask(spool, 1), failed=[1], resend=[NOT_HERE]) == ("known", 0, 1)
    assert await states(spool) == [S.HELD]
    assert heard.alarms() == ["spool.missing", "spool.not-committed"]


async def test_a_refusal_for_what_was_released_is_not_silent(
    spool: Spool, clock: Clock, heard: Heard
) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    await spool.expire(clock.now + 8 * DAY)
    assert await answer(spool, await ask(spool, 1), failed=[1], resend=[NOT_HERE]) == ("known", 0, 0)
    assert await states(spool) == [S.RELEASED]
    assert await whats(spool, 1) == ["not-committed"]
    assert heard.alarms() == ["spool.not-committed"]
    assert len((await spool.commitments_to_report(10))[0].failed) == 1


async def test_a_refusal_for_what_was_never_here_raises_no_alarm(spool: Spool, heard: Heard) -> None:
    await spool.add_commitment(a_request(7))
    await answer(spool, await ask(spool, 7), failed=[7])
    assert heard.alarms() == []
    assert len((await spool.commitments_to_report(10))[0].failed) == 1


async def test_both_committed_and_failed_counts_as_failed(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await answer(spool, await ask(spool, 1), 1, failed=[1])
    assert await states(spool) == [S.HELD]


async def test_what_the_answer_does_not_name_is_asked_about_again_later(spool: Spool, clock: Clock) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await spool.add_commitment(a_request(1, 2, 7))
    await answer(spool, await ask(spool, 1, 2, 7), 1)
    assert await states(spool) == [S.CONFIRMED, S.ACCEPTED]
    assert await to_ask(spool, everything=True) == []
    due = await spool.next_commitment_due(clock.now)
    assert due == clock.now + 300
    clock.now += 300
    assert set(await to_ask(spool)) == set(references(2, 7))


async def test_unknown_and_repeated_answers_change_nothing(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    assert await answer(spool, "2.25.404", 1) == ("unknown", 0, 0)
    assert await states(spool) == [S.ACCEPTED]
    uid = await ask(spool, 1)
    assert await answer(spool, uid, 1) == ("known", 0, 0)
    assert await answer(spool, uid, failed=[1]) == ("again", 0, 0)
    assert await states(spool) == [S.CONFIRMED]


async def test_a_late_answer_counts(spool: Spool, clock: Clock) -> None:
    await put(spool, 1, 2)
    await accept(spool)
    await spool.add_commitment(a_request(1, 2))
    uid = await ask(spool, 1, 2)
    await spool.ask_put_off(uid, clock.now + 60, "no answer")
    assert await answer(spool, uid, 1, failed=[2]) == ("known", 0, 1)
    assert await states(spool) == [S.CONFIRMED, S.HELD]
    report = (await spool.commitments_to_report(10))[0]
    assert (report.committed, len(report.failed)) == ((a_reference(1),), 1)


async def test_a_late_proof_counts_while_the_question_is_put_again(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    first = await ask(spool, 1)
    await spool.ask_put_off(first, clock.now, "no answer")
    second = await ask(spool, 1)
    assert await answer(spool, first, 1) == ("known", 0, 0)
    assert await states(spool) == [S.CONFIRMED]
    assert len(await spool.commitments_to_report(10)) == 1
    assert await answer(spool, second, failed=[1]) == ("known", 0, 0)
    assert await states(spool) == [S.CONFIRMED]
    assert len((await spool.commitments_to_report(10))[0].committed) == 1


async def test_a_late_refusal_is_left_to_the_newer_question(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    first = await ask(spool, 1)
    await spool.ask_put_off(first, clock.now, "no answer")
    second = await ask(spool, 1)
    assert await answer(spool, first, failed=[1]) == ("known", 0, 0)
    assert await states(spool) == [S.ACCEPTED]
    assert await answer(spool, second, 1) == ("known", 0, 0)
    assert await states(spool) == [S.CONFIRMED]


async def test_a_late_refusal_is_not_about_what_was_sent_since(spool: Spool, clock: Clock) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await spool.ask_put_off(uid, clock.now, "no answer")
    await spool.retry(1)
    await accept(spool)
    assert await answer(spool, uid, failed=[1]) == ("known", 0, 0)
    assert await states(spool) == [S.ACCEPTED]
    assert await to_ask(spool) == [a_reference(1)]


async def test_a_late_refusal_is_not_about_what_was_not_asked_for_yet(spool: Spool, clock: Clock) -> None:
    """Nobody knew of it then, and a console asks now: the destination may have it by now."""
    await spool.add_commitment(a_request(7))
    uid = await ask(spool, 7)
    await spool.ask_put_off(uid, clock.now, "no answer")
    await spool.add_commitment(a_request(7, uid="1.2.3.2"))
    await answer(spool, uid, failed=[7])
    assert [one.number for one in await spool.commitments_to_report(10)] == [1]
    assert await to_ask(spool) == [a_reference(7)]


async def test_the_answer_does_not_bring_back_what_a_person_holds(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await spool.retry(1)
    await spool.hold(1, "wait")
    assert await answer(spool, uid, failed=[1], resend=[NOT_HERE]) == ("known", 0, 0)
    assert await states(spool) == [S.HELD]
    assert (await spool.show(1)).cause == "operator"
    assert await spool.commitments_to_report(10) == []


async def test_a_refusal_does_not_shake_what_is_proved(spool: Spool) -> None:
    await put(spool, 1)
    await accept(spool)
    uid = await ask(spool, 1)
    await spool.settle([Confirmed(1, "verified")])
    await spool.add_commitment(a_request(1))
    assert await answer(spool, uid, failed=[1]) == ("known", 0, 0)
    assert await states(spool) == [S.CONFIRMED]


async def test_one_held_of_two_fails_the_item(spool: Spool) -> None:
    """One content is accepted, another held: the refusal is about the first, and about the console's item."""
    await put(spool, 1)
    await accept(spool)
    await spool.add_commitment(a_request(1))
    uid = await ask(spool, 1)
    await store(spool, content(99, SMALL), 1)
    assert await answer(spool, uid, failed=[1]) == ("known", 0, 1)
    assert len((await spool.commitments_to_report(10))[0].failed) == 1
