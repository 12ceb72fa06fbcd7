"""The power is cut under a running gateway: what was acknowledged arrives, whole; nothing torn arrives."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.durability.campaign import Tallies, Tally
from tests.durability.power_cuts.box import Box
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.fuse, pytest.mark.peers, pytest.mark.slow]

_BOXES = 2
_CUTS = 100  # of each


@pytest.mark.timeout(600)
def test_power_cuts_lose_nothing_that_was_acknowledged(tmp_path: Path, tallies: Tallies) -> None:
    failures: list[BaseException] = []

    def run(seed: int) -> None:
        try:
            with Box(tmp_path / str(seed), centre.port, seed=seed) as box:
                boxes.append(box)
                for _ in range(_CUTS):
                    box.live_and_cut()
                box.drain()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(error)

    boxes: list[Box] = []
    with Receiver() as centre:
        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(1, _BOXES + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        arrived = centre.stored()
    for failure in failures:
        raise failure
    tally = Tally()
    for box in boxes:
        tally += box.tally
        box.ledger.check(arrived, tally, box.seed, "power cuts")
        assert box.ledger.acknowledged() > _CUTS, "hardly anything got through between the cuts"
    tallies.add("power cuts", tally)
    assert tally.counts["power cuts"] == _BOXES * _CUTS
    assert tally.counts["of these lost"], "the cuts found nothing that was not synced: they prove nothing"
