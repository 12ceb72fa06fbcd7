"""What only a far end with its hands on every byte can show: negotiation, PDU sizes, odd messages."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.association.tls import server_context
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.dimse import fragments
from gateway.dicom.events import Aborted, AssociateRejected
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.negotiation import (
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ContextAnswer,
    ContextResult,
    ProposedContext,
    UserIdentity,
)
from gateway.dicom.upper_layer import Role, UpperLayer
from tests.e2e.conftest import Pki
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.wire_centre import TAKE_FIRST, WireCentre, wire_centre
from tests.support.wire_console import Ended, Heard, WireConsole, wire_console
from tests.support.wire_peer import EXPLICIT, IMPLICIT, VERIFICATION

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
PRIVATE = "1.2.826.0.1.3680043.10.9999.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
KEYS = b"\x08\x00R\x00CS\x06\x00STUDY "
SMALL_PDU = 4096

Script = Callable[[WireCentre], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Ways:
    """The far end itself, and a gateway that relays everything to it."""

    direct: int
    through: int

    def __iter__(self) -> object:
        return iter((self.direct, self.through))


@asynccontextmanager
async def _ways(directory: Path, script: Script, pki: Pki | None = None) -> AsyncIterator[Ways]:
    tls: ssl.SSLContext | None = server_context(pki.centre) if pki else None
    async with wire_centre(script, tls=tls) as port:
        gateway = GatewayProcess(
            directory,
            peers=[peer("far", "FAR", port, pki.gateway if pki else None)],
            routes=[{"called": "FAR", "to": ["far"], "mode": "relay"}],
            sections={"relay": {"max_warm": 0}},
        )
        await asyncio.to_thread(gateway.start)
        try:
            yield Ways(port, gateway.port)
        finally:
            assert await asyncio.to_thread(gateway.stop) == 0


# ---- negotiation -------------------------------------------------------------------------------------------

_ASKED = AssociateRequest(
    "FAR",
    "LINAC1",
    (
        ProposedContext(1, VERIFICATION, (IMPLICIT,)),
        ProposedContext(7, FIND, (EXPLICIT, IMPLICIT)),
        ProposedContext(9, FIND, (BIG_ENDIAN,)),
        ProposedContext(33, PLAN, (EXPLICIT,)),
        ProposedContext(35, DOSE, (EXPLICIT, IMPLICIT)),
        ProposedContext(255, PRIVATE, (IMPLICIT,)),
    ),
    roles={PLAN: (True, True), DOSE: (False, True)},
    extended={FIND: b"\x01\x01\x00", PLAN: b"\x02\x00"},
    common_extended={PLAN: CommonExtended("1.2.840.10008.4.2", ())},
    user_identity=UserIdentity(2, b"physicist", b"secret", response_requested=True),
    async_window=(3, 2),
)

_ANSWERS = {
    VERIFICATION: ContextAnswer.accept(IMPLICIT),
    FIND: ContextAnswer.accept(IMPLICIT),  # not the first proposed; and not what context 9 proposes
    PLAN: ContextAnswer.accept(EXPLICIT),
    DOSE: ContextAnswer.refuse(ContextResult.USER_REJECTION),
    PRIVATE: ContextAnswer.refuse(ContextResult.NO_REASON),
}
_CHOOSY = AcceptorPolicy(
    choose=lambda context: _ANSWERS[context.abstract_syntax],
    roles=lambda _, as_scu, as_scp: (False, as_scp),
    extended=lambda uid, info: info[::-1] if uid == FIND else None,
    identity=lambda identity: b"welcome " + identity.primary if identity.response_requested else None,
    max_operations=2,
)


async def _associate(port: int, asked: AssociateRequest) -> AssociateAccept:
    console = await WireConsole.connect(port)
    answer = await console.associate(asked)
    assert isinstance(answer, AssociateAccept)
    await console.release()
    return answer


async def _negotiated(directory: Path, pki: Pki | None) -> tuple[list[AssociateRequest], AssociateAccept]:
    """Associate through the gateway; what the far end was asked, and what the console was answered."""
    seen: list[AssociateRequest] = []

    async def script(centre: WireCentre) -> None:
        seen.append(await centre.accept(_CHOOSY))
        await centre.finish()

    async with _ways(directory, script, pki) as ways:
        answer = await _associate(ways.through, _ASKED)
    return seen, answer


async def test_the_console_is_offered_what_the_far_end_offers(tmp_path: Path) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept(_CHOOSY)
        await centre.finish()

    asked = replace(_ASKED, user_identity=None)
    async with _ways(tmp_path, script) as ways:
        direct = await _associate(ways.direct, asked)
        through = await _associate(ways.through, asked)
    assert through.contexts == direct.contexts
    assert through.roles == direct.roles
    assert through.extended == direct.extended
    assert through.async_window == direct.async_window


def _offers(request: AssociateRequest) -> set[tuple[str, tuple[str, ...]]]:
    return {(each.abstract_syntax, each.transfer_syntaxes) for each in request.contexts}


async def test_a_user_identity_goes_on_over_tls_and_its_answer_comes_back(tmp_path: Path, pki: Pki) -> None:
    (seen,), answer = await _negotiated(tmp_path, pki)
    assert seen.user_identity == _ASKED.user_identity
    assert answer.user_identity_response == b"welcome physicist"
    assert _offers(seen) == _offers(_ASKED)
    assert (seen.roles, seen.extended) == (_ASKED.roles, _ASKED.extended)
    assert seen.common_extended == _ASKED.common_extended
    assert (seen.calling_ae, seen.called_ae) == ("LINAC1", "FAR")


async def test_a_user_identity_never_goes_on_in_the_clear(tmp_path: Path) -> None:
    (seen,), answer = await _negotiated(tmp_path, None)
    assert seen.user_identity is None
    assert answer.user_identity_response is None


# ---- sizes -------------------------------------------------------------------------------------------------


async def test_each_side_gets_pdus_of_the_size_it_takes(tmp_path: Path) -> None:
    """Both ends take 4 KiB; a longer P-DATA would be an abort of theirs."""
    long = bytes(range(256)) * 1000
    limits = UpperLayerLimits(max_pdu_length=SMALL_PDU)

    async def script(centre: WireCentre) -> None:
        centre.layer = UpperLayer(Role.ACCEPTOR, limits)
        centre.layer.connected()
        await centre.accept(replace(TAKE_FIRST, max_pdu_length=SMALL_PDU))
        context, command, data = await centre.message()
        assert data == long
        centre.send(context, messages.c_find_rsp(command, 0xFF00, has_data_set=True))
        for fragment, last in fragments(long, centre.layer.max_fragment):
            centre.layer.send_pdv(context, False, last, fragment)
        centre.flush()
        centre.answer(context, command)
        await centre.finish()

    async with _ways(tmp_path, script) as ways:
        console = await WireConsole.connect(ways.through)
        assert isinstance(console, WireConsole)
        console.layer = UpperLayer(Role.REQUESTOR, limits)
        asked = AssociateRequest(
            "FAR", "LINAC1", (ProposedContext(1, FIND, (EXPLICIT,)),), max_pdu_length=SMALL_PDU
        )
        answer = await console.associate(asked)
        assert isinstance(answer, AssociateAccept)
        console.answer = answer
        heard = await console.ask(FIND, messages.c_find_rq(0, FIND), long)
        assert [each.data for each in heard] == [long, b""]
        await console.release()


# ---- messages ----------------------------------------------------------------------------------------------


async def test_a_cancel_reaches_the_far_end_as_that_of_its_own_request(tmp_path: Path) -> None:
    """Two requests on one association; each C-CANCEL names the message ID that the far end knows."""

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for _ in range(2):
            context, request, data = await centre.message()
            assert data == KEYS
            for _ in range(2):
                centre.send(context, messages.c_find_rsp(request, 0xFF00, has_data_set=True))
                centre.layer.send_pdv(context, False, True, KEYS)
                centre.flush()
            same_context, cancel, _ = await centre.message()
            assert same_context == context
            assert cancel.name == "C-CANCEL-RQ"
            assert cancel.message_id_responded_to == request.message_id
            centre.answer(context, request, 0xFE00)
        await centre.finish()

    async with _ways(tmp_path, script) as ways:
        for port in (ways.direct, ways.through):
            async with wire_console(port, "FAR", VERIFICATION, FIND) as console:
                for number in (41, 17):
                    request = replace(messages.c_find_rq(0, FIND), message_id=number)
                    console.say(FIND, request, KEYS)
                    assert [await _status(console) for _ in range(2)] == [0xFF00, 0xFF00]
                    console.cancel(FIND, number)
                    assert await _status(console) == 0xFE00


async def _status(console: WireConsole) -> int | None:
    heard = await console.hear()
    assert isinstance(heard, Heard), heard
    return heard.status


async def test_requests_both_ways_at_once_under_the_same_message_id(tmp_path: Path) -> None:
    """Each side numbers its own messages (PS3.7 9.3.1); neither may be taken for the other's."""

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context, request, _ = await centre.message()
        assert request.message_id is not None
        event = messages.n_event_report_rq(request.message_id, PRIVATE, "2.25.9", 4711, has_data_set=True)
        centre.send(context, event)
        centre.layer.send_pdv(context, False, True, KEYS)
        centre.flush()
        _, answer, data = await centre.message()
        assert (answer.name, answer.status) == ("N-EVENT-REPORT-RSP", 0x0107)
        assert answer.message_id_responded_to == request.message_id
        assert data == b""
        centre.answer(context, request, 0x0123)
        await centre.finish()

    async with _ways(tmp_path, script) as ways:
        for port in (ways.direct, ways.through):
            async with wire_console(port, "FAR", PRIVATE) as console:
                request = messages.n_action_rq(1, PRIVATE, "2.25.9", 4711, has_data_set=True)
                heard = await console.ask(PRIVATE, request, KEYS, answers=lambda _: 0x0107, more=1)
                assert [each.command.name for each in heard] == ["N-EVENT-REPORT-RQ", "N-ACTION-RSP"]
                assert heard[0].data == KEYS
                assert heard[1].status == 0x0123


