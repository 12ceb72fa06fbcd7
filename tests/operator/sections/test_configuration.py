"""The configuration through the API: a real keeper behind a real socket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.notices import OperatorActed
from gateway.operator import configuration_facts as facts
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.facts import ProblemDetails
from gateway.operator.sections.configuration import MAX_BODY, ConfigurationSection
from tests.support.configured import CONFIG, Configured, configured, files
from tests.support.fake_control import FakeControl

OTHER = CONFIG.replace("11112", "11113")
API = "/v1/configuration"


class Scene:
    def __init__(self, box: Configured, client: GatewayClient) -> None:
        self.box = box
        self.client = client

    async def apply(self, **changes: Any) -> facts.ConfigurationState:
        shown = await self.client.get(facts.ConfigurationFacts, API)
        wanted = {"files": files(main=OTHER), "based_on": shown.digest, "why": "a new port", **changes}
        return await self.client.post(facts.ConfigurationState, f"{API}/apply", facts.ApplyRequest(**wanted))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with configured(tmp_path) as box:
        control = FakeControl()
        control.notices = box.log.notices
        server = OperatorServer(control, tmp_path / "op.sock", sections=[ConfigurationSection(box)])
        await server.start()
        client = GatewayClient(tmp_path / "op.sock", who="Anna B.")
        yield Scene(box, client)
        await client.close()
        await server.close()


async def refused(work: Any) -> ProblemDetails:
    with pytest.raises(ApiProblem) as caught:
        await work
    return caught.value.details


async def test_the_whole_way_in_somebodys_name(scene: Scene) -> None:
    state = await scene.apply()
    assert state.restarting
    await scene.box.again()
    state = await scene.client.get(facts.ConfigurationState, f"{API}/state")
    assert state.trial is not None
    assert state.trial.who.startswith("Anna B. by ")
    await scene.client.post(facts.ConfigurationState, f"{API}/confirm", facts.ConfirmRequest(2))
    page = await scene.client.get(facts.ConfigurationHistory, f"{API}/versions")
    assert [one.number for one in page.versions] == [2, 1]
    detail = await scene.client.get(facts.ConfigurationVersionDetail, f"{API}/versions/1")
    assert detail.files == files(main=CONFIG)
    await scene.client.post(facts.ConfigurationState, f"{API}/rollback", facts.RollbackRequest(1, "no good"))
    told = [(one.what, one.outcome, one.detail) for one in scene.box.log.of(OperatorActed)]
    assert told == [
        ("apply_configuration", "done", "version 2: a new port"),
        ("confirm_configuration", "done", "version 2"),
        ("rollback_configuration", "done", "to version 1: no good"),
    ]


async def test_a_check_changes_nothing_and_is_not_audited(scene: Scene) -> None:
    report = await scene.client.post(
        facts.ConfigurationReport,
        f"{API}/check",
        facts.ConfigurationCandidate(files(main=OTHER + "bogus = 1\n")),
    )
    assert not report.valid
    assert [(one.line, one.key) for one in report.problems] == [(CONFIG.count("\n") + 1, "route[ARIA].bogus")]
    assert scene.box.log.of(OperatorActed) == []


async def test_refusals_have_their_status_and_a_next_step(scene: Scene) -> None:
    stale = await refused(scene.apply(based_on="0" * 64))
    assert (stale.status, "make the change again" in stale.next_step) == (409, True)
    assert (await refused(scene.apply(files=files(main="broken")))).status == 422
    assert (await refused(scene.apply(files=files(other="")))).status == 422
    assert (await refused(scene.apply(confirm_within=1.0))).status == 400
    scene.box.undelivered = {"oncology": 2}
    hazard = await refused(scene.apply(files=files(main=CONFIG[: CONFIG.index("[[peer]]")])))
    assert (hazard.status, "peer:oncology" in hazard.detail) == (409, True)
    nothing = scene.client.post(facts.ConfigurationState, f"{API}/confirm", facts.ConfirmRequest(1))
    assert (await refused(nothing)).status == 409
    assert (
        await refused(scene.client.get(facts.ConfigurationVersionDetail, f"{API}/versions/99"))
    ).status == 404
    nowhere = facts.RollbackRequest(99)
    assert (
        await refused(scene.client.post(facts.ConfigurationState, f"{API}/rollback", nowhere))
    ).status == 404
    assert scene.box.main.read_text() == CONFIG


async def test_too_much_is_refused_while_it_arrives(scene: Scene) -> None:
    for operation, size in (("check", MAX_BODY), ("apply", MAX_BODY), ("confirm", 65536)):
        body = io.BytesIO(b'{"x": "' + b"x" * size + b'"}')
        with pytest.raises(ApiProblem) as caught:
            async with scene.client.stream("POST", f"{API}/{operation}", body=body):
                pass
        assert caught.value.details.status == 413


async def test_the_schema_is_all_there_is(scene: Scene) -> None:
    schema = await scene.client.get(facts.ConfigurationSchema, f"{API}/schema")
    sections = {section.path: section for section in schema.sections}
    assert {"gateway", "listener", "listener.tls", "peer", "route", "delivery.link_backoff"} <= set(sections)
    assert sections["peer"].many
    assert not sections["gateway"].many
    keys = {key.name: key for key in sections["peer"].keys}
    assert keys["commitment"].kind == "choice"
    assert keys["commitment"].choices == ("on-request", "always", "query", "never")
    assert keys["commitment"].default == '"on-request"'
    assert (keys["name"].required, keys["port"].kind, keys["tls"].kind) == (True, "whole", "table")
    assert keys["plain_on_public"].kind == "flag"
    assert all(key.meaning and key.allowed for section in schema.sections for key in section.keys)


async def test_an_answer_under_way_leaves_before_the_server_closes(tmp_path: Path) -> None:
    """Who asks for a restart hears that it was taken."""
    async with configured(tmp_path) as box:
        server = OperatorServer(FakeControl(), tmp_path / "op.sock", sections=[ConfigurationSection(box)])
        await server.start()
        client = GatewayClient(tmp_path / "op.sock")
        closing: list[asyncio.Task[None]] = []
        box.keeper._restart = lambda: closing.append(asyncio.create_task(server.close()))
        shown = await client.get(facts.ConfigurationFacts, API)
        wanted = facts.ApplyRequest(files(main=OTHER), shown.digest, "")
        state = await client.post(facts.ConfigurationState, f"{API}/apply", wanted)
        assert state.restarting
        await closing[0]
        await client.close()
