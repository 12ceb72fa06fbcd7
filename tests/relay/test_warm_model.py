"""Warm associations under callers, peers and times in any order: what must hold after every step."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.association.errors import AssociateRejectedError
from gateway.relay.profile import Profile, covering
from gateway.relay.warm import WarmPolicy
from tests.support.fake_far import ECHO, EXPLICIT, FIND, IMPLICIT, MOVE, FakeFar, profile
from tests.support.loop_clock import run_fast, turns
from tests.support.warm_scene import Scene

PROFILES = [
    *(
        profile(*classes, calling=calling)
        for calling in ("LINAC1", "LINAC2")
        for classes in ((FIND,), (ECHO, FIND, MOVE), (MOVE, ECHO))
    ),
    profile(FIND, personal=True),
]
REJECTED = AssociateRejectedError(2, 3, 2, "local limit exceeded")
POLICY = WarmPolicy(max_warm=2, warm_hold=100.0, keepalive=30.0, learned=1000.0)

STEPS = {
    "take": 6,
    "give back": 6,
    "lose": 2,
    "throw away": 1,
    "peer ends one": 2,
    "link": 1,
    "somebody fails": 1,
    "somebody succeeds": 1,
    "peer rejects": 1,
    "peer answers otherwise": 1,
    "peer is silent": 1,
    "peer stops verifying": 1,
    "way": 1,
    "a moment": 4,
    "a while": 3,
    "long": 1,
}


class Model:
    """Callers of a scene, and what they hold."""

    def __init__(self, max_warm: int, seed: int) -> None:
        self.it = Scene(WarmPolicy(**{**_fields(POLICY), "max_warm": max_warm}))
        self.rng = random.Random(seed)
        self.held: list[FakeFar] = []
        self.max_warm = max_warm

    async def step(self, kind: str) -> None:
        it, peer, rng = self.it, self.it.peer, self.rng
        now = it.loop.time()
        if kind == "take":
            await self._take(rng.choice(PROFILES))
        elif kind in ("give back", "lose", "throw away") and self.held:
            far = self.held.pop(rng.randrange(len(self.held)))
            if kind == "lose":
                far.peer_ends()
            if kind == "throw away":
                it.warm.release_soon(far)
            elif kind == "give back" or rng.random() < 0.5:
                it.warm.give_back(far)
        elif kind == "peer ends one" and peer.open_ones:
            rng.choice(peer.open_ones).peer_ends()
        elif kind == "link":
            peer.down = not peer.down
        elif kind == "somebody fails":
            it.reach.failed(now, "no answer")
        elif kind == "somebody succeeds":
            it.reach.succeeded(now)
        elif kind == "peer rejects":
            peer.refuses = None if peer.refuses else REJECTED
        elif kind == "peer answers otherwise":
            peer.syntax = rng.choice([IMPLICIT, EXPLICIT])
        elif kind == "peer is silent":
            peer.silent = not peer.silent
        elif kind == "peer stops verifying":
            peer.verifies = not peer.verifies
        elif kind == "way":
            for _ in range(100):
                it.reach.measured(rng.choice([0.001, 0.6]))
        elif kind == "a moment":
            await asyncio.sleep(rng.random())
        elif kind == "a while":
            await asyncio.sleep(rng.uniform(0, 60))
        elif kind == "long":
            await asyncio.sleep(rng.uniform(0, 3000))

    async def _take(self, wanted: Profile) -> None:
        it = self.it
        found = it.warm.take(wanted)
        if found is None:
            if not it.peer.down and it.peer.refuses is None and len(self.held) < 8:
                far = await it.peer.open(wanted)
                it.reach.succeeded(it.loop.time())
                it.warm.learned(far)
                self.held.append(far)
            return
        far, mapping = found
        assert far.usable
        assert all(far is not other for other in self.held), "handed out twice"
        assert not wanted.personal
        assert not far.profile.personal
        assert far.profile.calling_ae == wanted.calling_ae
        assert covering(wanted, far.profile) == mapping
        self.held.append(far)

    async def check(self) -> None:
        await turns()
        warm = self.it.warm
        keeper = warm._keepers.get("oncology")
        if keeper is None:
            return
        idle = [each.far for each in keeper._idle]
        assert all(far.usable for far in idle)
        assert len(set(idle)) == len(idle)
        assert not set(idle) & set(self.held)
        # One that is being asked is let go as soon as it has answered.
        settled = [each for each in keeper._idle if not each.unwanted]
        assert len(settled) + len(keeper._opening) <= self.max_warm or any(e.unwanted for e in keeper._idle)
        ending = set(keeper._ending.values())
        for far in self.it.peer.open_ones:
            assert far in idle or far in self.held or far in ending, "leaked"
        assert len(keeper._learning) <= POLICY.learning.max_profiles

    async def end(self) -> None:
        peer, it = self.it.peer, self.it
        before = self.rng.random() < 0.5
        for far in self.held if before else ():
            it.warm.give_back(far)
        began = it.loop.time()
        await it.warm.close()
        assert it.loop.time() - began <= POLICY.close
        for far in () if before else self.held:
            it.warm.give_back(far)
        dials = len(peer.dials)
        await asyncio.sleep(10_000)
        assert peer.open_ones == []
        assert len(peer.dials) == dials
        assert asyncio.all_tasks() == {asyncio.current_task()}


def _fields(policy: WarmPolicy) -> dict[str, float]:
    return {name: getattr(policy, name) for name in ("warm_hold", "keepalive", "learned")}


kinds = st.sampled_from([kind for kind, weight in STEPS.items() for _ in range(weight)])


@settings(max_examples=200, deadline=None)
@given(st.lists(kinds, min_size=15, max_size=80), st.integers(0, 3), st.integers(0, 100_000))
def test_nothing_is_handed_out_twice_nothing_leaks_and_titles_never_mix(
    steps: list[str], max_warm: int, seed: int
) -> None:
    async def run() -> None:
        model = Model(max_warm, seed)
        for kind in steps:
            await model.step(kind)
            await model.check()
        await model.end()

    run_fast(run())
