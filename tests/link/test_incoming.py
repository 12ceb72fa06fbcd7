"""A hub's side: offers, blocks put together, credit given back, and a site that errs."""

from __future__ import annotations

import pytest

from gateway.link.events import BlockArrived, Event, Offered, Withdrawn
from gateway.link.frames import Accept, BlockHead, Credit, Data, OfferFrame, ReceiptFrame, Withdraw
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import BLOCK, HubReceipt, HubRefusal, RefusalKind, Urgency
from gateway.model import Priority
from tests.support.link_pair import make_offer
from tests.support.link_sessions import frames, meet, messages, reason, tell

WINDOW = 262_144


def far_end() -> Session:
    """A hub with the least windows, that has met its site."""
    return meet(hub_limits=LinkLimits(record_window=WINDOW, image_window=WINDOW, bulk_window=WINDOW))[1]


def offer(session: Session, number: int = 1, *, size: int = 3 * BLOCK, way: str = "at once") -> None:
    """Let the site offer an object of bulk."""
    one = make_offer(number, Priority.BULK, bytes(size), seen_before=way == "waits")
    tell(session, OfferFrame(number, one, inline=way == "inline", at_once=way == "at once"))


def piece(
    session: Session,
    payload: bytes,
    head: tuple[int, int, int] | None = None,
    *,
    number: int = 1,
    turn: int = 0,
    inline: bool = False,
    last: bool = False,
    priority: Priority = Priority.BULK,
) -> None:
    """Let a piece of a block arrive; `head`: offset, length, encoded."""
    whole = BlockHead(*head, 3) if head else None
    tell(session, Data(priority, number, turn, inline, whole, last, memoryview(payload)))


def block(session: Session, offset: int, *, number: int = 1, turn: int = 0, length: int = BLOCK) -> None:
    """Let a block arrive whose code is short."""
    piece(session, b"code", (offset, length, 4), number=number, turn=turn, last=True)


