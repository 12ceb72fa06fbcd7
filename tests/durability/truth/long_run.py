"""`make torture`: walks of a few hundred events each, from one seed after the other."""

from __future__ import annotations

from collections.abc import Callable

from tests.durability.campaign import Budget, Tally
from tests.durability.truth.walk import walk

LENGTHS = (40, 40, 150, 400)


class DeliveryTruth:
    """Random histories of consoles, destinations, links, persons and crashes, in virtual time."""

    name = "delivery-truth"
    what = (
        "journal, scheduler and couriers against destinations that do anything, with crashes and persons "
        "in between: what was acknowledged is delivered or waits for a person"
    )

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        seed = budget.seed
        while not budget.over():
            steps = LENGTHS[seed % len(LENGTHS)]
            tell(f"seed {seed}: {steps} events")
            tally += walk(seed, steps)
            tally.add("histories")
            seed += 1
