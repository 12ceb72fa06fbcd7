"""What a peer can make a relay hold: requests, data sets that are looked at, output that nobody takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.association.stream import StreamLimits
from gateway.dicom import messages
from gateway.relay.session import SessionLimits
from tests.support.loop_clock import turns
from tests.support.relay_guard import Guard
from tests.support.relay_memory import RT_PLAN, STORED, UPS_PUSH, RelayScene, play


def guarded(
    guard: Guard, *, alone: bool = True, limits: SessionLimits | None = None
) -> Callable[[], RelayScene]:
    return lambda: RelayScene(inspectors=[guard], alone=alone, limits=limits)


# --- how many requests ---------------------------------------------------------------------------------


def test_a_caller_has_only_so_many_requests_under_way() -> None:
    async def act(it: RelayScene) -> None:
        for number in (1, 2, 3):
            it.near.find(number)
        assert it.near.one().about == ("C-FIND-RSP", 3, 0x0213)
        first, second = it.far.heard()
        it.far.answer(first)
        it.near.heard()
        it.near.find(4)
        third = it.far.one()
        for each in (second, third):
            it.far.answer(each)
        assert [heard.about[1:] for heard in it.near.heard()] == [(2, 0), (4, 0)]

    play(act, make=lambda: RelayScene(limits=SessionLimits(max_exchanges=2)))


def test_a_far_end_has_only_so_many_requests_under_way() -> None:
    async def act(it: RelayScene) -> None:
        for number in (1, 2, 3):
            it.far.event_report(number)
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 3, 0x0213)
        for down in it.near.heard():
            it.near.answer(down)
        assert [heard.about[1:] for heard in it.far.heard()] == [(1, 0), (2, 0)]

    play(act, make=lambda: RelayScene(limits=SessionLimits(max_exchanges=2)))


def test_a_far_end_that_uses_a_message_id_twice_is_told_so() -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(1)
        down = it.near.one()
        it.far.event_report(1, b"another")
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 1, 0x0210)
        it.near.answer(down)
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 1, 0)

    play(act)


# --- looked at before it goes on -----------------------------------------------------------------------


def test_what_is_looked_at_goes_on_whole_or_not_at_all() -> None:
    guard = Guard()

    async def act(it: RelayScene) -> None:
        it.near.say(UPS_PUSH, messages.n_action_rq(1, UPS_PUSH, "1.2", 1, has_data_set=True))
        it.near.piece(UPS_PUSH, b"comp")
        it.near.piece(UPS_PUSH, b"leted", last=True)
        assert it.far.heard() == []
        assert it.session.busy
        await turns()
        asked = it.far.one()
        assert (asked.about, asked.data) == (("N-ACTION-RQ", 1, None), b"completed")
        it.far.answer(asked)
        assert it.near.one().about == ("N-ACTION-RSP", 1, 0)
        guard.verdict = 0xC310
        it.near.action(2)
        await turns()
        assert it.near.one().about == ("N-ACTION-RSP", 2, 0xC310)
        assert it.far.heard() == []
        assert guard.seen == [b"completed", b"completed"]
        assert not it.session.busy

    play(act, make=guarded(guard))


def test_a_request_without_a_data_set_is_looked_at_too() -> None:
    guard = Guard()

    async def act(it: RelayScene) -> None:
        it.near.action(1, b"")
        await turns()
        assert guard.seen == [b""]
        it.far.answer(it.far.one())
        assert it.near.one().about == ("N-ACTION-RSP", 1, 0)

    play(act, make=guarded(guard))


def test_a_data_set_longer_than_the_bound_is_refused_unseen_and_not_kept() -> None:
    guard = Guard()

    async def act(it: RelayScene) -> None:
        it.near.say(UPS_PUSH, messages.n_action_rq(1, UPS_PUSH, "1.2", 1, has_data_set=True))
        for _ in range(50):
            it.near.piece(UPS_PUSH, b"x" * 30)
            [inspected] = it.session._inspections._open.values()
            assert len(inspected.data) <= 100
        it.near.piece(UPS_PUSH, b"", last=True)
        await turns()
        answer = it.near.one()
        assert answer.about == ("N-ACTION-RSP", 1, 0x0213)
        assert "100 bytes" in (answer.command.error_comment or "")
        assert (guard.seen, it.far.heard()) == ([], [])

    play(act, make=guarded(guard, limits=SessionLimits(max_inspected=100)))


def test_what_waits_to_be_looked_at_counts_as_under_way() -> None:
    guard = Guard(gate=asyncio.Event())

    async def act(it: RelayScene) -> None:
        for number in (1, 2, 3):
            it.near.action(number)
        await turns()
        assert it.near.one().about == ("N-ACTION-RSP", 3, 0x0213)
        assert len(guard.seen) == 2
        it.near.action(2)
        assert it.near.one().about == ("N-ACTION-RSP", 2, 0x0210)
        assert guard.gate is not None
        guard.gate.set()
        await turns()
        for each in it.far.heard():
            it.far.answer(each)
        assert [heard.about[1:] for heard in it.near.heard()] == [(1, 0), (2, 0)]

    play(act, make=guarded(guard, limits=SessionLimits(max_exchanges=2)))


def test_a_release_waits_for_what_is_looked_at() -> None:
    guard = Guard(gate=asyncio.Event(), verdict=0xC310)

    async def act(it: RelayScene) -> None:
        it.near.action(1)
        it.near.release()
        await turns()
        assert it.inbound.established
        assert guard.gate is not None
        guard.gate.set()
        await turns()
        assert it.near.one().about == ("N-ACTION-RSP", 1, 0xC310)
        assert it.books.done == [True]

    play(act, make=guarded(guard))


def test_looking_ends_with_the_caller() -> None:
    guard = Guard(gate=asyncio.Event())

    async def act(it: RelayScene) -> None:
        it.near.action(1)
        it.near.say(UPS_PUSH, messages.n_action_rq(2, UPS_PUSH, "1.2", 1, has_data_set=True))
        it.near.piece(UPS_PUSH, b"half")
        await turns()
        it.near.rst()
        await turns()
        assert guard.cancelled == 1
        assert it.books.done == [True]  # nothing of it had reached the far end

    play(act, make=guarded(guard))


@pytest.mark.parametrize("alone", [True, False])
def test_a_far_end_that_goes_meanwhile_is_a_failure_after_the_look(alone: bool) -> None:
    guard = Guard(gate=asyncio.Event())

    async def act(it: RelayScene) -> None:
        it.near.action(1)
        await turns()
        it.far.rst()
        await turns()
        assert guard.gate is not None
        guard.gate.set()
        await turns()
        if alone:
            assert it.near.was_aborted
            assert guard.cancelled == 1
        else:
            assert it.near.one().about == ("N-ACTION-RSP", 1, 0x0110)
            assert it.inbound.stream.busy == 0

    play(act, make=guarded(guard, alone=alone))


def test_a_look_that_fails_unexpectedly_ends_the_association_and_is_surfaced() -> None:
    guard = Guard(error=ZeroDivisionError("a defect"))

    async def act(it: RelayScene) -> None:
        it.near.action(1)
        await turns()
        assert it.near.was_aborted
        [context] = it.books.errors
        assert context["exception"] is guard.error
        assert context["protocol"] is it.inbound.stream  # so that this association ends, and no other
        it.books.errors.clear()

    play(act, make=guarded(guard))


# --- output that nobody takes --------------------------------------------------------------------------

TIGHT = StreamLimits(max_output=10_000)


def test_no_more_is_read_from_a_far_end_than_the_caller_takes() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.near.deaf = True
        sent = 0
        while not it.far.wire.paused:
            it.far.answer(query, 0xFF00, b"x" * 1000)
            sent += 1
            await turns()
            assert sent < 100
        assert it.near.wire.get_write_buffer_size() < 15_000
        for _ in range(50):  # what it goes on to say stays with it
            it.far.answer(query, 0xFF00, b"x" * 1000)
        await turns()
        assert it.near.wire.get_write_buffer_size() < 15_000
        it.near.listen()
        await turns()
        assert not it.far.wire.paused
        it.far.answer(query)
        await turns()
        assert len(it.near.heard()) == sent + 51

    play(act, make=lambda: RelayScene(stream_limits=TIGHT))


def test_no_more_is_read_from_a_caller_than_the_far_end_takes() -> None:
    async def act(it: RelayScene) -> None:
        it.far.deaf = True
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        sent = 0
        while not it.near.wire.paused:
            it.near.piece(RT_PLAN, b"x" * 50_000)
            sent += 1
            await turns()
            assert sent < 100
        it.near.piece(RT_PLAN, b"x" * 200_000, last=True)
        await turns()
        assert it.far.wire.get_write_buffer_size() < 256 * 1024 + 60_000
        it.far.listen()
        await turns()
        assert len(it.far.heard()[0].data) == sent * 50_000 + 200_000
        it.near.rst()

    play(act)


def test_a_caller_that_never_takes_its_output_is_given_up_and_the_far_end_with_it() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.near.deaf = True
        for _ in range(20):
            it.far.answer(query, 0xFF00, b"x" * 1000)
        await asyncio.sleep(200)
        assert it.near.closed
        assert it.books.done == [False]

    play(act, make=lambda: RelayScene(stream_limits=TIGHT))


def test_a_far_end_lost_while_its_output_waits_lets_the_caller_be_read_again() -> None:
    async def act(it: RelayScene) -> None:
        it.far.deaf = True
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.near.piece(RT_PLAN, b"x" * 300_000)
        await turns()
        assert it.near.wire.paused
        it.far.rst()
        await turns()
        assert not it.near.wire.paused
        it.near.piece(RT_PLAN, b"", last=True)
        assert it.near.one().about == ("C-STORE-RSP", 1, 0xA700)
        it.near.say(STORED, messages.c_store_rq(2, STORED, "1.2"), b"record")
        assert it.near.one().about == ("C-STORE-RSP", 2, 0)

    play(act, make=lambda: RelayScene(alone=False))


def test_a_far_association_given_back_while_it_was_held_is_read_from_again() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.near.deaf = True
        it.far.wire.pause_reading()
        it.far.answer(query, 0xFF00, b"x" * 1500)
        it.far.answer(query)
        it.far.wire.resume_reading()  # both in one read
        await turns()
        assert it.far.wire.paused
        it.near.rst()
        assert it.books.done == [True]
        await turns()
        assert not it.far.wire.paused

    play(act, make=lambda: RelayScene(stream_limits=StreamLimits(max_output=1000)))
