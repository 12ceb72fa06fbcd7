"""The proof can fail: delivery with one thing wrong is found out by a few short histories."""

from __future__ import annotations

import pytest

from tests.durability.campaign import Failure, Tallies, Tally
from tests.durability.truth.mutants import MUTANTS
from tests.durability.truth.walk import walk

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
    "keeps-no-lane-for-records",
    "sends-during-a-pause",
    "believes-a-clock-that-was-wrong",
    "lets-a-due-record-wait-for-images",
    "tries-the-same-object-after-each-pause",
}
"""Mistakes that one history in a hundred or so shows; each has a plain test of its own, too."""


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in RARE])
def test_delivery_with_one_thing_wrong_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch, tallies: Tallies
) -> None:
    _is_found_out(name, monkeypatch, tallies, MOST_HISTORIES)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(RARE))
def test_a_rare_mistake_is_found_out_by_more_histories(
    name: str, monkeypatch: pytest.MonkeyPatch, tallies: Tallies
) -> None:
    _is_found_out(name, monkeypatch, tallies, 1000)


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
