"""Streams: order, turns, credit, both ends of each, and an other end that errs."""

from __future__ import annotations

import pytest

from gateway.link.channels import RESUME
from gateway.link.events import (
    Event,
    StreamData,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from gateway.link.frames import Credit, Open, Reset, StreamPiece
from gateway.link.hello import BASE
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import KIB, Urgency
from tests.support.link_sessions import frames, meet, messages, pump, reason, tell

PAYLOAD = LinkLimits().payload


def opened(session: Session) -> int:
    """A new stream of this end."""
    number = session.open_stream(0.0)
    assert number is not None
    return number


def of(told: list[tuple[Session, Event]], session: Session) -> list[Event]:
    """What this end was told."""
    return [event for who, event in told if who is session]


def test_what_is_written_arrives_and_both_directions_end_by_themselves() -> None:
    near, far = meet()
    number = opened(near)
    near.write(number, b"request")
    assert of(pump(near, far), far) == [StreamOpened(1), StreamData(1, memoryview(b"request"))]
    near.finish(number)
    assert of(pump(near, far), far) == [StreamFinished(1)]
    assert far.write(number, b"answer")
    assert not near.write(number, b"more")
    far.finish(number)
    assert of(pump(near, far), near) == [StreamData(1, memoryview(b"answer")), StreamFinished(1)]
    assert not near.busy
    assert not far.busy
    assert not far.write(number, b"late")


def test_the_site_gives_odd_numbers_and_the_hub_even_ones() -> None:
    near, far = meet()
    assert [opened(near), opened(near), opened(far), opened(far)] == [1, 3, 2, 4]


def test_bytes_follow_the_opening_in_the_same_flight() -> None:
    near, _ = meet()
    number = opened(near)
    near.write(number, b"A-ASSOCIATE-RQ")
    assert frames(near) == [Open(1), StreamPiece(1, False, memoryview(b"A-ASSOCIATE-RQ"))]


def test_small_writes_share_a_frame_and_the_last_one_carries_the_end() -> None:
    near, _ = meet()
    number = opened(near)
    for part in (b"a", b"", b"bc", b"d"):
        near.write(number, part)
    near.finish(number)
    assert frames(near)[1:] == [StreamPiece(1, True, memoryview(b"abcd"))]


def test_a_stream_may_end_before_it_said_anything() -> None:
    near, _ = meet()
    near.finish(opened(near))
    assert frames(near) == [Open(1), StreamPiece(1, True, memoryview(b""))]


def test_streams_take_turns_frame_by_frame() -> None:
    near, _ = meet()
    first, second = opened(near), opened(near)
    for number in (first, second):
        near.write(number, bytes(2 * PAYLOAD))
    told = [one.stream for one in frames(near) if isinstance(one, StreamPiece)]
    assert told == [first, second, first, second]


def test_nothing_is_sent_without_credit_and_an_end_needs_none() -> None:
    near, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    number = opened(near)
    near.write(number, bytes(100 * KIB))
    sent = [one for one in frames(near) if isinstance(one, StreamPiece)]
    assert sum(len(one.payload) for one in sent) == 64 * KIB
    assert near.unsent(number) == 36 * KIB
    tell(near, Credit(Urgency.RELAY, number, 100 * KIB))
    near.finish(number)
    last = [one for one in frames(near) if isinstance(one, StreamPiece)]
    assert sum(len(one.payload) for one in last) == 36 * KIB
    assert last[-1].fin
    del far


def test_ends_that_do_not_know_each_other_begin_with_the_least_window_of_a_stream() -> None:
    near, far = meet(known=False)
    number = opened(near)
    near.write(number, bytes(2 * BASE.stream_window))
    got = sum(len(event.data) for event in of(pump(near, far), far) if isinstance(event, StreamData))
    assert got == BASE.stream_window
    far.read(number, got, 9.0)
    assert Credit(Urgency.RELAY, number, 2 * BASE.stream_window) in frames(far, 9.0)


def test_a_site_may_open_as_many_streams_as_the_hub_says_when_it_has_said_so() -> None:
    near, _ = meet(known=False)
    assert all(near.open_stream(0.0) is not None for _ in range(LinkLimits().max_streams))
    assert near.open_stream(0.0) is None


def test_credit_is_given_when_bytes_are_read_not_when_they_come() -> None:
    near, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    number = opened(near)
    near.write(number, bytes(200 * KIB))
    told = pump(near, far)
    got = sum(len(event.data) for event in of(told, far) if isinstance(event, StreamData))
    assert got == 64 * KIB
    far.read(number, got, 9.0)
    assert Credit(Urgency.RELAY, number, 128 * KIB) in frames(far, 9.0)


def test_a_little_that_was_read_is_not_worth_a_frame() -> None:
    near, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    number = opened(near)
    near.write(number, bytes(KIB))
    pump(near, far)
    far.read(number, KIB, 9.0)
    assert messages(far, 0.0) == []


def test_a_writer_is_not_told_while_much_is_left() -> None:
    near, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    number = opened(near)
    near.write(number, bytes(64 * KIB + RESUME + 1))
    assert not [event for event in of(pump(near, far), near) if isinstance(event, StreamWritable)]
    far.read(number, 64 * KIB, 0.0)
    assert [event for event in of(pump(near, far), near) if isinstance(event, StreamWritable)]


def test_credit_is_not_given_for_what_has_ended() -> None:
    near, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    number = opened(near)
    near.write(number, bytes(64 * KIB))
    near.finish(number)
    pump(near, far)
    far.read(number, 64 * KIB, 9.0)
    far.read(99, 5, 9.0)
    assert not [one for one in frames(far, 9.0) if isinstance(one, Credit)]


def test_a_writer_is_told_when_little_is_left() -> None:
    near, far = meet()
    number = opened(near)
    near.write(number, bytes(RESUME))
    told = pump(near, far)
    near.write(number, bytes(RESUME + 1))
    told += pump(near, far)
    assert [event for event in of(told, near) if isinstance(event, StreamWritable)] == [StreamWritable(1)]


def test_a_stream_is_given_up_with_what_was_not_sent() -> None:
    near, far = meet()
    number = opened(near)
    near.write(number, b"x")
    pump(near, far)
    near.write(number, bytes(100_000))
    near.reset(number, "gone")
    assert of(pump(near, far), far) == [StreamReset(1, "gone")]
    assert not near.busy
    assert not far.busy
    assert not far.write(number, b"x")
    near.reset(number, "again")
    near.finish(number)
    assert messages(near) == []
    assert near.unsent(number) == 0


def test_a_stream_that_was_never_announced_is_given_up_without_a_word() -> None:
    near, far = meet()
    near.reset(opened(near), "never mind")
    assert messages(near) == []
    number = opened(near)
    near.write(number, b"x")
    assert of(pump(near, far), far)[0] == StreamOpened(3)


def test_late_frames_of_a_stream_that_is_over_are_nothing() -> None:
    near, far = meet()
    number = opened(near)
    pump(near, far)
    far.reset(number, "no")
    for frame in (StreamPiece(1, True, memoryview(b"x")), Reset(1, ""), Credit(Urgency.RELAY, 1, 9)):
        tell(far, frame)
    assert far.ended is None
    assert far.events() == []


def test_more_streams_than_the_other_end_takes_are_not_opened() -> None:
    near, far = meet(hub_limits=LinkLimits(max_streams=8))
    numbers = [near.open_stream(0.0) for _ in range(9)]
    assert numbers[-1] is None
    pump(near, far)
    near.reset(1, "")
    assert near.open_stream(0.0) is not None


def test_more_streams_than_we_take_are_refused_one_by_one() -> None:
    _, far = meet(hub_limits=LinkLimits(max_streams=8))
    for number in range(1, 19, 2):
        tell(far, Open(number))
    assert frames(far) == [Reset(17, "no more than 8 streams")]
    tell(far, StreamPiece(17, False, memoryview(b"on its way")))
    assert far.ended is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([Open(2)], "stream 2 cannot be opened"),
        ([Open(3), Open(1)], "stream 1 cannot be opened"),
        ([StreamPiece(1, False, memoryview(b"x"))], "stream 1 was never opened"),
        ([StreamPiece(2, False, memoryview(b"x"))], "stream 2 was never opened"),
        ([StreamPiece(0, False, memoryview(b"x"))], "stream 0 was never opened"),
        ([Reset(5, "")], "stream 5 was never opened"),
        (
            [Open(1), StreamPiece(1, True, memoryview(b"x")), StreamPiece(1, False, memoryview(b"y"))],
            "bytes after the end of stream 1",
        ),
    ],
)
def test_an_other_end_that_errs_is_cut_off(wrong: list[Open | StreamPiece | Reset], words: str) -> None:
    _, far = meet()
    for frame in wrong:
        tell(far, frame)
    assert reason(far) == words


def test_a_stream_we_have_not_announced_cannot_be_answered() -> None:
    near, _ = meet()
    opened(near)
    tell(near, Reset(1, "?"))
    assert reason(near) == "stream 1 is not open"


def test_more_bytes_than_there_was_credit_for_are_a_violation() -> None:
    _, far = meet(hub_limits=LinkLimits(stream_window=64 * KIB))
    tell(far, Open(1))
    for _ in range(4):
        tell(far, StreamPiece(1, False, memoryview(bytes(16 * KIB))))
    assert far.ended is None
    tell(far, StreamPiece(1, False, memoryview(b"x")))
    assert reason(far) == "1 bytes more than there was credit for"
