"""What waits when the month's data runs short: bulk, then images, records never."""

from __future__ import annotations

import datetime

import pytest

from gateway.model import Priority
from gateway.shaping.allowance import EVERYTHING, Allowance, BudgetPlan, by_budget, by_rate

GB = 10**9
DECEMBER = datetime.date(2026, 12, 1)


def plan(**changes: object) -> BudgetPlan:
    return BudgetPlan(**{"monthly": 50 * GB, "day": 1, "counted": ("oncology",), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("used", "most"),
    [
        (0, Priority.BULK),
        (40 * GB - 1, Priority.BULK),
        (40 * GB, Priority.IMAGE),
        (int(47.5 * GB) - 1, Priority.IMAGE),
        (int(47.5 * GB), Priority.RECORD),
        (500 * GB, Priority.RECORD),
    ],
)
def test_bulk_waits_first_then_images_and_records_never(used: int, most: Priority) -> None:
    assert by_budget(plan(), used, DECEMBER).most is most


def test_the_words_say_how_much_what_and_until_when() -> None:
    assert by_budget(plan(), 41 * GB, DECEMBER).why == (
        "82% of this month's data is used: bulk objects wait until 2026-12-01, records go on"
    )
    assert "images and bulk objects wait" in by_budget(plan(), 49 * GB, DECEMBER).why


def test_without_a_budget_or_when_it_is_only_shown_everything_goes() -> None:
    assert by_budget(plan(monthly=None), 10**15, DECEMBER) == EVERYTHING
    assert by_budget(plan(defer=False), 10**15, DECEMBER) == EVERYTHING


def test_images_may_be_named_before_bulk_objects() -> None:
    """Whoever puts the shares the other way round holds both back from the smaller one on."""
    swapped = plan(bulk_share=0.9, image_share=0.5)
    assert by_budget(swapped, 25 * GB, DECEMBER).most is Priority.RECORD
    assert by_budget(swapped, 24 * GB, DECEMBER).most is Priority.BULK


def test_only_a_rate_of_nothing_holds_back_what_has_not_begun() -> None:
    then = datetime.datetime(2026, 11, 23, 18, 0)
    assert by_rate(None, then) == EVERYTHING
    assert by_rate(1000, then) == EVERYTHING
    closed = by_rate(0, then)
    assert closed.most is Priority.RECORD
    assert "until 2026-11-23 18:00" in closed.why
    assert "until" not in by_rate(0, None).why


def test_the_stricter_one_counts_and_says_why() -> None:
    budget = Allowance(Priority.IMAGE, "data")
    closed = Allowance(Priority.RECORD, "closed")
    assert budget.stricter(closed) is closed
    assert closed.stricter(budget) is closed
    assert budget.stricter(EVERYTHING) is budget
