"""Rates by minute of the week: borders, midnight, order of windows."""

from __future__ import annotations

import datetime

import pytest

from gateway.shaping.schedule import Schedule, Window

MONDAY = datetime.datetime(2026, 11, 23)
WEEKDAYS = frozenset(range(5))


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime.datetime:
    return MONDAY + datetime.timedelta(days=day, hours=hour, minutes=minute, seconds=second)


TREATMENT = Schedule(None, (Window(7 * 60 + 30, 18 * 60, 100_000, WEEKDAYS),))


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        (at(0, 7, 29, 59), None),
        (at(0, 7, 30), 100_000),
        (at(4, 17, 59, 59), 100_000),
        (at(4, 18), None),
        (at(5, 12), None),
        (at(6, 12), None),
    ],
)
def test_a_window_begins_at_its_first_minute_and_ends_before_its_last(
    moment: datetime.datetime, rate: int | None
) -> None:
    assert TREATMENT.at(moment) == rate


def test_a_window_past_midnight_belongs_to_the_day_it_starts_on() -> None:
    friday_night = Schedule(5, (Window(22 * 60, 6 * 60, 9, frozenset({4})),))
    assert friday_night.at(at(4, 21, 59)) == 5
    assert friday_night.at(at(4, 22)) == 9
    assert friday_night.at(at(5, 5, 59)) == 9
    assert friday_night.at(at(5, 6)) == 5
    assert friday_night.at(at(4, 5)) == 5  # the night before is Thursday's
    assert friday_night.at(at(5, 22)) == 5
    sunday_night = Schedule(5, (Window(22 * 60, 6 * 60, 9, frozenset({6})),))
    assert sunday_night.at(at(7, 5, 59)) == 9


def test_equal_ends_are_a_whole_day() -> None:
    saturdays = Schedule(5, (Window(0, 0, None, frozenset({5})),))
    assert [saturdays.at(at(day, 13)) for day in (4, 5, 6)] == [5, None, 5]
    from_noon = Schedule(5, (Window(12 * 60, 12 * 60, None, frozenset({5})),))
    noons = [at(5, 11), at(5, 12), at(6, 11), at(6, 12)]
    assert [from_noon.at(moment) for moment in noons] == [5, None, None, 5]


def test_the_first_window_that_holds_decides() -> None:
    lunch = Window(12 * 60, 13 * 60, 7)
    day = Window(8 * 60, 18 * 60, 3)
    assert Schedule(None, (lunch, day)).at(at(2, 12, 30)) == 7
    assert Schedule(None, (day, lunch)).at(at(2, 12, 30)) == 3


def test_the_next_change_is_told() -> None:
    assert TREATMENT.changes(at(0, 3)) == at(0, 7, 30)
    assert TREATMENT.changes(at(0, 7, 30)) == at(0, 18)
    assert TREATMENT.changes(at(4, 18)) == at(7, 7, 30)  # over the weekend
    assert Schedule(5).changes(at(0, 3)) is None
    assert Schedule(5, (Window(0, 60, 5),)).changes(at(0, 3)) is None
    once_a_week = Schedule(5, (Window(0, 60, 6, frozenset({0})),))
    assert once_a_week.changes(at(0, 1)) == at(7, 0)


def test_whether_there_is_ever_a_cap() -> None:
    assert TREATMENT.caps
    assert Schedule(0).caps
    assert not Schedule(None, (Window(0, 0, None),)).caps
