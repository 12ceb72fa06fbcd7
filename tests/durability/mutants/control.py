"""Every mutant against the tests that must fail on it, several at a time.

A negative control fails in two ways: a mutant that no test notices, and a test that fails on the unchanged
gateway too, and would "catch" anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from tests.durability.mutants.catching import Catch, Verdict, try_mutant
from tests.durability.mutants.mutation import Mutant

LANES = max(2, min(4, os.cpu_count() or 1))
"""Mutants that are tried at the same time: most of the time goes into starting interpreters."""


class Bench:
    """Tries mutants ahead of whoever asks for them. A context manager; ends what it has not begun."""

    def __init__(self, lanes: int = LANES) -> None:
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="mutants")
        self._tried: dict[tuple[str, str], Future[Catch]] = {}

    def begin(self, pairs: Iterable[tuple[Mutant, str]]) -> None:
        """Have these tried, in order."""
        for mutant, test in pairs:
            self._tried[mutant.name, test] = self._pool.submit(try_mutant, mutant, [test])

    def catch(self, mutant: Mutant, test: str) -> Catch:
        """Wait for one, trying it now if it was not begun."""
        future = self._tried.get((mutant.name, test))
        return try_mutant(mutant, [test]) if future is None else future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


def complaint(mutant: Mutant, test: str, catch: Catch) -> str:
    """What is wrong with how a test did on a mutant; empty when it was caught."""
    if catch.verdict is Verdict.CAUGHT:
        return ""
    return f"mutant {mutant.name} ({mutant.rule}): {catch.verdict.value} by {test}\n{catch.words}"
