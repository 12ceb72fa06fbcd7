"""A centre that answers queries and retrievals as a test says, the truth or a lie."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.data_set import EXPLICIT_LITTLE, Elements, encode
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer
from gateway.model import Priority
from gateway.spool import Spool
from tests.support.commitment_wire import say
from tests.support.committing import a_reference
from tests.support.spooling import BEAMS_RECORD, an_instance, an_origin
from tests.support.wire_centre import WireCentre

UID = a_reference(1).sop_instance_uid
CREATED, CREATED_AT, TREATED, TREATED_AT = 0x00080012, 0x00080013, 0x30080250, 0x30080251
PATIENT_NAME, METERSET = 0x00100010, 0x30080036

Script = Callable[[WireCentre], Awaitable[object]]
Find = Callable[[WireCentre, int, Command, bytes], Awaitable[None]]

ROLES = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _uid, as_scu, as_scp: (as_scu, as_scp),
)
NO_GET = AcceptorPolicy(choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]))


def a_record(number: int = 1, *, created: str = "101530", meterset: str = "120.0") -> bytes:
    elements: Elements = {
        CREATED: ("DA", "20260301"),
        CREATED_AT: ("TM", created),
        0x00080016: ("UI", BEAMS_RECORD),
        0x00080018: ("UI", a_reference(number).sop_instance_uid),
        PATIENT_NAME: ("PN", "TEST^One"),
        0x0020000D: ("UI", "1.2.77.1"),
        0x0020000E: ("UI", "1.2.78.1"),
        METERSET: ("DS", meterset),
        TREATED: ("DA", "20260301"),
        TREATED_AT: ("TM", "101500"),
    }
    return encode(elements, EXPLICIT_LITTLE)


RECORD = a_record()


async def put(spool: Spool, *numbers: int) -> None:
    for number in numbers:
        incoming = spool.receive(an_instance(number), an_origin(), Priority.RECORD, ("oncology",))
        incoming.write(a_record(number))
        await incoming.commit()


def a_match(number: int = 1, **times: str) -> bytes:
    elements: Elements = {
        0x00080016: ("UI", BEAMS_RECORD),
        0x00080018: ("UI", a_reference(number).sop_instance_uid),
    }
    tags = {"created": CREATED_AT, "treated": TREATED_AT}
    return encode({**elements, **{tags[key]: ("TM", value) for key, value in times.items()}}, EXPLICIT_LITTLE)


TRUE_MATCH = a_match(created="101530", treated="101500")


def pending(peer: WireCentre, context_id: int, command: Command, match: bytes) -> None:
    say(peer, context_id, messages.c_find_rsp(command, 0xFF00, has_data_set=True), match)


def finds(*matches: bytes, status: int = 0) -> Find:
    async def find(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
        for match in matches:
            pending(peer, context_id, command, match)
        peer.answer(context_id, command, status)

    return find


def centre(
    *, find: Find, get: Find | None = None, policy: AcceptorPolicy = ROLES, rounds: int = 20
) -> Script:
    """A centre that answers queries and retrievals as told, and goes along with all the rest."""

    async def script(peer: WireCentre) -> None:
        try:
            await peer.accept(policy)
        except AssertionError:  # the gateway stopped while it dialled
            return
        for _ in range(rounds):
            try:
                context_id, command, data = await peer.message()
            except (
                AssertionError,
                TimeoutError,
                ConnectionError,
            ):  # a release, an abort, or the gateway stops
                break
            with contextlib.suppress(ConnectionError, LocalProtocolError):  # the gateway has had enough
                if command.command_field == CommandField.C_FIND_RQ:
                    await find(peer, context_id, command, data)
                elif command.command_field == CommandField.C_GET_RQ:
                    assert get is not None
                    await get(peer, context_id, command, data)
        if peer.layer.can_answer_release:
            peer.layer.release_response()
            peer.flush()
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    return script


def gives(*objects: tuple[int, bytes], status: int = 0) -> Find:
    """Store these to whoever asks, whatever was asked for."""

    async def get(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
        contexts = peer.layer.contexts
        store = next(key for key, one in contexts.items() if one.abstract_syntax == BEAMS_RECORD)
        for place, (number, content) in enumerate(objects):
            if peer.layer.close_wanted or not peer.layer.can_send:
                return
            uid = a_reference(number).sop_instance_uid
            say(peer, store, messages.c_store_rq(place + 1, BEAMS_RECORD, uid), content)
            await peer.writer.drain()
            with contextlib.suppress(AssertionError):  # aborted: the gateway has had enough
                await peer.message()
        if not peer.layer.close_wanted:
            peer.answer(context_id, command, status)

    return get
