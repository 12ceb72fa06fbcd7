"""Every fault of every call of an errand, one after the other, for as long as there is time."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.durability.campaign import Budget, Failure, Tally
from tests.durability.disk.crash import Policy
from tests.durability.faults.disk_faults import FaultyDisk

_TELL_EVERY = 200


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
                self._round(Path(folder), seed, budget, tally, tell)
            seed += 1

    def _round(
        self, folder: Path, seed: int, budget: Budget, tally: Tally, tell: Callable[[str], None]
    ) -> None:
        dice = random.Random(seed)
        with FaultyDisk.ready(folder, seed) as disk:
            faults = disk.every_fault()
            dice.shuffle(faults)
            for place, fault in enumerate(faults):
                if budget.over():
                    return
                if place % _TELL_EVERY == 0:
                    tell(f"seed {seed}: fault {place} of {len(faults)}: {fault}")
                try:
                    disk.run(fault, cut=dice.choice([None, Policy.WEAK, Policy.ORDERED]), tally=tally)
                except Failure as error:
                    raise Failure(
                        str(error), seed=seed, history=error.history, step=error.step, evidence=error.evidence
                    ) from error
