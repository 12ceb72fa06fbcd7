"""Who is admitted, and how each presentation context and sub-item is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import AssociateRejected, ReleaseConfirmed
from gateway.dicom.negotiation import (
    STORAGE_EXTENDED_ANSWER,
    AssociateAccept,
    ProposedContext,
    UserIdentity,
)
from gateway.notices import AssociationRefused
from tests.support.door import open_door
from tests.support.wire_peer import BEAMS_RECORD, CONTEXTS, EXPLICIT, IMPLICIT, RT_IMAGE, request, wire_peer

PRIVATE = "1.2.826.0.1.3680043.9.9999.1"
RETIRED = "1.2.840.10008.5.1.4.1.1.6"  # Ultrasound Image Storage (Retired)
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"


def results(answer: AssociateAccept | AssociateRejected) -> list[int]:
    assert isinstance(answer, AssociateAccept)
    return [context.result for context in answer.contexts]


def contexts_of(*abstract_syntaxes: str) -> tuple[ProposedContext, ...]:
    return tuple(
        ProposedContext(2 * index + 1, uid, (IMPLICIT, EXPLICIT))
        for index, uid in enumerate(abstract_syntaxes)
    )


async def test_every_kind_of_storage_class_is_accepted() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(request(contexts=contexts_of(BEAMS_RECORD, PRIVATE, RETIRED)))
    assert results(answer) == [0, 0, 0]


async def test_services_that_are_not_offered_are_refused_as_unsupported_abstract_syntaxes() -> None:
    asked = contexts_of(FIND, WORKLIST, PROCEDURE_STEP, COMMITMENT, "not a uid", "../../etc/passwd")
    async with open_door() as door, wire_peer(door.port) as peer:
        assert results(await peer.associate(request(contexts=asked))) == [3] * 6


async def test_an_association_without_any_acceptable_context_is_accepted_all_the_same() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        assert results(await peer.associate(request(contexts=contexts_of(FIND)))) == [3]
        assert isinstance(await peer.release(), ReleaseConfirmed)


async def test_our_own_title_answers_verification_and_takes_no_objects() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        assert results(await peer.associate(request("CLINIC07"))) == [0, 3, 3]
        assert (await peer.echo()).status == 0x0000


async def test_a_relay_route_takes_no_objects_and_answers_verification() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        assert results(await peer.associate(request("LATER"))) == [0, 3, 3]


@pytest.mark.parametrize(
    ("called", "calling", "diagnostic"),
    [("NOBODY", "LINAC1", 7), ("PACS", "LAPTOP", 3)],
)
async def test_titles_are_rejected_with_the_reason_of_the_standard_and_one_notice(
    called: str, calling: str, diagnostic: int
) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(request(called, calling))
        assert isinstance(answer, AssociateRejected)
        assert (answer.result, answer.source, answer.diagnostic) == (1, 1, diagnostic)
        notice = await door.log.wait(AssociationRefused)
        assert (notice.called_ae, notice.calling_ae, notice.inbound) == (called, calling, True)
        assert called in notice.reason
        assert len(door.log.all) == 1


async def test_another_application_context_is_rejected() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(replace(request(), application_context="1.2.3"))
        assert isinstance(answer, AssociateRejected)
        assert (answer.result, answer.source, answer.diagnostic) == (1, 1, 2)


async def test_the_asynchronous_window_is_granted_up_to_our_limit() -> None:
    async with open_door(max_operations=4) as door:
        for asked, granted in (((64, 64), (4, 4)), ((2, 1), (2, 1)), ((0, 0), (4, 4))):
            async with wire_peer(door.port) as peer:
                answer = await peer.associate(request(window=asked))
                assert isinstance(answer, AssociateAccept)
                assert answer.async_window == granted


async def test_the_scu_role_is_granted_and_the_scp_role_is_not() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(replace(request(), roles={RT_IMAGE: (True, True)}))
        assert isinstance(answer, AssociateAccept)
        assert answer.roles == {RT_IMAGE: (True, False)}


async def test_storage_extended_negotiation_says_that_everything_is_kept() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        asked = replace(request(), extended={RT_IMAGE: b"\x02\x00\x03\x00\x00\x00", FIND: b"\x01"})
        answer = await peer.associate(asked)
        assert isinstance(answer, AssociateAccept)
        assert answer.extended == {RT_IMAGE: STORAGE_EXTENDED_ANSWER}


async def test_user_identity_is_never_confirmed_because_it_is_never_verified() -> None:
    identity = UserIdentity(2, b"doctor", b"secret", response_requested=True)
    async with open_door() as door, wire_peer(door.port) as peer:
        answer = await peer.associate(replace(request(), user_identity=identity))
        assert isinstance(answer, AssociateAccept)
        assert answer.user_identity_response is None
        assert "secret" not in repr(door.log.all)


async def test_a_service_does_not_perform_what_belongs_to_another_context() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(1, messages.c_store_rq(1, RT_IMAGE, "1.2.3"))
        peer.send_data(1, b"data that is read and dropped")
        response = await peer.response()
        assert (response.status, response.message_id_responded_to) == (0x0211, 1)
        peer.send_command(3, messages.c_echo_rq(2))
        assert (await peer.response()).status == 0x0211
        assert (await peer.echo(3)).status == 0x0000
        assert not door.spool.kept


async def test_an_unknown_command_is_answered_as_an_unrecognized_operation() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, Command(command_field=0x0042, message_id=9))
        response = await peer.response()
        assert (response.command_field, response.status) == (0x8042, 0x0211)
        assert (await peer.store()).status == 0x0000


async def test_all_128_contexts_are_answered() -> None:
    asked = tuple(
        ProposedContext(2 * index + 1, CONTEXTS[1].abstract_syntax, (EXPLICIT,)) for index in range(128)
    )
    async with open_door() as door, wire_peer(door.port) as peer:
        assert results(await peer.associate(request(contexts=asked))) == [0] * 128
