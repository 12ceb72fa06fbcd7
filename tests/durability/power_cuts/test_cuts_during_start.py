"""The power comes back and goes again while the gateway still starts: recovery survives its own crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.campaign import Tallies
from tests.durability.power_cuts.box import Box
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.fuse, pytest.mark.peers, pytest.mark.slow]

_LIVES = 8
_STARTS_CUT = 3  # in a row, after each life


@pytest.mark.timeout(400)
def test_starts_that_are_cut_one_after_another_lose_nothing(tmp_path: Path, tallies: Tallies) -> None:
    """At a call of the filesystem between the first and the last of a start, drawn by chance."""
    with Receiver() as centre, Box(tmp_path, centre.port, seed=11) as box:
        for _ in range(_LIVES):
            box.wait_for_objects(6)
            for _ in range(_STARTS_CUT):
                if box.cut_during_start():
                    box.tally.add("starts cut")
            box.launch_if_down()
        box.drain()
        box.check(centre, "cuts during start")
        tallies.add("power cuts", box.tally)
    assert box.tally.counts["starts cut"] >= _LIVES
    assert box.tally.counts["objects acknowledged"] >= 6 * _LIVES
