"""A-ASSOCIATE-RQ and A-ASSOCIATE-AC as bytes (PS3.8 9.3.2, 9.3.3 and annex D; PS3.7 annex D.3).

Our own codec rather than pynetdicom's: theirs builds an object per item, logs, validates through pydicom
(which warns, and raises many kinds of exception on hostile input), and has no bounds. The tests check both
directions against it. Every count and length is bounded by `NegotiationLimits`, the work is linear in the
length of the PDU, and the only error is PeerProtocolError with the A-ABORT reason that fits:
an item that may not be here or twice is 5, a value that cannot be is 6. Items of unknown types are skipped
as PS3.8 9.3.1 demands, so reason 4 is never ours to give.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.dicom import pdu
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from gateway.dicom.negotiation import (
    MAX_CONTEXTS,
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    NegotiationLimits,
    ProposedContext,
    UserIdentity,
)

PROTOCOL_VERSION_BIT: Final = 0x0001
"""Bit 0 of the protocol version field: version 1, the only one; other bits are not tested (PS3.8 9.3.2)."""

FALLBACK_PDU_LENGTH: Final = 16384
"""What a peer that does not announce a maximum length (it must) is taken to accept."""

_FIXED_FIELDS: Final = struct.Struct(">H2x64s")  # version, reserved, AE titles and reserved as one block
_TITLES_LENGTH: Final = 16

_APPLICATION_CONTEXT: Final = 0x10
_CONTEXT_RQ: Final = 0x20
_CONTEXT_AC: Final = 0x21
_ABSTRACT_SYNTAX: Final = 0x30
_TRANSFER_SYNTAX: Final = 0x40
_USER_INFORMATION: Final = 0x50
_MAX_LENGTH: Final = 0x51
_IMPLEMENTATION_UID: Final = 0x52
_ASYNC_WINDOW: Final = 0x53
_ROLE: Final = 0x54
_IMPLEMENTATION_VERSION: Final = 0x55
_EXTENDED: Final = 0x56
_COMMON_EXTENDED: Final = 0x57
_USER_IDENTITY: Final = 0x58
_USER_IDENTITY_RESPONSE: Final = 0x59

_ITEM = struct.Struct(">BxH")
_LENGTH = struct.Struct(">H")
_MAX_ITEM: Final = 0xFFFF
_NOT_PLAIN = re.compile(r"[^\x20-\x5b\x5d-\x7e]")


def printable(raw: bytes) -> str:
    """Show `raw` with every character that no AE title and no UID may hold as a backslash escape."""
    return _NOT_PLAIN.sub(lambda found: f"\\x{ord(found.group()):02x}", raw.decode("latin-1"))


def _invalid(words: str) -> PeerProtocolError:
    return PeerProtocolError(words, reason=pdu.REASON_INVALID_PARAMETER)


def _unexpected(words: str) -> PeerProtocolError:
    return PeerProtocolError(words, reason=pdu.REASON_UNEXPECTED_PARAMETER)


# ---- writing ----------------------------------------------------------------------------------------------


def _item(kind: int, value: bytes) -> bytes:
    if len(value) > _MAX_ITEM:
        raise LocalProtocolError(f"association item 0x{kind:02X} does not fit into its 16-bit length")
    return _ITEM.pack(kind, len(value)) + value


def _text(value: str) -> bytes:
    try:
        return value.encode("ascii")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"not ASCII: {value!r}") from error


def _counted(value: bytes) -> bytes:
    if len(value) > _MAX_ITEM:
        raise LocalProtocolError("a field does not fit into its 16-bit length")
    return _LENGTH.pack(len(value)) + value


def _title(value: str) -> bytes:
    raw = _text(value)
    if not 1 <= len(raw) <= _TITLES_LENGTH:
        raise LocalProtocolError(f"an AE title has 1 to 16 characters: {value!r}")
    return raw.ljust(_TITLES_LENGTH)


def _pdu(kind: int, titles: bytes, items: list[bytes]) -> bytes:
    body = _FIXED_FIELDS.pack(PROTOCOL_VERSION_BIT, titles) + b"".join(items)
    return struct.pack(">BxI", kind, len(body)) + body


def _user_information(message: AssociateRequest | AssociateAccept, more: list[tuple[int, bytes]]) -> bytes:
    parts = [
        (_MAX_LENGTH, message.max_pdu_length.to_bytes(4, "big")),
        (_IMPLEMENTATION_UID, _text(message.implementation_class_uid)),
        *((_ROLE, _counted(_text(uid)) + bytes(roles)) for uid, roles in message.roles.items()),
        *((_EXTENDED, _counted(_text(uid)) + info) for uid, info in message.extended.items()),
        *more,
    ]
    if message.implementation_version:
        parts.append((_IMPLEMENTATION_VERSION, _text(message.implementation_version)))
    if message.async_window is not None:
        parts.append((_ASYNC_WINDOW, struct.pack(">HH", *message.async_window)))
    parts.sort(key=lambda part: part[0])  # PS3.8 9.3.1: in increasing order of their types
    return _item(_USER_INFORMATION, b"".join(_item(kind, value) for kind, value in parts))


def encode_associate_rq(request: AssociateRequest) -> bytes:
    """The whole A-ASSOCIATE-RQ PDU (PS3.8 9.3.2); LocalProtocolError when `request` does not fit one."""
    if not 1 <= len(request.contexts) <= MAX_CONTEXTS:
        raise LocalProtocolError(f"an A-ASSOCIATE-RQ carries 1 to 128 contexts, not {len(request.contexts)}")
    items = [_item(_APPLICATION_CONTEXT, _text(request.application_context))]
    for context in request.contexts:
        value = [
            bytes((context.context_id, 0, 0, 0)),
            _item(_ABSTRACT_SYNTAX, _text(context.abstract_syntax)),
        ]
        value.extend(_item(_TRANSFER_SYNTAX, _text(uid)) for uid in context.transfer_syntaxes)
        items.append(_item(_CONTEXT_RQ, b"".join(value)))
    more = []
    for uid, common in request.common_extended.items():
        related = b"".join(_counted(_text(general)) for general in common.related_general)
        service = _counted(_text(common.service_class_uid))
        more.append((_COMMON_EXTENDED, _counted(_text(uid)) + service + _counted(related)))
    identity = request.user_identity
    if identity is not None:
        head = bytes((identity.kind, identity.response_requested))
        more.append((_USER_IDENTITY, head + _counted(identity.primary) + _counted(identity.secondary)))
    items.append(_user_information(request, more))
    titles = _title(request.called_ae) + _title(request.calling_ae)
    return _pdu(pdu.ASSOCIATE_RQ, titles, items)


def encode_associate_ac(answer: AssociateAccept, echo: bytes) -> bytes:
    """The whole A-ASSOCIATE-AC PDU (PS3.8 9.3.3); `echo` is the block that `title_block` took from the RQ."""
    items = [_item(_APPLICATION_CONTEXT, _text(answer.application_context))]
    for context in answer.contexts:
        head = bytes((context.context_id, 0, context.result, 0))
        items.append(_item(_CONTEXT_AC, head + _item(_TRANSFER_SYNTAX, _text(context.transfer_syntax))))
    response = answer.user_identity_response
    more = [] if response is None else [(_USER_IDENTITY_RESPONSE, _counted(response))]
    items.append(_user_information(answer, more))
    return _pdu(pdu.ASSOCIATE_AC, echo, items)


# ---- reading ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _UserInformation:
    max_pdu_length: int = FALLBACK_PDU_LENGTH
    implementation_class_uid: str = ""
    implementation_version: str = ""
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)
    common_extended: dict[str, CommonExtended] = field(default_factory=dict)
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = None
    async_window: tuple[int, int] | None = None


def protocol_version(body: bytes) -> int:
    """The protocol version field of either PDU's variable field."""
    if len(body) < _FIXED_FIELDS.size:
        raise _invalid("an A-ASSOCIATE PDU is shorter than its fixed fields")
    return int.from_bytes(body[:2], "big")


