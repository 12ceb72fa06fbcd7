from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backoff import Backoff, around

SEEDS = st.integers(0, 2**32)
ATTEMPTS = st.integers(1, 100_000)


def test_bounds_double_up_to_the_ceiling() -> None:
    backoff = Backoff(base=1, ceiling=60)
    assert [backoff.bound(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(ATTEMPTS, SEEDS, st.floats(0.001, 100), st.floats(1, 100))
def test_a_delay_is_between_zero_and_the_ceiling(attempt: int, seed: int, base: float, times: float) -> None:
    backoff = Backoff(base, base * times)
    assert 0 <= backoff.delay(attempt, random.Random(seed)) <= backoff.bound(attempt) <= backoff.ceiling


@given(ATTEMPTS)
def test_bounds_never_shrink(attempt: int) -> None:
    backoff = Backoff(0.5, 900)
    assert backoff.bound(attempt) <= backoff.bound(attempt + 1)


def test_jitter_is_full() -> None:
    rng = random.Random(1)
    draws = [Backoff(10, 10).delay(1, rng) for _ in range(500)]
    assert min(draws) < 1
    assert max(draws) > 9


@pytest.mark.parametrize(("base", "ceiling", "factor"), [(0, 1, 2), (2, 1, 2), (1, 2, 0.5), (-1, 1, 2)])
def test_nonsense_is_refused(base: float, ceiling: float, factor: float) -> None:
    with pytest.raises(ValueError, match="backoff"):
        Backoff(base, ceiling, factor)


@given(SEEDS, st.floats(1, 1e6))
def test_a_slow_pace_is_even(seed: int, interval: float) -> None:
    assert 0.9 * interval <= around(interval, random.Random(seed)) <= 1.1 * interval
