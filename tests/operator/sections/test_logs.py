from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.logs.ring import LogRing, RingLimits
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.sections.logs import LogField, LogPage, LogsSection
from tests.support.fake_control import FakeControl

LOG = logging.Logger("gateway.test", logging.DEBUG)


@pytest.fixture
def ring() -> LogRing:
    ring = LogRing(RingLimits(lines=50))
    LOG.handlers[:] = [ring]
    return ring


@pytest.fixture
async def client(tmp_path: Path, ring: LogRing) -> AsyncIterator[GatewayClient]:
    server = OperatorServer(FakeControl(), tmp_path / "op.sock", sections=[LogsSection(ring)])
    await server.start()
    client = GatewayClient(server.path)
    yield client
    await client.close()
    await server.close()


async def listed(client: GatewayClient, **query: Any) -> LogPage:
    return await client.get(LogPage, "/v1/logs", **query)


def events(page: LogPage) -> list[str]:
    return [line.event for line in page.lines]


async def test_the_last_lines_and_then_what_is_new(client: GatewayClient) -> None:
    for index in range(5):
        LOG.info("e%d", index)
    page = await listed(client, limit=2)
    assert events(page) == ["e3", "e4"]
    LOG.warning("new", extra={"fields": (("association", "a1b2"),)})
    page = await listed(client, after=page.next)
    assert events(page) == ["new"]
    assert page.lines[0].fields == (LogField("association", "a1b2"),)
    assert (page.lines[0].level, page.restarted, page.lost) == ("warning", False, 0)
    assert events(await listed(client, after=page.next)) == []


async def test_older_pages_down_to_the_first(client: GatewayClient) -> None:
    for index in range(7):
        LOG.info("e%d", index)
    seen: list[str] = []
    page = await listed(client, limit=3)
    while True:
        seen = events(page) + seen
        if page.previous is None:
            break
        page = await listed(client, limit=3, before=page.previous)
    assert seen == [f"e{index}" for index in range(7)]


async def test_lines_that_are_no_longer_kept_are_counted(client: GatewayClient) -> None:
    LOG.info("first")
    page = await listed(client)
    for index in range(60):
        LOG.info("e%d", index)
    page = await listed(client, after=page.next)
    assert page.lost == 10
    assert len(page.lines) == 50


async def test_after_a_restart_everything_since_then_comes(client: GatewayClient) -> None:
    LOG.info("since the start")
    page = await listed(client, after="0123456789ab-4711")
    assert page.restarted
    assert events(page) == ["since the start"]
    assert events(await listed(client, before="0123456789ab-4711")) == []


async def test_level_and_text(client: GatewayClient) -> None:
    LOG.info("stored")
    LOG.error("broke", extra={"fields": (("object", 17),)})
    assert events(await listed(client, level="warning")) == ["broke"]
    assert events(await listed(client, q="object=17")) == ["broke"]
    assert events(await listed(client, q="OBJECT=1", level="info")) == ["broke"]
    empty = await listed(client, q="nowhere")
    assert (empty.lines, empty.previous) == ((), None)
    assert events(await listed(client, q="nowhere", after=empty.next)) == []


async def test_nothing_logged_yet(client: GatewayClient) -> None:
    page = await listed(client)
    assert (page.lines, page.oldest_at, page.previous, page.lost) == ((), None, None, 0)
    LOG.info("one")
    assert events(await listed(client, after=page.next)) == ["one"]


@pytest.mark.parametrize(
    "query", [{"after": "17"}, {"after": "x-y"}, {"before": "-1"}, {"level": "loud"}, {"limit": 1001}]
)
async def test_what_makes_no_sense_is_refused(client: GatewayClient, query: dict[str, Any]) -> None:
    with pytest.raises(ApiProblem) as caught:
        await listed(client, **query)
    assert caught.value.details.status == 400
