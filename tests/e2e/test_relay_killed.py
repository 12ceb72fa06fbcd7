"""The far end is killed or falls silent, or the console goes, at each step of a conversation.

Who is left is told in time; afterwards nothing is left in the gateway: no association, no descriptor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.dicom import messages
from gateway.dicom.events import Aborted, AssociateRejected, ReleaseConfirmed
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest
from tests.support import stopping_far_end as steps
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port
from tests.support.processes import descriptors
from tests.support.stopping_far_end import CT_IMAGE, MATCH, MATCHES, OBJECT, OBJECTS, StoppingFarEnd
from tests.support.wire_console import Ended, Heard, WireConsole, proposals, welcomed, wire_console
from tests.support.wire_peer import VERIFICATION

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
KEYS = b"\x08\x00R\x00CS\x06\x00STUDY "

BOUND = 1.0  # seconds that the far end has for each thing it owes
SLACK = 2.0  # what a busy machine of the tests may take on top

REJECTED = "rejected"  # A-ASSOCIATE-RJ, transient
FAILED = "failed"  # a final response with a failure, then A-ABORT
ABORTED = "aborted"  # A-ABORT: there is nothing that could still be said in order
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Case:
    """The far end stops at `step` of a conversation; the console hears `pending` responses and `end`."""

    step: str
    end: str
    asks: str = FIND
    pending: int = 0
    stores: int = 0
    hangs: bool = False

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"{'silent' if self.hangs else 'killed'}: {self.step}"


KILLED = (
    Case(steps.CONNECTED, REJECTED),
    Case(steps.REQUESTED, REJECTED),
    Case(steps.ACCEPTED, ABORTED, asks=""),
    Case(steps.COMMAND, FAILED),
    Case(steps.REQUEST, FAILED),
    Case(steps.RESPONSE_DATA, ABORTED, pending=1),
    Case(steps.PENDING, FAILED, pending=2),
    Case(steps.STORE_DATA, ABORTED, asks=GET),
    Case(steps.STORED, FAILED, asks=GET, stores=1),
    Case(steps.ANSWERED, ABORTED, pending=MATCHES),
    Case(steps.RELEASING, RELEASED, pending=MATCHES),
)
SILENT = tuple(
    Case(case.step, case.end, case.asks, case.pending, case.stores, hangs=True)
    for case in KILLED
    if case.step not in (steps.ACCEPTED, steps.ANSWERED)  # nothing is owed then
)
CASES = KILLED + SILENT
CONSOLE_GONE = tuple(case for case in KILLED if case.step != steps.RELEASING)


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway with a far end of its own for each case: none has to wait for another's recovery."""

    gateway: GatewayProcess
    ports: dict[str, int]
    idle_descriptors: int


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    titles = [
        *(f"FAR{n}" for n in range(len(CASES))),
        *(f"GONE{n}" for n in range(len(CONSOLE_GONE))),
        "LAST",
    ]
    ports = {title: free_port() for title in titles}
    with GatewayProcess(
        tmp_path_factory.mktemp("killed"),
        peers=[peer(title.lower(), title, port) for title, port in ports.items()],
        routes=[{"called": title, "to": [title.lower()], "mode": "relay"} for title in ports],
        # No association is kept ready: releases go up to the far end, so that the last step is one too.
        sections={
            "relay": {"connect": BOUND, "response": BOUND, "between": BOUND, "max_warm": 0},
            # How long a far end that was sent an A-ABORT has to close (the ARTIM timer of PS3.8 9.1.5).
            "timeouts": {"release": BOUND},
        },
    ) as gateway:
        # One whole conversation first: what the gateway opens once and keeps is no leak.
        with StoppingFarEnd(port=ports["LAST"]):
            asyncio.run(_whole_conversation(gateway, "LAST"))
        _wait_idle(gateway)
        yield Scene(gateway, ports, descriptors(gateway.pid))


async def _whole_conversation(gateway: GatewayProcess, title: str) -> None:
    roles = {CT_IMAGE: (False, True)}
    async with wire_console(gateway.port, title, VERIFICATION, FIND, GET, CT_IMAGE, roles=roles) as console:
        assert (await console.echo()).status == 0x0000
        found = await console.ask(FIND, messages.c_find_rq(0, FIND), KEYS)
        assert [each.data for each in found] == [MATCH] * MATCHES + [b""]
        got = await console.ask(GET, messages.c_get_rq(0, GET), KEYS)
        stores = [each for each in got if not each.command.is_response]
        assert [each.command.affected_sop_instance_uid for each in stores] == list(OBJECTS)
        assert {each.data for each in stores} == {OBJECT}


