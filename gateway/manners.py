"""The manners of one gateway on its lines: what is held back for the month's data and the time of day.

A part of the composition: looks every few seconds and tells the couriers. What it decides is in shaping/. A
clock that is wrong (many boards have none of their own) at most lets more leave than was meant: records never
wait, and what waits is looked at again with the next look.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from gateway.model import Priority
from gateway.shaping.allowance import EVERYTHING, Allowance, BudgetPlan, by_budget, by_rate
from gateway.shaping.schedule import Schedule
from gateway.trends.budget import period_of

LOOK: Final = 10.0
"""Seconds between looks: what a fast line may carry in that time is what a budget may be passed by."""

Days = Mapping[str, tuple[int, int]]
"""Bytes sent and received by day, as 2026-11-23."""


class Manners:
    """Tells each destination's courier what may leave now. Belongs to one event loop."""

    def __init__(
        self,
        destinations: Collection[str],
        hold_back: Callable[[str, Priority, str], None],
        days: Callable[[Collection[str]], Days],
        *,
        plan: BudgetPlan,
        schedule: Schedule,
        shaped: Collection[str],
        wall_clock: Callable[[], float] = time.time,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
    ) -> None:
        """`days` gives the bytes of the peers named, together; `shaped` are those that `schedule` is for."""
        self._destinations = tuple(destinations)
        self._hold_back = hold_back
        self._days = days
        self._plan = plan
        self._schedule = schedule
        self._shaped = frozenset(shaped)
        self._wall_clock = wall_clock
        self._call_later = call_later
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and again every few seconds where there is anything to look at."""
        self._look()
        if self._plan.monthly is not None or self._schedule.caps:
            self._set_timer()

    def close(self) -> None:
        """End; what is held back stays so."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        later = self._call_later or asyncio.get_running_loop().call_later
        self._timer = later(LOOK, self._again)

    def _again(self) -> None:
        self._look()
        self._set_timer()

    def _look(self) -> None:
        now = datetime.datetime.fromtimestamp(self._wall_clock())
        budget, closed = self._budget(now.date()), self._closed(now)
        for name in self._destinations:
            allowed = budget if name in self._plan.counted else EVERYTHING
            allowed = allowed.stricter(closed if name in self._shaped else EVERYTHING)
            self._hold_back(name, allowed.most, allowed.why)

    def _budget(self, today: datetime.date) -> Allowance:
        if self._plan.monthly is None:
            return EVERYTHING
        period = period_of(today, self._plan.day)
        used = sum(period.sum(self._days(self._plan.counted)))
        return by_budget(self._plan, used, period.end)

    def _closed(self, now: datetime.datetime) -> Allowance:
        rate = self._schedule.at(now)
        return EVERYTHING if rate != 0 else by_rate(rate, self._schedule.changes(now))
