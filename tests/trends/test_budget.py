from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trends.budget import Forecast, Period, earlier, forecast, period_of

D = datetime.date


def at(day: int, hour: int = 12) -> datetime.datetime:
    return datetime.datetime(2026, 11, day, hour)


@pytest.mark.parametrize(
    ("today", "first", "start", "end"),
    [
        (D(2026, 11, 23), 1, D(2026, 11, 1), D(2026, 12, 1)),
        (D(2026, 11, 1), 1, D(2026, 11, 1), D(2026, 12, 1)),
        (D(2026, 11, 2), 3, D(2026, 10, 3), D(2026, 11, 3)),
        (D(2026, 1, 2), 28, D(2025, 12, 28), D(2026, 1, 28)),
        (D(2024, 2, 29), 1, D(2024, 2, 1), D(2024, 3, 1)),
    ],
)
def test_periods_begin_on_their_day(today: D, first: int, start: D, end: D) -> None:
    assert period_of(today, first) == Period(start, end)


@given(st.dates(D(1971, 1, 1), D(2199, 12, 31)), st.integers(1, 28), st.integers(1, 13))
def test_periods_cover_all_time_without_a_gap(today: D, first: int, count: int) -> None:
    period = period_of(today, first)
    assert period.start <= today < period.end
    assert 28 <= period.days <= 31
    row = earlier(period, count)
    assert row[-1] == period
    assert all(one.end == other.start for one, other in itertools.pairwise(row))


def test_an_even_use_leads_where_it_says() -> None:
    days = {D(2026, 11, day).isoformat(): (90, 10) for day in range(1, 16)}
    days["2026-11-16"] = (45, 5)  # noon
    period = period_of(D(2026, 11, 16), 1)
    told = forecast(days, period, at(16))
    assert told == Forecast(by_elapsed=3000, by_recent=3000, low=3000, high=3000)


def test_days_that_differ_make_the_range_wide() -> None:
    days = {D(2026, 11, day).isoformat(): (200 * (day % 2), 0) for day in range(1, 16)}
    told = forecast(days, period_of(D(2026, 11, 16), 1), at(16, 0))
    assert told.by_recent is not None
    assert told.low is not None
    assert told.high is not None
    assert told.low < told.by_recent < told.high
    assert told.high - told.low > 700
    assert told.low >= sum(sent for sent, _ in days.values())  # what is used does not come back


def test_it_is_too_early_to_say_before_there_are_days() -> None:
    period = period_of(D(2026, 11, 16), 1)
    assert forecast({}, period, at(1, 6)) == Forecast(None, None, None, None)
    young = {"2026-11-15": (100, 0), "2026-11-16": (50, 0)}
    told = forecast(young, period, at(16))
    assert told.by_recent is None
    # Counted since the 15th, not since the 1st: 150 in one and a half days, and 14.5 days to come.
    assert told.by_elapsed == 150 + 1450


def test_a_gateway_that_was_idle_is_not_one_that_did_not_exist() -> None:
    days = {"2026-10-01": (1, 0), "2026-11-15": (70, 0)}
    told = forecast(days, period_of(D(2026, 11, 16), 1), at(16, 0))
    assert told.by_recent == 70 + round(70 / 7 * 15)


def test_the_other_months_do_not_count() -> None:
    days = {"2026-10-31": (5, 5), "2026-11-01": (1, 2), "2026-12-01": (9, 9)}
    assert period_of(D(2026, 11, 16), 1).sum(days) == (1, 2)
