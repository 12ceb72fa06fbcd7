"""How long the queue will need, or that nobody can say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.eta import eta
from gateway.model import Priority

STATUS = DestinationStatus(
    name="oncology", link_state="online", reason="", since=0.0, paused=False, in_flight=1, claimed=0,
    associations=1, circuit="closed", rtt=0.6, goodput=50_000.0, last_success=None, next_try=None,
    throughput=100_000.0,
)  # fmt: skip
WAITING = {Priority.RECORD: 100_000, Priority.IMAGE: 900_000, Priority.BULK: 4_000_000}


def test_what_waits_at_the_rate_it_goes() -> None:
    assert eta(STATUS, WAITING, None) == pytest.approx(50)


def test_what_is_held_back_is_not_waited_for() -> None:
    assert eta(replace(STATUS, most=Priority.IMAGE), WAITING, None) == pytest.approx(10)
    assert eta(replace(STATUS, most=Priority.RECORD), {Priority.BULK: 5}, None) is None


def test_a_cap_counts_as_far_as_it_holds() -> None:
    assert eta(STATUS, WAITING, 50_000) == pytest.approx(100)
    assert eta(STATUS, WAITING, 10**9) == pytest.approx(50)
    assert eta(STATUS, {Priority.RECORD: 100_000}, 10) == pytest.approx(1)  # records never wait


def test_without_a_throughput_one_association_has_to_do() -> None:
    assert eta(replace(STATUS, throughput=None), WAITING, None) == pytest.approx(100)


@pytest.mark.parametrize(
    "changes",
    [
        {"paused": True},
        {"link_state": "offline"},
        {"circuit": "open"},
        {"throughput": None, "goodput": None},
        {"throughput": 0.0},
    ],
)
def test_nobody_can_say(changes: dict[str, object]) -> None:
    assert eta(replace(STATUS, **changes), WAITING, None) is None  # type: ignore[arg-type]


def test_nothing_waits() -> None:
    assert eta(STATUS, dict.fromkeys(Priority, 0), None) is None
