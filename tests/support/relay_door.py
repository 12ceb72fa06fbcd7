"""A listener on loopback whose callers are relayed to a scripted centre; at the end nothing may be left."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.association.far import FarAssociation
from gateway.listener import Listener, ListenerLimits, ListenerSettings
from gateway.model import AETitle, Peer, Route, TlsMaterial
from gateway.reachability import Reachabilities
from gateway.relay import dialer as dialer_module
from gateway.relay.dialer import Dialer, RelayPolicy
from gateway.relay.inspection import Inspector
from gateway.relay.patience import RelayTimeouts
from gateway.relay.session import SessionLimits
from gateway.relay.warm import WarmPolicy
from gateway.routing import RoutingTable
from gateway.services.registry import ServiceRegistry
from gateway.services.relay import RelayService
from gateway.services.storage import StorageService
from gateway.services.verification import VerificationService
from tests.support.door import OWN_TITLE, Knowledge
from tests.support.fake_spool import FakeSpool
from tests.support.notice_log import NoticeLog
from tests.support.wire_centre import WireCentre, wire_centre

PEER = "oncology"
ROUTES = (
    Route(called=AETitle("ARIA"), to=(PEER,)),  # stores here, relays the rest
    Route(called=AETitle("THROUGH"), to=(PEER,), mode="relay"),
    Route(called=AETitle("MASKED"), to=(PEER,), mode="relay", calling_upstream="gateway"),
)
QUICK = RelayTimeouts(connect=2, response=5, between=5, release=1, stall=5, idle=60)
NOTHING_KEPT = WarmPolicy(warm_above=float("inf"))
POLICY = RelayPolicy(max_associations=2, max_waiting=1, wait=0.2, timeouts=QUICK, warm=NOTHING_KEPT)
KEEPING = RelayPolicy(
    max_associations=2, max_waiting=1, wait=0.2, timeouts=QUICK, warm=WarmPolicy(warm_above=0.0)
)


@dataclass
class RelayDoor:
    """The open listener with everything behind it."""

    listener: Listener
    log: NoticeLog
    spool: FakeSpool
    dialer: Dialer
    relaying: RelayService
    reachabilities: Reachabilities
    errors: list[dict[str, Any]]
    fars: list[FarAssociation[Any]]  # everything that was opened

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def held(self) -> int:
        """Slots that are taken."""
        return sum(slots.held for slots in self.dialer._slots.values())

    @property
    def waiting(self) -> int:
        """Callers in line for a slot."""
        return sum(slots.waiting for slots in self.dialer._slots.values())

    async def settled(self) -> None:
        """Wait until no caller and no slot is left; warm associations may be."""
        await until(lambda: not self.listener.associations and not self.held)


async def until(condition: Callable[[], bool]) -> None:
    """Look in every turn of the loop, with a pause for the peers, which tell nobody when they are done."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.002)


def descriptors() -> set[str]:
    """What this process has open, sockets and files by what they are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - of one process, right now
        try:
            found.add(f"{name}: {Path(f'/proc/self/fd/{name}').readlink()}")
        except OSError:
            continue
    return found


@asynccontextmanager
async def relay_door(
    centre_port: int,
    *,
    policy: RelayPolicy = POLICY,
    routes: Sequence[Route] = ROUTES,
    inspectors: Sequence[Inspector] = (),
    limits: ListenerLimits | None = None,
    session_limits: SessionLimits | None = None,
    tls: TlsMaterial | None = None,
    tls_context: Callable[[], ssl.SSLContext] | None = None,
    calling_ae: str | None = None,
    far_echo: bool = True,
    grace: float = 1.0,
) -> AsyncIterator[RelayDoor]:
    """Listen on a free port; relay to `centre_port`. No task, timer, slot or association may be left."""
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    log, spool = NoticeLog(), FakeSpool()
    peer = Peer(
        name=PEER,
        ae_title=AETitle("CENTRE"),
        host="127.0.0.1",
        port=centre_port,
        calling_ae=AETitle(calling_ae) if calling_ae else None,
        tls=tls,
    )
    reachabilities = Reachabilities()
    dialer = Dialer(
        {PEER: peer},
        own_ae=OWN_TITLE,
        reachabilities=reachabilities,
        way_to=lambda _: tls_context() if tls_context else None,
        notices=log.notices,
        policy=policy,
    )
    fars: list[FarAssociation[Any]] = []
    open_far = dialer_module.open_far

    async def noted(*about: Any, **more: Any) -> Any:
        far = await open_far(*about, **more)
        fars.append(far)
        return far

    relaying = RelayService(dialer, notices=log.notices, inspectors=inspectors, limits=session_limits)
    services = ServiceRegistry(
        RoutingTable(routes, OWN_TITLE),
        [
            VerificationService(dialer.echo if far_echo else None),
            StorageService(spool, Knowledge(), notices=log.notices),
        ],
        relaying=relaying,
    )
    listener = Listener(
        ListenerSettings("console", "127.0.0.1", 0), services, notices=log.notices, limits=limits
    )
    await listener.start()
    door = RelayDoor(listener, log, spool, dialer, relaying, reachabilities, errors, fars)
    dialer_module.open_far = noted  # type: ignore[assignment]  # the same, and remembered
    try:
        yield door
        await listener.close(grace=grace)
        await dialer.close()
        await _nothing_is_left(door)
    finally:
        dialer_module.open_far = open_far
        await listener.close(grace=0)
        await dialer.close()
        loop.set_exception_handler(None)


async def _nothing_is_left(door: RelayDoor) -> None:
    await until(lambda: all(far.closed for far in door.fars) and not _ours())
    assert not door.errors, door.errors
    assert (door.held, door.waiting) == (0, 0)
    assert len(door.relaying._moves) == 0
    assert not door.listener.associations


def _ours() -> list[object]:
    """Tasks and timers of the gateway's code, as opposed to those of the peers that a test plays."""
    scheduled: list[asyncio.TimerHandle] = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    timers = [
        timer
        for timer in scheduled
        if not timer.cancelled() and str(getattr(timer._callback, "__module__", "")).startswith("gateway")  # type: ignore[attr-defined]
    ]
    tasks = [
        task
        for task in asyncio.all_tasks()
        if "/gateway/" in str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))
    ]
    return [*timers, *tasks]


@asynccontextmanager
async def relayed(
    script: Callable[[WireCentre], Awaitable[object]],
    *,
    centre_tls: ssl.SSLContext | None = None,
    **about: Any,
) -> AsyncIterator[RelayDoor]:
    """A centre that runs `script` for each connection, and a listener that relays to it."""
    before = descriptors()
    async with wire_centre(script, tls=centre_tls) as port, relay_door(port, **about) as door:
        yield door
    await until(lambda: descriptors() <= before)
