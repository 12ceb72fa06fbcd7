"""The proof can fail: delivery with one thing wrong is found out by a few short histories."""

from __future__ import annotations

import pytest

from tests.durability.campaign import Failure, Tallies, Tally
from tests.durability.truth.mutants import MUTANTS
from tests.durability.truth.walk import walk

MOST_HISTORIES = 60
STEPS = 40


@pytest.mark.parametrize("name", MUTANTS)
def test_delivery_with_one_thing_wrong_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch, tallies: Tallies
) -> None:
    MUTANTS[name](monkeypatch)
    for seed in range(MOST_HISTORIES):
        try:
            walk(seed, STEPS)
        except Failure as found:
            tallies.add("delivery truth", Tally.of({"mutants caught": 1}))
            print(f"{name}: history {seed}: {found}")
            return
    pytest.fail(f"{MOST_HISTORIES} histories say nothing against a delivery that {name.replace('-', ' ')}")
