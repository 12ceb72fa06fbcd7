"""How long a relay waits for either side: per step, never for a whole transfer."""

from __future__ import annotations

import asyncio

from gateway.dicom import messages
from gateway.relay.patience import RelayTimeouts
from tests.support.loop_clock import turns
from tests.support.relay_memory import FIND, GET, RT_PLAN, RelayScene, play


def test_a_far_end_that_says_nothing_is_given_up_after_the_response_time() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        await asyncio.sleep(59)
        assert it.inbound.established
        await asyncio.sleep(2)
        assert it.near.one().about == ("C-FIND-RSP", 1, 0xC000)
        assert it.near.was_aborted
        assert it.far.was_aborted
        assert [closed.outcome for closed in it.books.lost] == ["timeout"]

    play(act)


def test_a_transfer_may_take_hours_as_long_as_it_goes_on() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        for _ in range(300):
            await asyncio.sleep(29)
            it.far.answer(query, 0xFF00, b"match")
        await asyncio.sleep(29)
        it.far.answer(query)
        assert len(it.near.heard()) == 301
        assert not it.near.was_aborted

    play(act)


def test_after_a_first_response_the_shorter_time_between_two_holds() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        it.far.answer(it.far.one(), 0xFF00)
        await asyncio.sleep(29)
        assert it.inbound.established
        await asyncio.sleep(2)
        assert [heard.about[2] for heard in it.near.heard()] == [0xFF00, 0xC000]

    play(act)


def test_the_pieces_of_a_long_data_set_are_progress_in_either_direction() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        for _ in range(10):
            await asyncio.sleep(50)
            it.near.piece(RT_PLAN, b"x" * 10)
        it.near.piece(RT_PLAN, b"", last=True)
        await asyncio.sleep(50)
        it.far.answer(it.far.one())
        assert it.near.one().about == ("C-STORE-RSP", 1, 0)
        it.near.find(2)
        it.far.say(FIND, messages.response(it.far.one().command, 0xFF00, has_data_set=True))
        for _ in range(10):
            await asyncio.sleep(25)
            it.far.piece(FIND, b"x")
        assert it.inbound.established
        it.near.abort()

    play(act)


def test_a_retrieve_goes_on_as_long_as_its_objects_do() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(GET, messages.c_get_rq(1, GET), b"all plans")
        get = it.far.one()
        it.far.answer(get, 0xFF00)
        it.near.heard()
        for number in range(2, 12):  # no C-GET-RSP in between; each of these is progress by itself
            await asyncio.sleep(20)
            it.far.say(RT_PLAN, messages.c_store_rq(number, RT_PLAN, "1.2"))
            await asyncio.sleep(20)
            it.far.piece(RT_PLAN, b"plan", last=True)
            await asyncio.sleep(20)
            it.near.answer(it.near.one())
        await asyncio.sleep(20)
        it.far.answer(get)
        assert it.near.one().about == ("C-GET-RSP", 1, 0)

    play(act)


def test_a_console_that_does_not_answer_a_sub_operation_is_given_up_and_not_the_far_end() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(GET, messages.c_get_rq(1, GET), b"all plans")
        it.far.say(RT_PLAN, messages.c_store_rq(2, RT_PLAN, "1.2"), b"plan")
        await asyncio.sleep(61)
        assert it.near.was_aborted
        assert it.books.lost == []  # nothing was wrong with it
        assert it.books.done == [False]

    timeouts = RelayTimeouts(response=60, between=60)
    play(act, make=lambda: RelayScene(timeouts=timeouts))


def test_a_console_that_does_not_answer_the_far_end_is_given_up() -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(1)
        await asyncio.sleep(61)
        assert it.near.was_aborted
        assert it.far.was_aborted
        await turns()
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 1, 0x0110)

    play(act)


def test_a_far_end_that_stops_in_the_middle_of_a_message_is_given_up() -> None:
    async def response(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.say(FIND, messages.response(query.command, 0x0000, has_data_set=True))
        it.far.piece(FIND, b"half")
        await asyncio.sleep(31)
        assert it.far.was_aborted
        await turns()
        assert it.near.was_aborted
        assert [closed.outcome for closed in it.books.lost] == ["timeout"]

    async def request(it: RelayScene) -> None:
        it.far.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.far.piece(RT_PLAN, b"half")
        await asyncio.sleep(31)
        assert it.far.was_aborted

    play(response)
    play(request)
