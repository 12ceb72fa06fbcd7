"""What the proofs of durability have in common: what they count, how long they go on, how they fail.

tally     the counts of one campaign, in stable words ("power cuts", "objects acknowledged", "objects lost")
budget    until when a long run goes on, and the seed that everything random in it is drawn from
campaign  one way of trying to make the gateway lose something; `make torture` runs them in turn (__main__.py)
tallies   the counts of the short forms, printed at the end of the test run (fixture `tallies`)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

ACKNOWLEDGED = "objects acknowledged"
LOST = "objects lost"

# Where each campaign lives: "module:class". They are imported when they are run, not before: most need a
# machine that can mount filesystems, and one that cannot be imported must not keep the others from running.
CAMPAIGNS = {
    "crash-points": "tests.durability.crash_points.long_run:CrashPoints",
    "power-cuts": "tests.durability.power_cuts.long_run:PowerCuts",
    "faults": "tests.durability.faults.long_run:Faults",
    "damage": "tests.durability.damage.long_run:Damage",
    "delivery-truth": "tests.durability.truth.long_run:DeliveryTruth",
    "mutants": "tests.durability.mutants.long_run:Mutants",
}


@dataclass
class Tally:
    """Counts in stable words; adding two tallies adds word by word."""

    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Tally:
        """A tally of what was counted elsewhere."""
        return cls(Counter(counts))

    def add(self, word: str, n: int = 1) -> None:
        """Count `n` more of `word`. Adding 0 makes the word appear in the report."""
        self.counts[word] += n

    def __iadd__(self, other: Tally) -> Tally:
        """Add the counts of `other`, also those that are 0."""
        for word, n in other.counts.items():
            self.counts[word] += n
        return self

    def line(self) -> str:
        """One line: "12,345 states explored, 678 objects acknowledged, 0 lost"; what was lost comes last."""
        words = [f"{n:,} {word}" for word, n in self.counts.items() if word != LOST]
        return ", ".join([*words, f"{self.counts[LOST]:,} lost"])


class Failure(AssertionError):
    """Something acknowledged is gone, or something false was said; with what is needed to see it again.

    `seed` repeats a random choice, `history` names what was done, `step` where in it (a number or words),
    `evidence` a folder with what is left to look at.
    """

    def __init__(
        self,
        message: str,
        *,
        seed: int | None = None,
        history: str = "",
        step: int | str | None = None,
        evidence: str = "",
    ) -> None:
        self.seed = seed
        self.history = history
        self.step = step
        self.evidence = evidence
        where = {"seed": seed, "history": history or None, "step": step, "evidence": evidence or None}
        known = ", ".join(f"{name} {value}" for name, value in where.items() if value is not None)
        super().__init__(f"{message} [{known}]" if known else message)


@dataclass(frozen=True)
class Budget:
    """Until when a long run goes on (`deadline`, by time.monotonic()), and the seed it starts from."""

    deadline: float
    seed: int

    @classmethod
    def seconds(cls, seconds: float, seed: int) -> Budget:
        """A budget that begins now."""
        return cls(time.monotonic() + seconds, seed)

    def over(self) -> bool:
        """Whether it is time to stop. What has begun is finished: ask between rounds."""
        return time.monotonic() >= self.deadline

    def left(self) -> float:
        """Seconds until the deadline, never less than 0."""
        return max(0.0, self.deadline - time.monotonic())


class Campaign(Protocol):
    """One way of trying to make the gateway lose something. It is made without arguments."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def what(self) -> str:
        """One sentence: what it does."""

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        """Go on until the budget is over, adding to `tally` on the way; `tell` says what is being tried.

        Raises Failure (or another AssertionError) when something acknowledged is lost.
        """


class Tallies:
    """The tallies of a test run, by name; a name that comes again is added to."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def add(self, name: str, tally: Tally) -> None:
        """Add what one test has counted."""
        kept = self._tallies.setdefault(name, Tally())
        kept += tally

    def lines(self) -> list[str]:
        """One line per name, in the order in which the names came."""
        width = max((len(name) for name in self._tallies), default=0)
        return [f"{name:<{width}}  {tally.line()}" for name, tally in self._tallies.items()]
