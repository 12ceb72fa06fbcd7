"""The UPS safety rule on the way from a console to a real UPS SCP, through the relay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.dicom import messages
from gateway.dicom.command import CommandField
from gateway.model import AETitle, Route
from gateway.notices import AssociationClosed
from gateway.services.ups_guard import UpsGuard, UpsGuarded
from tests.support.identifiers import identifier
from tests.support.normalized_scp import NormalizedScp
from tests.support.notice_log import NoticeLog
from tests.support.relay_door import PEER, RelayDoor, relay_door
from tests.support.ups_records import FakeRecords
from tests.support.wire_console import WireConsole, n_request, wire_console
from tests.support.wire_peer import EXPLICIT

PUSH, PULL = "1.2.840.10008.5.1.4.34.6.1", "1.2.840.10008.5.1.4.34.6.3"
TRIAL_PUSH, TRIAL_PULL = "1.2.840.10008.5.1.4.34.4.1", "1.2.840.10008.5.1.4.34.4.3"
STEP, OTHER = "1.2.826.0.1.3680043.10.1.77", "1.2.826.0.1.3680043.10.1.78"


@dataclass
class Scene:
    """Console side, records, and what the centre got."""

    door: RelayDoor
    records: FakeRecords
    scp: NormalizedScp
    log: NoticeLog

    @property
    def completed(self) -> list[str]:
        """The instances that the centre was asked to complete."""
        return [one.instance for one in self.scp.received if one.name == "N-ACTION" and one.type_id == 1]


@asynccontextmanager
async def relaying(guard: float, mode: str = "store") -> AsyncIterator[Scene]:
    records, log = FakeRecords(), NoticeLog()
    with NormalizedScp(PUSH, PULL, TRIAL_PULL) as scp:
        routes = [Route(AETitle("ARIA"), (PEER,), mode, ups_guard=guard)]
        guards = [UpsGuard(records, log.notices)]
        async with relay_door(scp.port, routes=routes, inspectors=guards) as door:
            yield Scene(door, records, scp, log)
            assert not records.listeners


def change(console: WireConsole, on: str, sop_class: str, instance: str = STEP, **about: str) -> int:
    state = identifier(EXPLICIT, TransactionUID="2.25.5", **({"ProcedureStepState": "COMPLETED"} | about))
    return console.say(on, n_request(CommandField.N_ACTION_RQ, sop_class, instance, type_id=1), state)


@pytest.mark.parametrize(("on", "sop_class"), [(PUSH, PUSH), (PULL, PUSH)])
async def test_completed_reaches_the_centre_after_the_record_and_not_before(on: str, sop_class: str) -> None:
    async with (
        relaying(60) as scene,
        wire_console(scene.door.port, "ARIA", PUSH, PULL) as console,
    ):
        record = scene.records.store(PEER)
        number = change(console, on, sop_class)
        # What comes after it on the association does not wait for it.
        canceled = change(console, on, sop_class, OTHER, ProcedureStepState="CANCELED")
        (answer,) = await console.until_answered(canceled)
        assert answer.status == 0x0000
        assert scene.completed == [OTHER]
        scene.records.settle(record, "accepted")
        (answer,) = await console.until_answered(number)
        assert answer.status == 0x0000
        assert scene.completed == [OTHER, STEP]
        assert (await scene.log.wait(UpsGuarded)).outcome == "passed"


async def test_the_retired_trial_is_guarded_as_well() -> None:
    async with relaying(0.1) as scene, wire_console(scene.door.port, "ARIA", TRIAL_PULL) as console:
        scene.records.store(PEER)
        (answer,) = await console.until_answered(change(console, TRIAL_PULL, TRIAL_PUSH))
        assert answer.status == 0xC304


async def test_a_route_that_relays_everything_is_guarded_as_well() -> None:
    async with relaying(0.1, "relay") as scene, wire_console(scene.door.port, "ARIA", PULL) as console:
        scene.records.store(PEER)  # by another route to the same peer
        (answer,) = await console.until_answered(change(console, PULL, PUSH))
        assert answer.status == 0xC304
        assert not scene.completed


async def test_refused_it_never_reaches_the_centre_and_may_be_tried_again() -> None:
    async with relaying(0.1) as scene, wire_console(scene.door.port, "ARIA", PULL) as console:
        record = scene.records.store(PEER)
        (answer,) = await console.until_answered(change(console, PULL, PUSH))
        assert answer.status == 0xC304
        assert answer.command.error_comment == "records of this console have not reached the centre yet"
        assert answer.command.action_type_id == 1
        assert not scene.completed
        scene.records.settle(record, "accepted")
        (answer,) = await console.until_answered(change(console, PULL, PUSH))
        assert answer.status == 0x0000
        assert scene.completed == [STEP]


async def test_two_steps_at_once_on_one_association() -> None:
    async with relaying(60) as scene, wire_console(scene.door.port, "ARIA", PULL) as console:
        first = scene.records.store(PEER)
        one = change(console, PULL, PUSH, STEP)
        two = change(console, PULL, PUSH, OTHER)
        await scene.records.listened(2)
        scene.records.settle(first, "accepted")
        heard = {(await console.hear()).command.message_id_responded_to for _ in range(2)}  # type: ignore[union-attr]
        assert heard == {one, two}
        assert sorted(scene.completed) == [STEP, OTHER]


@pytest.mark.parametrize("how", ["abort", "cut"])
async def test_a_console_that_goes_away_while_it_waits_completes_nothing(how: str) -> None:
    async with relaying(60) as scene:
        record = scene.records.store(PEER)
        async with wire_console(scene.door.port, "ARIA", PULL, release=False) as console:
            change(console, PULL, PUSH)
            await scene.records.listened()
            if how == "abort":
                console.layer.abort()
                console.flush()
            else:
                await console.close()
            await scene.door.log.wait(AssociationClosed, lambda closed: closed.inbound)
        scene.records.settle(record, "accepted")
        await scene.door.settled()
        assert not scene.completed
        assert not scene.log.all


async def test_a_console_that_asks_for_release_while_it_waits_is_answered_first() -> None:
    async with relaying(0.2) as scene:
        scene.records.store(PEER)
        async with wire_console(scene.door.port, "ARIA", PULL, release=False) as console:
            number = change(console, PULL, PUSH)
            await scene.records.listened()
            console.layer.release()
            console.flush()
            (answer,) = await console.until_answered(number)
            assert answer.status == 0xC304


async def test_a_change_that_cannot_be_read_goes_nowhere() -> None:
    async with relaying(60) as scene, wire_console(scene.door.port, "ARIA", PULL) as console:
        command = replace(messages.n_action_rq(0, PUSH, STEP, 1, has_data_set=True), message_id=None)
        (answer,) = await console.ask(PULL, command, b"\x74\x00\x00\x10CS\xff\xff")
        assert answer.status == 0x0110
        assert not scene.completed
