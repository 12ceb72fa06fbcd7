"""The whole of storage commitment on the real spool, with scripted peers around it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.association.timeouts import RequestorTimeouts
from gateway.commitment.engine import CommitmentEngine
from gateway.commitment.policy import CommitmentPolicy, Waits
from gateway.dicom import commitment
from gateway.dicom.command import Command, CommandField
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop
from gateway.dicom.dimse import fragments
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer
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
from tests.support.wire_centre import WireCentre

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

            return Spool.open(self.directory, self.limits, notices=self.notices, wall_clock=wall_clock)

        self.spool = await asyncio.to_thread(open_spool)
        self.spool.on_commitment(self._changed.set)
        self.engine = CommitmentEngine(
            self.spool,
            self.peers,
            OWN,
            self.notices,
            self.policy,
            tls_for=lambda _peer: None,
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
    oncology = Peer("oncology", AETitle("ARIA"), "127.0.0.1", centre_port, commitment=commitment_of)
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


# --- scripted peers -------------------------------------------------------------------------------------


SCP_OF_RESULTS = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _uid, as_scu, as_scp: (as_scu, as_scp),
)
"""A console that agrees to be the SCU of storage commitment."""


@dataclass
class Wired:
    """A listener whose connections the test scripts one by one; what is beyond the scripts is an error."""

    port: int
    scripts: list[Callable[[WireCentre], Awaitable[object]]]
    failures: list[BaseException] = field(default_factory=list)
    done: int = 0
    connections: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_done(self, count: int) -> None:
        """Wait until `count` scripts have come to their end; a failed one is raised."""
        async with asyncio.timeout(10):
            while self.done < count and not self.failures:
                self._news.clear()
                await self._news.wait()
        if self.failures:
            raise self.failures[0]


@asynccontextmanager
async def wired(
    *scripts: Callable[[WireCentre], Awaitable[object]], port: int | None = None, repeat: bool = False
) -> AsyncIterator[Wired]:
    """Listen; the first connection runs the first script, and so on; with `repeat` the last one for ever."""
    port = port or free_port()
    wire = Wired(port, list(scripts))
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = wire.connections
        wire.connections += 1
        try:
            if number >= len(wire.scripts) and not repeat:
                return
            await wire.scripts[min(number, len(wire.scripts) - 1)](WireCentre(reader, writer))
        except Exception as error:  # noqa: BLE001 - raised in the test
            wire.failures.append(error)
        finally:
            writer.transport.abort()
            wire.done += 1
            wire._news.set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield wire
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if wire.failures:
        raise wire.failures[0]


def sops(*references: Reference) -> tuple[Sop, ...]:
    """References as the messages have them."""
    return tuple(Sop(one.sop_class_uid, one.sop_instance_uid) for one in references)


async def asked(peer: WireCentre) -> tuple[int, Command, commitment.Action]:
    """Return the next N-ACTION."""
    context_id, command, data = await peer.message()
    assert command.command_field == CommandField.N_ACTION_RQ, command
    commitment.check_action(command)
    syntax = peer.layer.contexts[context_id].transfer_syntax
    return context_id, command, commitment.read_action(data, syntax, 10_000)


def say(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    """Queue a message with a data set."""
    peer.send(context_id, command)
    for fragment, last in fragments(data, peer.layer.max_fragment):
        peer.layer.send_pdv(context_id, False, last, fragment)
    peer.flush()


async def report(peer: WireCentre, context_id: int, result: Result, message_id: int = 77) -> int | None:
    """Send an N-EVENT-REPORT and return the status of its answer."""
    syntax = peer.layer.contexts[context_id].transfer_syntax
    say(
        peer,
        context_id,
        commitment.event_rq(message_id, result),
        commitment.event_information(result, syntax),
    )
    _, answer, _ = await peer.message()
    assert answer.command_field == CommandField.N_EVENT_REPORT_RSP
    assert answer.message_id_responded_to == message_id
    return answer.status


async def told(peer: WireCentre, status: int = 0x0000) -> Result:
    """Return the next N-EVENT-REPORT, answered with `status`."""
    context_id, command, data = await peer.message()
    assert command.command_field == CommandField.N_EVENT_REPORT_RQ, command
    commitment.check_event(command)
    syntax = peer.layer.contexts[context_id].transfer_syntax
    result = commitment.read_event(data, syntax, 10_000)
    assert command.event_type_id == (2 if result.failed else 1)
    peer.answer(context_id, command, status)
    return result


def commits(failed: Sequence[tuple[Reference, int]] = (), *, times: int = 1) -> Callable[[WireCentre], Any]:
    """A centre that answers `times` asks on the same association."""

    async def script(peer: WireCentre) -> None:
        await peer.accept()
        for _ in range(times):
            context_id, command, action = await asked(peer)
            peer.answer(context_id, command)
            reasons = {Sop(one.sop_class_uid, one.sop_instance_uid): reason for one, reason in failed}
            good = tuple(one for one in action.references if one not in reasons)
            here = tuple((one, reasons[one]) for one in action.references if one in reasons)
            assert await report(peer, context_id, Result(action.transaction_uid, good, here)) == 0x0000
        await peer.finish()

    return script


def listens(results: list[Result], status: int = 0x0000, count: int = 1) -> Callable[[WireCentre], Any]:
    """A console that takes `count` reports on one association."""

    async def script(peer: WireCentre) -> None:
        request = await peer.accept(SCP_OF_RESULTS)
        assert request.roles == {PUSH_MODEL: (False, True)}
        assert request.calling_ae.strip() == OWN
        for _ in range(count):
            result = await told(peer, status)
            results.append(result)
        await peer.finish()

    return script
