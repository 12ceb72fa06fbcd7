"""The long form goes on until its time is over; histories drawn by chance are explored like the others."""

from __future__ import annotations

import pytest

from tests.durability.campaign import ACKNOWLEDGED, LOST, Budget, Tallies, Tally
from tests.durability.crash_points.explore import RECOVERIES, Explorer
from tests.durability.crash_points.long_history import LONG, history
from tests.durability.crash_points.long_run import CrashPoints
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.recording import record

pytestmark = [pytest.mark.fuse]


def test_a_round_ends_when_the_time_is_over() -> None:
    tally, told = Tally(), list[str]()
    campaign = CrashPoints(names=("steps",), long_ones=0)
    campaign.run(Budget.seconds(3, seed=1), tally, told.append)
    assert told[0].startswith("round 1: recording")
    assert tally.counts[ACKNOWLEDGED] > 0
    assert tally.counts[LOST] == 0


def test_a_history_drawn_by_chance(tallies: Tallies) -> None:
    [recording] = record([f"{LONG}2"]).values()
    with Site() as site:
        tally = Explorer(site, per_point=1).explore(recording, every=50)
    assert tally.counts[RECOVERIES] > 20
    assert tally.counts[ACKNOWLEDGED] > 5
    assert tally.counts[LOST] == 0
    tallies.add("crash points", tally)


def test_a_seed_is_a_history() -> None:
    assert len(history(f"{LONG}5").acts) == len(history(f"{LONG}5").acts)
    assert {len(history(f"{LONG}{seed}").acts) for seed in range(30)} == {1, 2, 3, 4}
