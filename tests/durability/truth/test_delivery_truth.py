"""Delivery told the truth about everything: the short form of the campaign, and that it can fail."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.durability.truth.machine import COUNTED, DeliveryMachine
from tests.durability.truth.walk import walk

SEEDS = range(24)
STEPS = 40


def test_whatever_happens_what_was_acknowledged_is_delivered_or_waits_for_a_person(tallies: Tallies) -> None:
    tally = Tally()
    for seed in SEEDS:
        tally += walk(seed, STEPS)
    tally.add("histories", len(SEEDS))
    tallies.add("delivery truth", tally)
    assert tally.counts[LOST] == 0
    assert tally.counts[ACKNOWLEDGED] > 500
    assert tally.counts["crashes"] > 20


DeliveryMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class TestDeliveryAgainstItsModel(DeliveryMachine.TestCase):  # type: ignore[name-defined,misc]
    """Hypothesis chooses."""


def test_what_the_machine_counted(tallies: Tallies) -> None:
    tallies.add("delivery truth", COUNTED)
    assert COUNTED.counts[LOST] == 0
