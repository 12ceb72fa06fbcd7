"""The page's client against a real operator API on a real Unix socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.notices import LinkChanged, Notice, OperatorActed
from gateway.operator import facts
from gateway.operator.client import ApiProblem, DaemonUnreachable
from tests.support.fake_control import FILE, FakeControl
from tests.support.operator_daemon import OperatorDaemon, serving


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def daemon(control: FakeControl, tmp_path: Path) -> Iterator[OperatorDaemon]:
    with serving(control, tmp_path / "op.sock") as daemon:
        yield daemon


async def test_facts_come_as_values(daemon: OperatorDaemon) -> None:
    gateway = GatewayClient(daemon.path)
    status = await gateway.get(facts.Status, "/v1/status")
    page = await gateway.get(facts.DeliveryPage, "/v1/deliveries", state="held", destination=None)
    await gateway.close()
    assert status.gateway
    assert isinstance(page, facts.DeliveryPage)


async def test_what_is_done_is_done_in_the_users_name(daemon: OperatorDaemon, control: FakeControl) -> None:
    acted: list[Notice] = []
    control.notices.subscribe(acted.append)
    gateway = GatewayClient(daemon.path)
    await gateway.as_user("Zoë (clinic)").post(
        facts.DeliveryFacts, "/v1/deliveries/2/discard", facts.Reason("sent twice")
    )
    await gateway.close()
    (told,) = acted
    assert isinstance(told, OperatorActed)
    assert told.who.startswith("Zoë (clinic) by ")


async def test_a_refusal_comes_with_its_words(daemon: OperatorDaemon) -> None:
    gateway = GatewayClient(daemon.path)
    with pytest.raises(ApiProblem) as raised:
        await gateway.get(facts.Story, "/v1/deliveries/999")
    await gateway.close()
    assert raised.value.details.status == 404
    assert raised.value.details.next_step


async def test_no_daemon_is_said_in_words(tmp_path: Path) -> None:
    gateway = GatewayClient(tmp_path / "none.sock")
    with pytest.raises(DaemonUnreachable, match="no gateway is running: there is no socket"):
        await gateway.get(facts.Status, "/v1/status")
    await gateway.close()


async def test_a_silent_daemon_is_given_up(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_unix_server(silent, tmp_path / "silent.sock")
    gateway = GatewayClient(tmp_path / "silent.sock", timeout=0.05)
    with pytest.raises(DaemonUnreachable, match="in time"):
        await gateway.get(facts.Status, "/v1/status")
    await gateway.close()
    await ended.wait()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<a>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"\0\0\0\0",
    ],
    ids=["no JSON", "no facts", "cut short", "no HTTP"],
)
async def test_a_strange_daemon_is_as_good_as_none(tmp_path: Path, answer: bytes) -> None:
    async def strange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(strange, tmp_path / "strange.sock")
    gateway = GatewayClient(tmp_path / "strange.sock", timeout=5)
    with pytest.raises(DaemonUnreachable):
        await gateway.get(facts.Status, "/v1/status")
    await gateway.close()
    server.close()
    await server.wait_closed()


async def test_an_endless_answer_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 100000)
        await writer.drain()
        writer.close()

    monkeypatch.setattr("gateway.admin.gateway_client.MAX_ANSWER", 50_000)
    server = await asyncio.start_unix_server(endless, tmp_path / "endless.sock")
    gateway = GatewayClient(tmp_path / "endless.sock", timeout=5)
    with pytest.raises(DaemonUnreachable, match="more than 50000 bytes"):
        await gateway.get(facts.Status, "/v1/status")
    await gateway.close()
    server.close()


async def test_a_file_streams(daemon: OperatorDaemon) -> None:
    gateway = GatewayClient(daemon.path)
    async with gateway.stream("GET", "/v1/deliveries/2/export") as response:
        assert await response.read() == FILE
    await gateway.close()


async def test_events_arrive(daemon: OperatorDaemon, control: FakeControl) -> None:
    gateway = GatewayClient(daemon.path)
    events = gateway.events()
    first = asyncio.ensure_future(anext(events))
    while not daemon.server.events.listeners:  # until the request has arrived
        await asyncio.sleep(0)
        done, _ = await asyncio.wait([first], timeout=0.01)
        assert not done
    daemon.call(lambda: control.notices.publish(LinkChanged("oncology", "online", "offline", "cut")))
    kind, data = await first
    await events.aclose()
    await gateway.close()
    assert kind == "LinkChanged"
    assert data["after"] == "offline"
    assert json.dumps(data)
