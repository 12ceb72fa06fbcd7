"""An association that has a use here outlives its far end: objects are taken, the rest fails at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.demo.synthetic import Template, make_record
from gateway.dicom import messages
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port
from tests.support.stopping_far_end import ANSWERED, REQUEST, StoppingFarEnd
from tests.support.wire_console import Heard, WireConsole, welcomed, wire_console
from tests.support.wire_peer import BEAMS_RECORD, VERIFICATION

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
KEYS = b"\x08\x00R\x00CS\x06\x00STUDY "
RECORDS = Template(make_record()).copies(100)


@dataclass(frozen=True, slots=True)
class Scene:
    """A route that stores, to a far end that the tests start and kill."""

    gateway: GatewayProcess
    port: int


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    port = free_port()
    with GatewayProcess(
        tmp_path_factory.mktemp("lost"),
        peers=[peer("far", "FAR", port)],
        routes=[{"called": "FAR", "to": ["far"]}],
        # Nothing here may wait for a timeout.
        sections={"relay": {"response": 30, "between": 30}},
    ) as gateway:
        yield Scene(gateway, port)


@asynccontextmanager
async def _association(scene: Scene) -> AsyncIterator[WireConsole]:
    console = await welcomed(scene.gateway.port, "FAR", VERIFICATION, FIND, BEAMS_RECORD)
    try:
        yield console
        await console.release()
    finally:
        await console.close()


async def _store(console: WireConsole) -> int | None:
    record = next(RECORDS)
    request = messages.c_store_rq(0, BEAMS_RECORD, record.sop_instance_uid)
    (answer,) = await console.ask(BEAMS_RECORD, request, record.data)
    return answer.status


async def _find(console: WireConsole) -> Heard:
    return (await console.ask(FIND, messages.c_find_rq(0, FIND), KEYS))[-1]


async def test_what_was_asked_fails_and_objects_are_still_taken(scene: Scene) -> None:
    with StoppingFarEnd(REQUEST, port=scene.port) as far:
        async with asyncio.timeout(10), _association(scene) as console:
            number = console.say(FIND, messages.c_find_rq(0, FIND), KEYS)
            await asyncio.to_thread(far.wait_there)
            far.kill()
            (failed,) = await console.until_answered(number)
            assert failed.status is not None
            assert 0xC000 <= failed.status <= 0xCFFF  # unable to process (PS3.4 C.4.1.1.4)
            assert await _store(console) == 0x0000
            # Asked again on this association: the same at once, for nothing can bring its far end back.
            assert (await _find(console)).status == failed.status
            assert (await console.echo()).status not in (None, 0x0000)
            assert await _store(console) == 0x0000


async def test_an_object_under_way_is_not_disturbed(scene: Scene) -> None:
    record = next(RECORDS)
    half = len(record.data) // 2
    with StoppingFarEnd(ANSWERED, port=scene.port) as far:
        async with asyncio.timeout(10), _association(scene) as console:
            assert (await _find(console)).status == 0x0000
            context = console.context(BEAMS_RECORD)
            request = messages.c_store_rq(77, BEAMS_RECORD, record.sop_instance_uid)
            console.send_command(context, request)
            console.send_data(context, record.data[:half], last=False)
            await asyncio.to_thread(far.wait_there)
            far.kill()
            await asyncio.to_thread(
                scene.gateway.wait, "the relay is seen to be broken", lambda: _broken(scene.gateway)
            )
            console.send_data(context, record.data[half:])
            (answer,) = await console.until_answered(77)
            assert answer.status == 0x0000


def _broken(gateway: GatewayProcess) -> bool:
    with gateway.client() as client:
        return all(each["inbound"] for each in client.associations()["associations"])


async def test_everything_taken_is_delivered_when_the_far_end_is_back(scene: Scene) -> None:
    async with wire_console(scene.gateway.port, "FAR", BEAMS_RECORD) as console:
        assert await _store(console) == 0x0000
    taken = len(scene.gateway.deliveries())
    with StoppingFarEnd(port=scene.port):
        await asyncio.to_thread(scene.gateway.wait_delivered, taken, "far")
