"""A-ASSOCIATE-RQ and A-ASSOCIATE-AC as bytes (PS3.8 9.3.2, 9.3.3 and annex D; PS3.7 annex D.3).

Our own codec rather than pynetdicom's: theirs builds an object per item, logs, validates through pydicom
(which warns, and raises many kinds of exception on hostile input), and has no bounds. The tests check both
directions against it. Every count and length is bounded by `NegotiationLimits`, the work is linear in the
length of the PDU, and the only error is PeerProtocolError with the A-ABORT reason that fits:
an item that may not be here or twice is 5, a value that cannot be is 6. Items of unknown types are skipped
as PS3.8 9.3.1 demands, so reason 4 is never ours to give.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.dicom import pdu
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.items import ascii_text, invalid, item, items, printable, read_uid, unexpected
from gateway.dicom.limits import MAX_CONTEXTS, NegotiationLimits
from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    ProposedContext,
)
from gateway.dicom.user_information import (
    USER_INFORMATION,
    UserInformation,
    decode_user_information,
    encode_user_information,
)

PROTOCOL_VERSION_BIT: Final = 0x0001
"""Bit 0 of the protocol version field: version 1, the only one; other bits are not tested (PS3.8 9.3.2)."""

_FIXED_FIELDS: Final = struct.Struct(">H2x64s")  # version, reserved, AE titles and reserved as one block
_TITLES_LENGTH: Final = 16

_APPLICATION_CONTEXT: Final = 0x10
_CONTEXT_RQ: Final = 0x20
_CONTEXT_AC: Final = 0x21
_ABSTRACT_SYNTAX: Final = 0x30
_TRANSFER_SYNTAX: Final = 0x40

# ---- writing ----------------------------------------------------------------------------------------------


def _title(value: str) -> bytes:
    raw = ascii_text(value)
    if not 1 <= len(raw) <= _TITLES_LENGTH:
        raise LocalProtocolError(f"an AE title has 1 to 16 characters: {value!r}")
    return raw.ljust(_TITLES_LENGTH)


def _pdu(kind: int, titles: bytes, parts: list[bytes]) -> bytes:
    body = _FIXED_FIELDS.pack(PROTOCOL_VERSION_BIT, titles) + b"".join(parts)
    return struct.pack(">BxI", kind, len(body)) + body


def encode_associate_rq(request: AssociateRequest) -> bytes:
    """The whole A-ASSOCIATE-RQ PDU (PS3.8 9.3.2); LocalProtocolError when `request` does not fit one."""
    if not 1 <= len(request.contexts) <= MAX_CONTEXTS:
        raise LocalProtocolError(f"an A-ASSOCIATE-RQ carries 1 to 128 contexts, not {len(request.contexts)}")
    parts = [item(_APPLICATION_CONTEXT, ascii_text(request.application_context))]
    for context in request.contexts:
        value = [
            bytes((context.context_id, 0, 0, 0)),
            item(_ABSTRACT_SYNTAX, ascii_text(context.abstract_syntax)),
        ]
        value.extend(item(_TRANSFER_SYNTAX, ascii_text(uid)) for uid in context.transfer_syntaxes)
        parts.append(item(_CONTEXT_RQ, b"".join(value)))
    parts.append(encode_user_information(request))
    titles = _title(request.called_ae) + _title(request.calling_ae)
    return _pdu(pdu.ASSOCIATE_RQ, titles, parts)


def encode_associate_ac(answer: AssociateAccept, echo: bytes) -> bytes:
    """The whole A-ASSOCIATE-AC PDU (PS3.8 9.3.3); `echo` is the block that `title_block` took from the RQ."""
    parts = [item(_APPLICATION_CONTEXT, ascii_text(answer.application_context))]
    for context in answer.contexts:
        head = bytes((context.context_id, 0, context.result, 0))
        parts.append(item(_CONTEXT_AC, head + item(_TRANSFER_SYNTAX, ascii_text(context.transfer_syntax))))
    parts.append(encode_user_information(answer))
    return _pdu(pdu.ASSOCIATE_AC, echo, parts)


# ---- reading ----------------------------------------------------------------------------------------------


def protocol_version(body: bytes) -> int:
    """The protocol version field of either PDU's variable field."""
    if len(body) < _FIXED_FIELDS.size:
        raise invalid("an A-ASSOCIATE PDU is shorter than its fixed fields")
    return int.from_bytes(body[:2], "big")


def title_block(body: bytes) -> bytes:
    """AE titles and the 32 reserved bytes: what the A-ASSOCIATE-AC returns unchanged (PS3.8 Table 9-17)."""
    return body[4 : _FIXED_FIELDS.size]


