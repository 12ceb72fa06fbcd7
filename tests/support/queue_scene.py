"""A real spool filled with deliveries, and the real control over it: for the queue's API and pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.transports import Work
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.gateway_control import GatewayControl, Identity
from gateway.operator.sections.queue import QueueSection
from gateway.spool import Spool
from tests.support.full_spool import Row, fill


class NoTransport:
    """Nothing is sent: the engine does not run."""

    concurrent = False

    async def send(self, work: Work) -> None:
        raise AssertionError("nothing is to be sent")

    async def probe(self) -> float | None:
        return None

    async def close(self) -> None:
        return


@dataclass
class QueueScene:
    """What a test of the queue works with."""

    spool: Spool
    engine: DeliveryEngine
    control: GatewayControl
    notices: Notices

    @property
    def sections(self) -> list[QueueSection]:
        return [QueueSection(self.control.browsing)]


@asynccontextmanager
async def queue_scene(directory: Path, rows: Iterable[Row] = ()) -> AsyncIterator[QueueScene]:
    """Open a spool in `directory` with these objects."""
    await asyncio.to_thread(fill, directory / "spool", iter(rows))
    notices = Notices()
    spool = await asyncio.to_thread(Spool.open, directory / "spool", notices=notices)
    peers = {
        "oncology": Peer("oncology", AETitle("ARIA"), "ois.example.org", 2762),
        "archive": Peer("archive", AETitle("PACS"), "pacs.example.org", 104),
    }
    engine = DeliveryEngine(
        spool, [Destination(peer) for peer in peers.values()], lambda _: NoTransport(), notices
    )

    async def metrics() -> bytes:
        return b""

    control = GatewayControl(
        Identity("clinic-07", AETitle("CLINIC07"), 1_700_000_000.0),
        spool=spool,
        engine=engine,
        peers=peers,
        listeners=[],
        notices=notices,
        render_metrics=metrics,
    )
    try:
        yield QueueScene(spool, engine, control, notices)
    finally:
        await control.close()
        await spool.close()
