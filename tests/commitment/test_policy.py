"""The waits between tries."""

from __future__ import annotations

import random

import pytest

from gateway.commitment.policy import Waits


def test_waits_grow_to_a_ceiling() -> None:
    waits = Waits(5, 600)
    assert [waits.bound(number) for number in (1, 2, 3, 8, 9999)] == [5, 10, 20, 600, 600]


def test_a_wait_is_never_at_once_and_never_in_step() -> None:
    waits, rng = Waits(5, 600), random.Random(1)
    drawn = [waits.delay(3, rng) for _ in range(100)]
    assert min(drawn) >= 10
    assert max(drawn) <= 20
    assert len(set(drawn)) > 90


@pytest.mark.parametrize("wrong", [(0, 1, 2), (2, 1, 2), (1, 2, 0.5)])
def test_waits_that_make_no_sense(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="waits need"):
        Waits(*wrong)