def decode_associate_rq(body: bytes, limits: NegotiationLimits) -> AssociateRequest:
    """Read the variable field of an A-ASSOCIATE-RQ; PeerProtocolError when it is not one."""
    protocol_version(body)
    application_context = ""
    contexts: dict[int, ProposedContext] = {}
    user: UserInformation | None = None
    for kind, value in items(body, _FIXED_FIELDS.size):
        if kind == _CONTEXT_RQ:
            if len(contexts) >= limits.max_contexts:
                raise invalid("more presentation contexts than allowed")
            context = _proposed(value, limits)
            if context.context_id in contexts:
                raise invalid("a presentation context ID is used twice")
            contexts[context.context_id] = context
        elif kind == _APPLICATION_CONTEXT:
            if application_context:
                raise unexpected("a second application context item")
            application_context = read_uid(value, limits)
        elif kind == USER_INFORMATION:
            if user is not None:
                raise unexpected("a second user information item")
            user = decode_user_information(value, limits)
        elif kind in (_CONTEXT_AC, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX):
            raise unexpected(f"item 0x{kind:02X} does not belong here in an A-ASSOCIATE-RQ")
    if not application_context:
        raise invalid("the application context item is missing")
    if not contexts:
        raise invalid("no presentation context is proposed")
    user = user or UserInformation()
    return AssociateRequest(
        called_ae=_read_title(body[4:20]),
        calling_ae=_read_title(body[20:36]),
        contexts=tuple(contexts.values()),
        max_pdu_length=user.max_pdu_length,
        application_context=application_context,
        implementation_class_uid=user.implementation_class_uid,
        implementation_version=user.implementation_version,
        roles=user.roles,
        extended=user.extended,
        common_extended=user.common_extended,
        user_identity=user.user_identity,
        async_window=user.async_window,
    )


def decode_associate_ac(body: bytes, limits: NegotiationLimits) -> AssociateAccept:
    """Read the variable field of an A-ASSOCIATE-AC; `negotiation.settle` adds the abstract syntaxes."""
    protocol_version(body)
    application_context = ""
    contexts: dict[int, AcceptedContext] = {}
    user: UserInformation | None = None
    for kind, value in items(body, _FIXED_FIELDS.size):
        if kind == _CONTEXT_AC:
            if len(contexts) >= limits.max_contexts:
                raise invalid("more presentation contexts than allowed")
            context = _answered(value, limits)
            if context.context_id in contexts:
                raise invalid("a presentation context ID is answered twice")
            contexts[context.context_id] = context
        elif kind == _APPLICATION_CONTEXT:
            if application_context:
                raise unexpected("a second application context item")
            application_context = read_uid(value, limits)
        elif kind == USER_INFORMATION:
            if user is not None:
                raise unexpected("a second user information item")
            user = decode_user_information(value, limits)
        elif kind in (_CONTEXT_RQ, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX):
            raise unexpected(f"item 0x{kind:02X} does not belong here in an A-ASSOCIATE-AC")
    user = user or UserInformation()
    return AssociateAccept(
        called_ae=_read_title(body[4:20]),
        calling_ae=_read_title(body[20:36]),
        contexts=tuple(contexts.values()),
        max_pdu_length=user.max_pdu_length,
        application_context=application_context,
        implementation_class_uid=user.implementation_class_uid,
        implementation_version=user.implementation_version,
        roles=user.roles,
        extended=user.extended,
        user_identity_response=user.user_identity_response,
        async_window=user.async_window,
    )


def _read_title(raw: bytes) -> str:
    return printable(raw.rstrip(b"\0").strip(b" "))


def _context_id(value: bytes) -> int:
    if len(value) < 4:
        raise invalid("a presentation context item is cut short")
    if value[0] % 2 == 0:
        raise invalid(f"presentation context ID {value[0]} is not odd")
    return value[0]


def _proposed(value: bytes, limits: NegotiationLimits) -> ProposedContext:
    context_id = _context_id(value)
    abstract_syntax = ""
    transfer_syntaxes: list[str] = []
    for kind, raw in items(value, 4):
        if kind == _TRANSFER_SYNTAX:
            if len(transfer_syntaxes) >= limits.max_transfer_syntaxes:
                raise invalid("more transfer syntaxes in a presentation context than allowed")
            transfer_syntaxes.append(read_uid(raw, limits))
        elif kind == _ABSTRACT_SYNTAX:
            if abstract_syntax:
                raise unexpected("a second abstract syntax in a presentation context")
            abstract_syntax = read_uid(raw, limits)
    if not abstract_syntax or not transfer_syntaxes:
        raise invalid("a presentation context lacks its abstract or transfer syntax")
    return ProposedContext(context_id, abstract_syntax, tuple(transfer_syntaxes))


def _answered(value: bytes, limits: NegotiationLimits) -> AcceptedContext:
    context_id, result = _context_id(value), value[2]
    transfer_syntax = ""
    for kind, raw in items(value, 4):
        if kind == _TRANSFER_SYNTAX:
            if transfer_syntax:
                raise unexpected("a second transfer syntax in an answered presentation context")
            # Not significant in a refusal (PS3.8 9.3.3.2): some peers leave it empty or repeat anything.
            transfer_syntax = read_uid(raw, limits)
    if result == 0 and not transfer_syntax:
        raise invalid("an accepted presentation context lacks its transfer syntax")
    return AcceptedContext(context_id, "", transfer_syntax, result)
