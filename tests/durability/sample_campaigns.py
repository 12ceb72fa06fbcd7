"""Campaigns for the tests of the framework: one that passes, and one for each way of not passing."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.durability.campaign import ACKNOWLEDGED, LOST, Budget, Failure, Tally


class _Sample:
    name = "sample"
    what = "Counts, and nothing else."

    def run(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        self.go(budget, tally, tell)

    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        raise NotImplementedError


class Passes(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tell(f"seed {budget.seed}")
        Path(tempfile.mkdtemp(), "scratch").touch()
        while not budget.over():
            tally.add("rounds")
            time.sleep(0.01)
        tally.add(ACKNOWLEDGED, 3)
        tally.add(LOST, 0)


class Loses(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tally.add(ACKNOWLEDGED, 5)
        Path(tempfile.mkdtemp(), "journal.db").write_text("what is left")
        raise Failure("object 4 is gone", seed=1234, history="sample", step=9)


class CountsALoss(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tally.add(ACKNOWLEDGED, 5)
        tally.add(LOST, 2)


class TestsNothing(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tell("idle")


class HasADefect(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tally.add(ACKNOWLEDGED)
        raise ZeroDivisionError("a defect of the campaign")


class NeverEnds(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tally.add(ACKNOWLEDGED, 7)
        while True:
            time.sleep(1)


class Dies(_Sample):
    def go(self, budget: Budget, tally: Tally, tell: Callable[[str], None]) -> None:
        tally.add(ACKNOWLEDGED)
        os._exit(3)
