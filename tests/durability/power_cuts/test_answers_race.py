"""The centre has an object, and the power goes before the gateway has written down that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.campaign import Tallies
from tests.durability.power_cuts.box import Box
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.fuse, pytest.mark.slow]

_CUTS = 15


@pytest.mark.timeout(400)
def test_an_object_whose_receipt_was_cut_off_is_sent_again_and_none_is_lost(
    tmp_path: Path, tallies: Tallies
) -> None:
    """Delivered twice is allowed, and counted; it must come to that, or the cuts were at the wrong moment."""
    with Receiver() as centre, Box(tmp_path, centre.port, seed=21, storescu=False) as box:
        assert centre.program is not None
        for _ in range(_CUTS):
            said = centre.program.line_count()
            box.wait_for_objects(1)
            # It says so before it answers: the answer and the cut are on their way together.
            centre.wait_event("store", after=said, timeout=60)
            box.cut()
            box.launch()
        box.drain()
        box.check(centre, "answers race")
        tallies.add("power cuts", box.tally)
    assert box.tally.counts["arrived more than once"] >= 1
    assert box.tally.counts["objects acknowledged"] >= _CUTS
