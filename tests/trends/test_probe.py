"""How often a peer is asked while somebody looks. What comes of the answers: tests/e2e/test_link_watch.py."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from gateway.links import METERED
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.reachability import Reachability
from gateway.trends.probe import Probe, ProbeLimits
from tests.support.loop_clock import run_fast


class Counting(Probe):
    """Notes when it would have asked."""

    def __init__(self, limits: ProbeLimits) -> None:
        self.times: list[float] = []
        super().__init__(
            Peer("oncology", AETitle("ARIA"), "192.0.2.1", 104),
            calling_ae=AETitle("GATEWAY"),
            notices=Notices(),
            reachability=Reachability("oncology"),
            way_to=lambda _peer: None,
            busy=lambda: False,
            on_answer=lambda _peer, _seconds: None,
            on_dead=lambda _peer, _why: None,
            clock=asyncio.get_running_loop().time,
            limits=limits,
        )

    async def _look(self) -> None:
        self.times.append(self._clock())


def watched(limits: ProbeLimits, seconds: float) -> list[float]:
    async def look() -> list[float]:
        probe = Counting(limits)
        task = asyncio.create_task(probe.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [when - probe.times[0] for when in probe.times]

    return run_fast(look())


def test_whoever_looks_is_told_within_seconds_for_as_long_as_he_looks() -> None:
    times = watched(ProbeLimits(), 86_400)
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) <= 2.001


def test_what_is_paid_by_the_byte_is_asked_at_that_pace_at_first_only() -> None:
    times = watched(METERED, 86_400)
    assert max(b - a for a, b in itertools.pairwise(times) if b <= 180) <= 2.001
    assert 600 * len(times) < 1_000_000  # a question and its answer are some 600 bytes
