"""The power is cut under a running gateway: what was acknowledged arrives, whole; nothing torn arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.campaign import ACKNOWLEDGED, Tallies
from tests.durability.power_cuts.rounds import lives, side_by_side

pytestmark = [pytest.mark.fuse, pytest.mark.peers, pytest.mark.slow]

_BOXES = 2
_CUTS = 100  # of each


@pytest.mark.timeout(900)
def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path, tallies: Tallies) -> None:
    tally = side_by_side(tmp_path, range(1, _BOXES + 1), lives(_CUTS), "power cuts")
    tallies.add("power cuts", tally)
    assert tally.counts["power cuts"] == _BOXES * _CUTS
    assert tally.counts[ACKNOWLEDGED] > _BOXES * _CUTS, "hardly anything got through between the cuts"
    assert tally.counts["of these lost"], "the cuts found nothing that was not synced: they prove nothing"
