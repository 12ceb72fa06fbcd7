"""Flow control by totals: what may be sent, what may come, and a window that finds its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.credit import SendCredit, Window
from gateway.link.frames import FrameError


def test_credit_never_shrinks() -> None:
    credit = SendCredit(100)
    credit.sent = 40
    credit.raised(300)
    credit.raised(200)
    assert credit.available == 260


def test_more_than_there_was_credit_for_is_a_violation() -> None:
    window = Window(100, 100, 0.0)
    window.arrived(100)
    assert window.held == 100
    with pytest.raises(FrameError, match="1 bytes more"):
        window.arrived(1)


def test_credit_is_told_when_half_of_it_is_used_up() -> None:
    window = Window(100, 100, 0.0)
    window.arrived(100)
    assert window.consumed(50, 9.0, 0.1) is None
    assert window.consumed(1, 9.0, 0.1) == 151
    assert window.held == 49


def test_a_window_used_up_within_two_round_trips_doubles_up_to_its_bound() -> None:
    window = Window(100, 350, 0.0)
    sizes = []
    now = 0.0
    for _ in range(4):
        window.arrived(window.size)
        now += 1.0
        assert window.consumed(window.held, now, 0.6) is not None
        sizes.append(window.size)
    assert sizes == [200, 350, 350, 350]


def test_a_slow_reader_gets_no_larger_window() -> None:
    window = Window(100, 800, 0.0)
    window.arrived(100)
    window.consumed(100, 1.3, 0.6)
    assert window.size == 100


def test_room_for_a_whole_block_is_left_when_everything_is_consumed() -> None:
    window = Window(100, 100, 0.0, least=70)
    window.arrived(31)
    assert window.consumed(31, 9.0, 0.1) == 131


def test_a_wider_window_is_told_at_once_and_a_narrower_one_is_not() -> None:
    window = Window(100, 400, 0.0)
    window.arrived(30)
    window.consumed(30, 1.0, 0.0)
    assert window.widen(300, 1.0) == 330
    assert window.widen(200, 1.0) is None


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200), st.floats(0, 2)), max_size=50))
def test_a_sender_that_obeys_is_never_blamed_and_never_stuck(steps: list[tuple[int, int, float]]) -> None:
    window, credit, now = Window(100, 1000, 0.0, least=60), SendCredit(100), 0.0
    for sent, read, seconds in steps:
        count = min(sent, credit.available)
        credit.sent += count
        window.arrived(count)
        now += seconds
        limit = window.consumed(min(read, window.held), now, 0.5)
        if limit is not None:
            credit.raised(limit)
    limit = window.consumed(window.held, now, 0.5)
    if limit is not None:
        credit.raised(limit)
    assert credit.available >= 60
