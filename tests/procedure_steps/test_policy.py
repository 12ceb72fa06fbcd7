"""The numbers of the procedure step queue."""

from __future__ import annotations

import random

import pytest

from gateway.procedure_steps.policy import StepPolicy


@pytest.mark.parametrize(
    ("attempt", "bound"), [(0, 5.0), (1, 5.0), (2, 10.0), (4, 40.0), (7, 300.0), (100_000, 300.0)]
)
def test_waits_grow_up_to_the_ceiling(attempt: int, bound: float) -> None:
    rng = random.Random(7)
    waits = [StepPolicy().delay(attempt, rng) for _ in range(200)]
    assert max(waits) <= bound
    assert max(waits) > 0.9 * bound
    assert min(waits) < 0.1 * bound


@pytest.mark.parametrize(("base", "ceiling"), [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_backoff_that_is_none_is_refused(base: float, ceiling: float) -> None:
    with pytest.raises(ValueError, match="backoff"):
        StepPolicy(backoff_base=base, backoff_ceiling=ceiling)
