"""How a relay ends: what the caller is told, what the far end gets, and that nothing is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.dicom import messages
from gateway.notices import RelayBroken
from tests.support.loop_clock import turns
from tests.support.relay_memory import (
    FIND,
    GET,
    MOVE,
    RT_PLAN,
    STORED,
    UPS_PUSH,
    Peer,
    RelayScene,
    play,
)

WAYS: dict[str, Callable[[Peer], None]] = {
    "RST": Peer.rst,
    "FIN": Peer.fin,
    "A-ABORT": Peer.abort,
    "A-RELEASE": Peer.release,
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
# What a caller that gave its request complete is told (PS3.4 B.2.3, C.4; PS3.7 C.5.16).
FAILURES = {"C-FIND-RSP": 0xC000, "C-MOVE-RSP": 0xC000, "N-ACTION-RSP": 0x0110, "C-STORE-RSP": 0xA700}


def mixed() -> RelayScene:
    return RelayScene(alone=False)


# --- the far end goes ----------------------------------------------------------------------------------


@ways
def test_a_far_end_that_goes_at_rest_takes_the_caller_with_it(way: Callable[[Peer], None]) -> None:
    async def act(it: RelayScene) -> None:
        way(it.far)
        await turns()
        assert it.near.was_aborted
        assert it.books.done == [False]
        assert [notice.unanswered for notice in it.log.of(RelayBroken)] == [0]

    play(act)


@ways
def test_every_request_that_was_complete_gets_a_failure_and_then_the_caller_an_abort(
    way: Callable[[Peer], None],
) -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        it.near.say(MOVE, messages.c_move_rq(2, MOVE, "LINAC1"), b"x")
        it.near.action(3)
        it.near.say(RT_PLAN, messages.c_store_rq(4, RT_PLAN, "1.2"), b"plan")
        it.far.answer(it.far.heard()[0], 0xFF00, b"a match")
        way(it.far)
        await turns()
        match, *rest = it.near.heard()
        assert match.about == ("C-FIND-RSP", 1, 0xFF00)
        assert [heard.about[1] for heard in rest] == [1, 2, 3, 4]
        assert {heard.about[0]: heard.about[2] for heard in rest} == FAILURES
        assert all("cannot be reached" in (heard.command.error_comment or "") for heard in rest)
        assert it.near.was_aborted
        assert [notice.unanswered for notice in it.log.of(RelayBroken)] == [4]

    play(act)


@ways
def test_a_caller_that_also_stores_keeps_its_association(way: Callable[[Peer], None]) -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        way(it.far)
        await turns()
        assert it.near.one().about == ("C-FIND-RSP", 1, 0xC000)
        it.near.say(STORED, messages.c_store_rq(2, STORED, "1.2"), b"record")
        assert it.near.one().about == ("C-STORE-RSP", 2, 0x0000)
        # What is asked of the far end from now on fails at once, after its data set.
        it.near.say(FIND, messages.c_find_rq(3, FIND))
        it.near.piece(FIND, b"who")
        assert it.near.heard() == []
        it.near.piece(FIND, b"?", last=True)
        assert it.near.one().about == ("C-FIND-RSP", 3, 0xC000)
        it.near.action(4, b"")
        assert it.near.one().about == ("N-ACTION-RSP", 4, 0x0110)
        it.near.say(FIND, messages.c_cancel_rq(1))  # of what is over
        it.near.release()
        assert not it.inbound.established
        assert not it.near.was_aborted

    play(act, make=mixed)


@ways
def test_a_request_whose_data_set_was_still_coming_is_answered_at_its_end(
    way: Callable[[Peer], None],
) -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.near.piece(RT_PLAN, b"half")
        way(it.far)
        await turns()
        assert it.near.heard() == []
        it.near.piece(RT_PLAN, b"rest", last=True)
        assert it.near.one().about == ("C-STORE-RSP", 1, 0xA700)
        assert it.inbound.established
        assert it.inbound.stream.busy == 0

    play(act, make=mixed)


@ways
@pytest.mark.parametrize("make", [RelayScene, mixed])
def test_a_message_torn_in_its_data_set_ends_the_callers_association(
    way: Callable[[Peer], None], make: Callable[[], RelayScene]
) -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.say(FIND, messages.response(query.command, 0xFF00, has_data_set=True))
        it.far.piece(FIND, b"half a match")
        way(it.far)
        await turns()
        assert it.near.heard() == []  # nothing can be said after half a message
        assert it.near.was_aborted

    play(act, make=make)


@ways
def test_a_caller_in_the_middle_of_an_answer_may_end_it_into_nowhere(way: Callable[[Peer], None]) -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(1)
        down = it.near.one()
        it.near.say(UPS_PUSH, messages.response(down.command, 0, has_data_set=True))
        it.near.piece(UPS_PUSH, b"half")
        way(it.far)
        await turns()
        it.near.piece(UPS_PUSH, b"rest", last=True)
        it.near.say(STORED, messages.c_store_rq(2, STORED, "1.2"), b"record")
        assert it.near.one().about == ("C-STORE-RSP", 2, 0x0000)

    play(act, make=mixed)


def test_an_answer_of_the_caller_to_a_far_end_that_is_gone_is_no_offence() -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(1)
        down = it.near.one()
        it.far.rst()
        await turns()
        it.near.answer(down, 0, b"too late")
        assert it.inbound.established

    play(act, make=mixed)


def test_a_far_end_that_answers_what_it_was_not_asked_is_sent_away() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.say(FIND, messages.c_find_rsp(messages.c_find_rq(2, FIND), 0))
        assert it.far.was_aborted
        await turns()
        assert it.near.one().about == ("C-FIND-RSP", query.command.message_id, 0xC000)
        assert it.near.was_aborted
        assert it.books.lost == []  # it is there, only it talks nonsense

    play(act)


@pytest.mark.parametrize("status", [0x0000, 0xFF00])
def test_a_response_on_another_context_or_to_another_operation_is_nonsense(status: int) -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        wrong = messages.c_get_rsp(messages.c_get_rq(1, GET), status)
        it.far.say(FIND if status else GET, wrong)
        await turns()
        assert it.far.was_aborted
        assert it.near.one().about == ("C-FIND-RSP", query.command.message_id, 0xC000)

    play(act)


def test_a_second_final_response_is_nonsense() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.answer(query)
        it.far.answer(query)
        assert it.near.one().about == ("C-FIND-RSP", 1, 0)
        assert it.far.was_aborted
        await turns()
        assert it.near.was_aborted

    play(act)


def test_a_far_end_that_is_lost_is_told_as_lost_and_one_that_aborts_is_not() -> None:
    async def lost(it: RelayScene) -> None:
        it.far.rst()
        await turns()
        assert [closed.outcome for closed in it.books.lost] == ["lost"]

    async def aborts(it: RelayScene) -> None:
        it.far.abort()
        await turns()
        assert it.books.lost == []

    play(lost)
    play(aborts)


def test_a_far_end_lost_before_the_caller_was_answered_is_known_when_the_caller_is_let_in() -> None:
    async def act(it: RelayScene) -> None:
        assert it.near.was_aborted or it.near.closed
        assert it.books.done == [False]

    class Lost(RelayScene):
        async def open(self) -> RelayScene:
            self.far.rst()
            self.inbound.stream.connection_made(self.near.wire)
            self.near.layer.associate(self._request)
            self.near.layer.connected()
            self.near.flush()
            await turns()
            return self

    play(act, make=Lost)


# --- the caller goes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [Peer.rst, Peer.fin, Peer.abort], ids=["RST", "FIN", "A-ABORT"])
@pytest.mark.parametrize("step", ["rest", "request", "half a request", "half a response", "asked"])
def test_a_caller_that_goes_takes_a_far_association_with_it_that_is_not_at_rest(
    way: Callable[[Peer], None], step: str
) -> None:
    async def act(it: RelayScene) -> None:
        if step == "request":
            it.near.find(1)
        elif step == "half a request":
            it.near.say(FIND, messages.c_find_rq(1, FIND))
            it.near.piece(FIND, b"half")
        elif step == "half a response":
            it.near.find(1)
            it.far.say(FIND, messages.response(it.far.one().command, 0xFF00, has_data_set=True))
        elif step == "asked":
            it.far.event_report(1)
        way(it.near)
        await turns()
        assert it.books.done == [step == "rest"]
        assert it.far.was_aborted == (step != "rest")
        if step == "asked":  # it is told before it is sent away
            assert it.far.one().about == ("N-EVENT-REPORT-RSP", 1, 0x0110)

    play(act)


def test_both_sides_go_at_once() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        it.far.event_report(1)
        it.far.layer.abort()
        it.near.layer.abort()
        it.far.flush()
        it.near.flush()
        await turns()
        assert it.books.done == [False]

    play(act)


def test_a_caller_that_releases_with_a_question_open_leaves_the_far_end_an_answer() -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(1)
        it.near.heard()
        it.near.release()
        await turns()
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 1, 0x0110)
        assert it.far.was_aborted
        assert not it.inbound.established

    play(act)


# --- the gateway goes ----------------------------------------------------------------------------------


def test_at_a_shutdown_a_relay_at_rest_ends_at_once_and_one_with_a_request_after_its_response() -> None:
    async def rest(it: RelayScene) -> None:
        it.inbound.leave("stopping")
        assert it.near.was_aborted

    async def busy(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.inbound.leave("stopping")
        it.far.answer(query, 0xFF00, b"match")
        assert not it.near.was_aborted
        it.far.answer(query)
        assert [heard.about[2] for heard in it.near.heard()] == [0xFF00, 0]
        assert it.near.was_aborted

    play(rest)
    play(busy)
