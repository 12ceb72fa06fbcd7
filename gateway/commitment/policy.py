"""Every number of storage commitment in one frozen place. Times in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Waits:
    """A schedule of waits: exponential, with full jitter and a ceiling."""

    base: float  # bound of the first wait
    ceiling: float  # no bound is ever higher
    factor: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.ceiling or self.factor < 1:
            raise ValueError(f"waits need 0 < base <= ceiling and factor >= 1, not {self}")

    def bound(self, failures: int) -> float:
        """Return the longest wait after failure number `failures` in a row (the first is 1)."""
        try:
            return min(self.base * self.factor ** max(failures - 1, 0), self.ceiling)
        except OverflowError:  # weeks of failures
            return self.ceiling

    def delay(self, failures: int, rng: random.Random) -> float:
        """Draw a wait: uniform in [bound / 2, bound], so that it is never at once and never in step."""
        bound = self.bound(failures)
        return rng.uniform(bound / 2, bound)


@dataclass(frozen=True, slots=True)
class CommitmentPolicy:
    """When to ask, how long to wait, how often to try."""

    patience: float = 7 * DAY  # a transaction that is open for longer is reported as it stands
    answer: float = 3600.0  # a destination that has not answered after this is asked again
    linger: float = (
        5.0  # how long it may be silent on the association it was asked on, and still answer there
    )
    batch: int = 500  # instances that one ask names, at most
    batch_wait: float = 30.0  # how long an ask waits for more of them, when no console waits for it
    report_for: float = 7 * DAY  # a report is given up after this, with an alarm
    report_backoff: Waits = field(default_factory=lambda: Waits(5.0, 600.0))
    ask_backoff: Waits = field(default_factory=lambda: Waits(5.0, 600.0))  # link down, refused
    unoffered_pause: float = 3600.0  # a destination that offers no commitment is tried again after this
    reports_at_once: int = 20  # read from the journal at a time; each may name thousands of instances
    gather: float = 0.2  # between two looks at what is to be reported, whatever happens meanwhile
    replan: float = 1.0  # between two looks at what becomes due by itself
    find_head: int = 1024 * 1024  # how much of an object is read in search of its study and series
    find_wait: float = 120.0  # for the whole answer to one query, however many matches it has
    find_batch: int = 50  # instances of one series that one query names, at most
    fetch_wait: float = 600.0  # for one object to be given back
    fetch_max: int = 32 * 1024 * 1024  # bytes of a larger object are not compared one by one
    fetch_rate: int = 1024 * 1024  # bytes per second that are given back, on average
    record_pause: float = 5.0  # nothing is fetched while a record is to be sent there: look again after this
    record_patience: int = 60  # looks that it waits for records in a row, at most
    outstanding: float = 2 * DAY  # an alarm when something is accepted and unverified for longer
    outstanding_every: float = 3600.0  # between two looks for that
