"""What keeps associations warm, with a peer, callers and a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.reachability import Reachabilities, ReachabilityLimits
from gateway.relay.profile import Profile
from gateway.relay.warm import Warm, WarmPolicy
from tests.support.fake_far import FIND, MOVE, FakeFar, FakePeer, profile
from tests.support.loop_clock import FastLoop, run_fast, turns

HOUR = 3600.0
P = profile(FIND)
Q = profile(FIND, MOVE, calling="LINAC2")
R = profile(MOVE, calling="LINAC3")


class Scene:
    """A peer, what keeps associations with it warm, and callers."""

    def __init__(self, policy: WarmPolicy | None = None, peer: FakePeer | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        assert isinstance(self.loop, FastLoop)
        self.peer = peer or FakePeer()
        self.reachabilities = Reachabilities(ReachabilityLimits(jitter=0.0))
        self.reach = self.reachabilities.of("oncology")
        self.reach.measured(self.peer.rtt)
        self.warm: Warm[FakeFar] = Warm(
            self.peer.open, self.reachabilities, policy=policy, clock=self.loop.time
        )

    async def dial(self, wanted: Profile) -> FakeFar:
        """What the relay does when nothing is warm."""
        assert self.warm.take(wanted) is None
        far = await self.peer.open(wanted)
        self.reach.succeeded(self.loop.time())
        self.warm.learned(far)
        return far

    async def dial_quickly(self, wanted: Profile) -> FakeFar:
        """The same, by a way without length."""
        rtt, self.peer.rtt = self.peer.rtt, 0.0
        far = await self.dial(wanted)
        self.peer.rtt = rtt
        return far

    async def use(self, wanted: Profile = P, seconds: float = 1.0) -> tuple[FakeFar, bool]:
        """A console asks something; True when it needed no dialling."""
        found = self.warm.take(wanted)
        far = found[0] if found else await self.dial(wanted)
        await asyncio.sleep(seconds)
        self.warm.give_back(far)
        await turns()
        return far, found is not None

    @property
    def idle(self) -> int:
        return self.warm.idle("oncology")


def scene(act: Callable[[Scene], Awaitable[None]], policy: WarmPolicy | None = None) -> None:
    """Act in a scene of its own, then close it: nothing may be left."""

    async def run() -> None:
        it = Scene(policy)
        await act(it)
        await it.warm.close()
        await turns()
        assert it.peer.open_ones == []
        assert len(asyncio.all_tasks()) == 1

    run_fast(run())
