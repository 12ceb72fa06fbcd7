"""Runs a fuzz target for as long as one likes: `python -m tests.fuzz.<name> --seconds N [--seed N]`.

A target is a check and a hypothesis strategy for each of its arguments. Rounds of examples follow each other
with fresh seeds until the time is over; the test suite runs each target for a moment only. A failure is shown
shrunk, after the seed of its round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

ROUND = 500


def run(
    check: Callable[..., None],
    strategies: Mapping[str, SearchStrategy[object]],
    arguments: list[str] | None = None,
) -> int:
    """Call `check` with examples; return the number of rounds that passed. Raises what `check` raises."""
    parser = argparse.ArgumentParser(description=check.__doc__)
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
            suppress_health_check=list(HealthCheck),
        )
        bounded(seed(first + rounds)(given(**strategies)(check)))()
        rounds += 1
    print(f"{rounds} rounds of {ROUND} examples: nothing found")
    return rounds
