"""The rate of a line, and what follows from it."""

from __future__ import annotations

import pytest

from gateway.link.pace import LARGEST, LEAST, MOST, SMALLEST, UNKNOWN, Pace


def run(pace: Pace, begin: float, seconds: float, rate: float, round_trip: float = 0.06) -> None:
    """Always something to send, at this rate."""
    pace.goes_on(begin)
    for step in range(round(seconds / 0.25) + 1):
        now = begin + step * 0.25
        assert pace.due(now)
        pace.seen(now, rate, round_trip)
    pace.ran_dry(begin + seconds)


def test_before_it_is_known_nothing_is_made_of_it() -> None:
    pace = Pace()
    run(pace, 100.0, 0.5, 20_000)
    assert pace.rate is None
    assert (pace.unsent, pace.piece, pace.ceiling) == (UNKNOWN, LARGEST, None)


def test_on_a_long_way_it_takes_longer_until_it_is_known() -> None:
    pace = Pace()
    run(pace, 100.0, 3.0, 20_000, round_trip=0.6)
    assert pace.rate is None
    run(pace, 103.3, 3.0, 1_200_000, round_trip=0.6)
    assert pace.rate == 1_200_000


@pytest.mark.parametrize(
    ("rate", "unsent", "piece"),
    [
        (5_000, LEAST, SMALLEST),  # GPRS
        (16_000, LEAST, SMALLEST),  # ISDN
        (125_000, 6250, 6250),  # DSL, upwards
        (1_250_000, 62_500, LARGEST),
        (100_000_000, MOST, LARGEST),
    ],
)
def test_a_twentieth_of_a_second_may_wait(rate: int, unsent: int, piece: int) -> None:
    pace = Pace()
    run(pace, 100.0, 3.0, rate)
    assert (pace.unsent, pace.piece) == (unsent, piece)
    assert pace.ceiling == round(rate * 1.25)


def test_the_best_of_the_last_seconds_counts() -> None:
    pace = Pace()
    run(pace, 100.0, 3.0, 1_000_000)
    pace.goes_on(103.01)
    assert pace.seen(103.25, 50_000, 0.06)  # one look at a bad moment
    assert pace.rate == 1_000_000
    run(pace, 103.5, 8.0, 200_000)  # it has become slower
    assert pace.rate == 200_000
    run(pace, 112.0, 2.0, 900_000)  # and faster: that shows at once
    assert pace.rate == 900_000


def test_a_little_now_and_then_does_not_make_it_slow() -> None:
    pace = Pace()
    run(pace, 100.0, 3.0, 1_000_000)
    for minute in range(1, 20):
        run(pace, 100.0 + 60 * minute, 0.25, 3_000)
    assert pace.rate == 1_000_000


def test_while_the_window_opens_nothing_is_capped() -> None:
    pace = Pace()
    for step in range(80):  # TCP on a long way doubles with each round trip
        pace.goes_on(100.0 + step * 0.25)
        pace.seen(100.0 + step * 0.25, min(1_200_000, 24_000 * 2 ** (step * 0.25 / 0.6)), 0.6)
        if step * 0.25 < 5.0:
            assert pace.ceiling is None
    assert pace.ceiling == 1_500_000
    pace.seen(121.0, 1_450_000, 0.6)  # it has become faster: see how fast
    assert pace.ceiling is None


def test_a_look_is_not_for_nothing() -> None:
    pace = Pace()
    pace.seen(100.0, 1, 0.1)
    assert not pace.due(100.2)
    assert pace.due(100.25)
