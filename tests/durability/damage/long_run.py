"""The long form, for `make torture`."""

from __future__ import annotations

from collections.abc import Callable

from tests.durability.campaign import Budget, Tally
from tests.durability.damage.trying import anything, pages, ward, whole_files


class Damage:
    """Spools damaged at random, and in every page, until the time is over."""

    name = "damage"
    what = "journals and object files with flipped bits, lost pages, swapped pages, cut or deleted files"

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Go on until the budget is over, a new spool now and then."""
        seed = budget.seed
        while not budget.over():
            with ward(20 + seed % 40) as made:
                tell(f"a spool of {len(made.account.digests)} objects")
                tally += whole_files(made)
                tally += pages(made, seed, budget.over)
                for _ in range(300):
                    if budget.over():
                        return
                    tally += anything(made, seed)
                    seed += 1
