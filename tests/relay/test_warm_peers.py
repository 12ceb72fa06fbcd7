"""Warm associations with a peer that shares no code with ours: pynetdicom, over TCP."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from pynetdicom import AE, evt

from gateway.association.far import FarAssociation, open_far
from gateway.association.timeouts import RequestorTimeouts
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.reachability import Reachabilities, ReachabilityLimits
from gateway.relay.learning import LearningLimits
from gateway.relay.profile import Profile, request_for
from gateway.relay.warm import Warm, WarmPolicy
from tests.support.fake_far import ECHO, FIND, MOVE, profile
from tests.support.ports import free_port

TIMEOUTS = RequestorTimeouts(connect=5, tls=5, associate=5, response=5, release=5, stall=5)
POLICY = WarmPolicy(
    warm_above=0.0,
    max_warm=1,
    keepalive=0.05,
    learning=LearningLimits(setback_base=0.05, setback_factor=1.0, setbacks=100),
)
WANTED = profile(FIND, MOVE, ECHO, peer="centre")


class Centre:
    """A peer in threads; what it sees arrives on the event loop."""

    def __init__(self) -> None:
        self.port = free_port()
        self.accepted = 0
        self.released = 0
        self.echoes = 0
        self.callers: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._server: Any = None

    def __enter__(self) -> Centre:
        ae = AE(ae_title="CENTRE")
        for uid in (ECHO, FIND):
            ae.add_supported_context(uid)
        handlers = [(kind, self._note) for kind in (evt.EVT_ACCEPTED, evt.EVT_RELEASED)]
        self._server = ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[*handlers, (evt.EVT_C_ECHO, self._echo)]
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()  # which leaves what was accepted alone
        self.abort_all()

    def abort_all(self) -> None:
        for association in self._server.active_associations:
            association.abort()

    async def until(self, **least: int) -> None:
        """Wait until it has seen so many of these, all told."""
        async with asyncio.timeout(20):
            while any(getattr(self, name) < number for name, number in least.items()):
                self._changed.clear()
                await self._changed.wait()

    def _note(self, event: Any) -> None:
        name = "accepted" if event.event is evt.EVT_ACCEPTED else "released"
        caller = event.assoc.requestor.ae_title
        self._loop.call_soon_threadsafe(self._count, name, caller)

    def _echo(self, event: Any) -> int:
        self._loop.call_soon_threadsafe(self._count, "echoes", event.assoc.requestor.ae_title)
        return 0

    def _count(self, name: str, caller: str) -> None:
        setattr(self, name, getattr(self, name) + 1)
        self.callers.add(caller)
        self._changed.set()


async def test_it_stays_warm_whatever_the_peer_does() -> None:
    reachabilities = Reachabilities(ReachabilityLimits(base=0.02, ceiling=0.1))
    answered = asyncio.Event()
    centre = Centre()
    peer = Peer("centre", AETitle("CENTRE"), "127.0.0.1", centre.port)

    async def dial(wanted: Profile) -> FarAssociation[Profile]:
        far = await open_far(
            peer,
            request_for(wanted, peer.ae_title),
            profile=wanted,
            notices=Notices(),
            timeouts=TIMEOUTS,
            way=None,
        )
        echo = far.echo

        async def noted() -> float:
            seconds = await echo()
            answered.set()
            return seconds

        far.echo = noted  # type: ignore[method-assign]
        return far

    async def one_answer() -> None:
        answered.clear()
        async with asyncio.timeout(20):
            await answered.wait()

    async def take(wanted: Profile) -> tuple[FarAssociation[Profile], tuple[int, ...]]:
        while (found := warm.take(wanted)) is None:  # just being asked
            await one_answer()
        return found

    warm: Warm[FarAssociation[Profile]] = Warm(dial, reachabilities, policy=POLICY)
    with centre:
        first = await dial(WANTED)
        warm.learned(first)
        warm.give_back(first)
        await centre.until(echoes=2)  # it is asked in silence
        assert await take(profile(FIND, peer="centre")) == (first, (0,))
        assert [context.accepted for context in first.answer.contexts] == [True, False, True]
        assert reachabilities.of("centre").rtt is not None
        warm.give_back(first)

        centre.abort_all()  # it does not like idle ones
        await centre.until(accepted=2)
        await one_answer()
        assert not first.usable

    # The peer is gone: that is found out, and it is tried again and again until it is back.
    with centre:
        await centre.until(accepted=3)
        far, _ = await take(WANTED)
        warm.give_back(far)
        await warm.close()
        await centre.until(released=1)
        assert not far.usable
    assert centre.callers == {"LINAC1"}
