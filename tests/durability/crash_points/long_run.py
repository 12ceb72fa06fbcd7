"""The long form: every history again and again, long ones drawn by chance, recoveries that are cut short."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.durability.campaign import Budget, Tally
from tests.durability.crash_points.explore import Explorer
from tests.durability.crash_points.histories import ALL
from tests.durability.crash_points.long_history import LONG
from tests.durability.crash_points.observe import Site
from tests.durability.crash_points.recording import record, record_recoveries
from tests.durability.disk.crash import Policy

PER_POINT = 40
LONG_ONES = 6
FIRST = ("small", "file")
"""Short ones in which something is acknowledged: a run of a minute proves something, too."""


@dataclass
class CrashPoints:
    """The campaign. Of the histories drawn by chance there are `long_ones` in a round."""

    names: tuple[str, ...] = tuple(ALL)
    long_ones: int = LONG_ONES
    per_point: int = PER_POINT
    name = "crash-points"
    what = "cut the power at every point of a history, in every way a disk may forget, and recover"

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Go on until the budget is over; the policy takes turns, the weak one first."""
        seed = budget.seed
        while not budget.over():
            policy = (Policy.WEAK, Policy.ORDERED)[(seed - budget.seed) % 2]
            with Site() as site:
                self._round(seed, policy, site, budget, tally, tell)
            seed += 1

    def _round(
        self,
        seed: int,
        policy: Policy,
        site: Site,
        budget: Budget,
        tally: Tally,
        tell: Callable[[str], None],
    ) -> None:
        names = [*self.names, *(f"{LONG}{seed * self.long_ones + one}" for one in range(self.long_ones))]
        random.Random(seed).shuffle(names)
        names.sort(key=lambda name: name not in FIRST)
        tell(f"round {seed}: recording {len(names)} histories")
        explorer = Explorer(site, policy, self.per_point, seed, budget.over, tally, samples_max=1)
        for name, recording in record(names).items():
            tell(f"round {seed}: {name}, {len(recording.log)} operations on a disk that is {policy.value}")
            explorer.explore(recording, every=10 if name.startswith(LONG) else 1 + seed % 3)
            if budget.over():
                return
        samples, explorer.samples = explorer.samples, []
        explorer.samples_max = 0
        for recording in record_recoveries(samples):
            if budget.over():
                return
            tell(f"round {seed}: {recording.name}")
            explorer.explore(recording, every=2)
