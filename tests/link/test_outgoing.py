"""A site's objects: which block is asked for when, what takes turns, and what the hub's words do."""

from __future__ import annotations

import itertools

import pytest

from gateway.link.events import BlockWanted, MismatchTold, Receipted
from gateway.link.frames import Accept, Credit, Data, Frame, OfferFrame, ReceiptFrame, Withdraw
from gateway.link.limits import MAX_ENCODED, LinkLimits
from gateway.link.session import Session
from gateway.link.values import BLOCK, INLINE, Encoded, HubReceipt, HubRefusal, Offer, RefusalKind, Urgency
from gateway.model import Priority
from tests.support.link_pair import make_offer
from tests.support.link_sessions import frames, meet, reason, tell


def big(delivery: int, *, blocks: float = 3, priority: Priority = Priority.BULK, seen: bool = False) -> Offer:
    """An object that is not inline."""
    return make_offer(delivery, priority, bytes(int(blocks * BLOCK)), seen_before=seen)


def wanted(session: Session) -> list[BlockWanted]:
    """The blocks asked for since the last look."""
    return [one for one in session.events() if isinstance(one, BlockWanted)]


def feed(session: Session) -> list[BlockWanted]:
    """Give it every block it asks for."""
    asked = wanted(session)
    for one in asked:
        session.feed(one, Encoded(0, bytes(one.length)))
    return asked


def run(session: Session) -> list[Frame]:
    """Feed and send until nothing more leaves."""
    found: list[Frame] = []
    while True:
        feed(session)
        sent = frames(session)
        if not sent:
            return found
        found += sent


def test_blocks_are_asked_for_two_ahead_and_no_more() -> None:
    near, _ = meet()
    near.offer(big(1, blocks=5.5))
    assert wanted(near) == []  # nothing before its offer has left
    frames(near)
    asked = feed(near)
    assert [(one.offset, one.length) for one in asked] == [(0, BLOCK), (BLOCK, BLOCK)]
    while not (more := wanted(near)):
        near.next_frame(0.0)
    assert [(one.offset, one.length) for one in more] == [(2 * BLOCK, BLOCK)]


