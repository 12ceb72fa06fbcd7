"""Runs a fuzz target for as long as one likes: `python -m tests.fuzz.<name> --seconds N [--seed N]`.

A target is a function under hypothesis' `@given`. The test suite runs each with few examples; here rounds of
examples follow each other with fresh seeds until the time is over. A failure is shown shrunk, with its seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, seed, settings

ROUND = 500


def run(target: Callable[[], None], arguments: list[str] | None = None) -> int:
    """Fuzz `target`; return the number of rounds that passed. Raises what the target raises."""
    parser = argparse.ArgumentParser(description=target.__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument(
        "--seed", type=int, default=None, help="seed of the first round; the clock by default"
    )
    options = parser.parse_args(arguments)
    first = time.time_ns() if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        print(f"round {rounds}: --seed {first + rounds}", flush=True)
        bounded = settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        bounded(seed(first + rounds)(target))()
        rounds += 1
    print(f"{rounds} rounds of {ROUND} examples: nothing found")
    return rounds