def title_block(body: bytes) -> bytes:
    """AE titles and the 32 reserved bytes: what the A-ASSOCIATE-AC returns unchanged (PS3.8 Table 9-17)."""
    return body[4 : _FIXED_FIELDS.size]


def decode_associate_rq(body: bytes, limits: NegotiationLimits) -> AssociateRequest:
    """Read the variable field of an A-ASSOCIATE-RQ; PeerProtocolError when it is not one."""
    protocol_version(body)
    application_context = ""
    contexts: dict[int, ProposedContext] = {}
    user: _UserInformation | None = None
    for kind, value in _items(body, _FIXED_FIELDS.size):
        if kind == _CONTEXT_RQ:
            if len(contexts) >= limits.max_contexts:
                raise _invalid("more presentation contexts than allowed")
            context = _proposed(value, limits)
            if context.context_id in contexts:
                raise _invalid("a presentation context ID is used twice")
            contexts[context.context_id] = context
        elif kind == _APPLICATION_CONTEXT:
            if application_context:
                raise _unexpected("a second application context item")
            application_context = _uid(value, limits)
        elif kind == _USER_INFORMATION:
            if user is not None:
                raise _unexpected("a second user information item")
            user = _read_user_information(value, limits)
        elif kind in (_CONTEXT_AC, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX):
            raise _unexpected(f"item 0x{kind:02X} does not belong here in an A-ASSOCIATE-RQ")
    if not application_context:
        raise _invalid("the application context item is missing")
    if not contexts:
        raise _invalid("no presentation context is proposed")
    user = user or _UserInformation()
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
    """Read the variable field of an A-ASSOCIATE-AC; abstract syntaxes are empty until `negotiation.settle`."""
    protocol_version(body)
    application_context = ""
    contexts: dict[int, AcceptedContext] = {}
    user: _UserInformation | None = None
    for kind, value in _items(body, _FIXED_FIELDS.size):
        if kind == _CONTEXT_AC:
            if len(contexts) >= limits.max_contexts:
                raise _invalid("more presentation contexts than allowed")
            context = _answered(value, limits)
            if context.context_id in contexts:
                raise _invalid("a presentation context ID is answered twice")
            contexts[context.context_id] = context
        elif kind == _APPLICATION_CONTEXT:
            if application_context:
                raise _unexpected("a second application context item")
            application_context = _uid(value, limits)
        elif kind == _USER_INFORMATION:
            if user is not None:
                raise _unexpected("a second user information item")
            user = _read_user_information(value, limits)
        elif kind in (_CONTEXT_RQ, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX):
            raise _unexpected(f"item 0x{kind:02X} does not belong here in an A-ASSOCIATE-AC")
    user = user or _UserInformation()
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


