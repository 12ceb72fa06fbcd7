"""A delivery engine with everything around it, for tests against real peers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.association.requestor import RequestorTimeouts
from gateway.delivery.backoff import Backoff
from gateway.delivery.capabilities import Capabilities
from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports.dicom import DicomTransport
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import Alarm, DeliverySettled, LinkChanged, Notice, Notices
from gateway.spool import SpoolLimits
from tests.support.delivery_spool import LIMITS, DeliverySpool

QUICK = DeliveryPolicy(
    object_backoff=Backoff(0.02, 0.1),
    link_backoff=Backoff(0.02, 0.1),
    pause_backoff=Backoff(0.05, 0.2),
    slow_interval=0.1,
    rejected_interval=0.1,
    idle_hold=5.0,
    drain=2.0,
)
"""The default policy with waits that a test can afford."""

TIMEOUTS = RequestorTimeouts(connect=5, tls=5, associate=5, response=5, release=5, stall=5)


def peer(
    port: int, *, name: str = "oncology", tls: TlsMaterial | None = None, max_associations: int = 4
) -> Peer:
    return Peer(name, AETitle("CENTRE"), "127.0.0.1", port, tls, max_associations=max_associations)


@dataclass
class Running:
    spool: DeliverySpool
    engine: DeliveryEngine
    capabilities: Capabilities
    task: asyncio.Task[None]
    notices: list[Notice] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for a condition that changes with a notice."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def settled(self) -> list[DeliverySettled]:
        return [n for n in self.notices if isinstance(n, DeliverySettled)]

    @property
    def links(self) -> list[LinkChanged]:
        return [n for n in self.notices if isinstance(n, LinkChanged)]

    @property
    def alarms(self) -> list[Alarm]:
        return [n for n in self.notices if isinstance(n, Alarm)]


@asynccontextmanager
async def delivering(
    directory: Path,
    *peers: Peer,
    limits: SpoolLimits = LIMITS,
    policy: DeliveryPolicy = QUICK,
    timeouts: RequestorTimeouts = TIMEOUTS,
    paused: Sequence[str] = (),
) -> AsyncIterator[Running]:
    """Run an engine that delivers to `peers`, and close it at the end."""
    notices = Notices()
    spool = await DeliverySpool.open(directory / "spool", notices, limits)
    capabilities = Capabilities.load(directory)
    with ThreadPoolExecutor(4) as executor:

        def transport(to: Peer) -> DicomTransport:
            return DicomTransport(
                to,
                calling_ae=AETitle("GATEWAY"),
                open_data=spool.open_data,
                capabilities=capabilities,
                work_dir=directory,
                executor=executor,
                notices=notices,
                policy=policy,
                timeouts=timeouts,
            )

        engine = DeliveryEngine(
            spool,
            [Destination(to, paused=to.name in paused) for to in peers],
            transport,
            notices,
            policy,
            rng=random.Random(7),
        )
        task = asyncio.create_task(engine.run())
        running = Running(spool, engine, capabilities, task)
        notices.subscribe(running.on_notice)
        try:
            yield running
        finally:
            await engine.close()
            try:
                await task
            finally:
                await spool.spool.close()
