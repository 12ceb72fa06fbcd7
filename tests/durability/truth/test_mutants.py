"""The proof can fail: delivery with one thing wrong is found out by a few short histories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.durability.campaign import Failure, Tallies, Tally
from tests.durability.truth.mutants import MUTANTS
from tests.durability.truth.walk import walk
from tests.durability.truth.with_mutant import MUTANT

ROOT = Path(__file__).parents[3]

MOST_HISTORIES = 60
STEPS = 40
BEGIN = {
    "takes-silence-for-success": 10,
    "never-forgets-a-failure": 28,
    "holds-what-is-under-way": 21,
    "takes-one-incident-for-many": 9,
}
"""Where to begin with mistakes that few histories show: not to prove more, to take less time."""

RARE = {
    "keeps-no-lane-for-records": "tests/delivery/test_courier_fairness.py",
    "sends-during-a-pause": "tests/delivery/test_courier.py",
    "believes-a-clock-that-was-wrong": "tests/spool/test_deliveries.py",
    "lets-a-due-record-wait-for-images": "tests/delivery/test_courier_fairness.py",
    "tries-the-same-object-after-each-pause": "tests/delivery/test_courier_fairness.py",
}
"""Mistakes that one history in a hundred or so shows, and which plain tests find them."""


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in RARE])
def test_delivery_with_one_thing_wrong_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch, tallies: Tallies
) -> None:
    _is_found_out(name, monkeypatch, tallies, MOST_HISTORIES)


def test_rare_mistakes_are_found_out_by_plain_tests(tallies: Tallies) -> None:
    """The same tests pass when nothing is wrong: that is the one without a name.

    Side by side, because most of the time they wait for what a mistake keeps from happening.
    """
    tried = {name: _plain_tests(name, [RARE[name]]) for name in RARE}
    tried[""] = _plain_tests("", sorted(set(RARE.values())))
    for name, process in tried.items():
        said, _ = process.communicate(timeout=100)
        assert process.returncode == (1 if name else 0), f"{name}: {said[-3000:]}"
    tallies.add("delivery truth", Tally.of({"mutants caught": len(RARE)}))


def _plain_tests(name: str, files: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.durability.truth.with_mutant", *files],
        cwd=ROOT,
        env={**os.environ, MUTANT: name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _is_found_out(name: str, patch: pytest.MonkeyPatch, tallies: Tallies, histories: int) -> None:
    MUTANTS[name](patch)
    for count in range(histories):
        seed = BEGIN.get(name, 0) + count
        try:
            walk(seed, STEPS)
        except Failure as found:
            tallies.add("delivery truth", Tally.of({"mutants caught": 1}))
            print(f"{name}: history {seed}: {found}")
            return
    pytest.fail(f"{histories} histories say nothing against a delivery that {name.replace('-', ' ')}")
