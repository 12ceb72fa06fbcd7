"""The life of an alert: each step, and any history of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.admin.alerts.book import MAX_ACTIVE, Alert, Book, Event, NotActive, Pace
from gateway.admin.alerts.conditions import Condition, Kind, Severity

DOWN = Condition(Kind.LINK_DOWN, Severity.ATTENTION, "oncology", {"since": 1.0})
HELD = Condition(Kind.HELD, Severity.ATTENTION, "oncology", {"count": 1})
WORSE = replace(DOWN, severity=Severity.CRITICAL)
PACE = Pace(settle=120, repeat=1000)


def events(book: Book, conditions: list[Condition], now: float) -> list[Event]:
    return [one.event for one in book.look(conditions, now)[1]]


def test_it_is_told_once() -> None:
    book = Book(PACE)
    assert events(book, [DOWN], 0) == [Event.RAISED]
    assert events(book, [replace(DOWN, values={"since": 2.0})], 15) == []
    (alert,) = book.active
    assert alert.condition.values == {"since": 2.0}
    assert (alert.raised_at, alert.seen_at) == (0, 15)


def test_a_flicker_is_no_news() -> None:
    book = Book(PACE)
    book.look([DOWN], 0)
    assert events(book, [], 119) == []
    assert events(book, [DOWN], 120) == []
    assert events(book, [], 239) == []
    assert events(book, [], 240) == [Event.OVER]
    assert book.active == ()
    assert events(book, [DOWN], 241) == [Event.RAISED]
    assert book.active[0].number == 2


def test_it_is_repeated_until_somebody_knows() -> None:
    book = Book(PACE)
    book.look([DOWN], 0)
    assert events(book, [DOWN], 999) == []
    assert events(book, [DOWN], 1000) == [Event.REPEATED]
    assert events(book, [DOWN], 1001) == []
    known = book.acknowledge(1, "anna", 1002)
    assert (known.acknowledged_by, known.acknowledged_at) == ("anna", 1002)
    assert events(book, [DOWN], 5000) == []
    assert events(book, [], 5200) == [Event.OVER]


def test_zero_means_no_repeats() -> None:
    book = Book(Pace(settle=0, repeat=0))
    book.look([DOWN], 0)
    assert events(book, [DOWN], 1e9) == []


def test_worse_is_told_even_to_those_who_knew() -> None:
    book = Book(PACE)
    book.look([DOWN], 0)
    book.acknowledge(1, "anna", 1)
    assert events(book, [WORSE], 2) == [Event.RAISED]
    assert book.active[0].acknowledged_at is None
    assert events(book, [DOWN], 3) == []


def test_only_what_is_active_can_be_acknowledged() -> None:
    book = Book(PACE)
    with pytest.raises(NotActive):
        book.acknowledge(1, "anna", 0)
    book.look([DOWN], 0)
    book.look([], 200)
    with pytest.raises(NotActive):
        book.acknowledge(1, "anna", 201)


def test_a_clock_set_back_loses_nothing() -> None:
    book = Book(PACE)
    book.look([DOWN], 10_000)
    assert events(book, [], 5_000) == []
    assert events(book, [], 5_119) == []
    assert events(book, [], 5_120) == [Event.OVER]


def test_the_most_pressing_comes_first() -> None:
    book = Book(PACE)
    book.look([HELD], 0)
    book.look([HELD, WORSE], 1)
    assert [alert.condition for alert in book.active] == [WORSE, HELD]


def test_the_same_thing_twice_in_one_look_is_one() -> None:
    book = Book(PACE)
    assert events(book, [DOWN, DOWN], 0) == [Event.RAISED]


def test_it_is_bounded() -> None:
    book = Book(PACE)
    book.look([replace(HELD, subject=str(number)) for number in range(MAX_ACTIVE + 1)], 0)
    assert len(book.active) == MAX_ACTIVE


def test_numbers_go_on_after_a_restart() -> None:
    book = Book(PACE)
    book.look([DOWN], 0)
    again = Book(PACE, book.active, next_number=7)
    assert events(again, [DOWN, HELD], 1) == [Event.RAISED]
    assert sorted(alert.number for alert in again.active) == [1, 7]


SUBJECTS = st.sampled_from("abc")


class AnyHistory(RuleBasedStateMachine):
    """However conditions come and go: told once when it begins, once when it ends, never in between."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(Pace(settle=100, repeat=0))
        self.now = 0.0
        self.open: dict[str, Alert] = {}

    @rule(subjects=st.sets(SUBJECTS), step=st.floats(0, 250))
    def look(self, subjects: set[str], step: float) -> None:
        self.now += step
        conditions = [replace(HELD, subject=subject) for subject in sorted(subjects)]
        for telling in self.book.look(conditions, self.now)[1]:
            subject = telling.alert.condition.subject
            if telling.event is Event.RAISED:
                assert subject not in self.open
                self.open[subject] = telling.alert
            else:
                assert telling.event is Event.OVER
                assert self.open.pop(subject).number == telling.alert.number
                assert subject not in subjects
        assert subjects <= set(self.open)
        assert all(self.now - alert.seen_at < 100 for alert in self.book.active)

    @invariant()
    def what_was_told_is_what_is_shown(self) -> None:
        assert {alert.condition.subject for alert in self.book.active} == set(self.open)


TestAnyHistory = AnyHistory.TestCase