def incompressible(session: Session, offset: int) -> None:
    """Let a block arrive in four pieces that are as long as the block."""
    part = bytes(BLOCK // 4)
    for place in range(4):
        piece(session, part, None if place else (offset, BLOCK, BLOCK), last=place == 3)


def arrived(session: Session) -> list[BlockArrived]:
    """The blocks that have come."""
    return [one for one in session.events() if isinstance(one, BlockArrived)]


def test_pieces_are_put_together() -> None:
    far = far_end()
    offer(far)
    for part, last in ((b"abc", False), (b"de", False), (b"f", True)):
        piece(far, part, (0, BLOCK, 6) if part == b"abc" else None, last=last)
    offered, whole = far.events()
    assert isinstance(offered, Offered)
    assert isinstance(whole, BlockArrived)
    assert (whole.offset, whole.length, whole.codec, bytes(whole.payload)) == (0, BLOCK, 3, b"abcdef")


def test_pieces_of_large_objects_may_take_turns() -> None:
    far = far_end()
    for number in (1, 2):
        offer(far, number)
        piece(far, b"a", (0, BLOCK, 2), number=number)
    piece(far, b"2", number=2, last=True)
    piece(far, b"1", number=1, last=True)
    assert [(one.transfer, bytes(one.payload)) for one in arrived(far)] == [(2, b"a2"), (1, b"a1")]


def test_an_offer_that_need_not_wait_is_answered_only_when_something_is_held() -> None:
    far = far_end()
    offer(far, 1)
    offer(far, 2, size=5, way="inline")
    far.accept(1, 0, 0.0)
    far.accept(2, 0, 0.0)
    assert messages(far) == []
    offer(far, 3)
    far.accept(3, BLOCK, 0.0)
    offer(far, 4, way="waits")
    far.accept(4, 0, 0.0)
    assert frames(far) == [Accept(3, 1, BLOCK, plain=False), Accept(4, 1, 0, plain=False)]


def test_an_object_that_is_all_there_is_wanted_from_its_end() -> None:
    far = far_end()
    offer(far, size=BLOCK + 1)
    far.accept(1, BLOCK + 1, 0.0)
    assert frames(far) == [Accept(1, 1, BLOCK + 1, plain=False)]


def test_an_inline_block_may_come_before_it_is_accepted() -> None:
    far = far_end()
    offer(far, size=4, way="inline")
    piece(far, b"dose", (0, 4, 4), inline=True, last=True)
    far.accept(1, 0, 0.0)
    (whole,) = arrived(far)
    assert far.wanted(whole)


def test_data_of_an_earlier_turn_is_thrown_away_and_its_credit_given_back() -> None:
    far = far_end()
    offer(far)
    piece(far, bytes(30_000), (0, BLOCK, 60_000))
    block_before = far.held
    far.accept(1, BLOCK, 0.0)
    assert (block_before, far.held) == (30_000, 0)
    piece(far, bytes(30_000), last=True)
    assert far.held == 0
    assert arrived(far) == []
    block(far, BLOCK, turn=1)
    assert [one.offset for one in arrived(far)] == [BLOCK]


def test_a_block_that_arrived_is_not_wanted_after_a_new_turn() -> None:
    far = far_end()
    offer(far)
    block(far, 0)
    (whole,) = arrived(far)
    assert far.wanted(whole)
    assert far.again(1, 0.0)
    assert not far.wanted(whole)
    assert frames(far) == [Accept(1, 1, 0, plain=True)]
    far.consumed(whole, 0.0)
    assert far.held == 0


def test_an_object_begins_anew_a_bounded_number_of_times() -> None:
    _, far = meet(hub_limits=LinkLimits(max_turns=3))
    offer(far)
    assert [far.again(1, 0.0) for _ in range(4)] == [True, True, True, False]
    offer(far, 2, size=0, way="inline")
    assert not far.again(2, 0.0)  # an empty one cannot become right
    assert not far.again(9, 0.0)


def test_a_receipt_ends_a_transfer_and_late_frames_are_nothing() -> None:
    far = far_end()
    offer(far)
    piece(far, bytes(9), (0, BLOCK, 99))
    assert far.receipt(1, HubReceipt(1.0), 0.0)
    assert not far.receipt(1, HubReceipt(1.0), 0.0)
    piece(far, bytes(90), last=True)
    tell(far, Withdraw(1))
    far.accept(1, 0, 0.0)
    assert frames(far) == [ReceiptFrame(1, HubReceipt(1.0))]
    assert far.ended is None
    assert far.held == 0
    assert not far.busy


def test_what_is_withdrawn_is_over() -> None:
    far = far_end()
    offer(far)
    piece(far, bytes(9), (0, BLOCK, 99))
    tell(far, Withdraw(1))
    told: list[Event] = far.events()
    assert told[-1] == Withdrawn(1)
    assert far.held == 0
    refusal = HubRefusal(RefusalKind.TRANSIENT, 0xA700, "no room")
    assert not far.receipt(1, refusal, 0.0)
    assert messages(far) == []


def test_small_objects_arrive_in_order_although_nobody_wants_them_any_more() -> None:
    far = far_end()
    for number in (1, 2):
        offer(far, number, size=4, way="inline")
    piece(far, b"ab", (0, 4, 4), number=1, inline=True)
    far.receipt(1, HubReceipt(1.0, already=True), 0.0)
    piece(far, b"cd", number=1, inline=True, last=True)
    piece(far, b"efgh", (0, 4, 4), number=2, inline=True, last=True)
    whole = arrived(far)
    assert [(one.transfer, bytes(one.payload)) for one in whole] == [(1, b"abcd"), (2, b"efgh")]
    assert [far.wanted(one) for one in whole] == [False, True]


def test_a_small_object_that_comes_after_its_receipt_is_put_together_too() -> None:
    far = far_end()
    offer(far, size=4, way="inline")
    far.receipt(1, HubReceipt(1.0, already=True), 0.0)
    piece(far, b"dose", (0, 4, 4), inline=True, last=True)
    (whole,) = arrived(far)
    assert not far.wanted(whole)


def test_credit_is_given_when_blocks_are_consumed_for_each_class_alone() -> None:
    far = far_end()
    offer(far)
    incompressible(far, 0)
    (first,) = arrived(far)
    assert messages(far) == []
    far.consumed(first, 9.0)
    assert frames(far) == [Credit(Urgency.BULK, 0, BLOCK + WINDOW)]


# --- a site that errs --------------------------------------------------------------------------------------


def test_more_than_the_window_is_a_violation() -> None:
    far = far_end()
    offer(far)
    for offset in (0, BLOCK):
        incompressible(far, offset)
    piece(far, b"x", (2 * BLOCK, BLOCK, 1), last=True)
    assert reason(far) == "1 bytes more than there was credit for"


def test_more_objects_than_the_hub_takes_are_a_violation() -> None:
    _, far = meet(hub_limits=LinkLimits(max_transfers=64))
    for number in range(1, 66):
        offer(far, number, way="waits")
    assert reason(far) == "more than 64 objects without receipt"


def test_an_object_is_offered_once() -> None:
    far = far_end()
    offer(far, 5)
    offer(far, 5)
    assert reason(far) == "transfer 5 was offered before"


@pytest.mark.parametrize("number", [0, 2])
def test_data_of_nothing_is_a_violation(number: int) -> None:
    far = far_end()
    offer(far)
    block(far, 0, number=number)
    assert reason(far) == f"transfer {number} was never offered"


def test_withdrawing_nothing_is_a_violation() -> None:
    far = far_end()
    tell(far, Withdraw(1))
    assert reason(far) == "transfer 1 was never offered"


def test_data_in_another_class_is_a_violation() -> None:
    far = far_end()
    offer(far)
    piece(far, b"x", (0, BLOCK, 1), last=True, priority=Priority.RECORD)
    assert reason(far) == "transfer 1 has another priority"


@pytest.mark.parametrize("turn", [0, 1])
def test_data_that_was_not_asked_for_is_a_violation(turn: int) -> None:
    far = far_end()
    offer(far, way="waits" if turn == 0 else "at once")
    block(far, 0, turn=turn)
    assert reason(far) == "data of transfer 1 that was not asked for"


@pytest.mark.parametrize(
    ("offset", "length"),
    [(BLOCK, BLOCK), (0, BLOCK - 1), (0, 1)],
)
def test_blocks_come_in_order_and_whole(offset: int, length: int) -> None:
    far = far_end()
    offer(far)
    block(far, offset, length=length)
    assert reason(far) == "a block of transfer 1 out of order"


def test_nothing_comes_after_the_last_block_or_within_another() -> None:
    far = far_end()
    offer(far, size=BLOCK + 1)
    block(far, 0)
    block(far, BLOCK, length=1)
    piece(far, b"", (BLOCK + 1, 0, 0), last=True)
    assert reason(far) == "a block of transfer 1 out of order"
    far = far_end()
    offer(far)
    piece(far, b"a", (0, BLOCK, 9))
    piece(far, b"a", (BLOCK, BLOCK, 9))
    assert reason(far) == "a block of transfer 1 out of order"


@pytest.mark.parametrize(
    ("parts", "last"),
    [((b"abc", b"defg"), True), ((b"abc", b"defg"), False), ((b"abc", b"def"), False), ((b"a", b"b"), True)],
)
def test_pieces_that_do_not_fit_together(parts: tuple[bytes, bytes], last: bool) -> None:
    for inline in (False, True):
        far = far_end()
        offer(far, size=9 if inline else BLOCK, way="inline" if inline else "at once")
        piece(far, parts[0], (0, 9 if inline else BLOCK, 6), inline=inline)
        piece(far, parts[1], inline=inline, last=last)
        assert reason(far) == "the pieces of a block of transfer 1 do not fit together"


def test_a_piece_of_no_block() -> None:
    for inline in (False, True):
        far = far_end()
        offer(far, size=9 if inline else BLOCK, way="inline" if inline else "at once")
        piece(far, b"x", inline=inline, last=True)
        assert reason(far) == "a piece of no block of transfer 1"


def test_a_small_object_may_come_in_many_pieces_of_its_own() -> None:
    far = far_end()
    for number in (1, 2):
        offer(far, number, size=9, way="inline")
    piece(far, b"ab", (0, 9, 6), number=1, inline=True)
    piece(far, b"cd", number=1, inline=True)
    piece(far, b"ef", number=1, inline=True, last=True)
    assert [bytes(one.payload) for one in arrived(far)] == [b"abcdef"]
    piece(far, b"ab", (0, 9, 6), number=2, inline=True)
    piece(far, b"cdef", number=1, inline=True, last=True)
    assert reason(far) == "a piece of no block of transfer 1"


def test_a_small_object_may_cross_with_a_turn_that_does_not_want_it() -> None:
    far = far_end()
    offer(far, size=4, way="inline")
    assert far.again(1, 0.0)
    piece(far, b"dose", (0, 4, 4), inline=True, last=True)
    (whole,) = arrived(far)
    assert not far.wanted(whole)
    block(far, 0, turn=1, length=4)
    (whole,) = arrived(far)
    assert far.wanted(whole)
    piece(far, b"dose", (0, 4, 4), inline=True, last=True)
    assert reason(far) == "a small object that transfer 1 is not"


def test_small_objects_do_not_mix() -> None:
    far = far_end()
    for number in (1, 2):
        offer(far, number, size=9, way="inline")
    piece(far, b"abc", (0, 9, 9), number=1, inline=True)
    piece(far, b"abc", (0, 9, 9), number=2, inline=True)
    assert reason(far) == "transfer 2 begins within a block of 1"


@pytest.mark.parametrize("wrong", ["large", "length", "twice"])
def test_a_small_object_that_it_is_not(wrong: str) -> None:
    far = far_end()
    offer(far, size=9, way="at once" if wrong == "large" else "inline")
    for _ in range(2 if wrong == "twice" else 1):
        piece(far, b"x", (0, 8 if wrong == "length" else 9, 1), inline=True, last=True)
    assert reason(far) == "a small object that transfer 1 is not"


# --- an owner that errs ------------------------------------------------------------------------------------


def test_an_owner_that_errs_is_told_so() -> None:
    far = far_end()
    offer(far, way="waits")
    for offset in (-BLOCK, 5, 4 * BLOCK):
        with pytest.raises(ValueError, match="cannot go on"):
            far.accept(1, offset, 0.0)
    far.accept(1, 0, 0.0)
    with pytest.raises(ValueError, match="accepted before"):
        far.accept(1, 0, 0.0)
