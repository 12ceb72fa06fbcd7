"""Hello and goodbye, what may be said when, signs of life, and the order of all frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.events import BlockWanted, Ended, Greeted, Offered, Ponged, QueueTold, Reported, ReportsSeen
from gateway.link.frames import (
    Accept,
    Code,
    Credit,
    Data,
    Goodbye,
    OfferFrame,
    Open,
    Ping,
    Pong,
    Queue,
    ReceiptFrame,
    ReportFrame,
    Seen,
    StreamPiece,
    Unknown,
    Withdraw,
)
from gateway.link.hello import BASE, Role
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import Encoded, HubReceipt, Report, Stage, Urgency
from gateway.model import Priority
from tests.support.link_pair import make_offer
from tests.support.link_sessions import (
    ended,
    frames,
    hello,
    hub,
    meet,
    messages,
    pump,
    reason,
    said_hello,
    site,
    tell,
)

RECORD = make_offer(1, Priority.RECORD, b"dose")


def report(seq: int) -> Report:
    """News."""
    return Report(seq, b"s" * 16, 1, bytes(32), Stage.STORED, 0, "", 1.0)


def feed(session: Session, data: bytes = b"dose") -> None:
    """Give it the blocks it wants."""
    for event in session.events():
        if isinstance(event, BlockWanted):
            session.feed(event, Encoded(0, data[: event.length]))


# --- hello -------------------------------------------------------------------------------------------------


def test_a_site_sends_its_first_object_right_behind_its_hello() -> None:
    near = site(assumed=hello(Role.HUB))
    assert near.ready
    near.offer(RECORD)
    feed(near)
    kinds = [type(one).__name__ for one in frames(near)]
    assert kinds == ["HelloFrame", "OfferFrame", "Data"]


def test_a_hub_says_nothing_before_the_site_has_said_hello() -> None:
    far = hub()
    assert not far.ready
    assert far.open_stream(0.0) is None
    assert far.report_room == 0
    assert messages(far) == []
    far.received(site().next_frame(0.0)[0], 0.0)  # type: ignore[index]
    assert far.ready
    assert said_hello(messages(far)[0]).role is Role.HUB


def test_both_are_told_who_the_other_is() -> None:
    near, far = site(assumed=hello(Role.HUB), seen=4), hub()
    told = pump(near, far)
    greeted = {session.role: event.hello for session, event in told if isinstance(event, Greeted)}
    assert greeted[Role.HUB].role is Role.SITE
    assert greeted[Role.HUB].reports_seen == 4
    assert greeted[Role.SITE] == hello(Role.HUB)


def test_reports_seen_are_those_of_the_hub_that_is_remembered() -> None:
    assert said_hello(messages(site(seen=4))[0]).reports_seen == 0
    assert said_hello(messages(site(seen=4, assumed=hello(Role.HUB)))[0]).reports_seen == 4


@pytest.mark.parametrize(
    "now_is",
    [
        hello(Role.HUB, spool=b"n" * 16),
        hello(Role.HUB, LinkLimits(bulk_window=3 << 20)),
        replace(hello(Role.HUB), takes=replace(hello(Role.HUB).takes, features=frozenset())),
    ],
    ids=["another spool", "other limits", "other features"],
)
def test_a_hub_that_has_changed_says_so_and_takes_nothing(now_is: object) -> None:
    near = site(assumed=hello(Role.HUB))
    far = Session(now_is, LinkLimits(), 0.0)  # type: ignore[arg-type]
    near.offer(RECORD)
    feed(near)
    told = pump(near, far)
    assert not [event for _, event in told if isinstance(event, Offered)]
    assert near.ended == Ended(Code.CHANGED, "the hub is not as the site remembers it", ours=False)
    known = next(event.hello for session, event in told if session is near and isinstance(event, Greeted))
    again, far = site(assumed=known), Session(now_is, LinkLimits(), 0.0)  # type: ignore[arg-type]
    pump(again, far)
    assert again.ended is None
    assert again.other == now_is


def test_a_site_says_nothing_more_to_a_hub_that_has_changed() -> None:
    near = site(assumed=hello(Role.HUB))
    messages(near)
    near.received(hello(Role.HUB, spool=b"n" * 16).encode(), 0.0)
    assert not near.ready
    near.offer(RECORD)
    feed(near)
    assert [one for one in frames(near) if not isinstance(one, Ping)] == []


def test_a_version_that_is_not_spoken_is_answered_with_those_that_are() -> None:
    old = hello(Role.SITE)
    new = replace(old, speaks=3, takes=replace(old.takes, highest=3))
    far = hub()
    far.received(new.encode(), 0.0)
    said = messages(far)
    assert said_hello(said[0]).takes.highest == 1
    assert decode(said[1]) == Goodbye(Code.VERSION, 0, "version 3 is not spoken here, but 1")
    assert [type(event) for event in far.events()] == [Greeted, Ended]


def test_a_site_that_knows_nothing_begins_with_the_least_and_is_given_more() -> None:
    limits = LinkLimits(record_window=1 << 20)
    near, far = site(), hub(limits)
    window = near._out._lanes[Urgency.RECORD].credit
    assert window.available == BASE.record_window
    pump(near, far)
    assert window.available == limits.record_window
    assert near._out.max_transfers == limits.max_transfers


def test_a_second_hello_and_a_frame_before_it_are_violations() -> None:
    near, far = meet()
    far.received(hello(Role.SITE).encode(), 0.0)
    assert reason(far) == "a second hello"
    far = hub()
    tell(far, Ping(1))
    assert reason(far) == "a frame before the hello"
    near = site()
    near.received(hello(Role.SITE).encode(), 0.0)
    assert reason(near) == "both ends say they are the same"


def test_a_hello_that_does_not_come() -> None:
    for session in (site(), hub()):
        assert session.deadline(0.0) == LinkLimits().hello_timeout
        session.tick(14.9)
        assert session.ended is None
        session.tick(15.0)
        assert session.ended is not None
        assert session.ended.code is Code.SILENT


# --- goodbye -----------------------------------------------------------------------------------------------


def test_after_a_violation_the_goodbye_is_the_last_frame() -> None:
    near, far = meet()
    near.offer(RECORD)
    feed(near)
    near.received(b"\x77\x00", 0.0)
    assert frames(near) == [Goodbye(Code.VIOLATION, 0, "unknown frame type 0x77")]
    assert ended(near.events()).ours
    far.received(encode(Goodbye(Code.VIOLATION, 0, "why")), 0.0)
    assert far.ended == Ended(Code.VIOLATION, "why", ours=False)
    assert messages(far) == []


def test_a_goodbye_says_when_to_come_back() -> None:
    near, far = meet()
    far.close(Code.BUSY, "later", 30)
    pump(near, far)
    assert near.ended == Ended(Code.BUSY, "later", ours=False, retry_after=30)


def test_a_session_that_is_over_does_nothing() -> None:
    near, far = meet()
    near.close(Code.NORMAL, "")
    messages(near)
    events = near.events()
    near.close(Code.FAULT, "again")
    near.received(encode(Ping(1)), 0.0)
    near.tick(1000.0)
    assert near.deadline(0.0) is None
    assert near.open_stream(0.0) is None
    assert not near.write(1, b"x")
    assert not near.receipt(1, HubReceipt(0.0), 0.0)
    assert messages(near) == []
    assert near.events() == []
    assert ended(events).code is Code.NORMAL
    del far


def test_a_goodbye_without_hello_is_understood() -> None:
    near = site()
    tell(near, Goodbye(Code.NOT_ALLOWED, 0, "no such site"))
    assert near.ended == Ended(Code.NOT_ALLOWED, "no such site", ours=False)


@pytest.mark.parametrize(
    "frame",
    [
        Accept(1, 1, 0, plain=False),
        ReceiptFrame(1, HubReceipt(0.0)),
        ReportFrame(report(1)),
    ],
)
def test_a_site_does_not_say_what_hubs_say(frame: Accept | ReceiptFrame | ReportFrame) -> None:
    _, far = meet()
    tell(far, frame)
    assert reason(far) == f"a site does not say {type(frame).__name__}"


@pytest.mark.parametrize(
    "frame",
    [
        OfferFrame(1, RECORD, inline=True, at_once=False),
        Data(Priority.RECORD, 1, 0, False, None, True, memoryview(b"x")),
        Withdraw(1),
        Seen(1),
    ],
)
def test_a_hub_does_not_say_what_sites_say(frame: OfferFrame | Data | Withdraw | Seen) -> None:
    near, _ = meet()
    tell(near, frame)
    assert reason(near) == f"a hub does not say {type(frame).__name__}"


def test_what_may_be_skipped_is_skipped() -> None:
    near, _ = meet()
    tell(near, Unknown(0x90))
    assert near.ended is None


def test_an_end_that_sends_and_never_reads_is_cut_off() -> None:
    _, far = meet()
    for number in range(1, 20_000, 2):
        tell(far, Open(number))
        if far.ended:
            break
    assert reason(far) == "it sends and does not read"
    assert len(messages(far)) == 1


# --- signs of life -----------------------------------------------------------------------------------------


def test_the_round_trip_is_measured_while_something_is_under_way() -> None:
    near, far = meet()
    near.offer(RECORD)
    feed(near)
    sent = messages(near, 10.0)
    assert any(isinstance(decode(one), Ping) for one in sent)
    for one in sent:
        far.received(one, 10.3)
    for one in messages(far, 10.3):
        near.received(one, 10.6)
    assert near.rtt == pytest.approx(0.6 / 8)  # it was 0, smoothed
    assert [one.rtt for one in near.events() if isinstance(one, Ponged)] == [pytest.approx(0.6)]


def test_an_idle_link_costs_one_ping_each_keepalive_and_only_from_the_site() -> None:
    near, far = meet()
    count = {Role.SITE: 0, Role.HUB: 0}
    now, day = 0.0, 86_400.0
    while now < day:
        times = [when for when in (near.deadline(now), far.deadline(now)) if when is not None]
        now = min(times)
        near.tick(now)
        far.tick(now)
        for session, other in ((near, far), (far, near), (near, far)):
            for message in messages(session, now):
                count[session.role] += 1
                other.received(message, now)
    assert near.ended is None
    assert far.ended is None
    assert count[Role.SITE] < day / 50 + 20
    assert count[Role.HUB] <= count[Role.SITE] + 20


def test_an_end_that_owes_a_pong_and_is_silent_is_gone() -> None:
    near, _ = meet()
    near.offer(RECORD)
    feed(near)
    messages(near, 100.0)  # with a ping
    when = near.deadline(100.0)
    assert when is not None
    assert 105.0 <= when < 109.0
    near.tick(when - 0.01)
    assert near.ended is None
    near.tick(when)
    assert near.ended is not None
    assert near.ended.code is Code.SILENT


def test_any_bytes_are_a_sign_of_life() -> None:
    near, _ = meet()
    near.offer(RECORD)
    feed(near)
    messages(near, 100.0)
    for now in range(101, 140):
        near.heard(float(now))
        near.tick(float(now))
    assert near.ended is None


def test_a_socket_that_takes_nothing_is_silence_too_and_no_busy_loop() -> None:
    near, _ = meet()
    near.offer(RECORD)
    feed(near)
    messages(near, 100.0)
    tell(near, Pong(near._heart.token), 100.1)
    ping_due = near.deadline(100.1)
    assert ping_due == pytest.approx(102.0)
    near.tick(102.0)  # nobody asks for frames: the socket is full
    later = near.deadline(102.0)
    assert later is not None
    assert later > 105.0
    near.tick(later)
    assert near.ended is not None


def test_a_hub_misses_a_site_that_lets_its_keepalive_pass_twice() -> None:
    _, far = meet(LinkLimits(keepalive=20.0))
    messages(far, 0.0)
    far.heard(30.0)
    far.tick(70.0)
    assert far.ended is None
    far.tick(79.0)
    assert far.ended is not None


# --- order -------------------------------------------------------------------------------------------------


def test_frames_leave_by_class_however_they_were_asked_for() -> None:
    near, far = meet()
    for delivery, priority in enumerate((Priority.BULK, Priority.IMAGE, Priority.RECORD), 1):
        near.offer(make_offer(delivery, priority, b"dose"))
    feed(near)
    number = near.open_stream(0.0)
    assert number is not None
    near.write(number, b"x")
    tell(near, Ping(7))
    told = frames(near)
    kinds = [(type(one).__name__, getattr(one, "priority", None)) for one in told]
    assert kinds == [
        ("Pong", None),
        ("Open", None),
        ("StreamPiece", None),
        ("OfferFrame", None),
        ("Data", Priority.RECORD),
        ("OfferFrame", None),
        ("Data", Priority.IMAGE),
        ("OfferFrame", None),
        ("Data", Priority.BULK),
    ]
    del far


@pytest.mark.parametrize(
    ("most", "data"),
    [
        (Urgency.CONTROL, []),
        (Urgency.RELAY, []),
        (Urgency.RECORD, [Priority.RECORD]),
        (Urgency.IMAGE, [Priority.RECORD, Priority.IMAGE]),
        (Urgency.BULK, [Priority.RECORD, Priority.IMAGE, Priority.BULK]),
    ],
)
def test_less_urgent_classes_can_be_left_where_they_are(most: Urgency, data: list[Priority]) -> None:
    near, _ = meet()
    for delivery, priority in enumerate(Priority, 1):
        near.offer(make_offer(delivery, priority, b"dose"))
    feed(near)
    number = near.open_stream(0.0)
    told = frames(near, 0.0, most)
    assert [one.priority for one in told if isinstance(one, Data)] == data
    assert (Open(number or 0) in told) is (most >= Urgency.RELAY)
    assert near.has_frames(Urgency.BULK) is (most < Urgency.BULK)


def test_a_record_that_comes_in_the_middle_of_a_block_leaves_with_the_next_frame() -> None:
    near, _ = meet()
    big = bytes(400_000)
    near.offer(make_offer(1, Priority.IMAGE, big))
    near.next_frame(0.0)
    feed(near, big)
    first = [near.next_frame(0.0) for _ in range(3)]
    assert all(first)
    near.offer(RECORD)
    feed(near)
    following = [decode(b"".join(near.next_frame(0.0) or ())) for _ in range(3)]
    assert isinstance(following[0], OfferFrame)
    assert isinstance(following[1], Data)
    assert following[1].priority is Priority.RECORD
    assert isinstance(following[2], Data)
    assert following[2].priority is Priority.IMAGE


def test_no_payload_is_longer_than_either_end_wants() -> None:
    for ours, theirs, longest in ((16_384, 32_768, 16_384), (60_000, 20_000, 20_000)):
        near, _ = meet(LinkLimits(payload=ours), LinkLimits(max_payload=theirs))
        near.offer(make_offer(1, Priority.BULK, bytes(200_000)))
        near.next_frame(0.0)
        feed(near, bytes(200_000))
        number = near.open_stream(0.0)
        near.write(number or 0, bytes(100_000))
        sizes = {len(one.payload) for one in frames(near) if isinstance(one, Data | StreamPiece)}
        assert max(sizes) == longest


def test_a_slow_line_gets_smaller_frames_but_not_tiny_ones() -> None:
    near, _ = meet()
    number = near.open_stream(0.0) or 0
    for piece, longest in ((2_000, 2_000), (1, 512), (10**6, LinkLimits().payload)):
        near.piece = piece
        near.write(number, bytes(40_000))
        sizes = {len(one.payload) for one in frames(near) if isinstance(one, StreamPiece)}
        assert max(sizes) == longest


def test_a_longer_payload_than_was_announced_is_a_violation() -> None:
    _, far = meet(hub_limits=LinkLimits(max_payload=20_000))
    tell(far, Open(1))
    tell(far, StreamPiece(1, False, memoryview(bytes(20_000))))
    assert far.ended is None
    tell(far, StreamPiece(1, False, memoryview(bytes(20_001))))
    assert reason(far) == "a payload of 20001 bytes"


# --- reports -----------------------------------------------------------------------------------------------


def test_a_report_is_acknowledged_when_the_site_says_it_is_durable() -> None:
    near, far = meet()
    far.report(report(1))
    far.report(report(3))
    told = pump(near, far)
    assert [event.report.seq for _, event in told if isinstance(event, Reported)] == [1, 3]
    assert far.busy
    near.taken(1)
    near.taken(3)
    told = pump(near, far)
    assert [event.seq for _, event in told if isinstance(event, ReportsSeen)] == [3]
    assert not far.busy


def test_reports_are_bounded_by_what_the_site_takes() -> None:
    near, far = meet(LinkLimits(max_reports=64))
    for seq in range(1, 65):
        far.report(report(seq))
    assert far.report_room == 0
    for message in messages(far):
        near.received(message, 0.0)
    assert near.ended is None
    tell(near, ReportFrame(report(65)))
    assert reason(near) == "more than 64 reports without an answer"


@pytest.mark.parametrize("seq", [0, 2, 9])
def test_what_cannot_have_been_seen_is_a_violation(seq: int) -> None:
    near, far = meet()
    far.report(report(2))
    pump(near, far)
    near.taken(2)
    pump(near, far)
    tell(far, Seen(seq))
    assert reason(far) == f"report {seq} cannot have been seen"


def test_words_about_everything_that_may_be_under_way_are_not_too_many() -> None:
    near, far = meet(hub_limits=LinkLimits(max_transfers=9000, max_reports=9000))
    for number in range(1, 9001):
        tell(far, OfferFrame(number, RECORD, inline=True, at_once=False))
        assert far.receipt(number, HubReceipt(1.0), 0.0)
    assert far.ended is None
    assert len(messages(far)) == 9000
    del near


def test_a_hub_sends_no_more_reports_at_a_time_than_it_would_take_itself() -> None:
    _, far = meet(LinkLimits(max_reports=60_000))
    assert far.report_room == LinkLimits().max_reports


def test_reports_ascend() -> None:
    near, _ = meet()
    tell(near, ReportFrame(report(2)))
    tell(near, ReportFrame(report(2)))
    assert reason(near) == "report 2 after 2"


def test_a_site_tells_its_queue_and_only_the_latest() -> None:
    near, far = meet()
    near.tell_queue(1, 2, 3)
    near.tell_queue(5, 2**80, 2**40)
    told = pump(near, far)
    assert [event for _, event in told] == [QueueTold(5, 0xFFFFFFFF << 32, 0xFFFFFFFF)]
    tell(near, Queue(1, 2, 3))
    assert reason(near) == "a hub does not say Queue"


def test_credit_of_something_else_is_a_violation() -> None:
    near, far = meet()
    tell(near, Credit(Urgency.RELAY, 3, 10))
    assert reason(near) == "stream 3 was never opened"
    tell(far, Credit(Urgency.BULK, 0, 10))
    assert reason(far) == "a site does not say Credit"
