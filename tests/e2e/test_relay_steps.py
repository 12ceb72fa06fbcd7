"""Procedure steps and what they must not overtake: queued MPPS, and UPS completed only after its records."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from gateway.dicom import messages
from gateway.dicom.command import CommandField
from tests.support import ois_simulator
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.identifiers import identifier
from tests.support.ois_conversations import MPPS, STEP, TRANSACTION, UPS_PULL, UPS_PUSH, Speaker
from tests.support.ois_simulator import Ois
from tests.support.wire_console import Heard, WireConsole, n_request, wire_console
from tests.support.wire_peer import BEAMS_RECORD, EXPLICIT

pytestmark = pytest.mark.peers

_template = Template(make_record())
_made = iter(range(10_000))


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    ois_simulator.required()


# ---- performed procedure steps, queued ---------------------------------------------------------------------


def _steps() -> list[tuple[CommandField, str, bytes]]:
    """Two treatments at once: what was begun first is reported first, each in its own order."""
    begun = {"PerformedProcedureStepStatus": "IN PROGRESS"}
    return [
        (CommandField.N_CREATE_RQ, "2.25.1", identifier(EXPLICIT, PerformedProcedureStepID="A", **begun)),
        (CommandField.N_CREATE_RQ, "2.25.2", identifier(EXPLICIT, PerformedProcedureStepID="B", **begun)),
        (CommandField.N_SET_RQ, "2.25.1", identifier(EXPLICIT, PerformedProcedureStepDescription="Beam 1")),
        (CommandField.N_SET_RQ, "2.25.2", identifier(EXPLICIT, PerformedProcedureStepStatus="COMPLETED")),
        (CommandField.N_SET_RQ, "2.25.1", identifier(EXPLICIT, PerformedProcedureStepStatus="COMPLETED")),
    ]


async def _report(console: WireConsole, steps: list[tuple[CommandField, str, bytes]]) -> list[int | None]:
    statuses = []
    for field, instance, data in steps:
        (answer,) = await console.ask(MPPS, n_request(field, MPPS, instance), data)
        statuses.append(answer.status)
    return statuses


async def test_steps_are_queued_while_the_link_is_cut_and_passed_on_in_order(tmp_path: Path) -> None:
    ois = Ois()
    gateway = GatewayProcess(
        tmp_path,
        peers=[peer("ois", "OIS", ois.port)],
        routes=[{"called": "OIS", "to": ["ois"], "mpps": "queue"}],
        sections={"procedure_steps": {"wait": 0.5, "backoff": {"base": 0.2, "ceiling": 0.5}}},
    )
    steps = _steps()
    gateway.start()
    async with wire_console(gateway.port, "OIS", MPPS) as console:
        assert await _report(console, steps[:3]) == [0x0000] * 3
    gateway.kill()
    with gateway:
        async with wire_console(gateway.port, "OIS", MPPS) as console:
            assert await _report(console, steps[3:]) == [0x0000] * 2
        with ois:
            seen = await asyncio.to_thread(ois.wait, "request", lambda all_: len(all_) >= len(steps))
            for instance in ("2.25.1", "2.25.2"):
                arrived = [(each["field"], each["digest"]) for each in seen if each["instance"] == instance]
                said = [
                    (field.name.replace("_", "-").replace("-RQ", " RQ"), hashlib.sha256(data).hexdigest())
                    for field, about, data in steps
                    if about == instance
                ]
                assert arrived == said
            assert {each["status"] for each in seen} == {0}
            # With the link up the console hears the far end's own words.
            async with wire_console(gateway.port, "OIS", MPPS) as console:
                late = identifier(EXPLICIT, PerformedProcedureStepDescription="Too late")
                refused = await console.ask(MPPS, n_request(CommandField.N_SET_RQ, MPPS, "2.25.1"), late)
                assert [each.status for each in refused] == [0x0110]


# ---- a step is not completed before its records have arrived -----------------------------------------------


@pytest.fixture(scope="module")
def ois() -> Iterator[Ois]:
    with Ois() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(ois: Ois, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        tmp_path_factory.mktemp("guard"),
        peers=[peer("ois", "OIS", ois.port)],
        routes=[
            {"called": "OIS", "to": ["ois"], "ups_guard": 20},
            {"called": "HASTY", "to": ["ois"], "ups_guard": 1},
        ],
    ) as running:
        yield running


def _record() -> SyntheticObject:
    return next(iter(_template.copies(1, next(_made))))


async def _begin(console: WireConsole) -> None:
    """A step in progress, and its record stored."""
    say = Speaker(console)
    assert await say.create(UPS_PUSH, STEP, ProcedureStepState="SCHEDULED") == 0x0000
    change = {"TransactionUID": TRANSACTION, "ProcedureStepState": "IN PROGRESS"}
    assert await say.act(UPS_PULL, 1, STEP, sop_class=UPS_PUSH, **change) == 0x0000
    record = _record()
    request = messages.c_store_rq(0, BEAMS_RECORD, record.sop_instance_uid)
    assert [each.status for each in await console.ask(BEAMS_RECORD, request, record.data)] == [0x0000]


async def _complete(console: WireConsole) -> Heard:
    request = n_request(CommandField.N_ACTION_RQ, UPS_PUSH, STEP, type_id=1)
    done = identifier(EXPLICIT, TransactionUID=TRANSACTION, ProcedureStepState="COMPLETED")
    (answer,) = await console.ask(UPS_PULL, request, done)
    return answer


def _seen(ois: Ois) -> list[tuple[str, int]]:
    return [(each["field"], each["status"]) for each in ois.events("request")]


_CONTEXTS = (UPS_PUSH, UPS_PULL, BEAMS_RECORD)


async def test_completed_waits_until_the_record_has_been_taken(ois: Ois, gateway: GatewayProcess) -> None:
    ois.reset()
    ois.answer_stores(0xA700)  # for now the system has no room, and the gateway tries again
    async with wire_console(gateway.port, "OIS", *_CONTEXTS) as console:
        await _begin(console)
        completing = asyncio.create_task(_complete(console))
        await asyncio.to_thread(ois.wait, "request", lambda all_: ("C-STORE RQ", 0xA700) in _seen(ois))
        assert not completing.done()
        ois.answer_stores(0x0000)
        assert (await completing).status == 0x0000
    order = _seen(ois)
    assert order.index(("C-STORE RQ", 0x0000)) < len(order) - 1
    assert order[-1] == ("N-ACTION RQ", 0x0000)


async def test_completed_is_refused_when_the_record_does_not_get_through(
    ois: Ois, gateway: GatewayProcess
) -> None:
    ois.reset()
    ois.answer_stores(0xA700)
    async with wire_console(gateway.port, "HASTY", *_CONTEXTS) as console:
        await _begin(console)
        actions = _seen(ois).count(("N-ACTION RQ", 0x0000))
        refused = await _complete(console)
        assert refused.status not in (None, 0x0000)
        assert refused.command.error_comment
        assert refused.command.command_field == CommandField.N_ACTION_RSP
        assert _seen(ois).count(("N-ACTION RQ", 0x0000)) == actions
        # Whoever stored nothing is not held back, and asking again later is.
        async with wire_console(gateway.port, "HASTY", UPS_PUSH, UPS_PULL, calling="LINAC2") as other:
            say = Speaker(other)
            assert await say.create(UPS_PUSH, "2.25.8", ProcedureStepState="SCHEDULED") == 0x0000
        ois.answer_stores(0x0000)
        await asyncio.to_thread(ois.wait, "request", lambda all_: ("C-STORE RQ", 0x0000) in _seen(ois))
        assert (await _complete(console)).status == 0x0000