_ODD = Command(
    command_field=0x0140,
    affected_sop_class_uid=PRIVATE,
    unknown=((0x5010, b"NOBODYS "), (0x51B0, b"\x01\x02\x03\x04")),
    error_comment="a comment in a request",
    priority=2,
)


async def test_elements_that_nobody_knows_pass_both_ways(tmp_path: Path) -> None:
    """Retired and private elements of a command set, and values out of their place, are not ours to judge."""

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context, command, _ = await centre.message()
        assert replace(command, message_id=None) == replace(_ODD, has_data_set=True)
        odd = replace(messages.response(command, 0x0001, has_data_set=True), unknown=_ODD.unknown)
        centre.send(context, odd)
        centre.layer.send_pdv(context, False, False, KEYS[:3])
        centre.layer.send_pdv(context, False, False, b"")
        centre.layer.send_pdv(context, False, True, KEYS[3:])
        centre.flush()
        await centre.finish()

    async with _ways(tmp_path, script) as ways:
        for port in (ways.direct, ways.through):
            async with wire_console(port, "FAR", PRIVATE) as console:
                (heard,) = await console.ask(PRIVATE, _ODD, KEYS)
                assert (heard.status, heard.data) == (0x0001, KEYS)
                assert heard.command.unknown == _ODD.unknown


