"""How long to wait before the next try: exponential, with full jitter and a ceiling. Pure.

Full jitter (a uniform draw between zero and the exponential bound) spreads the gateways of a region that all
lost the same centre at the same moment, so that its return is not a stampede.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """A schedule of waits. All times in seconds."""

    base: float  # bound of the first wait
    ceiling: float  # no bound is ever higher
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.ceiling:
            raise ValueError(
                f"a backoff needs 0 < base <= ceiling, not base {self.base}, ceiling {self.ceiling}"
            )
        if self.factor < 1:
            raise ValueError(f"a backoff factor is 1 or more, not {self.factor}")

    def bound(self, attempt: int) -> float:
        """Return the longest wait after failure number `attempt` (the first is 1)."""
        try:
            grown = self.base * self.factor ** max(attempt - 1, 0)
        except OverflowError:  # a week of failures: far past any ceiling
            return self.ceiling
        return min(grown, self.ceiling)

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Draw the wait after failure number `attempt`: uniform in [0, bound]."""
        return rng.uniform(0.0, self.bound(attempt))


def around(interval: float, rng: random.Random) -> float:
    """Draw a wait of about `interval` seconds (plus or minus a tenth), for a slow, even pace."""
    return interval * rng.uniform(0.9, 1.1)