def _associations(gateway: GatewayProcess) -> list[object]:
    with gateway.client() as client:
        return list(client.associations()["associations"])


def _wait_idle(gateway: GatewayProcess) -> None:
    gateway.wait("no association is left", lambda: not _associations(gateway), timeout=10)


def _nothing_is_left(scene: Scene) -> None:
    _wait_idle(scene.gateway)
    scene.gateway.wait(
        "no descriptor is left",
        lambda: descriptors(scene.gateway.pid) <= scene.idle_descriptors,
        timeout=10,
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
async def test_the_console_is_answered_whatever_becomes_of_the_far_end(scene: Scene, number: int) -> None:
    case, title = CASES[number], f"FAR{number}"
    with StoppingFarEnd(case.step, port=scene.ports[title]) as far:
        heard, end = await _talk(scene.gateway.port, title, case, far)
    assert [each.status for each in heard if each.command.is_response][: case.pending] == [
        0xFF00
    ] * case.pending
    assert len([each for each in heard if not each.command.is_response]) == case.stores
    _check_end(case, heard, end)
    await asyncio.to_thread(_nothing_is_left, scene)


def _check_end(case: Case, heard: list[Heard], end: object) -> None:
    finals = [each.status for each in heard if each.command.is_response and each.status != 0xFF00]
    match case.end:
        case "rejected":
            assert isinstance(end, AssociateRejected)
            assert end.result == 2
        case "failed":
            assert len(finals) == 1
            assert finals[0] not in (0x0000, 0xFE00)
            assert isinstance(end, Aborted)
        case "aborted":
            assert all(status == 0x0000 for status in finals)
            assert isinstance(end, Aborted)
        case _:
            assert finals == [0x0000]
            assert isinstance(end, ReleaseConfirmed | Aborted)


async def _talk(port: int, title: str, case: Case, far: StoppingFarEnd) -> tuple[list[Heard], object]:
    """Hold the conversation of `case`; return what was heard, and what ended it."""
    console = await WireConsole.connect(port)
    assert isinstance(console, WireConsole)
    stopping = asyncio.create_task(_stop(far, case))
    try:
        return await _talk_on(console, title, case)
    finally:
        await console.close()
        since = await stopping
        took = time.monotonic() - since
        assert took < SLACK + (2 * BOUND if case.hangs else 0), f"{took:.1f} s"


async def _talk_on(console: WireConsole, title: str, case: Case) -> tuple[list[Heard], object]:
    asked = proposals(FIND, GET, CT_IMAGE)
    heard: list[Heard] = []
    answer = await console.associate(
        AssociateRequest(title, "LINAC1", asked, roles={CT_IMAGE: (False, True)})
    )
    if not isinstance(answer, AssociateAccept):
        return heard, answer
    console.answer = answer
    if case.asks:
        build = messages.c_find_rq if case.asks == FIND else messages.c_get_rq
        console.say(case.asks, build(0, case.asks), KEYS)
    while not isinstance(message := await console.hear(), Ended):
        heard.append(message)
        if not message.command.is_response:
            console.send_command(message.context_id, messages.response(message.command, 0x0000))
        if message.status == 0x0000 and case.step == steps.RELEASING:
            console.layer.release()
            console.flush()
    return heard, message.event


async def _stop(far: StoppingFarEnd, case: Case) -> float:
    """Kill the far end at its step, or leave it there; return when that was."""
    await asyncio.to_thread(far.wait_there)
    if not case.hangs:
        far.kill()
    return time.monotonic()


@pytest.mark.parametrize("number", range(len(CONSOLE_GONE)), ids=[case.step for case in CONSOLE_GONE])
async def test_nothing_is_left_when_the_console_goes_while_the_far_end_hangs(
    scene: Scene, number: int
) -> None:
    case, title = CONSOLE_GONE[number], f"GONE{number}"
    with StoppingFarEnd(case.step, port=scene.ports[title]) as far:
        console = await WireConsole.connect(scene.gateway.port)
        assert isinstance(console, WireConsole)
        talking = asyncio.create_task(_talk_on(console, title, case))
        try:
            await asyncio.to_thread(far.wait_there)
        finally:
            talking.cancel()
            await console.close()
        await asyncio.to_thread(_nothing_is_left, scene)


async def test_after_all_that_a_far_end_that_comes_back_is_served(scene: Scene) -> None:
    with StoppingFarEnd(port=scene.ports["FAR0"]):
        console = await welcomed(scene.gateway.port, "FAR0", FIND)
        await console.release()
        await _whole_conversation(scene.gateway, "FAR0")
