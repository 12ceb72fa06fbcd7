from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.reachability import Reachability
from gateway.trends.state import standing


@dataclass
class Delivery:
    link_state: str
    name: str = "oncology"
    reason: str = "refused for now"
    rtt: float | None = None
    goodput: float | None = None
    last_success: float | None = None
    next_try: float | None = None


def reach(kind: str) -> Reachability:
    peer = Reachability("oncology")
    if kind == "up":
        peer.succeeded(1.0)
    elif kind != "unknown":
        peer.failed(1.0, "no route")
    if kind == "trial":
        assert peer.down(100.0) is None
    return peer


@pytest.mark.parametrize(
    ("delivery", "reached", "state", "reason"),
    [
        (None, "unknown", "unknown", ""),
        (None, "up", "up", ""),
        (None, "down", "down", "no route"),
        ("unknown", "unknown", "unknown", ""),
        ("unknown", "up", "up", ""),
        ("online", "unknown", "up", ""),
        ("online", "down", "down", "no route"),
        ("online", "trial", "down", "no route"),
        ("degraded", "up", "degraded", "refused for now"),
        ("offline", "up", "down", "refused for now"),
        ("offline", "unknown", "down", "refused for now"),
    ],
)
def test_who_dials_last_knows_best(delivery: str | None, reached: str, state: str, reason: str) -> None:
    told = standing(None if delivery is None else Delivery(delivery), reach(reached))
    assert told == (state, reason)
