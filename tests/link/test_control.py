"""The control queue: order, the latest of a kind, and its bound."""

from __future__ import annotations

import pytest

from gateway.link.control import MAX_WAITING, ControlQueue
from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.frames import Credit, FrameError, Ping, Pong, Seen
from gateway.link.values import Urgency


def drain(queue: ControlQueue) -> list[bytes]:
    """Everything, in order."""
    found = []
    while (message := queue.next()) is not None:
        found.append(message)
    return found


def test_the_hello_is_first_and_only_the_latest_of_a_kind_is_said() -> None:
    queue = ControlQueue()
    queue.say(b"words")
    for number in (1, 2):
        queue.pong(number)
        queue.seen(number)
        queue.grant(Urgency.RELAY, 1, number)
        queue.grant(Urgency.BULK, 0, number)
    queue.hello(b"hello")
    assert queue.hello_waits
    first, *told, last = drain(queue)
    assert (first, last) == (b"hello", b"words")
    assert not queue.hello_waits
    expected = {Pong(2), Seen(2), Credit(Urgency.RELAY, 1, 2), Credit(Urgency.BULK, 0, 2)}
    assert {decode(one) for one in told} == expected
    assert len(told) == 4
    assert drain(queue) == []


def test_a_last_message_leaves_alone_but_for_a_hello_that_waits() -> None:
    queue = ControlQueue()
    queue.hello(b"hello")
    queue.say(b"words")
    queue.pong(1)
    queue.grant(Urgency.BULK, 0, 1)
    queue.only(b"goodbye")
    assert drain(queue) == [b"hello", b"goodbye"]


def test_cleared_is_empty() -> None:
    queue = ControlQueue()
    queue.hello(b"hello")
    queue.say(b"words")
    queue.seen(1)
    queue.clear()
    assert drain(queue) == []


def test_what_piles_up_is_bounded() -> None:
    queue = ControlQueue()
    message = encode(Ping(1))
    for _ in range(MAX_WAITING):
        queue.say(message)
    with pytest.raises(FrameError, match="does not read"):
        queue.say(message)
