"""The long form goes on for as long as it may, and counts what it did."""

from __future__ import annotations

import pytest

from tests.durability.campaign import ACKNOWLEDGED, LOST, Budget, Tally
from tests.durability.power_cuts.long_run import PowerCuts

pytestmark = [pytest.mark.fuse, pytest.mark.slow]


def test_it_ends_with_its_budget_and_has_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    tally, told = Tally(), list[str]()
    PowerCuts().run(Budget.seconds(4, 5), tally, told.append)
    assert tally.counts["power cuts"] >= 1
    assert tally.counts[ACKNOWLEDGED] >= 1
    assert tally.counts[LOST] == 0
    assert told[0].startswith("boxes 5 to 6")
