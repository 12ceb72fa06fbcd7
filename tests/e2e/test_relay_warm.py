"""Associations kept ready: used again, never across titles, and no trouble when the far end restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.dicom import messages
from gateway.dicom.events import Aborted
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port
from tests.support.stopping_far_end import MATCHES, REQUEST, StoppingFarEnd
from tests.support.wire_console import Ended, Heard, welcomed, wire_console

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
KEYS = b"\x08\x00R\x00CS\x06\x00STUDY "


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway that keeps associations ready whatever the round trip."""

    gateway: GatewayProcess
    port: int


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    port = free_port()
    with GatewayProcess(
        tmp_path_factory.mktemp("warm"),
        peers=[peer("far", "FAR", port)],
        routes=[{"called": "FAR", "to": ["far"], "mode": "relay"}],
        sections={"relay": {"warm_above": 0, "connect": 1, "keepalive": 1}},
    ) as gateway:
        yield Scene(gateway, port)


async def _ask(port: int, calling: str = "LINAC1") -> list[int | None]:
    async with wire_console(port, "FAR", FIND, calling=calling) as console:
        heard = await console.ask(FIND, messages.c_find_rq(0, FIND), KEYS)
        return [each.status for each in heard]


ANSWER = [0xFF00] * MATCHES + [0x0000]


def _outgoing(gateway: GatewayProcess) -> list[tuple[str, str]]:
    with gateway.client() as client:
        associations = client.associations()["associations"]
    return [(each["id"], each["calling_ae"]) for each in associations if not each["inbound"]]


async def test_the_next_query_uses_the_same_association_under_its_own_title(scene: Scene) -> None:
    with StoppingFarEnd(port=scene.port):
        await (await welcomed(scene.gateway.port, "FAR", FIND)).release()
        assert await _ask(scene.gateway.port) == ANSWER
        await asyncio.to_thread(scene.gateway.wait, "one is ready", lambda: bool(_outgoing(scene.gateway)))
        ready = _outgoing(scene.gateway)
        assert await _ask(scene.gateway.port) == ANSWER
        assert set(ready) & set(_outgoing(scene.gateway))
        assert await _ask(scene.gateway.port, "LINAC2") == ANSWER
        by_title = {title for _, title in _outgoing(scene.gateway)}
        assert by_title <= {"LINAC1", "LINAC2"}


async def test_a_far_end_that_restarts_between_two_queries_is_not_noticed(scene: Scene) -> None:
    """The association that was ready is dead; the console must not pay for it."""
    for _ in range(3):
        with StoppingFarEnd(port=scene.port):
            await (await welcomed(scene.gateway.port, "FAR", FIND)).release()
            assert await _ask(scene.gateway.port) == ANSWER
        with StoppingFarEnd(port=scene.port):
            assert await _ask(scene.gateway.port) == ANSWER


async def test_a_gateway_that_is_stopped_ends_what_it_relays_in_order(scene: Scene) -> None:
    with StoppingFarEnd(REQUEST, port=scene.port) as far:
        console = await welcomed(scene.gateway.port, "FAR", FIND)
        console.say(FIND, messages.c_find_rq(0, FIND), KEYS)
        await asyncio.to_thread(far.wait_there)
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(scene.gateway.stop))
        try:
            heard = await console.hear()
            assert isinstance(heard, Heard)
            assert heard.status == 0xC000
            heard = await console.hear()
            assert isinstance(heard, Ended)
            assert isinstance(heard.event, Aborted)
        finally:
            await console.close()
            code = await stopping
        assert code == 0
        assert time.monotonic() - began < 15
    scene.gateway.start()
