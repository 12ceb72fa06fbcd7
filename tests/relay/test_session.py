"""What a relay passes between a console and a centre: send this, expect that."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from tests.support.loop_clock import turns
from tests.support.relay_memory import (
    FIND,
    GET,
    MOVE,
    NEAR_IDS,
    RT_PLAN,
    STORED,
    UPS_PUSH,
    RelayScene,
    play,
)


def test_a_query_goes_out_and_its_responses_come_back_byte_for_byte() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(7, b"identifier")
        asked = it.far.one()
        assert it.inbound.stream.busy == 1  # its silence is patience now
        assert (asked.about, asked.data) == (("C-FIND-RQ", 7, None), b"identifier")
        it.far.answer(asked, 0xFF00, b"first")
        it.far.answer(asked, 0xFF01, b"second")
        it.far.answer(asked, 0x0000, error_comment="that was all")
        first, second, last = it.near.heard()
        assert (first.about, first.data) == (("C-FIND-RSP", 7, 0xFF00), b"first")
        assert (second.about, second.data) == (("C-FIND-RSP", 7, 0xFF01), b"second")
        assert last.about == ("C-FIND-RSP", 7, 0x0000)
        assert last.command.error_comment == "that was all"
        assert it.inbound.stream.busy == 0
        it.near.say(UPS_PUSH, messages.n_delete_rq(8, UPS_PUSH, "1.2"))
        assert it.inbound.stream.busy == 1
        it.far.answer(it.far.one())
        assert (it.near.one().about, it.inbound.stream.busy) == (("N-DELETE-RSP", 8, 0), 0)
        assert not it.session.busy

    play(act)


@pytest.mark.parametrize("field", [CommandField.N_CREATE_RQ, CommandField.N_SET_RQ, 0x0042, 0x7FFF])
def test_operations_that_nobody_here_knows_pass_like_any_other(field: int) -> None:
    async def act(it: RelayScene) -> None:
        odd = Command(command_field=field, message_id=3, unknown=((0x0010, b"retired!"),))
        it.near.say(UPS_PUSH, odd, b"x" * 5)
        heard = it.far.one()
        assert heard.command == Command(
            command_field=field, message_id=3, has_data_set=True, unknown=((0x0010, b"retired!"),)
        )
        it.far.answer(heard, 0x0107, b"y" * 7)
        back = it.near.one()
        assert (back.command.command_field, back.command.status, back.data) == (
            field | 0x8000,
            0x0107,
            b"y" * 7,
        )

    play(act)


def test_a_data_set_is_passed_on_as_it_comes_and_not_collected() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        for count in range(1, 4):
            it.near.piece(RT_PLAN, b"x" * 1000)
            assert it.far.part_way == {RT_PLAN: count * 1000}
        it.near.piece(RT_PLAN, b"", last=True)
        stored = it.far.one()
        assert stored.data == b"x" * 3000
        it.far.answer(stored, 0xB000)
        assert it.near.one().about == ("C-STORE-RSP", 1, 0xB000)
        assert (it.inbound.objects, it.inbound.failures) == (1, 0)

    play(act)


def test_a_fragment_longer_than_the_other_side_takes_is_cut() -> None:
    async def act(it: RelayScene) -> None:
        it.far.layer.max_fragment = it.near.layer.max_fragment = 100_000
        it.association.layer.max_fragment = 1000
        it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"), b"x" * 2500)
        data = [fragment for fragment in it.far.order if not fragment[1]]
        assert len(data) == 3
        assert it.far.one().data == b"x" * 2500
        it.near.abort()

    play(act)


def test_responses_may_interleave_and_each_finds_its_request() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1, b"one")
        it.near.say(MOVE, messages.c_move_rq(2, MOVE, "LINAC1"), b"two")
        find, move = it.far.heard()
        # Two data sets on two contexts, fragment by fragment (PS3.8 E.2).
        it.far.say(FIND, messages.response(find.command, 0xFF00, has_data_set=True))
        it.far.say(MOVE, messages.response(move.command, 0xFF00, has_data_set=True))
        it.far.piece(FIND, b"aa")
        it.far.piece(MOVE, b"bb")
        it.far.piece(FIND, b"cc", last=True)
        it.far.piece(MOVE, b"dd", last=True)
        assert [(heard.about, heard.data) for heard in it.near.heard()] == [
            (("C-FIND-RSP", 1, 0xFF00), b"aacc"),
            (("C-MOVE-RSP", 2, 0xFF00), b"bbdd"),
        ]
        it.far.answer(move)
        it.far.answer(find)
        assert [heard.about[:2] for heard in it.near.heard()] == [("C-MOVE-RSP", 2), ("C-FIND-RSP", 1)]

    play(act)


def test_a_message_id_may_be_used_again_as_soon_as_its_request_is_answered() -> None:
    async def act(it: RelayScene) -> None:
        for round_ in (b"one", b"two"):
            it.near.find(5, round_)
            heard = it.far.one()
            assert (heard.about[1], heard.data) == (5, round_)
            it.far.answer(heard)
            assert it.near.one().about == ("C-FIND-RSP", 5, 0)

    play(act)


def test_a_message_id_used_twice_at_once_is_refused_and_the_first_request_goes_on() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(5)
        first = it.far.one()
        it.near.say(GET, messages.c_get_rq(5, GET), b"another")
        assert it.near.one().about == ("C-GET-RSP", 5, 0x0210)
        it.near.say(STORED, messages.c_store_rq(5, STORED, "1.2"), b"record")
        assert it.near.one().about == ("C-STORE-RSP", 5, 0x0210)
        assert it.far.heard() == []
        it.far.answer(first)
        assert it.near.one().about == ("C-FIND-RSP", 5, 0)

    play(act)


def test_a_cancel_reaches_the_request_it_names_and_nothing_else() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(5)
        asked = it.far.one()
        it.near.say(FIND, messages.c_cancel_rq(6))
        assert it.far.heard() == []
        it.near.say(FIND, messages.c_cancel_rq(5))
        cancel = it.far.one()
        assert cancel.command == messages.c_cancel_rq(5)
        it.far.answer(asked, 0xFE00)
        assert it.near.one().about == ("C-FIND-RSP", 5, 0xFE00)
        it.near.say(FIND, messages.c_cancel_rq(5))  # too late
        assert it.far.heard() == []

    play(act)


def test_a_cancel_never_goes_into_the_data_set_of_its_own_request() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(FIND, messages.c_find_rq(5, FIND))
        it.near.piece(FIND, b"begin")
        it.near.say(MOVE, messages.c_cancel_rq(5))  # on a context where it is allowed to be sent
        it.near.piece(FIND, b"end", last=True)
        assert it.far.one().data == b"beginend"
        it.far.find(8, b"")
        it.far.say(FIND, messages.c_find_rq(9, FIND))
        it.far.say(MOVE, messages.c_cancel_rq(8))
        it.far.piece(FIND, b"end", last=True)
        assert [heard.about[0] for heard in it.near.heard()] == ["C-FIND-RQ", "C-CANCEL-RQ", "C-FIND-RQ"]
        it.near.abort()

    play(act)


def test_sub_operations_of_a_retrieve_come_down_and_are_answered_up() -> None:
    async def act(it: RelayScene) -> None:
        it.near.say(GET, messages.c_get_rq(1, GET), b"plan, please")
        get = it.far.one()
        for number in (1, 2):
            it.far.say(RT_PLAN, messages.c_store_rq(number, RT_PLAN, f"1.{number}"), b"plan %d" % number)
            down = it.near.one()
            assert (down.about, down.data) == (("C-STORE-RQ", number, None), b"plan %d" % number)
            it.near.answer(down, 0xA700 if number == 2 else 0)
            assert it.far.one().about == ("C-STORE-RSP", number, 0xA700 if number == 2 else 0)
            done = messages.SubOperations(2 - number, 1, number - 1, 0)
            it.far.say(GET, messages.c_get_rsp(get.command, 0xFF00, done))
            assert it.near.one().command.number_of_remaining == 2 - number
        it.far.answer(get, 0xB000)
        assert it.near.one().about == ("C-GET-RSP", 1, 0xB000)
        assert (it.inbound.objects, it.inbound.failures) == (0, 0)  # what came down was not stored here

    play(act)


def test_an_event_report_of_the_far_end_is_answered_by_the_console() -> None:
    async def act(it: RelayScene) -> None:
        it.far.event_report(9, b"what happened")
        down = it.near.one()
        assert (down.sop_class, down.about, down.data) == (
            UPS_PUSH,
            ("N-EVENT-REPORT-RQ", 9, None),
            b"what happened",
        )
        it.near.answer(down, 0x0107, b"reply")
        up = it.far.one()
        assert (up.about, up.data) == (("N-EVENT-REPORT-RSP", 9, 0x0107), b"reply")

    play(act)


def test_the_two_directions_have_message_ids_of_their_own() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(4)
        it.far.event_report(4)
        [down], [up] = it.near.heard(), it.far.heard()
        assert (down.about[1], up.about[1]) == (4, 4)
        it.far.answer(up)
        it.near.answer(down)
        assert it.near.one().about == ("C-FIND-RSP", 4, 0)
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 4, 0)

    play(act)


def test_what_the_gateway_asks_the_console_itself_stays_clear_of_what_the_far_end_asks() -> None:
    async def act(it: RelayScene) -> None:
        def report(number: int) -> Command:
            return messages.n_event_report_rq(number, UPS_PUSH, "9.9", 1, has_data_set=False)

        ours = asyncio.create_task(it.inbound.ask(NEAR_IDS[UPS_PUSH], report))
        await turns()
        own = it.near.one()
        it.far.event_report(own.command.message_id or 0)  # the same number by chance
        theirs = it.near.one()
        assert theirs.command.message_id != own.command.message_id
        it.near.answer(theirs, 0x0111)
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", own.command.message_id, 0x0111)
        it.near.answer(own, 0x0112)
        assert (await ours).status == 0x0112
        assert it.far.heard() == []

    play(act)


def test_the_gateway_asks_the_console_nothing_under_a_number_that_the_far_end_has_there() -> None:
    async def act(it: RelayScene) -> None:
        def report(number: int) -> Command:
            return messages.n_event_report_rq(number, UPS_PUSH, "9.9", 1, has_data_set=False)

        it.far.event_report(0xF000)
        theirs = it.near.one()
        ours = asyncio.create_task(it.inbound.ask(NEAR_IDS[UPS_PUSH], report))
        await turns()
        own = it.near.one()
        assert own.command.message_id != theirs.command.message_id
        it.far.event_report(own.command.message_id or 0)  # between the two
        third = it.near.one()
        assert len({own.command.message_id, theirs.command.message_id, third.command.message_id}) == 3
        for each, status in ((theirs, 0x0111), (third, 0x0113), (own, 0x0112)):
            it.near.answer(each, status)
        assert (await ours).status == 0x0112
        assert [heard.about[1:] for heard in it.far.heard()] == [(0xF000, 0x0111), (0xF001, 0x0113)]

    play(act)


def test_a_console_that_answers_early_may_still_be_sent_the_rest() -> None:
    async def act(it: RelayScene) -> None:
        it.far.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.far.piece(RT_PLAN, b"half")
        assert it.near.part_way == {RT_PLAN: 4}
        it.near.say(RT_PLAN, messages.c_store_rsp(messages.c_store_rq(1, RT_PLAN, "1.2"), 0xA700))
        assert it.far.one().about == ("C-STORE-RSP", 1, 0xA700)
        it.far.piece(RT_PLAN, b"rest", last=True)
        assert it.near.one().data == b"halfrest"

    play(act)


def test_a_far_end_that_answers_early_may_still_be_sent_the_rest() -> None:
    async def act(it: RelayScene) -> None:
        request = it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.near.piece(RT_PLAN, b"half")
        it.far.say(RT_PLAN, messages.c_store_rsp(request, 0xA700))
        assert it.near.one().about == ("C-STORE-RSP", 1, 0xA700)
        it.near.piece(RT_PLAN, b"rest", last=True)
        assert it.far.one().data == b"halfrest"
        assert it.inbound.stream.busy == 0
        it.near.find(1)
        it.far.answer(it.far.one())
        assert it.near.one().about == ("C-FIND-RSP", 1, 0)

    play(act)


def test_the_end_of_a_data_set_reaches_the_far_end_also_when_the_console_leaves_in_the_same_moment() -> None:
    async def act(it: RelayScene) -> None:
        request = it.near.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"))
        it.near.piece(RT_PLAN, b"half")
        it.far.say(RT_PLAN, messages.c_store_rsp(request, 0xA700))
        it.near.wire.pause_reading()
        it.near.piece(RT_PLAN, b"rest", last=True)
        it.near.release()
        it.near.wire.resume_reading()  # both in one read
        await turns()
        assert it.books.done == [True]
        assert it.far.one().data == b"halfrest"

    play(act)


def test_what_is_served_here_is_not_passed_on_and_never_goes_between_the_pieces_of_what_is() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.say(FIND, messages.response(query.command, 0xFF00, has_data_set=True))
        it.far.piece(FIND, b"begin")
        it.near.say(STORED, messages.c_store_rq(2, STORED, "1.2"), b"record")
        assert it.near.heard() == []  # our response waits in line
        it.far.piece(FIND, b"end", last=True)
        assert [heard.about for heard in it.near.heard()] == [
            ("C-FIND-RSP", 1, 0xFF00),
            ("C-STORE-RSP", 2, 0),
        ]
        assert it.far.heard() == []
        it.far.answer(query)

    play(act, make=lambda: RelayScene(alone=False))


def test_a_release_waits_for_what_was_relayed_and_the_far_association_is_fit_for_another() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.near.release()
        assert it.inbound.established
        it.far.answer(query, 0xFF00, b"match")
        it.far.say(FIND, messages.response(query.command, 0x0000))
        assert [heard.about[2] for heard in it.near.heard()] == [0xFF00, 0x0000]
        assert not it.inbound.established
        assert it.books.done == [True]
        assert it.association.established
        assert not it.far.was_asked_to_release

    play(act)


def test_a_release_waits_for_the_end_of_a_data_set_that_comes_down() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        query = it.far.one()
        it.far.say(FIND, messages.response(query.command, 0x0000, has_data_set=True))
        it.near.release()
        assert it.inbound.established
        it.far.piece(FIND, b"the end", last=True)
        assert it.near.one().data == b"the end"
        assert it.books.done == [True]

    play(act)


def test_a_console_leaves_at_rest_and_the_far_association_is_kept() -> None:
    async def act(it: RelayScene) -> None:
        it.near.release()
        assert it.books.done == [True]
        assert it.association.usable

    play(act)
