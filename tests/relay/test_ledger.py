"""The books of a relay: each response finds its request, once, and numbers never collide."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.relay.ledger import Exchange, Ledger, Side

FIND, GET, RT_PLAN = "1.2.3.1", "1.2.3.2", "1.2.3.3"
PAIRS = {1: 5, 3: 1, 5: 3}
MOST = 6


def ledger(most: int = MOST) -> Ledger:
    return Ledger(PAIRS, most=most)


def find(number: int) -> Command:
    return messages.c_find_rq(number, FIND)


def answered(request: Command, number: int, status: int = 0) -> Command:
    return Command(
        command_field=request.command_field | 0x8000, message_id_responded_to=number, status=status
    )


def test_a_response_finds_its_request_and_closes_it_when_it_is_the_last() -> None:
    books = ledger()
    exchange = books.begin(Side.NEAR, 1, find(7), 7, 0.0)
    assert (exchange.other_context_id, exchange.other_id, exchange.complete) == (5, 7, False)
    assert books.answer(Side.FAR, 5, answered(find(7), 7, 0xFF00)) is exchange
    assert (exchange.answered, exchange.closed) == (True, False)
    assert books.answer(Side.FAR, 5, answered(find(7), 7)) is exchange
    assert exchange.closed
    assert books.empty
    assert books.answer(Side.FAR, 5, answered(find(7), 7)) is None


def test_a_response_to_another_message_context_operation_or_side_is_none() -> None:
    books = ledger()
    books.begin(Side.NEAR, 1, find(7), 7, 0.0)
    assert books.answer(Side.FAR, 5, answered(find(7), 8)) is None
    assert books.answer(Side.FAR, 3, answered(find(7), 7)) is None
    assert books.answer(Side.FAR, 5, answered(messages.c_get_rq(7, GET), 7)) is None
    assert books.answer(Side.NEAR, 1, answered(find(7), 7)) is None
    assert books.knows(Side.NEAR, 7)
    assert not books.knows(Side.FAR, 7)


def test_a_number_is_changed_only_where_the_other_side_cannot_have_it() -> None:
    books = ledger()
    assert books.begin(Side.FAR, 5, find(1), 1, 0.0).other_id == 1
    assert books.begin(Side.FAR, 5, find(2), 1, 0.0).other_id == 2
    assert books.begin(Side.FAR, 5, find(3), 2, 0.0).other_id == 3
    assert books.begin(Side.NEAR, 1, find(1), 1, 0.0).other_id == 1  # the other direction has its own


def test_numbers_begin_again_after_the_last_one() -> None:
    books = ledger()
    books.begin(Side.FAR, 5, find(0xFFFF), 0xFFFF, 0.0)
    assert books.begin(Side.FAR, 5, find(1), 0xFFFF, 0.0).other_id == 1


def test_a_side_is_full_at_its_bound_and_counts_what_is_elsewhere() -> None:
    books = ledger(2)
    assert not books.full(Side.NEAR)
    assert books.full(Side.NEAR, more=2)
    books.begin(Side.NEAR, 1, find(1), 1, 0.0)
    assert books.full(Side.NEAR, more=1)
    books.begin(Side.NEAR, 1, find(2), 2, 0.0)
    assert books.full(Side.NEAR)
    assert not books.full(Side.FAR)


def test_only_a_retrieve_of_the_other_side_makes_progress_by_sub_operations() -> None:
    books = ledger()
    get = books.begin(Side.NEAR, 3, messages.c_get_rq(1, GET), 1, 0.0)
    query = books.begin(Side.NEAR, 1, find(2), 2, 0.0)
    books.progressed(Side.NEAR, 5.0)
    assert (get.touched, query.touched) == (0.0, 0.0)
    books.progressed(Side.FAR, 5.0)
    assert (get.touched, query.touched) == (5.0, 0.0)


def test_only_contexts_with_one_transfer_syntax_on_both_sides_stay_paired() -> None:
    books = ledger()
    near = {1: AcceptedContext(1, FIND, "implicit"), 3: AcceptedContext(3, GET, "explicit")}
    far = {
        5: AcceptedContext(5, FIND, "implicit"),
        1: AcceptedContext(1, GET, "implicit"),
        3: AcceptedContext(3, RT_PLAN, "implicit"),
    }
    books.narrow(near, far)
    assert [books.across(Side.NEAR, number) for number in (1, 3, 5)] == [5, None, None]
    assert [books.across(Side.FAR, number) for number in (5, 1, 3)] == [1, None, None]


@given(st.sampled_from(Side))
def test_the_other_side_of_the_other_side_is_this_one(side: Side) -> None:
    assert side.other is not side
    assert side.other.other is side


FIELDS = [CommandField.C_FIND_RQ, CommandField.C_GET_RQ, CommandField.N_ACTION_RQ, CommandField.C_STORE_RQ]
sides = st.sampled_from(Side)
few_ids = st.integers(1, 4) | st.just(0xFFFF)


@dataclass
class Model:
    """What one side has under way: message ID there -> (exchange, its number at the other side)."""

    open: dict[int, Exchange] = field(default_factory=dict)


class Books(RuleBasedStateMachine):
    """A ledger used as a session uses it, by two sides that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.books = ledger()
        self.model = {side: Model() for side in Side}
        self.over: list[Exchange] = []

    @rule(
        side=sides,
        number=few_ids,
        wanted=few_ids,
        kind=st.sampled_from(FIELDS),
        context=st.sampled_from([1, 3, 5]),
    )
    def ask(self, side: Side, number: int, wanted: int, kind: int, context: int) -> None:
        open_ = self.model[side].open
        assert self.books.knows(side, number) == (number in open_)
        assert self.books.full(side) == (len(open_) >= MOST)
        if number in open_ or len(open_) >= MOST:
            return
        taken = {each.other_id for each in open_.values()}
        request = Command(command_field=kind, message_id=number)
        exchange = self.books.begin(side, context, request, wanted, 0.0)
        assert exchange.other_id not in taken
        assert (exchange.other_id == wanted) == (wanted not in taken)
        assert self.books.across(side, context) == exchange.other_context_id
        open_[number] = exchange

    @rule(
        side=sides,
        number=few_ids,
        kind=st.sampled_from(FIELDS),
        context=st.sampled_from([1, 3, 5]),
        status=st.sampled_from([0, 0xFF00, 0xFF01, 0xC000, 0xFE00]),
    )
    def answer(self, side: Side, number: int, kind: int, context: int, status: int) -> None:
        open_ = self.model[side.other].open
        [expected] = [
            each
            for each in open_.values()
            if (each.other_id, each.other_context_id, each.request.command_field) == (number, context, kind)
        ] or [None]
        found = self.books.answer(side, context, answered(Command(command_field=kind), number, status))
        assert found is expected
        if found is not None and status & 0xFF00 != 0xFF00:
            assert found.closed
            del open_[found.request.message_id or 0]
            self.over.append(found)

    @rule(side=sides, number=few_ids)
    def cancel(self, side: Side, number: int) -> None:
        found = self.books.cancelled(side, messages.c_cancel_rq(number))
        assert found is self.model[side].open.get(number)

    @rule(side=sides, number=few_ids)
    def give_up(self, side: Side, number: int) -> None:
        exchange = self.model[side].open.pop(number, None)
        if exchange is not None:
            self.books.close(exchange)
            self.over.append(exchange)

    @rule()
    def what_is_over_can_be_closed_again(self) -> None:
        for exchange in self.over:
            self.books.close(exchange)

    @invariant()
    def the_books_are_right(self) -> None:
        for side, model in self.model.items():
            assert list(self.books.open(side)) == list(model.open.values())
            assert not any(each.closed for each in model.open.values())
        assert self.books.empty == (not any(model.open for model in self.model.values()))


TestBooks = Books.TestCase