async def test_the_far_ends_abort_is_the_consoles(tmp_path: Path) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        centre.layer.abort(0, 0)
        centre.flush()
        await centre.finish()

    async with (
        _ways(tmp_path, script) as ways,
        wire_console(ways.through, "FAR", FIND, release=False) as console,
    ):
        console.say(FIND, messages.c_find_rq(0, FIND), KEYS)
        assert await _status(console) not in (0x0000, 0xFF00, 0xFE00)
        ended = await console.hear()
        assert isinstance(ended, Ended)
        assert isinstance(ended.event, Aborted)


async def test_what_the_far_end_rejects_for_good_is_rejected_for_good(tmp_path: Path) -> None:
    """A permanent rejection tells the console not to ask again; a transient one to try later."""
    answers = iter(((1, 1, 3), (1, 1, 3), (2, 3, 2), (2, 3, 2)))

    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(*next(answers))
        centre.flush()
        await centre.finish()

    async with _ways(tmp_path, script) as ways:
        for _ in range(2):
            results = []
            for port in (ways.direct, ways.through):
                console = await WireConsole.connect(port)
                answer = await console.associate(
                    AssociateRequest("FAR", "LINAC1", (ProposedContext(1, FIND, (EXPLICIT,)),))
                )
                await console.close()
                assert isinstance(answer, AssociateRejected)
                results.append(answer.result)
            assert results[1] == results[0]
