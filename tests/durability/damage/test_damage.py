"""The short form: a damaged spool never offers a wrong byte, and nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.durability.damage.trying import Ward, anything, pages, ward, whole_files
from tests.durability.tally_report import Tallies

SEED = 5


@pytest.fixture(scope="module", name="small_ward")
def a_ward() -> Iterator[Ward]:
    with ward(20) as made:
        yield made


def test_files_that_are_gone_empty_cut_or_changed(small_ward: Ward, tallies: Tallies) -> None:
    tallies.add("damage", whole_files(small_ward))


def test_a_bit_in_pages_and_frames(small_ward: Ward, tallies: Tallies) -> None:
    tallies.add("damage", pages(small_ward, SEED, every=12))


def test_damage_at_random(small_ward: Ward, tallies: Tallies) -> None:
    for seed in range(SEED, SEED + 15):
        tallies.add("damage", anything(small_ward, seed))
