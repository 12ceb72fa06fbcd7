"""The crash points of short histories, as tests for the mutants: few states at each point, the telling ones.

Not collected by itself: the catalogue names it. On the unchanged gateway crash_points/ itself does more.
"""

from __future__ import annotations

import pytest

from tests.durability.crash_points.explore import explore
from tests.durability.crash_points.histories import ALL

PER_POINT = 10
"""States that are tried at each point. The corners come first: nothing, everything, each one missing."""


@pytest.mark.timeout(110)
@pytest.mark.parametrize("history", ALL)
def test_history(history: str) -> None:
    explore(history, per_point=PER_POINT)
