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
    "keeps-no-lane-for-records": 33,
    "never-forgets-a-failure": 28,
    "holds-what-is-under-way": 21,
    "sends-during-a-pause": 17,
    "believes-a-clock-that-was-wrong": 55,
    "lets-a-due-record-wait-for-images": 33,
    "takes-one-incident-for-many": 9,
    "tries-the-same-object-after-each-pause": 10,
}
"""Where to begin with mistakes that few histories show: not to prove more, to take less time."""


@pytest.mark.parametrize("name", MUTANTS)
def test_delivery_with_one_thing_wrong_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch, tallies: Tallies
) -> None:
    MUTANTS[name](monkeypatch)
    for count in range(MOST_HISTORIES):
        seed = (BEGIN.get(name, 0) + count) % MOST_HISTORIES
        try:
            walk(seed, STEPS)
        except Failure as found:
            tallies.add("delivery truth", Tally.of({"mutants caught": 1}))
            print(f"{name}: history {seed}: {found}")
            return
    pytest.fail(f"{MOST_HISTORIES} histories say nothing against a delivery that {name.replace('-', ' ')}")
