"""The campaign "mutants": every mutant against every test that is said to catch it."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.durability.campaign import Budget, Failure, Tally
from tests.durability.mutants.catalogue import CATALOGUE
from tests.durability.mutants.catching import Verdict, try_mutant
from tests.durability.mutants.control import LANES, Bench, complaint

CAUGHT = "mutants caught"


class Mutants:
    """Takes one rule after the other away, and sees whether each test that should notice does."""

    name = "mutants"
    what = "Takes away one rule of durability after the other; every test that is said to notice must fail."

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Try all of them, in an order drawn from the seed, or as many as the budget has time for."""
        pairs = [(mutant, test) for mutant in CATALOGUE for test in mutant.caught_by]
        random.Random(budget.seed).shuffle(pairs)
        for word in (CAUGHT, "tests that caught one", "tests that pass without a mutant"):
            tally.add(word, 0)
        known: set[str] = set()
        sound: set[str] = set()
        for first in range(0, len(pairs), LANES):
            if budget.over():
                return
            some = pairs[first : first + LANES]
            tell(f"{len(pairs)} pairs of mutant and test, now {some[0][0].name}")
            with Bench() as bench:
                bench.begin(some)
                for mutant, test in some:
                    wrong = complaint(mutant, test, bench.catch(mutant, test))
                    if wrong:
                        raise Failure(wrong, seed=budget.seed, history=mutant.name, step=test)
                    tally.add("tests that caught one")
                    tally.add(CAUGHT, int(mutant.name not in known))
                    known.add(mutant.name)
            for test in {test for _, test in some} - sound:
                catch = try_mutant(None, [test])
                if catch.verdict is not Verdict.PASSED:
                    raise Failure(
                        f"fails on the unchanged gateway too: {catch.words}", seed=budget.seed, step=test
                    )
                sound.add(test)
                tally.add("tests that pass without a mutant")
