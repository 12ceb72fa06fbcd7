"""The month's data as a picture: what was used day by day, where it leads, and the budget as a line. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Final

from gateway.operator.sections.trends import Budget

WIDTH: Final = 1000
HEIGHT: Final = 220


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines as `points` of SVG, in units of WIDTH and HEIGHT."""

    used: str  # a closed shape
    by_elapsed: str  # empty: too early to say
    by_recent: str
    spread: str  # a closed shape: the range of by_recent
    budget_y: float | None
    most: float  # bytes at the upper edge


def picture(budget: Budget) -> Picture:
    """Draw the period."""
    known = [budget.used, budget.monthly, budget.by_elapsed, budget.high]
    most = max([one for one in known if one is not None] + [1]) * 1.08

    def x(days: float) -> float:
        return round(min(max(days / budget.days, 0.0), 1.0) * WIDTH, 1)

    def y(amount: float) -> float:
        return round(HEIGHT - amount / most * HEIGHT, 1)

    start = datetime.date.fromisoformat(budget.start)
    line = [(0.0, y(0))]
    total = 0
    for day in budget.daily:
        total += day.sent + day.received
        passed = (datetime.date.fromisoformat(day.start) - start).days + 1
        line.append((x(min(passed, budget.elapsed)), y(total)))
    now = (x(budget.elapsed), y(budget.used))
    line.append(now)
    shape = [*line, (now[0], y(0))]

    def ahead(amount: int | None) -> str:
        return "" if amount is None else _points([now, (float(WIDTH), y(amount))])

    spread = ""
    if budget.low is not None and budget.high is not None:
        spread = _points([now, (float(WIDTH), y(budget.high)), (float(WIDTH), y(budget.low))])
    return Picture(
        used=_points(shape),
        by_elapsed=ahead(budget.by_elapsed),
        by_recent=ahead(budget.by_recent),
        spread=spread,
        budget_y=None if budget.monthly is None else y(budget.monthly),
        most=most,
    )


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
