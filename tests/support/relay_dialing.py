"""A dialer with one peer, and a clock that can be put forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.dicom.negotiation import AssociateRequest, ProposedContext
from gateway.dicom.upper_layer import State
from gateway.model import AETitle, Peer, Route
from gateway.notices import Notices
from gateway.reachability import Reachabilities
from gateway.relay.dialer import Dialer, NotReached, Reached, RelayPolicy
from gateway.relay.mirror import Wanted
from tests.support.relay_door import POLICY
from tests.support.relay_play import FIND
from tests.support.wire_centre import WireCentre
from tests.support.wire_peer import IMPLICIT

ROUTE = Route(called=AETitle("ARIA"), to=("oncology",))
FIND_CONTEXT = ProposedContext(1, FIND, (IMPLICIT,))
CALLER = AssociateRequest("ARIA", "LINAC1", (FIND_CONTEXT,))
WANTED = Wanted((FIND_CONTEXT,))


class Clock:
    """The event loop's clock, and hours that pass at once."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


class Scene:
    def __init__(self, port: int, policy: RelayPolicy, **about: object) -> None:
        self.clock = Clock()
        self.reachabilities = Reachabilities()
        self.reach = self.reachabilities.of("oncology")
        peer = Peer("oncology", AETitle("CENTRE"), "127.0.0.1", port)
        self.dialer = Dialer(
            {"oncology": replace(peer, **about)},  # type: ignore[arg-type]  # fields of Peer
            own_ae=AETitle("GATEWAY"),
            reachabilities=self.reachabilities,
            way_to=lambda _: None,
            notices=Notices(),
            policy=policy,
            clock=self.clock,
        )

    async def find(self, route: Route = ROUTE, **near: object) -> Reached | NotReached:
        caller = replace(CALLER, **near)  # type: ignore[arg-type]  # fields of AssociateRequest
        return await self.dialer.reach(route, "LINAC1", caller, WANTED)

    async def reached(self, route: Route = ROUTE, **near: object) -> Reached:
        found = await self.find(route, **near)
        assert isinstance(found, Reached), found
        return found

    @property
    def slots(self) -> tuple[int, int]:
        slots = self.dialer._slots.get("oncology")
        return (slots.held, slots.waiting) if slots else (0, 0)


@asynccontextmanager
async def scene(port: int, policy: RelayPolicy = POLICY, **about: object) -> AsyncIterator[Scene]:
    it = Scene(port, policy, **about)
    try:
        yield it
    finally:
        await it.dialer.close()
    assert it.slots == (0, 0)


async def content(centre: WireCentre) -> None:
    """Accepts, answers C-ECHO, agrees to a release; a caller may go at any moment."""
    while True:
        try:
            if centre.layer.state is State.STA2:
                await centre.accept()
            context_id, command, _ = await centre.message()
        except (AssertionError, ConnectionError):
            break
        centre.answer(context_id, command)
    if centre.layer.can_answer_release:
        centre.layer.release_response()
        centre.flush()
