"""Local days: from a date in an address to the seconds it begins and ends. A day may have 23 or 25 hours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, timedelta

EARLIEST = date(2000, 1, 1)  # before the gateway was made; a clock that lost its time says 1970


@dataclass(frozen=True, slots=True)
class Day:
    """A day in this machine's time zone."""

    date: date
    is_today: bool

    @property
    def since(self) -> int:
        """When it begins, in seconds since the epoch."""
        return _midnight(self.date)

    @property
    def until(self) -> int:
        """When the next one begins."""
        return _midnight(self.date + timedelta(days=1))

    @property
    def noon(self) -> int:
        """A time within it, for showing its date."""
        return self.since + (self.until - self.since) // 2

    @property
    def before(self) -> str:
        """The day before it, as in an address; empty when there is none."""
        return (self.date - timedelta(days=1)).isoformat() if self.date > EARLIEST else ""

    @property
    def after(self) -> str:
        """The day after it, as in an address; empty for today."""
        return "" if self.is_today else (self.date + timedelta(days=1)).isoformat()


def day_of(text: str, now: float) -> Day:
    """Return the day that `text` (2026-11-23) names; today when it is none, too long ago, or yet to come."""
    today = date.fromtimestamp(now)
    try:
        wanted = date.fromisoformat(text) if text else today
    except ValueError:
        wanted = today
    if not EARLIEST <= wanted <= today:
        wanted = today
    return Day(wanted, wanted == today)


def _midnight(day: date) -> int:
    return int(time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1)))
