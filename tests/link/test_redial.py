"""How long a site waits before it dials again."""

from __future__ import annotations

from gateway.link.redial import Redial, RedialLimits


def bounds(redial: Redial, times: int, *, up: float = 0.0, refused: bool = False) -> list[float]:
    return [redial.next(up=up, refused=refused) for _ in range(times)]


def longest(_low: float, high: float) -> float:
    return high


def test_the_bound_doubles_and_has_an_end() -> None:
    redial = Redial(RedialLimits(), longest)
    assert bounds(redial, 7) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert bounds(redial, 2000)[-1] == 30.0


def test_a_hub_that_refuses_is_asked_less_often() -> None:
    redial = Redial(RedialLimits(), longest)
    assert bounds(redial, 12, refused=True)[-4:] == [256.0, 300.0, 300.0, 300.0]


def test_a_good_connection_makes_up_for_everything() -> None:
    redial = Redial(RedialLimits(), longest)
    bounds(redial, 10)
    assert redial.next(up=10.0, refused=False) == 30.0
    assert redial.next(up=31.0, refused=False) == 1.0


def test_any_moment_up_to_the_bound() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return (low + high) / 2

    redial = Redial(RedialLimits(), uniform)
    assert bounds(redial, 3) == [0.5, 1.0, 2.0]
    assert asked == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]


def test_what_the_hub_asks_for_comes_on_top_within_reason() -> None:
    redial = Redial(RedialLimits(), longest)
    assert redial.next(up=60.0, refused=False, retry_after=5.0) == 6.0
    assert redial.next(up=60.0, refused=False, retry_after=1e9) == 301.0


def test_two_hundred_sites_do_not_come_back_at_once() -> None:
    waits = sorted(Redial(RedialLimits()).next(up=3600.0, refused=False) for _ in range(200))
    assert waits[100] - waits[0] > 0.2
    assert max(waits) <= 1.0