def _items(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    end = len(data)
    while offset < end:
        if end - offset < _ITEM.size:
            raise _invalid("an item is cut short")
        kind, length = _ITEM.unpack_from(data, offset)
        offset += _ITEM.size
        if offset + length > end:
            raise _invalid(f"item 0x{kind:02X} is longer than what holds it")
        yield kind, data[offset : offset + length]
        offset += length


def _uid(raw: bytes, limits: NegotiationLimits) -> str:
    # Some implementations pad UIDs to even length here too, against PS3.8 annex F.
    text = raw.rstrip(b"\0 ")
    if len(text) > limits.max_uid_length:
        raise _invalid(f"a UID has more than {limits.max_uid_length} characters")
    return printable(text)


def _read_title(raw: bytes) -> str:
    return printable(raw.rstrip(b"\0").strip(b" "))


def _context_id(value: bytes) -> int:
    if len(value) < 4:
        raise _invalid("a presentation context item is cut short")
    if value[0] % 2 == 0:
        raise _invalid(f"presentation context ID {value[0]} is not odd")
    return value[0]


def _proposed(value: bytes, limits: NegotiationLimits) -> ProposedContext:
    context_id = _context_id(value)
    abstract_syntax = ""
    transfer_syntaxes: list[str] = []
    for kind, raw in _items(value, 4):
        if kind == _TRANSFER_SYNTAX:
            if len(transfer_syntaxes) >= limits.max_transfer_syntaxes:
                raise _invalid("more transfer syntaxes in a presentation context than allowed")
            transfer_syntaxes.append(_uid(raw, limits))
        elif kind == _ABSTRACT_SYNTAX:
            if abstract_syntax:
                raise _unexpected("a second abstract syntax in a presentation context")
            abstract_syntax = _uid(raw, limits)
    if not abstract_syntax or not transfer_syntaxes:
        raise _invalid("a presentation context lacks its abstract or transfer syntax")
    return ProposedContext(context_id, abstract_syntax, tuple(transfer_syntaxes))


def _answered(value: bytes, limits: NegotiationLimits) -> AcceptedContext:
    context_id, result = _context_id(value), value[2]
    transfer_syntax = ""
    for kind, raw in _items(value, 4):
        if kind == _TRANSFER_SYNTAX:
            if transfer_syntax:
                raise _unexpected("a second transfer syntax in an answered presentation context")
            # Not significant in a refusal (PS3.8 9.3.3.2): some peers leave it empty or repeat anything.
            transfer_syntax = _uid(raw, limits)
    if result == 0 and not transfer_syntax:
        raise _invalid("an accepted presentation context lacks its transfer syntax")
    return AcceptedContext(context_id, "", transfer_syntax, result)


class _Fields:
    """Reads length-prefixed fields of one sub-item, in order."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, count: int) -> bytes:
        start, self._offset = self._offset, self._offset + count
        if self._offset > len(self._data):
            raise _invalid("a user information sub-item is cut short")
        return self._data[start : self._offset]

    def counted(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._offset)

    @property
    def more(self) -> bool:
        return self._offset < len(self._data)


_ONCE: Final = frozenset(
    {
        _MAX_LENGTH,
        _IMPLEMENTATION_UID,
        _ASYNC_WINDOW,
        _IMPLEMENTATION_VERSION,
        _USER_IDENTITY,
        _USER_IDENTITY_RESPONSE,
    }
)


def _read_user_information(value: bytes, limits: NegotiationLimits) -> _UserInformation:
    user = _UserInformation()
    seen: set[int] = set()
    for count, (kind, raw) in enumerate(_items(value, 0)):
        if count >= limits.max_user_items:
            raise _invalid("more user information sub-items than allowed")
        if kind in seen and kind in _ONCE:
            raise _unexpected(f"a second user information sub-item 0x{kind:02X}")
        seen.add(kind)
        fields = _Fields(raw)
        if kind == _MAX_LENGTH:
            length = int.from_bytes(fields.take(4), "big")
            if 0 < length < limits.min_pdu_length:
                raise _invalid(f"a maximum PDU length of {length} bytes is too small to be of use")
            user.max_pdu_length = length
        elif kind == _IMPLEMENTATION_UID:
            user.implementation_class_uid = _uid(raw, limits)
        elif kind == _IMPLEMENTATION_VERSION:
            user.implementation_version = printable(raw[:_TITLES_LENGTH].rstrip(b"\0 "))
        elif kind == _ASYNC_WINDOW:
            invoked, performed = struct.unpack(">HH", fields.take(4))
            user.async_window = invoked, performed
        elif kind == _ROLE:
            uid = _uid(fields.counted(), limits)
            scu, scp = fields.take(2)
            user.roles[uid] = bool(scu), bool(scp)
        elif kind == _EXTENDED:
            uid = _uid(fields.counted(), limits)
            user.extended[uid] = fields.rest()
        elif kind == _COMMON_EXTENDED:
            uid = _uid(fields.counted(), limits)
            user.common_extended[uid] = _read_common_extended(fields, limits)
        elif kind == _USER_IDENTITY:
            identity_kind, requested = fields.take(2)
            user.user_identity = UserIdentity(
                identity_kind, fields.counted(), fields.counted(), bool(requested)
            )
        elif kind == _USER_IDENTITY_RESPONSE:
            user.user_identity_response = fields.counted()
    return user


def _read_common_extended(fields: _Fields, limits: NegotiationLimits) -> CommonExtended:
    service = _uid(fields.counted(), limits)
    related: list[str] = []
    # The list may be missing altogether: version 0 of the sub-item allows nothing after it, and some stop early.
    if fields.more:
        generals = _Fields(fields.counted())
        while generals.more:
            if len(related) >= limits.max_related_general:
                raise _invalid("more related general SOP classes than allowed")
            related.append(_uid(generals.counted(), limits))
    return CommonExtended(service, tuple(related))
