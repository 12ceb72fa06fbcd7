"""Profiles are data: complete, written as JSON and read again, and refused where no line can be like that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.lab import PROFILES, Gap, Loss, OneWay, Outage, Profile

_MBIT = 125_000.0


def test_the_named_profiles_are_what_they_are_called() -> None:
    def facts(name: str) -> tuple[float, float | None, float | None, float]:
        each = PROFILES[name]
        return round(each.round_trip, 6), each.up.rate, each.down.rate, each.up.loss.mean

    assert facts("geo") == (0.6, 10 * _MBIT, 10 * _MBIT, 0.01)
    assert facts("geo-clear") == (0.6, 10 * _MBIT, 10 * _MBIT, 0.0)
    assert facts("geo-asym") == (0.6, 2 * _MBIT, 10 * _MBIT, 0.01)
    assert facts("leo") == (0.05, 10 * _MBIT, 50 * _MBIT, 0.005)
    assert PROFILES["leo"].gap == Gap(every=15.0, lasts=0.3)
    assert PROFILES["leo"].up.jitter > 0
    assert facts("dsl") == (0.06, 1 * _MBIT, 8 * _MBIT, 0.0)
    assert facts("isdn")[1:3] == (16_000.0, 16_000.0)
    assert "gprs-backup" in PROFILES
    assert all(name == each.name and each.words for name, each in PROFILES.items())
    assert not any(each.up.reorders or each.down.reorders for each in PROFILES.values())


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_passes_through_json(name: str) -> None:
    profile = PROFILES[name].with_outages(Outage(3.0, 1.5)).with_loss(Loss(0.02, burst=5, within=0.7))
    assert Profile.of(json.loads(json.dumps(profile.facts()))) == profile


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Loss(1.0), "less than 1"),
        (lambda: Loss(-0.1), "0 or more"),
        (lambda: Loss(0.1, burst=0.5), "1 or more"),
        (lambda: Loss(0.1, burst=3, within=0.0), "within a burst"),
        (lambda: Loss(0.5, burst=3, within=0.4), "needs more than"),
        (lambda: OneWay(0, 0.1), "rate"),
        (lambda: OneWay(1.0, -0.1), "delay"),
        (lambda: OneWay(1.0, 0.1, jitter=-1), "jitter"),
        (lambda: OneWay(1.0, 0.1, queue=1499), "holds no packet"),
        (lambda: Gap(1.0, 1.0), "end before the next"),
        (lambda: Outage(-1.0, 1.0), "forward"),
        (lambda: Outage(1.0, 0.0), "forward"),
    ],
)
def test_what_no_line_can_be_is_refused_in_words(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_the_documentation_lists_them_all_as_they_are() -> None:
    text = (Path(__file__).parents[3] / "docs" / "long-link-lab.md").read_text()
    listed = re.findall(r"^\| `([a-z-]+)` \| (.*?) \|$", text, re.MULTILINE)
    assert [pair for pair in listed if pair[0] in PROFILES] == [
        (name, each.words) for name, each in PROFILES.items()
    ]
