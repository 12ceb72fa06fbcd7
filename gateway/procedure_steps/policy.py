"""Every number of the procedure step queue in one frozen place, with its unit and its default."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """How long a console waits, and when a step is tried again. Times in seconds."""

    wait: float = 5.0  # a console waits this long for the peer's own answer before the durable one

    # Between tries: of a step that the peer refused for now, or of a peer that cannot be reached.
    backoff_base: float = 5.0  # bound of the first wait
    backoff_ceiling: float = 300.0
    backoff_factor: float = 2.0
    shortest: float = 0.1  # no timer for a step that waits for its time is shorter
    doubtful_attempts: int = 5  # an N-SET answered 0x0110 without a reason: afterwards a person decides
    alarm_attempts: int = 10  # a step that was tried this often raises an alarm, and is tried on

    # Towards one peer.
    max_associations: int = 2  # at the same time, each for another calling AE title
    max_titles: int = 256  # calling AE titles whose refusal is remembered; beyond, the oldest is forgotten
    window: int = 32  # steps looked at together, one of each procedure step
    idle_hold: float = 30.0  # a warm association is released after this long without work
    drain: float = 5.0  # on a graceful stop, time for the steps on the wire to be answered

    def __post_init__(self) -> None:
        if not 0 < self.backoff_base <= self.backoff_ceiling:
            raise ValueError(
                f"a backoff needs 0 < base <= ceiling, not {self.backoff_base} and {self.backoff_ceiling}"
            )

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Draw the wait after failure number `attempt` (the first is 1): uniform up to a growing bound."""
        try:
            grown = self.backoff_base * self.backoff_factor ** max(attempt - 1, 0)
        except OverflowError:
            grown = self.backoff_ceiling
        return rng.uniform(0.0, min(grown, self.backoff_ceiling))
