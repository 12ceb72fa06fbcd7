"""The short form: every history, at each telling point, in some of the ways a disk may forget."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.durability.campaign import LOST, Tallies, Tally
from tests.durability.crash_points.explore import POINTS, RECOVERIES, STATES, WHOLE, Explorer, explore
from tests.durability.crash_points.histories import ALL
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.recording import Recording, record, record_recoveries

pytestmark = [pytest.mark.fuse]
NAME = "crash points"
PER_POINT = 8
EVERY = 8
"""Of the points after a write that is not synced yet, every so manieth."""


@pytest.fixture(scope="module")
def recordings() -> dict[str, Recording]:
    return record()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.mark.parametrize("name", ALL)
def test_nothing_acknowledged_is_lost(
    name: str, recordings: dict[str, Recording], site: Site, tallies: Tallies
) -> None:
    tally = Explorer(site, per_point=PER_POINT).explore(recordings[name], EVERY)
    tallies.add(NAME, tally)
    assert tally.counts[POINTS] > 10
    assert tally.counts[WHOLE] > 0
    assert tally.counts[STATES] >= tally.counts[RECOVERIES] > 20
    assert tally.counts[LOST] == 0


def test_recovery_can_be_cut_short_too(
    recordings: dict[str, Recording], site: Site, tallies: Tallies
) -> None:
    explorer = Explorer(site, per_point=4, samples_max=2)
    for name in ("killed", "retention"):
        explorer.explore(recordings[name], every=10)
    assert len(explorer.samples) == 4
    explorer.samples_max = 0
    total = Tally()
    for recording in record_recoveries(explorer.samples):
        total += explorer.explore(recording, every=4)
    assert total.counts[RECOVERIES] > 50
    assert total.counts[LOST] == 0
    tallies.add(NAME, total)


def test_a_history_is_explored_by_its_name(tallies: Tallies) -> None:
    tally = explore("steps", per_point=2, every=20)
    assert tally.counts[STATES] > 10
    tallies.add(NAME, tally)
