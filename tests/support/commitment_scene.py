"""The whole of storage commitment on the real spool, with scripted peers around it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.association.timeouts import RequestorTimeouts
from gateway.commitment.engine import CommitmentEngine
from gateway.commitment.policy import CommitmentPolicy, Waits
from gateway.listener import Listener, ListenerSettings
from gateway.model import AETitle, Peer, Route
from gateway.notices import Alarm, Notices
from gateway.routing import RoutingTable
from gateway.services.commitment import CommitmentLimits, CommitmentResults, CommitmentService
from gateway.services.registry import ServiceRegistry
from gateway.services.verification import VerificationService
from gateway.spool import Spool, SpoolLimits
from gateway.spool.commitment_values import CommitmentRow, Reference
from tests.support.notice_log import NoticeLog
from tests.support.ports import free_port

OWN = AETitle("GATEWAY")
EXPLICIT = "1.2.840.10008.1.2.1"
QUICK = CommitmentPolicy(
    linger=0.3,
    batch_wait=0.02,
    gather=0.01,
    replan=0.01,
    report_backoff=Waits(0.02, 0.1),
    ask_backoff=Waits(0.02, 0.1),
    unoffered_pause=0.1,
)
TIMEOUTS = RequestorTimeouts(connect=5, tls=5, associate=5, response=5, release=1, stall=5)


class Clock:
    """The wall clock, as far ahead of the real one as the test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return 1_000_000.0 + asyncio.get_running_loop().time() + self.ahead


@dataclass
class Scene:
    """An engine at work. `restart` ends it and its spool, and begins again with what is on the disk."""

    directory: Path
    peers: dict[str, Peer]
    routes: Sequence[Route]
    policy: CommitmentPolicy = QUICK
    limits: SpoolLimits = field(default_factory=lambda: SpoolLimits(commitment_again_seconds=0.05))
    reachable: Callable[[str], str | None] = lambda _peer: None
    timeouts: RequestorTimeouts = TIMEOUTS
    service_limits: CommitmentLimits = field(default_factory=CommitmentLimits)
    log: NoticeLog = field(default_factory=NoticeLog)
    port: int = field(default_factory=free_port)
    dialled: list[tuple[str, str | None]] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    errors: list[dict[str, Any]] = field(default_factory=list)
    spool: Spool = field(init=False)
    engine: CommitmentEngine = field(init=False)
    _work: asyncio.Task[None] | None = None
    _listener: Listener | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def notices(self) -> Notices:
        """Where everything of the scene publishes."""
        return self.log.notices

    async def start(self) -> None:
        """Open the spool, run the engine, listen."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(context))

        def open_spool() -> Spool:
            now = loop.time

            def wall_clock() -> float:  # from the journal's thread too
                return 1_000_000.0 + now() + self.clock.ahead

            return Spool.open(
                self.directory,
                self.limits,
                notices=self.notices,
                wall_clock=wall_clock,
                steady_clock=wall_clock,
            )

        self.spool = await asyncio.to_thread(open_spool)
        self.spool.on_commitment(self._changed.set)
        self.engine = CommitmentEngine(
            self.spool,
            self.peers,
            OWN,
            self.notices,
            self.policy,
            way_to=lambda _peer: None,
            reachable=self.reachable,
            dialled=lambda peer, failure: self.dialled.append((peer, failure)),
            timeouts=self.timeouts,
            clock=loop.time,
            wall_clock=self.clock,
            rng=random.Random(7),
        )
        registry = ServiceRegistry(
            RoutingTable(self.routes, OWN),
            [
                VerificationService(),
                CommitmentService(self.spool, self.engine, self.peers, limits=self.service_limits),
                CommitmentResults(self.engine.take_result, limits=self.service_limits),
            ],
        )
        self._listener = Listener(
            ListenerSettings("console", "127.0.0.1", self.port), registry, notices=self.notices
        )
        await self._listener.start()
        self._work = asyncio.create_task(self.engine.run(), name="engine")

    async def stop(self) -> None:
        """End in good order."""
        if self._listener is not None:
            await self._listener.close(grace=1)
        await self.engine.close()
        if self._work is not None:
            await asyncio.wait_for(self._work, 10)
        await self.spool.close()

    async def crash(self) -> None:
        """End the engine as a power cut does, as far as the journal is concerned."""
        if self._listener is not None:
            await self._listener.close(grace=0)
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work
        await self.spool.close()

    async def restart(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()

    def alarms(self) -> list[str]:
        """The codes of all alarms so far."""
        return [alarm.code for alarm in self.log.of(Alarm)]

    async def alarm(self, code: str) -> Alarm:
        """Wait for an alarm."""
        return await self.log.wait(Alarm, lambda alarm: alarm.code == code)

    async def rows(self) -> list[CommitmentRow]:
        """All transactions, oldest first."""
        return list(reversed(await self.spool.list_commitments(100)))

    def failures(self) -> dict[Reference, int]:
        """The failure reasons that are in the journal, by instance."""
        with closing(sqlite3.connect(f"file:{self.directory}/journal.db?mode=ro", uri=True)) as db:
            rows = db.execute(
                "SELECT sop_class_uid, sop_instance_uid, failure FROM commitment_items"
            ).fetchall()
        return {Reference(*names): failure for *names, failure in rows if failure}

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
        """Wait for a condition that an event of the spool or a notice may have made true."""
        async with asyncio.timeout(seconds):
            while not await condition():
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):  # reports have no event of their own
                        await self._changed.wait()
                self._changed.clear()

    async def row(self, state: str, index: int = 0) -> CommitmentRow:
        """Wait until a transaction is in a state, and return it."""

        async def there() -> bool:
            rows = await self.rows()
            return len(rows) > index and rows[index].state == state

        await self.until(there)
        return (await self.rows())[index]

    async def states(self, *wanted: str) -> None:
        """Wait until the deliveries are in these states, by number."""

        async def there() -> bool:
            return [str(row.delivery.state) for row in await self.spool.list_deliveries()] == list(wanted)

        await self.until(there)


@asynccontextmanager
async def scene(directory: Path, **settings: Any) -> AsyncIterator[Scene]:
    """Run a scene with one console (LINAC1) and one destination (oncology, called ARIA)."""
    expect_errors = settings.pop("expect_errors", False)
    centre_port = settings.pop("centre_port", None) or free_port()
    console_port = settings.pop("console_port", None) or free_port()
    commitment_of = settings.pop("commitment", "on-request")
    compare = settings.pop("compare", "never")
    oncology = Peer(
        "oncology", AETitle("ARIA"), "127.0.0.1", centre_port, commitment=commitment_of, compare=compare
    )
    console = Peer("console1", AETitle("LINAC1"), "127.0.0.1", console_port)
    peers = {"oncology": oncology, "console1": console, **settings.pop("peers", {})}
    routes = settings.pop("routes", (Route(called=AETitle("ARIA"), to=("oncology",)),))
    stage = Scene(directory, peers, routes, **settings)
    await stage.start()
    try:
        yield stage
    finally:
        await stage.stop()
        asyncio.get_running_loop().set_exception_handler(None)
    assert expect_errors or not stage.errors, stage.errors
