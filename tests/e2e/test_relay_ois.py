"""Every normalized service of an oncology information system (dcmjs-dimse), through the gateway and without.

Each conversation is held twice; what the console hears and what the system receives must be the same, the
data sets byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import ois_simulator
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ois_conversations import TOPICS, UPS_EVENT, Speaker, Topic
from tests.support.ois_simulator import Ois
from tests.support.wire_console import Heard, heard_alike, wire_console

pytestmark = pytest.mark.peers


@dataclass(frozen=True, slots=True)
class Scene:
    """The system, and a gateway in front of it."""

    ois: Ois
    gateway: GatewayProcess


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    ois_simulator.required()
    with (
        Ois() as ois,
        GatewayProcess(
            tmp_path_factory.mktemp("ois"),
            peers=[peer("ois", "OIS", ois.port)],
            routes=[{"called": "OIS", "to": ["ois"]}],
        ) as gateway,
    ):
        yield Scene(ois, gateway)


async def _hold(scene: Scene, port: int, topic: Topic) -> tuple[list[Heard], list[dict[str, Any]]]:
    """Hold the conversation afresh; return what was heard, and what the system says of it."""
    scene.ois.reset()
    async with wire_console(port, "OIS", *topic.contexts) as console:
        speaker = Speaker(console)
        await topic.hold(speaker)
    scene.ois.wait("end", bool)
    return speaker.heard, [*scene.ois.events("association"), *scene.ois.events("request")]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
async def test_the_conversation_is_the_same(scene: Scene, topic: Topic) -> None:
    direct, received_direct = await _hold(scene, scene.ois.port, topic)
    through, received_through = await _hold(scene, scene.gateway.port, topic)
    assert heard_alike(through) == heard_alike(direct)
    assert received_through == received_direct


async def test_an_event_reaches_the_console_and_its_answer_the_system(scene: Scene) -> None:
    """N-EVENT-REPORT runs the other way on the console's own association (PS3.4 CC.2.4)."""
    topic = next(each for each in TOPICS if UPS_EVENT in each.contexts)
    heard, _ = await _hold(scene, scene.gateway.port, topic)
    events = [each for each in heard if not each.command.is_response]
    assert [each.command.event_type_id for each in events] == [1, 1, 2, 1]
    assert all(each.data for each in events)
    answered = scene.ois.wait("answered", lambda seen: len(seen) == len(events))
    assert [each["status"] for each in answered] == [0] * len(events)
