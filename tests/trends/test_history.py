"""One peer's history: states, restarts, and a wall clock that jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trends.history import History
from gateway.trends.ledger import Change, Entry
from gateway.trends.meter import Carried
from gateway.trends.state import LinkStanding

UP = LinkStanding("up", "")
DOWN = LinkStanding("down", "no answer")
T = 1_800_000_000.0


class Clocks:
    """A monotonic clock and a wall clock that move together, until the second is set."""

    def __init__(self) -> None:
        self.now, self.at = 1000.0, T
        self.history = History("oncology", self.now, self.at)

    def run(self, minutes: int, standing: LinkStanding | None = None) -> None:
        for _ in range(minutes):
            if standing is not None:
                self.history.stands(standing, self.now, self.at)
            self.now += 60
            self.at += 60
            self.history.tick(self.now, self.at)


def test_each_minute_says_what_part_of_it_the_link_was_up() -> None:
    clocks = Clocks()
    history = clocks.history
    history.stands(UP, 1015.0, T + 15)
    history.stands(DOWN, 1045.0, T + 45)
    clocks.run(1)
    (sample,) = history.samples("day", clocks.at)
    assert (sample.start, sample.seconds, sample.up, sample.down) == (T, 60, 30, 15)
    assert [(one.at, one.state) for one in history.changes("day", clocks.at)] == [
        (T + 15, "up"),
        (T + 45, "down"),
    ]


def test_half_hours_have_what_their_minutes_have() -> None:
    clocks = Clocks()
    for minute in range(60):
        clocks.history.carried(Carried(sent=10, received=1, segments=5), clocks.at)
        clocks.run(1, DOWN if minute == 7 else UP)
    first, second = clocks.history.samples("month", clocks.at)
    assert (first.seconds, first.up, first.down, first.sent, first.segments) == (1800, 1740, 60, 300, 150)
    assert (second.start, second.up) == (T + 1800, 1800)
    assert sum(sent for sent, _ in clocks.history.entry.days.values()) == 600


def test_the_same_state_again_is_no_change_and_words_stay_true() -> None:
    clocks = Clocks()
    assert clocks.history.stands(DOWN, 1001, T + 1)
    assert not clocks.history.stands(LinkStanding("down", "connection refused"), 1002, T + 2)
    assert clocks.history.standing.reason == "connection refused"
    assert clocks.history.since == T + 1
    assert len(clocks.history.entry.changes) == 1


def test_a_clock_that_is_put_right_ahead_leaves_the_wrong_times_behind() -> None:
    clocks = Clocks()
    clocks.at = 0.0  # 1970: a board without a clock of its own
    clocks.run(10, UP)
    clocks.at = T
    clocks.run(5, UP)
    samples = clocks.history.samples("day", clocks.at)
    assert [one.start for one in samples] == [T + 60 * minute for minute in range(5)]
    assert all(one.seconds == 60 and one.up == 60 for one in samples)


def test_a_clock_that_is_put_back_keeps_the_newer_knowledge() -> None:
    clocks = Clocks()
    clocks.run(10, UP)
    clocks.at -= 300
    clocks.run(3, DOWN)
    samples = clocks.history.samples("day", clocks.at)
    starts = [one.start for one in samples]
    assert starts == sorted(starts)
    assert starts[-1] == T + 420
    assert [one.down > 0 for one in samples] == [False] * 5 + [True] * 3


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 5), st.booleans()), max_size=20))
def test_whatever_the_clock_does_times_ascend_and_lengths_are_true(
    jumps: list[tuple[float, int, bool]],
) -> None:
    clocks = Clocks()
    for jump, minutes, up in jumps:
        clocks.at += jump
        clocks.run(minutes, UP if up else DOWN)
    for span in ("day", "month"):
        samples = clocks.history.samples(span, clocks.at)  # type: ignore[arg-type]  # both are spans
        starts = [one.start for one in samples]
        assert starts == sorted(set(starts))
        assert all(one.up + one.down <= one.seconds + 1e-3 for one in samples)
    times = [one.at for one in clocks.history.changes("day", clocks.at)]
    assert times == sorted(times)


def test_a_restart_is_a_time_of_which_nothing_is_known() -> None:
    entry = Entry([Change(T - 500, "up", "")])
    history = History("oncology", 0.0, T, entry=entry, saved_at=T - 100)
    assert [(one.at, one.state) for one in history.entry.changes] == [(T - 500, "up"), (T - 100, "unknown")]
    clean = Entry([Change(T - 500, "up", ""), Change(T - 90, "unknown", "")])
    assert len(History("oncology", 0.0, T, entry=clean, saved_at=T - 90).entry.changes) == 2


def test_at_the_end_what_is_begun_is_closed() -> None:
    clocks = Clocks()
    clocks.run(10, UP)
    clocks.history.end(clocks.now + 20, clocks.at + 20)
    (half_hour,) = clocks.history.samples("month", clocks.at)
    assert half_hour.seconds == pytest.approx(620)
    assert clocks.history.samples("day", clocks.at)[-1].seconds == pytest.approx(20)
    assert clocks.history.entry.changes[-1].state == "unknown"


def test_loss_of_the_last_minutes() -> None:
    clocks = Clocks()
    assert clocks.history.loss(60) is None
    for again in (50, 0, 2):
        clocks.history.carried(Carried(segments=100, retransmitted=again), clocks.at)
        clocks.run(1)
    assert clocks.history.loss(2) == 0.01


def test_changes_begin_with_the_one_before() -> None:
    clocks = Clocks()
    clocks.history.stands(UP, clocks.now, clocks.at)
    clocks.run(2000)
    clocks.history.stands(DOWN, clocks.now, clocks.at)
    assert [one.state for one in clocks.history.changes("day", clocks.at)] == ["up", "down"]
