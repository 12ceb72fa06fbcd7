"""C-MOVE through a relay: its message ID, its objects that come back on other associations, its clock."""

from __future__ import annotations

import asyncio

from gateway.dicom import messages
from gateway.relay.moves import Moves
from tests.support.relay_memory import FIND, MOVE, RT_PLAN, RelayScene, play


def test_the_originator_of_a_sub_operation_is_put_back_as_the_console_knows_it() -> None:
    moves = Moves()

    async def act(it: RelayScene) -> None:
        it.near.say(MOVE, messages.c_move_rq(8, MOVE, "LINAC1"), b"plan")
        move = it.far.one()
        assert move.command.move_destination == "LINAC1"
        [seen] = moves._moves.values()
        assert (seen.title, seen.message_id) == ("LINAC1", 8)
        assert list(moves._moves) == [("GATEWAY", move.command.message_id)]
        it.far.answer(move)
        assert len(moves) == 0

    play(act, make=lambda: RelayScene(moves=moves, calling_upstream="GATEWAY"))


def test_an_object_that_comes_down_names_the_console_as_its_originator() -> None:
    moves = Moves()

    async def act(it: RelayScene) -> None:
        # The centre calls: it is the near side of this relay, and a console the far one.
        other = RelayScene(moves=moves, calling_upstream="GATEWAY")
        await other.open()
        other.near.say(MOVE, messages.c_move_rq(8, MOVE, "LINAC1"), b"plan")
        move = other.far.one()
        store = messages.c_store_rq(1, RT_PLAN, "1.2", originator=("GATEWAY", move.command.message_id or 0))
        it.near.say(RT_PLAN, store, b"plan")
        down = it.far.one()
        assert (down.command.move_originator_ae, down.command.move_originator_message_id) == ("LINAC1", 8)
        it.far.answer(down)
        other.far.answer(move)
        await other.end()
        it.near.say(RT_PLAN, store, b"plan")  # the move is over: nothing is known of it any more
        down = it.far.one()
        assert down.command.move_originator_ae == "GATEWAY"
        it.far.answer(down)
        it.loop.set_exception_handler(lambda _, context: it.books.errors.append(context))

    play(act, make=lambda: RelayScene(moves=moves))


def test_two_moves_of_one_title_never_have_one_message_id_at_the_far_end() -> None:
    moves = Moves()

    async def act(it: RelayScene) -> None:
        other = await RelayScene(moves=moves, calling="LINAC2", calling_upstream="GATEWAY").open()
        it.near.say(MOVE, messages.c_move_rq(1, MOVE, "LINAC1"), b"x")
        other.near.say(MOVE, messages.c_move_rq(1, MOVE, "LINAC2"), b"x")
        ours, theirs = it.far.one(), other.far.one()
        assert ours.command.message_id != theirs.command.message_id
        came_from = [
            moves.originator_of(
                messages.c_store_rq(1, RT_PLAN, "1.2", originator=("GATEWAY", heard.command.message_id or 0))
            )
            for heard in (ours, theirs)
        ]
        assert [(one.title, one.message_id) for one in came_from if one] == [("LINAC1", 1), ("LINAC2", 1)]
        other.far.answer(theirs)
        assert other.near.one().about == ("C-MOVE-RSP", 1, 0)
        assert len(moves) == 1
        it.far.answer(ours)
        assert it.near.one().about == ("C-MOVE-RSP", 1, 0)
        await other.end()
        it.loop.set_exception_handler(lambda _, context: it.books.errors.append(context))

    play(act, make=lambda: RelayScene(moves=moves, calling_upstream="GATEWAY"))


def test_a_move_goes_on_while_its_objects_arrive_on_other_associations() -> None:
    moves = Moves()

    async def act(it: RelayScene) -> None:
        it.near.say(MOVE, messages.c_move_rq(1, MOVE, "LINAC1"), b"x")
        move = it.far.one()
        other = await RelayScene(moves=moves, calling="CENTRE", calling_upstream="CENTRE").open()
        for number in range(1, 6):
            originator = ("LINAC1", move.command.message_id or 0)
            store = messages.c_store_rq(number, RT_PLAN, "1.2", originator=originator)
            await asyncio.sleep(50)
            other.near.say(RT_PLAN, store)
            await asyncio.sleep(50)
            other.near.piece(RT_PLAN, b"x", last=True)
            await asyncio.sleep(50)
            other.far.answer(other.far.one())  # that is progress too
        await asyncio.sleep(50)
        assert it.inbound.established
        it.far.answer(move)
        assert it.near.one().about == ("C-MOVE-RSP", 1, 0)
        await other.end()
        it.loop.set_exception_handler(lambda _, context: it.books.errors.append(context))

    play(act, make=lambda: RelayScene(moves=moves))


def test_a_find_is_no_move() -> None:
    async def act(it: RelayScene) -> None:
        it.near.find(1)
        assert len(it.moves) == 0
        it.far.answer(it.far.one())
        assert it.near.one().sop_class == FIND

    play(act)
