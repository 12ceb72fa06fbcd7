"""Every fault of every call of an errand, one after the other, for as long as there is time."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.durability.campaign import Budget, Failure, Tally
from tests.durability.disk.crash import Policy
from tests.durability.faults.disk_faults import FaultyDisk
from tests.durability.faults.nursery import Nursery
from tests.durability.faults.traced import Traced
from tests.support.machine import missing_trace

_TELL_EVERY = 200
_TRACED_EVERY = 100  # faults of the disk between rounds of system calls that the kernel refuses
_TRACED = 20  # of them in such a round


class Faults:
    """The campaign "faults": a round goes through all of them in an order of its own."""

    name = "faults"
    what = (
        "lets each call of the spool fail, once or from then on, and cuts the power after every other errand"
    )

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Go on until the budget is over."""
        seed = budget.seed
        while not budget.over():
            with tempfile.TemporaryDirectory(prefix="faults-") as folder:
                self._on_a_bad_disk(Path(folder), seed, budget, tally, tell)
            seed += 1

    def _on_a_bad_disk(
        self, folder: Path, seed: int, budget: Budget, tally: Tally, tell: Callable[[str], None]
    ) -> None:
        dice = random.Random(seed)
        with FaultyDisk.ready(folder, seed) as disk:
            faults = disk.every_fault()
            dice.shuffle(faults)
            for place, fault in enumerate(faults):
                if budget.over():
                    return
                if place % _TRACED_EVERY == _TRACED_EVERY - 1:
                    self._in_the_kernel(seed + place, tally)
                if place % _TELL_EVERY == 0:
                    tell(f"seed {seed}: fault {place} of {len(faults)}: {fault}")
                try:
                    disk.run(fault, cut=dice.choice([None, Policy.WEAK, Policy.ORDERED]), tally=tally)
                except Failure as error:
                    raise Failure(
                        str(error), seed=seed, history=error.history, step=error.step, evidence=error.evidence
                    ) from error

    def _in_the_kernel(self, seed: int, tally: Tally) -> None:
        if missing_trace() is not None:
            tally.add("rounds without strace")
            return
        dice = random.Random(seed)
        with tempfile.TemporaryDirectory(prefix="traced-") as folder, Nursery() as nursery:
            traced = Traced(nursery, Path(folder))
            traced.count()
            for fault in dice.sample(traced.every_fault(), _TRACED):
                traced.run(fault, tally)