def test_the_last_block_is_shorter_and_blocks_come_in_any_order() -> None:
    near, _ = meet()
    near.offer(big(1, blocks=1.25))
    frames(near)
    first, last = wanted(near)
    assert (last.offset, last.length) == (BLOCK, BLOCK // 4)
    near.feed(last, Encoded(0, bytes(last.length)))
    assert frames(near) == []
    near.feed(first, Encoded(7, bytes(99)))
    heads = [one.head for one in frames(near) if isinstance(one, Data) and one.head]
    assert [(one.offset, one.length, one.encoded, one.codec) for one in heads] == [
        (0, BLOCK, 99, 7),
        (BLOCK, BLOCK // 4, BLOCK // 4, 0),
    ]


def test_large_objects_of_a_class_take_turns_frame_by_frame_and_no_more_than_at_once() -> None:
    near, _ = meet(LinkLimits(at_once=2))
    for delivery in (1, 2, 3):
        near.offer(big(delivery, blocks=1))
    order = [one.transfer for one in run(near) if isinstance(one, Data)]
    assert order == [1, 2] * (BLOCK // LinkLimits().payload) + [3] * (BLOCK // LinkLimits().payload)


def test_small_objects_take_turns_with_large_ones_and_leave_one_after_the_other() -> None:
    near, _ = meet()
    near.offer(big(1, blocks=1))
    frames(near)
    feed(near)
    for delivery in (2, 3):
        near.offer(make_offer(delivery, Priority.BULK, bytes(40_000)))
    told = [one for one in run(near) if isinstance(one, Data)]
    small = [one.transfer for one in told if one.inline]
    assert small == [2, 2, 2, 3, 3, 3]
    positions = [place for place, one in enumerate(told) if one.inline]
    assert all(later - earlier == 2 for earlier, later in itertools.pairwise(positions))


def test_small_objects_are_encoded_no_further_ahead_than_the_bound() -> None:
    near, _ = meet(LinkLimits(ahead=50_000))
    for delivery in range(1, 9):
        near.offer(make_offer(delivery, Priority.RECORD, bytes(20_000)))
    assert len(feed(near)) == 3
    assert wanted(near) == []
    frames(near)
    assert len(feed(near)) == 3


def test_no_more_objects_are_offered_than_the_hub_takes() -> None:
    near, _ = meet(hub_limits=LinkLimits(max_transfers=64))
    for delivery in range(1, 80):
        near.offer(make_offer(delivery, Priority.RECORD, b"x"))
        near.offer(big(1000 + delivery, seen=True))
    offers = [one for one in run(near) if isinstance(one, OfferFrame)]
    assert [one.offer.delivery for one in offers] == list(range(1, 65))
    tell(near, ReceiptFrame(1, HubReceipt(1.0)))
    offers = [one for one in run(near) if isinstance(one, OfferFrame)]
    assert [one.offer.delivery for one in offers] == [65]


def test_what_was_offered_before_waits_for_the_hub_to_say_where_to_go_on() -> None:
    near, _ = meet()
    near.offer(big(1, seen=True))
    (offer,) = run(near)
    assert isinstance(offer, OfferFrame)
    assert not offer.at_once
    tell(near, Accept(1, 1, 2 * BLOCK, plain=False))
    heads = [one.head for one in run(near) if isinstance(one, Data) and one.head]
    assert [one.offset for one in heads] == [2 * BLOCK]


@pytest.mark.parametrize("blocks", [3, 1.25])
def test_a_hub_that_has_everything_is_sent_nothing(blocks: float) -> None:
    near, _ = meet()
    near.offer(big(1, blocks=blocks, seen=True))
    run(near)
    tell(near, Accept(1, 1, int(blocks * BLOCK), plain=False))
    assert run(near) == []
    assert near.ended is None


def test_who_only_waits_for_a_receipt_keeps_nobody_from_his_turn() -> None:
    near, _ = meet(LinkLimits(at_once=1))
    for delivery in (1, 2):
        near.offer(big(delivery, blocks=1, seen=True))
    run(near)
    tell(near, Accept(1, 1, BLOCK, plain=False))
    tell(near, Accept(2, 1, 0, plain=False))
    assert {one.transfer for one in run(near) if isinstance(one, Data)} == {2}
    assert not [one for one in near.events() if isinstance(one, MismatchTold)]


def test_a_hub_that_wants_it_from_somewhere_has_found_no_mistake() -> None:
    near, _ = meet()
    near.offer(big(1, seen=True))
    run(near)
    tell(near, Accept(1, 1, 0, plain=False))
    events = near.events()
    assert events
    assert all(isinstance(one, BlockWanted) and not one.plain for one in events)


def test_a_turn_drops_what_was_read_for_the_one_before() -> None:
    near, _ = meet()
    handle = near.offer(big(1))
    frames(near)
    first, second = wanted(near)
    near.feed(first, Encoded(9, bytes(5)))
    tell(near, Accept(1, 1, 0, plain=True))
    assert not near.wants(second)
    near.feed(second, Encoded(9, bytes(5)))
    again = wanted(near)
    assert near.events() == []
    assert [(one.offset, one.turn, one.plain) for one in again] == [(0, 1, True), (BLOCK, 1, True)]
    near.feed(again[0], Encoded(0, bytes(BLOCK)))
    told = [one for one in frames(near) if isinstance(one, Data)]
    assert {one.turn for one in told} == {1}
    assert handle == 1


def test_a_small_object_that_could_not_be_rebuilt_goes_again_plain_and_not_inline() -> None:
    near, _ = meet()
    handle = near.offer(make_offer(1, Priority.RECORD, bytes(INLINE)))
    run(near)
    tell(near, Accept(1, 1, 0, plain=True))
    events = near.events()
    assert events[0] == MismatchTold(handle)
    assert events[1] == BlockWanted(handle, 1, 0, INLINE, inline=False, plain=True)
    near.feed(events[1], Encoded(0, bytes(INLINE)))
    assert all(isinstance(one, Data) and not one.inline and one.turn == 1 for one in frames(near))


def test_an_empty_object_is_one_empty_block() -> None:
    near, _ = meet()
    near.offer(make_offer(1, Priority.RECORD, b""))
    data = [one for one in run(near) if isinstance(one, Data)]
    assert [(one.inline, one.last, len(one.payload)) for one in data] == [(True, True, 0)]


def test_the_hubs_word_ends_a_transfer_whatever_is_on_the_way() -> None:
    near, _ = meet()
    handle = near.offer(big(1))
    frames(near)
    feed(near)
    near.next_frame(0.0)
    refusal = HubRefusal(RefusalKind.TRANSIENT, 0xA700, "no room")
    tell(near, ReceiptFrame(1, refusal))
    assert near.events()[-1] == Receipted(handle, refusal)
    assert run(near) == []
    assert not near.busy
    tell(near, ReceiptFrame(1, refusal))  # crossed with something: nobody minds
    tell(near, Accept(1, 1, 0, plain=False))
    assert near.ended is None
    assert near.events() == []


def test_a_block_begins_only_with_credit_for_all_of_it() -> None:
    near, _ = meet(known=False, hub_limits=LinkLimits(bulk_window=262_144))
    for delivery in (1, 2, 3):
        near.offer(big(delivery))
    sent = [one for one in run(near) if isinstance(one, Data)]
    begun = [one for one in sent if one.head]
    whole = [one for one in sent if one.last]
    assert len(begun) == len(whole) == 2  # 256 KiB: two blocks, and both of them can end


def test_small_objects_do_not_take_the_credit_that_a_large_one_waits_for() -> None:
    near, _ = meet(hub_limits=LinkLimits(bulk_window=262_144))
    near.offer(big(1))
    run(near)
    for delivery in (2, 3):
        near.offer(make_offer(delivery, Priority.BULK, bytes(40_000)))
    assert [one for one in run(near) if isinstance(one, Data)] == []
    tell(near, Credit(Urgency.BULK, 0, 262_144 + 90_000))
    assert [one for one in run(near) if isinstance(one, Data)] == []
    tell(near, Credit(Urgency.BULK, 0, 262_144 + BLOCK + 80_000))
    last = [one.transfer for one in run(near) if isinstance(one, Data) and one.last]
    assert sorted(last) == [1, 2, 3]


def test_a_block_that_waits_for_credit_and_is_withdrawn_holds_nobody_up() -> None:
    near, _ = meet(hub_limits=LinkLimits(bulk_window=262_144))
    handle = near.offer(big(1))
    run(near)
    near.offer(make_offer(2, Priority.BULK, bytes(40_000)))
    tell(near, Credit(Urgency.BULK, 0, 262_144 + 90_000))
    assert [one for one in run(near) if isinstance(one, Data)] == []
    near.withdraw(handle)
    assert [one.transfer for one in run(near) if isinstance(one, Data) and one.last] == [2]


def test_what_is_withdrawn_in_the_middle_of_a_block_owes_no_credit() -> None:
    near, _ = meet(LinkLimits(at_once=2), LinkLimits(bulk_window=262_144))
    handles = [near.offer(big(delivery, blocks=1)) for delivery in (1, 2)]
    frames_of_offers = [near.next_frame(0.0) for _ in handles]
    feed(near)
    pieces = [near.next_frame(0.0) for _ in handles]
    assert all(frames_of_offers + pieces)
    for handle in handles:
        near.withdraw(handle)
    near.offer(big(3, blocks=1))
    assert [one.transfer for one in run(near) if isinstance(one, Data) and one.last] == [3]


# --- withdrawn ---------------------------------------------------------------------------------------------


def test_what_has_not_left_is_withdrawn_without_a_word() -> None:
    near, _ = meet()
    large, small = near.offer(big(1)), near.offer(make_offer(2, Priority.RECORD, b"dose"))
    asked = wanted(near)
    near.withdraw(large)
    near.withdraw(small)
    assert not near.wants(asked[0])
    near.feed(asked[0], Encoded(0, b"dose"))
    assert run(near) == []
    assert not near.busy
    near.withdraw(small)


def test_a_large_object_is_withdrawn_in_the_middle() -> None:
    near, _ = meet()
    handle = near.offer(big(1))
    frames(near)
    feed(near)
    near.next_frame(0.0)
    near.withdraw(handle)
    assert run(near) == [Withdraw(1)]
    assert not near.busy


def test_a_small_object_that_is_encoded_leaves_although_it_is_withdrawn() -> None:
    """What was encoded after it may depend on it."""
    near, _ = meet()
    first, _ = (
        near.offer(make_offer(1, Priority.RECORD, b"one")),
        near.offer(make_offer(2, Priority.RECORD, b"two")),
    )
    feed(near)
    near.withdraw(first)
    told = run(near)
    assert [one.offer.delivery for one in told if isinstance(one, OfferFrame)] == [1, 2]
    tell(near, ReceiptFrame(1, HubReceipt(1.0)))
    assert near.events() == []
    tell(near, ReceiptFrame(2, HubReceipt(1.0)))
    assert len(near.events()) == 1
    assert not near.busy


def test_a_withdrawn_object_that_the_hub_wants_again_is_withdrawn_then() -> None:
    near, _ = meet()
    handle = near.offer(make_offer(1, Priority.RECORD, b"one"))
    feed(near)
    near.withdraw(handle)
    run(near)
    tell(near, Accept(1, 1, 0, plain=True))
    assert run(near) == [Withdraw(1)]
    assert not near.busy


def test_a_small_object_whose_offer_has_left_is_withdrawn_and_its_block_goes_on() -> None:
    near, _ = meet()
    handle = near.offer(make_offer(1, Priority.RECORD, bytes(40_000)))
    feed(near)
    near.next_frame(0.0)
    near.next_frame(0.0)
    near.withdraw(handle)
    told = frames(near)
    assert told[0] == Withdraw(1)
    assert [type(one) for one in told[1:]] == [Data, Data]
    assert told[-1].last  # type: ignore[union-attr]


# --- a hub that errs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Accept(2, 1, 0, plain=False), "transfer 2 was never offered"),
        (Accept(0, 1, 0, plain=False), "transfer 0 was never offered"),
        (Accept(1, 2, 0, plain=False), "transfer 1 cannot go on at 0, turn 2"),
        (Accept(1, 1, 3 * BLOCK + 1, plain=False), "transfer 1 cannot go on at 393217, turn 1"),
        (Accept(1, 1, 5, plain=False), "transfer 1 cannot go on within a block"),
        (ReceiptFrame(2, HubReceipt(1.0)), "transfer 2 was never offered"),
    ],
)
def test_words_about_nothing_are_violations(frame: Accept | ReceiptFrame, words: str) -> None:
    near, _ = meet()
    near.offer(big(1, seen=True))
    run(near)
    tell(near, frame)
    assert reason(near) == words


@pytest.mark.parametrize("payload", [b"", bytes(MAX_ENCODED + 1)])
def test_an_encoder_that_errs_is_told_so(payload: bytes) -> None:
    near, _ = meet()
    near.offer(make_offer(1, Priority.RECORD, b"dose"))
    (block,) = wanted(near)
    with pytest.raises(ValueError, match="became"):
        near.feed(block, Encoded(1, payload))
