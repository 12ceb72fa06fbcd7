"""C-MOVEs under way, by the title and number that the far end knows."""

from __future__ import annotations

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.relay.ledger import Exchange, Side
from gateway.relay.moves import Move, Moves, OwnMoves


def store(originator: tuple[str, int] | None = ("GATEWAY", 7)) -> Command:
    return messages.c_store_rq(1, "1.2", "1.2.3", originator=originator)


def exchange(number: int, other: int, request: Command | None = None) -> Exchange:
    return Exchange(
        asker=Side.NEAR,
        request=request or messages.c_move_rq(number, "1.2", "LINAC1"),
        context_id=1,
        other_context_id=1,
        other_id=other,
        touched=0.0,
        complete=True,
    )


def nothing() -> None:
    """Nobody counts."""


def test_a_sub_operation_finds_the_move_it_belongs_to_as_long_as_that_is_under_way() -> None:
    moves = Moves()
    move = Move("LINAC1", 3, nothing)
    moves.begin("GATEWAY", 7, move)
    assert moves.originator_of(store()) is move
    assert moves.originator_of(store(("LINAC1", 7))) is None
    assert moves.originator_of(store(("GATEWAY", 3))) is None
    assert moves.originator_of(store(None)) is None
    moves.end("GATEWAY", 7, move)
    assert moves.originator_of(store()) is None
    assert len(moves) == 0


def test_two_moves_are_never_taken_for_each_other() -> None:
    moves = Moves()
    first, second = Move("LINAC1", 1, nothing), Move("LINAC2", 1, nothing)
    assert moves.free("GATEWAY", 1) == 1
    moves.begin("GATEWAY", 1, first)
    assert moves.free("GATEWAY", 1) == 2
    assert moves.free("OTHER", 1) == 1
    moves.begin("GATEWAY", 1, second)  # somebody did not ask: the first one keeps the number
    moves.end("GATEWAY", 1, second)
    assert moves.originator_of(store(("GATEWAY", 1))) is first


def test_the_number_after_the_last_one_is_the_first() -> None:
    moves = Moves()
    moves.begin("GATEWAY", 0xFFFF, Move("LINAC1", 1, nothing))
    assert moves.free("GATEWAY", 0xFFFF) == 1


def test_a_move_is_touched_by_its_objects_and_named_as_the_console_knows_it() -> None:
    now = [0.0]
    moves = Moves()
    ours = OwnMoves(moves, "LINAC1", "GATEWAY", lambda: now[0])
    coming_down = OwnMoves(moves, "CENTRE", "CENTRE", lambda: now[0])
    moving = exchange(3, 7)
    ours.begin(moving)
    steps = [
        lambda: coming_down.sub_operation(5, store()),
        lambda: coming_down.progressed(5, is_last=False),
        lambda: coming_down.progressed(5, is_last=True),
        lambda: coming_down.end(exchange(1, 1, store())),
    ]
    for step in steps:
        now[0] += 1
        step()
        assert moving.touched == now[0]
    passed = coming_down.sub_operation(5, store())
    assert (passed.move_originator_ae, passed.move_originator_message_id) == ("LINAC1", 3)
    ours.end(moving)
    now[0] += 1
    coming_down.progressed(7, is_last=True)
    assert coming_down.sub_operation(5, store()) == store()
    assert moving.touched == now[0] - 1


def test_other_requests_are_no_moves() -> None:
    moves = Moves()
    ours = OwnMoves(moves, "LINAC1", "GATEWAY", lambda: 0.0)
    query = exchange(1, 1, messages.c_find_rq(1, "1.2"))
    ours.begin(query)
    assert len(moves) == 0
    ours.end(query)
    assert ours.far_id(query.request, 1) == 1
