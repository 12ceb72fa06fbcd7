"""What the couriers are told, from the month's data and the time of day."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Collection

from gateway.manners import LOOK, Manners
from gateway.model import Priority
from gateway.shaping.allowance import BudgetPlan
from gateway.shaping.schedule import Schedule, Window

NOON = datetime.datetime(2026, 11, 23, 12, 0)


class Scene:
    """Two destinations, of which one is counted and shaped; time passes when the test says so."""

    def __init__(self, *, monthly: int | None = 1000, schedule: Schedule | None = None) -> None:
        self.now = NOON
        self.days: dict[str, tuple[int, int]] = {}
        self.asked: list[Collection[str]] = []
        self.told: dict[str, tuple[Priority, str]] = {}
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0
        self.manners = Manners(
            ["oncology", "archive"],
            lambda name, most, why: self.told.__setitem__(name, (most, why)),
            self._days,
            plan=BudgetPlan(monthly, 1, ("oncology", "hub")),
            schedule=schedule or Schedule(),
            shaped=["oncology"],
            wall_clock=lambda: self.now.timestamp(),  # noqa: PLW0108 - it changes
            call_later=self._later,
        )

    def _days(self, names: Collection[str]) -> dict[str, tuple[int, int]]:
        self.asked.append(names)
        return self.days

    def _later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append((delay, callback))
        return asyncio.get_running_loop().call_later(3600, lambda: None)

    def most(self) -> Priority:
        return self.told["oncology"][0]

    def pass_time(self, **span: float) -> None:
        self.now += datetime.timedelta(**span)
        ((delay, callback),) = self.timers
        assert delay == LOOK
        self.timers.clear()
        callback()


async def test_what_is_used_holds_back_counted_destinations_only() -> None:
    scene = Scene()
    scene.days = {"2026-11-02": (300, 100), "2026-10-31": (10_000, 0)}  # October does not count
    scene.manners.start()
    assert scene.told == {"oncology": (Priority.BULK, ""), "archive": (Priority.BULK, "")}
    assert scene.asked == [("oncology", "hub")]
    scene.days["2026-11-23"] = (350, 50)
    scene.pass_time(seconds=LOOK)
    assert scene.most() is Priority.IMAGE
    assert "80% of this month's data" in scene.told["oncology"][1]
    assert scene.told["archive"] == (Priority.BULK, "")
    scene.days["2026-11-23"] = (550, 50)
    scene.pass_time(seconds=LOOK)
    assert scene.most() is Priority.RECORD
    scene.manners.close()


async def test_the_next_month_begins_anew() -> None:
    scene = Scene()
    scene.days = {"2026-11-20": (2000, 0)}
    scene.manners.start()
    assert scene.most() is Priority.RECORD
    assert "until 2026-12-01" in scene.told["oncology"][1]
    scene.pass_time(days=7, hours=11, minutes=59)  # 30 November
    assert scene.most() is Priority.RECORD
    scene.pass_time(minutes=2)
    assert scene.told["oncology"] == (Priority.BULK, "")
    scene.manners.close()


async def test_a_closed_window_holds_back_what_is_shaped_and_opens_again() -> None:
    closed = Schedule(None, (Window(8 * 60, 18 * 60, 0),))
    scene = Scene(monthly=None, schedule=closed)
    scene.manners.start()
    assert scene.most() is Priority.RECORD
    assert "until 2026-11-23 18:00" in scene.told["oncology"][1]
    assert scene.told["archive"] == (Priority.BULK, "")
    scene.pass_time(hours=6)
    assert scene.told["oncology"] == (Priority.BULK, "")
    scene.manners.close()


async def test_the_stricter_of_both_counts() -> None:
    scene = Scene(schedule=Schedule(None, (Window(8 * 60, 18 * 60, 0),)))
    scene.days = {"2026-11-20": (850, 0)}
    scene.manners.start()
    assert scene.most() is Priority.RECORD
    assert "schedule" in scene.told["oncology"][1]
    scene.pass_time(hours=6)
    assert scene.most() is Priority.IMAGE
    scene.manners.close()


async def test_without_budget_and_cap_nothing_is_looked_at_again() -> None:
    scene = Scene(monthly=None)
    scene.manners.start()
    assert scene.timers == []
    assert scene.asked == []
    scene.manners.close()
