"""Which byte rate holds at which minute of the week. Pure; in local time, as people mean treatment hours."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES: Final = 24 * 60

_EVERY_DAY: Final = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day on some days of the week. One that ends before it starts runs past midnight.

    It belongs to the day on which it starts; `end` equal to `start` is a whole day.
    """

    start: int  # minutes since midnight
    end: int  # the first minute that is not in it
    rate: int | None  # bytes per second; 0: nothing but what never waits; None: no cap
    days: frozenset[int] = _EVERY_DAY  # 0: Monday

    def holds(self, moment: datetime.datetime) -> bool:
        """Say whether `moment` (local time) is in it."""
        minute = moment.hour * 60 + moment.minute
        if self.start < self.end:
            return moment.weekday() in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return moment.weekday() in self.days
        return minute < self.end and (moment.weekday() - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rates by time: the first window that holds decides, else `rate`."""

    rate: int | None = None  # bytes per second; None: no cap
    windows: tuple[Window, ...] = ()

    @property
    def caps(self) -> bool:
        """Whether there is ever a cap."""
        return any(rate is not None for rate in (self.rate, *(window.rate for window in self.windows)))

    def at(self, moment: datetime.datetime) -> int | None:
        """Return the bytes per second that hold at `moment` (local time); None: no cap."""
        return next((window.rate for window in self.windows if window.holds(moment)), self.rate)

    def changes(self, moment: datetime.datetime) -> datetime.datetime | None:
        """Return the next moment at which another rate holds; None when that never happens.

        The clock's own jumps (daylight saving) are not foreseen.
        """
        now = self.at(moment)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        edges = sorted({0, *(edge % MINUTES for one in self.windows for edge in (one.start, one.end))})
        for day in range(9):
            for edge in edges:
                then = midnight + datetime.timedelta(days=day, minutes=edge)
                if then > moment and self.at(then) != now:
                    return then
        return None
