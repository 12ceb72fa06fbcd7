"""N-CREATE and N-SET of procedure steps that are queued: what is handed in, and what the console hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AssociateAccept, ProposedContext
from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.listener import Listener, ListenerSettings
from gateway.model import AETitle, Route
from gateway.routing import OwnTitle, RoutingTable
from gateway.services.mpps import ProcedureStepLimits, ProcedureStepService, StepAnswered
from gateway.services.registry import ServiceRegistry
from gateway.spool.step_values import Step
from tests.support.notice_log import NoticeLog
from tests.support.steps import EXPLICIT, IMPLICIT, MPPS, UID, an_answer, attributes
from tests.support.wire_peer import WirePeer, request, wire_peer

OWN = AETitle("CLINIC07")
QUEUED = Route(AETitle("ARIA"), ("oncology", "copy"), mpps="queue")
RELAYED = Route(AETitle("PACS"), ("oncology",))
RELAYED_STORAGE = Route(AETitle("MIXED"), ("archive",), mode="relay", mpps="queue")
DEFLATED = "1.2.840.10008.1.2.1.99"
INSTANCE = f"{UID}5"
CONTEXTS = (ProposedContext(1, MPPS, (EXPLICIT, IMPLICIT)),)


@dataclass
class FakeDesk:
    """Takes steps and answers as told."""

    steps: list[Step] = field(default_factory=list)
    answer: Command | None = None
    error: LocalError | None = None
    gate: asyncio.Event | None = None
    open: int = 0
    handed_in: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, step: Step) -> Command | None:
        self.steps.append(step)
        self.handed_in.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.answer

    async def open_steps(self, sop_instance_uid: str, destination: str) -> int:
        assert destination in ("oncology", "archive")
        await asyncio.sleep(0)
        return self.open


@dataclass
class Door:
    """A listener with the service behind it."""

    desk: FakeDesk
    log: NoticeLog
    service: ProcedureStepService
    port: int


@asynccontextmanager
async def open_door(limits: ProcedureStepLimits | None = None) -> AsyncIterator[Door]:
    errors: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    desk, log = FakeDesk(), NoticeLog()
    service = ProcedureStepService(desk, log.notices, limits)
    routing = RoutingTable([QUEUED, RELAYED, RELAYED_STORAGE], OWN)
    registry = ServiceRegistry(routing, [service])
    listener = Listener(ListenerSettings("console", "127.0.0.1", 0, (), None), registry, notices=log.notices)
    await listener.start()
    try:
        yield Door(desk, log, service, listener.port)
    finally:
        await listener.close(grace=1)
        loop.set_exception_handler(None)
    assert not errors, errors
    assert service._receiving == 0
    assert not service._creating


@asynccontextmanager
async def console(door: Door, called: str = "ARIA", **about: Any) -> AsyncIterator[WirePeer]:
    async with wire_peer(door.port) as peer:
        answer = await peer.associate(request(called, contexts=CONTEXTS, **about))
        assert isinstance(answer, AssociateAccept)
        assert answer.contexts[0].accepted
        yield peer


def create(message_id: int = 1, instance: str | None = INSTANCE) -> Command:
    return messages.n_create_rq(message_id, MPPS, instance)


def change(message_id: int = 1, instance: str = INSTANCE) -> Command:
    return messages.n_set_rq(message_id, MPPS, instance)


async def ask(peer: WirePeer, command: Command, data: bytes | None = None) -> Command:
    peer.send_command(1, command)
    if command.has_data_set:
        peer.send_data(1, attributes() if data is None else data)
    return await peer.response()


# --- negotiation ---------------------------------------------------------------------------------------


def service_alone() -> ProcedureStepService:
    return ProcedureStepService(FakeDesk(), NoticeLog().notices)


def test_only_routes_that_queue_are_served() -> None:
    service = service_alone()
    assert service.serves(MPPS, QUEUED)
    assert service.serves(MPPS, RELAYED_STORAGE)
    assert not service.serves(MPPS, RELAYED)
    assert not service.serves(MPPS, OwnTitle(OWN))
    for other in ("1.2.840.10008.3.1.2.3.4", "1.2.840.10008.3.1.2.3.5", "1.2.840.10008.1.1"):
        assert not service.serves(other, QUEUED)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((EXPLICIT, IMPLICIT), IMPLICIT),
        ((IMPLICIT,), IMPLICIT),
        ((DEFLATED, EXPLICIT), DEFLATED),
        (("not a uid", EXPLICIT), EXPLICIT),
        (("not a uid",), None),
        ((), None),
    ],
)
def test_the_syntax_that_no_centre_may_refuse_comes_first(
    offered: tuple[str, ...], chosen: str | None
) -> None:
    answer = service_alone().choose(ProposedContext(1, MPPS, offered), QUEUED)
    assert answer.transfer_syntax == (chosen or "")
    assert (answer.result == 0) is (chosen is not None)


def test_the_console_is_the_scu() -> None:
    service = service_alone()
    assert service.roles(MPPS, (True, True), QUEUED) == (True, False)
    assert service.roles(MPPS, (False, True), QUEUED) == (False, False)
    assert service.extended(MPPS, b"x") is None


# --- what is handed in ---------------------------------------------------------------------------------


async def test_a_step_is_handed_in_exactly_as_it_came() -> None:
    async with open_door() as door, console(door) as peer:
        data = attributes(t00400254="x" * 40_000)
        response = await ask(peer, create(3), data)
        assert (response.status, response.message_id_responded_to) == (0x0000, 3)
        assert response.affected_sop_instance_uid == INSTANCE
        assert not response.has_data_set
        response = await ask(peer, change(4), attributes("COMPLETED"))
        assert (response.status, response.affected_sop_class_uid) == (0x0000, MPPS)
        assert door.desk.steps == [
            Step(MPPS, INSTANCE, "create", IMPLICIT, "LINAC1", "ARIA", "oncology", data),
            Step(MPPS, INSTANCE, "set", IMPLICIT, "LINAC1", "ARIA", "oncology", attributes("COMPLETED")),
        ]
        told = await door.log.wait_count(StepAnswered, 2)
        assert [(one.kind, one.outcome, one.status, one.size) for one in told] == [
            ("create", "queued", 0, len(data)),
            ("set", "queued", 0, len(attributes("COMPLETED"))),
        ]
        assert (told[0].calling_ae, told[0].called_ae, told[0].reason) == ("LINAC1", "ARIA", "")
        assert UID not in repr(door.log.all)


async def test_a_route_that_relays_its_objects_may_queue_its_steps() -> None:
    async with open_door() as door, console(door, "MIXED") as peer:
        assert (await ask(peer, create())).status == 0
        assert door.desk.steps[0].destination == "archive"


async def test_nothing_is_answered_before_the_desk_has_answered() -> None:
    async with open_door() as door, console(door) as peer:
        door.desk.gate = asyncio.Event()
        waiting = asyncio.create_task(ask(peer, create()))
        async with asyncio.timeout(10):
            await door.desk.handed_in.wait()
        await asyncio.wait([waiting], timeout=0.05)
        assert not waiting.done()
        door.desk.gate.set()
        assert (await waiting).status == 0


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0116, 0x0106, 0x0110, 0x0111, 0x0213, 0xC123])
async def test_the_centres_own_answer_is_passed_on_unchanged(status: int) -> None:
    async with open_door() as door, console(door) as peer:
        door.desk.answer = replace(
            an_answer(status, "set", comment="may no longer be updated", error_id=0xA710),
            offending_element=(0x00400252,),
            attribute_identifier_list=(0x00400253,),
            message_id_responded_to=77,
        )
        response = await ask(peer, change(9))
        assert response == replace(
            messages.response(change(9), status),
            error_comment="may no longer be updated",
            error_id=0xA710,
            offending_element=(0x00400252,),
            attribute_identifier_list=(0x00400253,),
        )
        told = await door.log.wait(StepAnswered)
        assert (told.outcome, told.status, told.reason) == ("answered", status, "")
        assert "updated" not in repr(door.log.all)


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (create(instance=None), 0x0120, "has to name"),
        (create(instance="1..2"), 0x0117, "not a UID"),
        (create(instance="1" * 65), 0x0117, "not a UID"),
        (change(instance="../x"), 0x0117, "not a UID"),
        (replace(change(), requested_sop_instance_uid=None), 0x0120, "has to name"),
        (replace(create(), affected_sop_class_uid="1.2.840.10008.1.1"), 0x0118, "SOP class"),
        (replace(change(), requested_sop_class_uid=None), 0x0118, "SOP class"),
        (replace(create(), has_data_set=False), 0x0120, "no attributes"),
        (replace(change(), has_data_set=False), 0x0120, "no attributes"),
    ],
)
async def test_a_request_that_no_centre_could_take_is_refused(
    command: Command, status: int, words: str
) -> None:
    async with open_door() as door, console(door) as peer:
        response = await ask(peer, command)
        assert response.status == status
        assert words in (response.error_comment or "")
        assert not door.desk.steps
        told = await door.log.wait(StepAnswered)
        assert (told.outcome, told.status) == ("refused", status)
        # The association goes on.
        assert (await ask(peer, create(2))).status == 0


async def test_an_empty_data_set_is_refused() -> None:
    async with open_door() as door, console(door) as peer:
        assert (await ask(peer, create(), b"")).status == 0x0120
        assert not door.desk.steps


@pytest.mark.parametrize(
    "command",
    [
        messages.n_get_rq(1, MPPS, INSTANCE),
        messages.n_delete_rq(1, MPPS, INSTANCE),
        messages.n_action_rq(1, MPPS, INSTANCE, 1, has_data_set=True),
        messages.n_event_report_rq(1, MPPS, INSTANCE, 1, has_data_set=False),
        messages.c_find_rq(1, MPPS),
    ],
)
async def test_other_operations_are_not_offered(command: Command) -> None:
    async with open_door() as door, console(door) as peer:
        assert (await ask(peer, command)).status == 0x0211
        assert (await ask(peer, create(2))).status == 0


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NoRoom("10000 wait"), 0x0213, "no room"),
        (SpoolFailure("the disk"), 0x0110, "could not store"),
        (LocalError("no such destination"), 0x0110, "could not store"),
    ],
)
async def test_what_could_not_be_made_durable_is_a_failure(
    error: LocalError, status: int, words: str
) -> None:
    async with open_door() as door, console(door) as peer:
        door.desk.error = error
        response = await ask(peer, create())
        assert response.status == status
        assert words in (response.error_comment or "")
        assert (await door.log.wait(StepAnswered)).outcome == "refused"
        door.desk.error = None
        assert (await ask(peer, create(2))).status == 0


# --- duplicates ----------------------------------------------------------------------------------------


async def test_a_creation_that_is_on_its_way_already_is_a_duplicate() -> None:
    async with open_door() as door, console(door) as peer:
        door.desk.open = 1
        response = await ask(peer, create())
        assert response.status == 0x0111
        assert not door.desk.steps
        # An N-SET of it is none.
        assert (await ask(peer, change(2))).status == 0
        door.desk.open = 0
        assert (await ask(peer, create(3))).status == 0


async def test_of_two_creations_at_once_one_is_a_duplicate() -> None:
    async with open_door() as door, console(door) as first, console(door) as second:
        door.desk.gate = asyncio.Event()
        waiting = asyncio.create_task(ask(first, create()))
        async with asyncio.timeout(10):
            await door.desk.handed_in.wait()
        assert (await ask(second, create())).status == 0x0111
        assert len(door.service._creating) == 1
        another = asyncio.create_task(ask(second, create(2, f"{UID}6")))
        door.desk.gate.set()
        assert (await waiting).status == 0
        assert (await another).status == 0


# --- bounds --------------------------------------------------------------------------------------------


async def test_a_data_set_beyond_the_limit_is_refused_and_not_kept() -> None:
    async with open_door(ProcedureStepLimits(max_size=10_000)) as door, console(door) as peer:
        fits = attributes(t00400254="x" * (10_000 - len(attributes(t00400254=""))))
        assert len(fits) == 10_000
        assert (await ask(peer, create(1), fits)).status == 0
        response = await ask(peer, create(2), fits + b"xx")
        assert response.status == 0x0213
        assert "too much room" in (response.error_comment or "")
        assert len(door.desk.steps) == 1
        assert (await ask(peer, change(3), fits)).status == 0


async def test_of_a_data_set_that_is_too_large_nothing_more_is_kept() -> None:
    limits = ProcedureStepLimits(max_size=10_000, max_receiving=12_000)
    async with open_door(limits) as door, console(door) as first, console(door) as second:
        first.send_command(1, create(1))
        for size in (8000, 8000, 8000):
            first.send_data(1, bytes(size), last=False)
        # There is room for somebody else while the rest of it is still coming.
        async with asyncio.timeout(10):
            while (await ask(second, change(), bytes(9000))).status != 0:
                pass
        first.send_data(1, bytes(1000))
        assert (await first.response()).status == 0x0213
        assert [step.kind for step in door.desk.steps] == ["set"]


async def test_what_all_consoles_together_may_make_us_hold_is_bounded() -> None:
    limits = ProcedureStepLimits(max_size=10_000, max_receiving=12_000)
    async with open_door(limits) as door, console(door) as first, console(door) as second:
        door.desk.gate = asyncio.Event()
        waiting = asyncio.create_task(ask(first, create(), bytes(8000)))
        async with asyncio.timeout(10):
            await door.desk.handed_in.wait()
        assert (await ask(second, change(), bytes(8000))).status == 0x0213
        door.desk.gate.set()
        assert (await waiting).status == 0
        assert (await ask(second, change(2), bytes(8000))).status == 0


async def test_a_console_that_goes_away_in_the_middle_leaves_nothing() -> None:
    async with open_door() as door, console(door) as peer:
        peer.send_command(1, create())
        peer.send_data(1, bytes(5000), last=False)
        # The gateway has it when it answers something that came after it on another association.
        async with console(door) as other:
            await ask(other, change())
        peer.layer.abort()
        peer.flush()
        await peer.ended()
    assert len(door.desk.steps) == 1
