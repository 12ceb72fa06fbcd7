from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.audit.trail import AuditTrail
from gateway.audit.values import MAX_BATCH, AuditEntry, AuditLimits, AuditPage, AuditVerdict
from gateway.operator import facts
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.sections.audit import AuditBatch, AuditSection, AuditTaken
from tests.support.fake_control import FakeControl

OURSELVES = f"(uid {os.getuid()})"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[GatewayClient]:
    control = FakeControl()
    trail = AuditTrail(tmp_path / "audit", AuditLimits(), control.notices)
    await trail.open()
    server = OperatorServer(control, tmp_path / "op.sock", sections=[AuditSection(trail)])
    await server.start()
    client = GatewayClient(server.path, who="Anna B. (clinic)")
    yield client
    await client.close()
    await server.close()
    await trail.close()


async def listed(client: GatewayClient, **query: Any) -> AuditPage:
    return await client.get(AuditPage, "/v1/audit", **query)


async def after_all(client: GatewayClient, what: str) -> AuditPage:
    """What operators do is written in its order, but nobody waits for it: write one thing after it."""
    await client.post(AuditTaken, "/v1/audit", AuditBatch((AuditEntry(1.0, "test", "barrier"),)))
    return await listed(client, what=what)


async def test_what_a_user_of_the_page_does_is_in_the_trail(client: GatewayClient) -> None:
    await client.post(facts.DeliveryFacts, "/v1/deliveries/2/discard", facts.Reason("sent on film"))
    (entry,) = (await after_all(client, "discard")).entries
    assert entry.who.startswith("Anna B. (clinic) by ")
    assert entry.who.endswith(OURSELVES)
    assert (entry.subject, entry.outcome, entry.detail) == ("number=2", "done", "sent on film")


async def test_what_failed_is_in_it_with_the_reason(client: GatewayClient) -> None:
    with pytest.raises(ApiProblem):
        await client.post(facts.DeliveryFacts, "/v1/deliveries/999/retry")
    (entry,) = (await after_all(client, "retry")).entries
    assert "no delivery 999" in entry.outcome


async def test_looking_is_not_in_it(client: GatewayClient) -> None:
    await client.get(facts.Status, "/v1/status")
    await client.post(AuditTaken, "/v1/audit", AuditBatch((AuditEntry(1.0, "anna", "sign-in"),)))
    assert {entry.what for entry in (await listed(client)).entries} == {"sign-in", "start"}


async def test_entries_of_the_page_carry_its_process(client: GatewayClient) -> None:
    entries = (
        AuditEntry(5.0, "anna", "sign-in", outcome="refused: wrong password", address="192.0.2.7"),
        AuditEntry(6.0, "anna", "reveal", "number=17"),
    )
    taken = await client.post(AuditTaken, "/v1/audit", AuditBatch(entries))
    assert taken.count == 2
    page = await listed(client, q="refused")
    (entry,) = page.entries
    assert entry.who.startswith("anna by ")
    assert entry.who.endswith(OURSELVES)
    assert (entry.at, entry.address) == (5.0, "192.0.2.7")
    assert entry.recorded_at > 1e9


async def test_filters_and_pages(client: GatewayClient) -> None:
    entries = tuple(AuditEntry(float(at), "anna", "look", f"number={at}") for at in range(10))
    await client.post(AuditTaken, "/v1/audit", AuditBatch(entries))
    found = await listed(client, since=3, until=5)
    assert [entry.at for entry in found.entries] == [5.0, 4.0, 3.0]
    first = await listed(client, what="look", limit=6)
    rest = await listed(client, what="look", before=first.next)
    assert [entry.at for entry in (*first.entries, *rest.entries)] == [float(at) for at in range(9, -1, -1)]
    assert rest.next is None
    assert (await listed(client, who="nobody")).entries == ()


async def test_the_trail_is_checked(client: GatewayClient, tmp_path: Path) -> None:
    await client.post(AuditTaken, "/v1/audit", AuditBatch((AuditEntry(1.0, "anna", "sign-in"),)))
    verdict = await client.get(AuditVerdict, "/v1/audit/verify")
    assert verdict.ok
    assert (await client.get(AuditVerdict, "/v1/audit/verify", digest=verdict.digest)).ok
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"anna", b"mona"))
    verdict = await client.get(AuditVerdict, "/v1/audit/verify")
    assert not verdict.ok
    assert "changed" in verdict.words


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"at": 1.0, "who": "a", "what": "b", "surprise": 1}], "surprise"),
        ([{"at": "now", "who": "a", "what": "b"}], "at"),
        ([{"at": float("nan"), "who": "a", "what": "b"}], "at"),
        ([{"at": -1.0, "who": "a", "what": "b"}], "at"),
        ([{"at": 1.0, "who": " ", "what": "b"}], "who"),
        ([{"at": 1.0, "who": "a", "what": ""}], "what"),
        ([{"at": 1.0, "who": "a", "what": "b", "detail": "x" * 501}], "detail"),
        ([{"at": 1.0, "who": "a", "what": "b"}] * (MAX_BATCH + 1), "100"),
        ("anna", "entries"),
    ],
)
async def test_what_is_no_entry_is_refused(client: GatewayClient, entries: Any, words: str) -> None:
    body = json.dumps({"entries": entries}).encode()
    with pytest.raises(ApiProblem) as caught:
        async with client.stream("POST", "/v1/audit", body=body):
            pass
    assert caught.value.details.status == 400
    assert words in caught.value.details.detail
    assert {entry.what for entry in (await listed(client)).entries} <= {"start"}
