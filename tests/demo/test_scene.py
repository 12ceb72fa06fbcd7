"""The scene takes over what the gateway says and keeps the history of the link."""

from __future__ import annotations

from gateway.demo.ledger import Ledger
from gateway.demo.scene import Scene

STATUS = {
    "destinations": [
        {
            "link": "offline",
            "link_reason": "connection refused",
            "waiting": {
                "record": {"count": 2, "bytes": 60_000},
                "image": {"count": 1, "bytes": 500_000},
                "bulk": {"count": 0, "bytes": 0},
            },
            "in_flight": 1,
            "held": {"count": 3, "bytes": 9},
        }
    ]
}


def test_observes_the_operator_api() -> None:
    scene = Scene(Ledger())
    scene.observe(STATUS)
    assert scene.link_seen == "offline"
    assert scene.waiting == {"record": 2, "image": 1, "bulk": 0}
    assert scene.waiting_bytes == 560_000
    assert scene.held == 3


def test_strip_has_a_mark_for_every_half_second() -> None:
    scene = Scene(Ledger())
    scene.advance(1.0, link_up=True)
    scene.advance(1.2, link_up=True)
    scene.advance(2.1, link_up=False)
    assert list(scene.strip) == [True, True, False, False]
    scene.advance(100_000, link_up=True)
    assert len(scene.strip) == 240
