"""`make torture ARGS="--only power-cuts"`: cuts of a working gateway, and of its starts, by the thousand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.durability.campaign import Budget, Tally
from tests.durability.power_cuts.rounds import lives_and_starts, side_by_side
from tests.support import machine

_LIVES = 30  # of a box in one round; then everything must have arrived
_BOXES = 2


class PowerCuts:
    """Two boxes at a time: live, cut, start (sometimes cut, too), and in the end everything has arrived."""

    name = "power-cuts"
    what = "cuts the power under running gateways with real consoles and a centre, and while they start"

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Rounds with the seeds from budget.seed on, until the budget is over."""
        missing = machine.missing_fuse()
        if missing is not None:
            raise ImportError(missing)
        seed = budget.seed
        while not budget.over():
            seeds = range(seed, seed + _BOXES)
            tell(f"boxes {seeds[0]} to {seeds[-1]}, {_LIVES} lives each")
            folder = Path(tempfile.mkdtemp(prefix="power-cuts-"))
            tally += side_by_side(folder, seeds, lives_and_starts(_LIVES, budget.over), self.name)
            shutil.rmtree(folder)
            tell(tally.line())
            seed += _BOXES
