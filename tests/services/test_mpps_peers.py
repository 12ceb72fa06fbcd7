"""Queued procedure steps the whole way: pynetdicom as console, the gateway's rooms, pynetdicom as centre."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE

from gateway.association.timeouts import RequestorTimeouts
from gateway.listener import Listener, ListenerSettings
from gateway.model import AETitle, Peer, Route
from gateway.procedure_steps.engine import StepEngine
from gateway.procedure_steps.policy import StepPolicy
from gateway.routing import RoutingTable
from gateway.services.mpps import ProcedureStepService, StepAnswered
from gateway.services.registry import ServiceRegistry
from gateway.services.verification import VerificationService
from gateway.spool import Spool
from gateway.spool.step_values import StepState
from tests.support.mpps_centre import NO_LONGER, MppsCentre, Received
from tests.support.notice_log import NoticeLog
from tests.support.steps import EXPLICIT, IMPLICIT, MPPS

OWN = AETitle("CLINIC07")
FAST = StepPolicy(wait=10.0, backoff_base=0.02, backoff_ceiling=0.1, drain=0.5)


@dataclass
class Gateway:
    """The rooms that take part."""

    spool: Spool
    engine: StepEngine
    log: NoticeLog
    port: int

    async def all_done(self) -> None:
        """Wait until nothing is queued."""
        news = asyncio.Event()
        forget = self.spool.on_step(lambda destination: news.set())
        async with asyncio.timeout(20):
            while {row.state for row in await self.spool.list_steps()} != {StepState.DONE}:
                await news.wait()
                news.clear()
        forget()


@asynccontextmanager
async def gateway(
    directory: Path, centre: MppsCentre, policy: StepPolicy = FAST, **route: Any
) -> AsyncIterator[Gateway]:
    log = NoticeLog()
    spool = Spool.open(directory / "spool", notices=log.notices)
    routing = RoutingTable([Route(AETitle("ARIA"), ("oncology",), mpps="queue", **route)], OWN)
    engine = StepEngine(
        spool,
        {"oncology": Peer("oncology", AETitle(centre.ae_title), "127.0.0.1", centre.port)},
        OWN,
        log.notices,
        policy,
        routing=routing,
        timeouts=RequestorTimeouts(connect=2, associate=5, response=5, release=2),
    )
    run = asyncio.create_task(engine.run())
    registry = ServiceRegistry(routing, [VerificationService(), ProcedureStepService(engine, log.notices)])
    listener = Listener(ListenerSettings("console", "127.0.0.1", 0), registry, notices=log.notices)
    await listener.start()
    try:
        yield Gateway(spool, engine, log, listener.port)
    finally:
        await listener.close(grace=1)
        await engine.close()
        await spool.close()
        run.result()


class Console:
    """A console made of pynetdicom; its calls are for a thread."""

    def __init__(self, port: int, syntaxes: list[str] | None = None) -> None:
        ae = AE(ae_title="LINAC1")
        ae.add_requested_context(MPPS, syntaxes or [EXPLICIT, IMPLICIT])
        self.association = ae.associate("127.0.0.1", port, ae_title="ARIA")
        assert self.association.is_established

    def create(self, uid: str, **attributes: str) -> Dataset:
        """N-CREATE; return the status elements."""
        status, _ = self.association.send_n_create(self._of("IN PROGRESS", attributes), MPPS, UID(uid))
        return status

    def change(self, uid: str, state: str, **attributes: str) -> Dataset:
        """N-SET; return the status elements."""
        status, _ = self.association.send_n_set(self._of(state, attributes), MPPS, UID(uid))
        return status

    def treat(self, uid: str) -> list[int]:
        """A whole treatment."""
        return [
            self.create(uid, PerformedProcedureStepDescription="beam 1").Status,
            self.change(uid, "IN PROGRESS", PerformedProcedureStepDescription="beam 2").Status,
            self.change(uid, "COMPLETED").Status,
        ]

    def leave(self) -> None:
        """Release."""
        self.association.release()

    @staticmethod
    def _of(state: str, attributes: dict[str, str]) -> Dataset:
        dataset = Dataset()
        dataset.PerformedProcedureStepStatus = state
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return dataset


async def test_with_the_link_up_the_console_hears_the_centre(tmp_path: Path) -> None:
    with MppsCentre() as centre:
        async with gateway(tmp_path, centre) as running:
            console = await asyncio.to_thread(Console, running.port)
            assert await asyncio.to_thread(console.treat, "2.25.1") == [0, 0, 0]
            late = await asyncio.to_thread(console.change, "2.25.1", "DISCONTINUED")
            assert (late.Status, late.ErrorID, late.ErrorComment) == (0x0110, 0xA710, NO_LONGER)
            assert (await asyncio.to_thread(console.create, "2.25.1")).Status == 0x0111
            assert (await asyncio.to_thread(console.change, "2.25.9", "COMPLETED")).Status == 0x0112
            await asyncio.to_thread(console.leave)
            assert centre.instances["2.25.1"].status == "COMPLETED"
            assert centre.associations == ["LINAC1"]
            assert {one.syntax for one in centre.received} == {IMPLICIT}
            outcomes = {one.outcome for one in running.log.of(StepAnswered)}
            assert outcomes == {"answered"}


async def test_with_the_link_down_it_is_told_at_once_and_everything_arrives_later(tmp_path: Path) -> None:
    centre = MppsCentre()
    async with gateway(tmp_path, centre) as running:
        console = await asyncio.to_thread(Console, running.port, [EXPLICIT])
        assert await asyncio.to_thread(console.treat, "2.25.1") == [0, 0, 0]
        assert await asyncio.to_thread(console.treat, "2.25.2") == [0, 0, 0]
        assert (await asyncio.to_thread(console.create, "2.25.2")).Status == 0x0111
        assert max(one.seconds for one in running.log.of(StepAnswered)) < FAST.wait / 2
        with centre:
            await running.all_done()
            assert [centre.instances[uid].status for uid in ("2.25.1", "2.25.2")] == ["COMPLETED"] * 2
            assert [len(centre.instances[uid].data) for uid in ("2.25.1", "2.25.2")] == [3, 3]
            assert {one.syntax for one in centre.received} == {EXPLICIT}
            await asyncio.to_thread(console.leave)


async def test_a_link_that_comes_and_goes_during_the_treatment(tmp_path: Path) -> None:
    centre = MppsCentre()
    async with gateway(tmp_path, centre) as running:
        console = await asyncio.to_thread(Console, running.port)
        with centre:
            assert (await asyncio.to_thread(console.create, "2.25.1")).Status == 0
        assert (await asyncio.to_thread(console.change, "2.25.1", "IN PROGRESS")).Status == 0
        assert (await asyncio.to_thread(console.change, "2.25.1", "COMPLETED")).Status == 0
        assert len(centre.received) == 1
        with centre:
            await running.all_done()
            assert centre.order() == ["create", "set", "set"]
        await asyncio.to_thread(console.leave)


async def test_the_centre_sees_the_title_that_the_route_says(tmp_path: Path) -> None:
    with MppsCentre() as centre:
        async with gateway(tmp_path, centre, calling_upstream="gateway") as running:
            console = await asyncio.to_thread(Console, running.port)
            assert await asyncio.to_thread(console.treat, "2.25.1") == [0, 0, 0]
            await asyncio.to_thread(console.leave)
            assert centre.associations == [OWN]
            assert (await running.spool.list_steps())[0].step.calling_ae == "LINAC1"


async def test_the_same_directly_and_through_the_gateway(tmp_path: Path) -> None:
    def converse(port: int) -> list[tuple[int, int | None, str | None]]:
        console = Console(port, [IMPLICIT])
        said = [
            console.create("2.25.1", PerformedProcedureStepID="A"),
            console.create("2.25.1"),
            console.change("2.25.1", "IN PROGRESS", PerformedProcedureStepDescription="beam"),
            console.change("2.25.1", "COMPLETED"),
            console.change("2.25.1", "COMPLETED"),
            console.change("2.25.2", "COMPLETED"),
        ]
        console.leave()
        return [(one.Status, one.get("ErrorID"), one.get("ErrorComment")) for one in said]

    def seen(received: list[Received]) -> list[tuple[str, str, str, bytes]]:
        return [(one.uid, one.kind, one.syntax, one.data) for one in received]

    heard, arrived = [], []
    for through in (False, True):
        with MppsCentre(ae_title="ARIA") as centre:
            if through:
                async with gateway(tmp_path, centre) as running:
                    heard.append(await asyncio.to_thread(converse, running.port))
            else:
                heard.append(await asyncio.to_thread(converse, centre.port))
            arrived.append(seen(centre.received))
    assert heard[0] == heard[1]
    assert arrived[0] == arrived[1]
