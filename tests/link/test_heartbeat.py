"""Signs of life, by themselves; tests/link/test_session.py has them in a session."""

from __future__ import annotations

import pytest

from gateway.link.heartbeat import Heartbeat
from gateway.link.limits import LinkLimits

LIMITS = LinkLimits(keepalive=50.0, busy_ping=2.0, grace=5.0)


def heart(*, idle: bool = True) -> Heartbeat:
    """One that begins at 0."""
    return Heartbeat(LIMITS, 0.0, pings_when_idle=idle)


def test_one_ping_at_a_time() -> None:
    one = heart()
    assert one.due(0.0)
    one.sent(0.0)
    assert not one.due(3.0)
    assert one.ponged(one.token, 0.5) == 0.5
    assert not one.due(1.9)
    assert one.due(2.0)


def test_only_the_pong_that_is_waited_for_counts() -> None:
    one = heart()
    token = one.sent(0.0)
    assert one.ponged(token + 1, 0.5) is None
    assert one.ponged(token, 0.6) == pytest.approx(0.6)
    assert one.ponged(token, 9.0) is None
    assert one.rtt == pytest.approx(0.6)


def test_round_trips_are_smoothed() -> None:
    one = heart()
    for start, took in ((0.0, 0.8), (10.0, 1.6)):
        one.ponged(one.sent(start), start + took)
    assert one.rtt == pytest.approx(0.9)


def test_who_is_idle_pings_rarely_or_not_at_all() -> None:
    for idle, when in ((True, 50.0), (False, None)):
        one = heart(idle=idle)
        one.ponged(one.sent(0.0), 0.1)
        assert one.deadline(5.0) == 2.0
        assert one.deadline(10.1) == when


def test_a_ping_leaves_at_once_when_something_begins() -> None:
    one = heart()
    one.ponged(one.sent(0.0), 0.1)
    assert not one.due(30.0)
    one.active(30.0)
    assert one.due(30.0)


def test_dead_is_who_owes_a_pong_for_too_long() -> None:
    one = heart()
    one.ponged(one.sent(0.0), 0.5)
    one.sent(10.0)
    patience = 3 * 0.5 + 4 * 0.25 + 5.0
    assert not one.dead(10.0 + patience - 0.1)
    assert one.dead(10.0 + patience)
    one.heard(12.0)
    assert not one.dead(10.0 + patience)
    assert one.dead(12.0 + patience)


def test_a_ping_that_cannot_leave_is_owed_from_when_it_was_due() -> None:
    one = heart()
    one.ponged(one.sent(0.0), 0.0)
    for now in (2.0, 4.0, 6.9):
        assert one.due(now)
        assert not one.dead(now)
        assert one.deadline(now) == 7.0
    assert one.dead(7.0)


def test_without_a_measure_a_second_is_assumed() -> None:
    one = heart()
    one.sent(0.0)
    assert not one.dead(7.9)
    assert one.dead(8.0)


def test_who_owes_nothing_is_not_dead_unless_it_promised() -> None:
    one = heart(idle=False)
    one.ponged(one.sent(0.0), 0.0)
    assert not one.dead(1e6)
    one.expect(50.0)
    one.heard(100.0)
    assert not one.dead(204.9)
    assert one.dead(205.0)
