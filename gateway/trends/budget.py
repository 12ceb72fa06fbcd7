"""What of a month's data is used, and where it leads. Pure.

Two simple forecasts, because neither is right alone: by elapsed time (the whole month goes on as it did so
far) and by the last seven days (from now on it goes as lately). Days differ, so the second has a range: twice
the standard deviation of those days, grown with the square root of the days that are left.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.trends.middle import deviation, mean

RECENT_DAYS: Final = 7
MIN_DAYS: Final = 3
"""Whole days that have to be known before the last ones are a forecast."""

MONTHS: Final = 13


@dataclass(frozen=True, slots=True)
class Period:
    """One month of the budget; `end` is the first day that is not in it."""

    start: datetime.date
    end: datetime.date

    @property
    def days(self) -> int:
        """How long it is."""
        return (self.end - self.start).days

    def sum(self, days: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
        """Return what was sent and received in it."""
        first, end = self.start.isoformat(), self.end.isoformat()
        inside = [amounts for day, amounts in days.items() if first <= day < end]
        return sum(sent for sent, _ in inside), sum(received for _, received in inside)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes at the end of the period. None: too early to say."""

    by_elapsed: int | None
    by_recent: int | None
    low: int | None  # of by_recent
    high: int | None


def period_of(today: datetime.date, first_day: int) -> Period:
    """Return the period that `today` is in; periods begin on day `first_day` (1 to 28) of each month."""
    start = today.replace(day=first_day)
    if start > today:
        start = _month(start, -1)
    return Period(start, _month(start, 1))


def earlier(period: Period, count: int) -> list[Period]:
    """Return `count` periods that end with `period`, the oldest first."""
    return [Period(_month(period.start, -back), _month(period.end, -back)) for back in reversed(range(count))]


def forecast(days: Mapping[str, tuple[int, int]], period: Period, now: datetime.datetime) -> Forecast:
    """Look ahead to the end of `period`. `days`: bytes sent and received by day, of all that counts."""
    used = sum(period.sum(days))
    today = now.date()
    left = max(0.0, _days_between(now, period.end))
    known = min(days, default=None)
    begun = period.start
    if known is not None:
        begun = max(begun, datetime.date.fromisoformat(known))
    elapsed = period.days - left - (begun - period.start).days
    by_elapsed = round(used + used / elapsed * left) if elapsed >= 1 else None
    whole = [today - datetime.timedelta(days=back) for back in range(1, RECENT_DAYS + 1)]
    recent = [
        sum(days.get(day.isoformat(), (0, 0)))
        for day in whole
        if known is not None and day.isoformat() >= known
    ]
    if len(recent) < MIN_DAYS:
        return Forecast(by_elapsed, None, None, None)
    by_recent = used + mean(recent) * left
    spread = 2 * deviation(recent) * left**0.5
    return Forecast(
        by_elapsed, round(by_recent), round(max(used, by_recent - spread)), round(by_recent + spread)
    )


def _days_between(now: datetime.datetime, end: datetime.date) -> float:
    midnight = datetime.datetime.combine(end, datetime.time())
    return (midnight - now).total_seconds() / 86400


def _month(day: datetime.date, months: int) -> datetime.date:
    index = day.year * 12 + day.month - 1 + months
    return day.replace(year=index // 12, month=index % 12 + 1)
