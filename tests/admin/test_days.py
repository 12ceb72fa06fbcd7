"""Days in this machine's time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, datetime

import pytest

from gateway.admin.days import day_of


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Auckland"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_today_has_now_in_it(zone: str) -> None:
    now = time.time()
    today = day_of("", now)
    assert today.is_today
    assert today.since <= now < today.until
    assert datetime.fromtimestamp(today.since).hour == 0
    assert today.since < today.noon < today.until


def test_days_follow_each_other_without_a_gap(zone: str) -> None:
    now = datetime(2026, 12, 31, 12).timestamp()
    day = day_of("2026-01-01", now)
    lengths = set()
    while day.after and day.date < date(2026, 12, 30):
        following = day_of(day.after, now)
        assert following.since == day.until
        assert following.before == day.date.isoformat()
        lengths.add((day.until - day.since) // 3600)
        day = following
    # Where clocks are put forward and back, a day has 23 hours and another one 25.
    assert lengths == ({24} if zone in ("UTC", "America/Sao_Paulo") else {23, 24, 25})


@pytest.mark.parametrize("text", ["tomorrow", "2026-02-31", "1999-12-31", "2999-01-01", "2026-13-01", "1e9"])
def test_odd_days_are_today(text: str) -> None:
    assert day_of(text, time.time()).is_today


def test_there_is_nothing_after_today_and_nothing_before_the_first() -> None:
    assert day_of("", time.time()).after == ""
    first = day_of("2000-01-01", time.time())
    assert (first.before, first.is_today) == ("", False)
