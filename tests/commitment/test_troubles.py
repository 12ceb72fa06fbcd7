"""Alarms once, and again when it begins again."""

from __future__ import annotations

from gateway.commitment.troubles import Troubles
from gateway.notices import Alarm
from tests.support.notice_log import NoticeLog


def test_an_alarm_is_raised_once_until_it_is_over() -> None:
    log = NoticeLog()
    troubles = Troubles(log.notices)
    troubles.alarm("a", "code", "text")
    troubles.alarm("a", "code", "other words")
    troubles.alarm("b", "code", "text of b")
    troubles.alarm("a", "other", "text")
    troubles.over("a", "code", "never raised")
    troubles.alarm("a", "other", "text")
    troubles.alarm("a", "code", "again")
    assert [(alarm.code, alarm.text) for alarm in log.of(Alarm)] == [
        ("code", "text"),
        ("code", "text of b"),
        ("other", "text"),
        ("code", "again"),
    ]
