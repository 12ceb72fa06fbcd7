"""Delivery told the truth about everything: the short form of the campaign, and that it can fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.durability.truth.machine import COUNTED, DeliveryMachine
from tests.durability.truth.walk import walk, walk_over_dicom

SEEDS = range(50)
DICOM_SEEDS = range(3)
STEPS = 40


def test_whatever_happens_what_was_acknowledged_is_delivered_or_waits_for_a_person(tallies: Tallies) -> None:
    tally = Tally()
    for seed in SEEDS:
        tally += walk(seed, STEPS)
    tally.add("histories", len(SEEDS))
    tallies.add("delivery truth", tally)
    assert tally.counts[LOST] == 0
    assert tally.counts[ACKNOWLEDGED] > 1000
    assert tally.counts["crashes"] > 50


def test_the_same_over_real_associations(tallies: Tallies) -> None:
    tally = Tally()
    for seed in DICOM_SEEDS:
        tally += walk_over_dicom(seed, STEPS)
    tallies.add("delivery truth, over DICOM", tally)
    assert tally.counts[LOST] == 0
    assert tally.counts["crashes"] > 3
    assert tally.counts["deliveries"] > 50


DeliveryMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class TestDeliveryAgainstItsModel(DeliveryMachine.TestCase):  # type: ignore[name-defined,misc]
    """Hypothesis chooses."""


def test_what_the_machine_counted(tallies: Tallies) -> None:
    tallies.add("delivery truth", COUNTED)
    assert COUNTED.counts[LOST] == 0
