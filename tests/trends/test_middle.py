"""The middle of some numbers: as the library's, which is too heavy for the daemon."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trends.middle import deviation, mean, median

NUMBERS = st.lists(st.floats(0, 1e12), min_size=1, max_size=50)


@given(NUMBERS)
def test_as_the_library_says(values: list[float]) -> None:
    assert median(values) == statistics.median(values)
    assert mean(values) == pytest.approx(statistics.fmean(values))
    assert deviation(values) == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=1e-3)
