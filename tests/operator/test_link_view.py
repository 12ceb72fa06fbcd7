"""From histories to facts: links, trends and the budget."""

from __future__ import annotations

import datetime
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.model import AETitle, Peer
from gateway.operator.control import NotFound
from gateway.operator.link_view import LinkView
from gateway.shaping.allowance import BudgetPlan
from gateway.traffic import Traffic
from gateway.trends.history import day_of
from gateway.trends.watch import Watch
from tests.trends.test_meter import Open
from tests.trends.test_recorder import Scene, T, settled
from tests.trends.test_state import Delivery


class View(Scene):
    """A recorder, and what the API sees of it."""

    def look(self, monthly: int | None = None, counted: tuple[str, ...] = ("oncology",)) -> LinkView:
        return LinkView(
            self.PEERS,
            ["oncology"],
            self.recorder,
            Watch(dict),
            self.reachabilities,
            lambda: self.deliveries,
            BudgetPlan(monthly, 1, counted),
            clock=lambda: self.now,
            wall_clock=lambda: self.at,
        )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[View]:
    made = View(tmp_path)
    await made.recorder.start()
    yield made
    await made.recorder.close()


async def test_a_link_that_is_up(scene: View) -> None:
    reach = scene.reachabilities.of("oncology")
    reach.succeeded(scene.now)
    reach.measured(0.6)
    scene.deliveries = [Delivery("online", goodput=5e5, last_success=T - 30)]
    scene.notices.open_associations["a"] = Open(
        peer="oncology", now=Traffic(10, 100, segments_out=200, retransmitted=1)
    )
    scene.minute()
    oncology, console = scene.look().links().links
    assert (oncology.name, oncology.destination, oncology.state, oncology.since) == (
        "oncology",
        True,
        "up",
        T,
    )
    assert (oncology.rtt_seconds, oncology.bytes_per_second, oncology.loss) == (0.6, 5e5, 0.005)
    assert oncology.last_contact_at == T + 60
    assert oncology.next_try_at is None
    assert (oncology.today.sent, oncology.today.received) == (100, 10)
    assert oncology.this_month == oncology.today
    assert (console.name, console.destination, console.state) == ("console", False, "unknown")


async def test_a_link_that_is_down_says_why_and_when_it_is_tried_again(scene: View) -> None:
    scene.reachabilities.of("oncology").failed(scene.now, "no answer")
    scene.deliveries = [Delivery("offline", next_try=T + 300)]
    (link, _) = scene.look().links().links
    assert (link.state, link.reason) == ("down", "no answer")
    assert link.next_try_at is not None
    assert T < link.next_try_at < T + 2  # the earlier of the two


async def test_columns_are_of_one_length_and_parts_of_one(scene: View) -> None:
    scene.reachabilities.of("oncology").succeeded(scene.now)
    scene.minute(3)
    scene.notices.publish(settled("accepted"))
    scene.minute(2)
    trend = scene.look().trend("oncology", "day")
    lengths = {len(getattr(trend, name)) for name in ("at", "seconds", "up", "rtt_median", "loss", "objects")}
    assert lengths == {5}
    assert trend.up == (1.0,) * 5
    assert trend.objects == (0, 0, 0, 1, 0)
    assert (trend.start, trend.end) == (scene.at - 86400, scene.at)
    with pytest.raises(NotFound):
        scene.look().trend("nobody", "day")


def spend(scene: View, days: int, each: int, peer: str = "oncology") -> None:
    for back in range(days):
        scene.history(peer).entry.carried(day_of(scene.at - back * 86400), each, 0)


def noon(day: int) -> float:
    return time.mktime(datetime.datetime(2027, 1, day, 12).timetuple())


async def test_the_budget_counts_who_is_to_be_counted(scene: View) -> None:
    scene.at = noon(16)
    spend(scene, 16, 100)
    spend(scene, 16, 7, "console")
    told = scene.look(monthly=10_000).budget()
    assert (told.start, told.end, told.days, told.used) == ("2027-01-01", "2027-02-01", 31, 1600)
    assert told.elapsed == pytest.approx(15.5)
    assert [one.name for one in told.peers] == ["oncology"]
    assert (told.level, told.by_recent) == ("ok", 1600 + round(100 * 15.5))
    assert len(told.daily) == 16
    assert [one.start for one in told.periods] == ["2027-01-01"]
    assert scene.look(counted=("oncology", "console")).budget().used == 16 * 107


@pytest.mark.parametrize(
    ("monthly", "level"), [(None, "none"), (1600, "over"), (2000, "watch"), (100_000, "ok")]
)
async def test_the_level_of_the_budget(scene: View, monthly: int | None, level: str) -> None:
    scene.at = noon(16)
    spend(scene, 16, 100)
    assert scene.look(monthly=monthly).budget().level == level


async def test_earlier_months_are_there_as_far_as_anything_is_known(scene: View) -> None:
    scene.at = noon(16)
    spend(scene, 50, 10)
    told = scene.look().budget()
    assert [(one.start, one.sent) for one in told.periods] == [
        ("2026-11-01", 30),
        ("2026-12-01", 310),
        ("2027-01-01", 160),
    ]


async def test_the_budget_says_from_when_what_waits(scene: View) -> None:
    shown = scene.look(monthly=1_000_000).budget()
    assert (shown.bulk_until, shown.image_until, shown.leaves) == (800_000, 950_000, "bulk")
    scene.notices.open_associations["a"] = Open(peer="oncology", now=Traffic(0, 900_000))
    scene.minute()
    assert scene.look(monthly=1_000_000).budget().leaves == "image"
    assert scene.look().budget().bulk_until is None


class BehindALink(View):
    """Oncology is behind the hub."""

    PEERS = {"oncology": Peer("oncology", AETitle("ARIA"), "hub", 0, via="hub")}  # noqa: RUF012 - not changed


async def test_a_link_counts_for_the_budget_and_is_no_peer(tmp_path: Path) -> None:
    scene = BehindALink(tmp_path)
    await scene.recorder.start()
    scene.notices.open_associations["link"] = Open(peer="hub", now=Traffic(10, 100))
    look = scene.look(monthly=1_000_000, counted=("oncology", "hub"))
    assert [one.name for one in look.links().links] == ["oncology"]
    assert [(one.name, one.sent, one.received) for one in look.budget().peers] == [
        ("oncology", 0, 0),
        ("hub", 100, 10),
    ]
    await scene.recorder.close()
