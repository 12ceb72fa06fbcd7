"""The account: what was acknowledged and did not arrive, or arrived with other bytes, is seen."""

from __future__ import annotations

import itertools

import pytest

from tests.durability.campaign import ACKNOWLEDGED, LOST, Failure, Tally
from tests.durability.power_cuts.ledger import Ledger, things


@pytest.fixture
def told() -> tuple[Ledger, list[dict[str, str]]]:
    """A ledger of five objects, four of them acknowledged; and the rows of a centre that has all of them."""
    ledger, rows = Ledger(), []
    for number, thing in enumerate(itertools.islice(things(0), 5)):
        ledger.offer(thing)
        if number:
            ledger.acknowledge(thing.sop_instance_uid)
        rows.append({"uid": thing.sop_instance_uid, "digest": thing.digest.hex()})
    return ledger, rows


def test_all_is_well_when_everything_acknowledged_arrived(told: tuple[Ledger, list[dict[str, str]]]) -> None:
    ledger, rows = told
    tally = Tally()
    ledger.check([*rows[1:], rows[2], {"uid": "of another box", "digest": "x"}], tally, seed=1, history="h")
    assert tally.counts[ACKNOWLEDGED] == 4
    assert tally.counts["arrived more than once"] == 1
    assert tally.counts[LOST] == 0


def test_one_that_never_arrived_is_a_failure(told: tuple[Ledger, list[dict[str, str]]]) -> None:
    ledger, rows = told
    tally = Tally()
    with pytest.raises(Failure, match="1 of 4 acknowledged objects never arrived"):
        ledger.check(rows[:-1], tally, seed=1, history="h")
    assert tally.counts[LOST] == 1


def test_one_that_arrived_torn_is_a_failure_even_if_it_was_never_acknowledged(
    told: tuple[Ledger, list[dict[str, str]]],
) -> None:
    ledger, rows = told
    rows[0]["digest"] = "torn"
    with pytest.raises(Failure, match="1 objects arrived with other bytes"):
        ledger.check(rows, Tally(), seed=1, history="h")
