"""LogNotices writes to the gateway's logger, and sums refusals up in time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from gateway.logs import LogNotices
from gateway.logs.refusals import RefusalLimits
from gateway.notices import Alarm, AssociationRefused, ConnectionRefused, DialFailed, Notices

REFUSED = ConnectionRefused("console", "192.0.2.7", "not in the allow list")


class Clock:
    """A clock that stands still until told otherwise, with timers."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> object:
        self.timers.append((self.now + delay, callback))
        return None

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, callback in due:
            callback()


def test_a_flood_is_summed_up_by_a_timer_that_is_set_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = LogNotices(RefusalLimits(per_minute=2), clock=clock, call_later=clock.call_later)
    with caplog.at_level(logging.INFO, logger="gateway"):
        for _ in range(414):
            log(REFUSED)
        assert len(clock.timers) == 1
        clock.advance(60)
    assert [record.getMessage() for record in caplog.records] == [
        "connection refused",
        "connection refused",
        "refused: and 412 more from 192.0.2.7 in the last minute",
    ]
    assert clock.timers == []


def test_without_timers_the_sum_comes_with_the_next_notice(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = LogNotices(RefusalLimits(per_minute=1), clock=clock)
    with caplog.at_level(logging.INFO, logger="gateway"):
        log(REFUSED)
        log(REFUSED)
        clock.advance(60)
        log(Alarm("code", "text"))
    assert [record.getMessage() for record in caplog.records] == [
        "connection refused",
        "refused: and 1 more from 192.0.2.7 in the last minute",
        "alarm",
    ]


def test_rejections_of_callers_are_limited_and_rejections_by_peers_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = LogNotices(RefusalLimits(per_minute=1), clock=Clock())
    inbound = AssociationRefused("a1", True, "192.0.2.7", "X", "Y", 1, 1, 7, "no route")
    outbound = AssociationRefused("a2", False, "192.0.2.9", "GW", "ARIA", 2, 3, 2, "local limit")
    with caplog.at_level(logging.INFO, logger="gateway"):
        for _ in range(3):
            log(inbound)
            log(outbound)
    events = [record.getMessage() for record in caplog.records]
    assert events.count("association refused") == 1
    assert events.count("association refused by the peer") == 3


def test_what_is_for_books_inside_the_daemon_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        LogNotices()(DialFailed("oncology", "tcp", "nothing listens"))
    assert not caplog.records


def test_it_subscribes_to_notices(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    notices.subscribe(LogNotices())
    with caplog.at_level(logging.INFO, logger="gateway"):
        notices.publish(REFUSED)
    assert caplog.messages == ["connection refused"]
