from __future__ import annotations

import pytest

from gateway.relay.phases import Phases


def dialled(**seconds: float) -> Phases:
    """Go through phases that take so long."""
    now = [10.0]
    phases = Phases(lambda: now[0])
    for name, length in seconds.items():
        phases.begin(name)
        now[0] += length
    phases.begin("open")
    return phases


@pytest.mark.parametrize(
    ("seconds", "round_trip"),
    [
        ({"tcp": 0.001, "association": 1.0}, 0.001),  # a near peer that takes its time
        ({"tcp": 0.001, "tls": 0.1, "association": 1.0}, 0.001),  # and computes slowly
        ({"tcp": 0.3, "tls": 0.31, "association": 0.3}, 0.31),
        ({"tcp": 0.001, "tls": 0.6, "association": 0.62}, 0.6),  # a modem answered TCP for the peer
    ],
)
def test_the_way_is_measured_and_not_the_modem(seconds: dict[str, float], round_trip: float) -> None:
    assert dialled(**seconds).round_trip == pytest.approx(round_trip)


def test_nothing_is_known_before_tcp_is_through() -> None:
    phases = Phases(lambda: 0.0)
    phases.begin("tcp")
    assert phases.round_trip is None
