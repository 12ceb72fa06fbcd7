"""What the centre sends to a console's AE title: success only when the console itself has the object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.demo.synthetic import Treatment
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import AssociateRequest
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import Ended, Heard, WireConsole, proposals, welcomed, wire_console

PLAN_CLASS = "1.2.840.10008.5.1.4.1.1.481.5"
PLAN = Treatment(1).make("plan")

Arrived = tuple[int, Command, bytes]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    port = free_port()
    with GatewayProcess(
        tmp_path_factory.mktemp("down"),
        peers=[peer("console1", "LINAC1", port), peer("slow", "LINAC2", 1)],
        routes=[{"called": "LINAC1", "to": ["console1"], "mode": "relay"}],
        sections={"relay": {"connect": 1, "response": 2, "between": 2}},
    ) as running:
        yield running


def _console_port(gateway: GatewayProcess) -> int:
    import tomllib

    (console, _) = tomllib.loads(gateway.config.read_text())["peer"]
    return int(console["port"])


@dataclass(slots=True)
class Console:
    """The console's side: hands out what arrived, waits to be told what to do about it."""

    centre: WireCentre | None = None
    arrived: asyncio.Queue[Arrived] = field(default_factory=asyncio.Queue)
    connections: int = 0

    def answer(self, what: Arrived, command: Command) -> None:
        """Answer an object that arrived."""
        assert self.centre is not None
        self.centre.send(what[0], command)

    def die(self) -> None:
        """Go away in the middle of everything."""
        assert self.centre is not None
        self.centre.writer.transport.abort()


@asynccontextmanager
async def _console(port: int) -> AsyncIterator[Console]:
    """Listen where the gateway looks for the console."""
    console = Console()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        console.centre = centre = WireCentre(reader, writer)
        console.connections += 1
        try:
            await centre.accept()
            while True:
                console.arrived.put_nowait(await centre.message())
        except (AssertionError, ConnectionError):
            # The association is over, in whatever way; WireCentre expected another message.
            if not centre.layer.close_wanted and centre.layer.can_answer_release:
                centre.layer.release_response()
                centre.flush()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield console
    finally:
        server.close()


def _store() -> Command:
    return messages.c_store_rq(0, PLAN_CLASS, PLAN.sop_instance_uid, originator=("LINAC1", 17))


async def test_the_centre_has_its_answer_only_after_the_console_gave_one(gateway: GatewayProcess) -> None:
    async with (
        _console(_console_port(gateway)) as console,
        wire_console(gateway.port, "LINAC1", PLAN_CLASS, calling="ARIA") as centre,
    ):
        asked = asyncio.create_task(centre.ask(PLAN_CLASS, _store(), PLAN.data))
        arrived = await asyncio.wait_for(console.arrived.get(), 10)
        assert arrived[2] == PLAN.data
        assert arrived[1].affected_sop_instance_uid == PLAN.sop_instance_uid
        assert arrived[1].move_originator_ae == "LINAC1"
        # Whatever the gateway had to say on its own it would have said by now.
        await asyncio.to_thread(gateway.status)
        assert not asked.done()
        console.answer(arrived, messages.c_store_rsp(arrived[1]))
        (answer,) = await asked
        assert answer.status == 0x0000
    assert gateway.deliveries() == []  # nothing was kept here


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC123, 0xB000, 0x0110, 0x0122, 0xFE12])
async def test_the_consoles_own_words_go_up_unchanged(status: int, gateway: GatewayProcess) -> None:
    async with (
        _console(_console_port(gateway)) as console,
        wire_console(gateway.port, "LINAC1", PLAN_CLASS, calling="ARIA") as centre,
    ):
        asked = asyncio.create_task(centre.ask(PLAN_CLASS, _store(), PLAN.data))
        arrived = await asyncio.wait_for(console.arrived.get(), 10)
        said = messages.response(
            arrived[1], status, error_comment="out of plans", offending_element=(0x300A0002,)
        )
        console.answer(arrived, said)
        (answer,) = await asked
        assert answer.status == status
        assert answer.command.error_comment == "out of plans"
        assert answer.command.offending_element == (0x300A0002,)


async def test_a_console_that_is_away_gets_no_association(gateway: GatewayProcess) -> None:
    centre = await WireConsole.connect(gateway.port)
    answer = await centre.associate(AssociateRequest("LINAC1", "ARIA", proposals(PLAN_CLASS)))
    await centre.close()
    assert isinstance(answer, AssociateRejected)
    assert answer.result == 2  # transient


async def test_a_console_that_dies_with_the_object_in_its_hands(gateway: GatewayProcess) -> None:
    """A failure for what it had not answered, then the end: never a success."""
    async with _console(_console_port(gateway)) as console, _welcomed(gateway) as centre:
        centre.say(PLAN_CLASS, _store(), PLAN.data)
        await asyncio.wait_for(console.arrived.get(), 10)
        console.die()
        heard = await centre.hear()
        assert isinstance(heard, Heard)
        assert heard.status not in (None, 0x0000)
        assert isinstance(await centre.hear(), Ended)


async def test_a_console_that_does_not_answer_in_time(gateway: GatewayProcess) -> None:
    """The response timer is the gateway's promise to the centre."""
    async with _console(_console_port(gateway)) as console, _welcomed(gateway) as centre:
        centre.say(PLAN_CLASS, _store(), PLAN.data)
        await asyncio.wait_for(console.arrived.get(), 10)
        heard = await centre.hear()
        assert isinstance(heard, Heard)
        assert heard.status not in (None, 0x0000)


@asynccontextmanager
async def _welcomed(gateway: GatewayProcess) -> AsyncIterator[WireConsole]:
    """A centre on an association with the console, which the gateway may have found to be away before."""
    centre = await welcomed(gateway.port, "LINAC1", PLAN_CLASS, calling="ARIA")
    try:
        yield centre
    finally:
        await centre.close()
