"""The user information item: what is negotiated besides presentation contexts (PS3.7 annex D.3.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from gateway.dicom.items import (
    Fields,
    ascii_text,
    counted,
    invalid,
    item,
    items,
    printable,
    read_uid,
    unexpected,
)
from gateway.dicom.limits import NegotiationLimits
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest, CommonExtended, UserIdentity

USER_INFORMATION: Final = 0x50
"""Item type."""

FALLBACK_PDU_LENGTH: Final = 16384
"""What a peer that does not announce a maximum length (it must) is taken to accept."""

_MAX_LENGTH: Final = 0x51
_IMPLEMENTATION_UID: Final = 0x52
_ASYNC_WINDOW: Final = 0x53
_ROLE: Final = 0x54
_IMPLEMENTATION_VERSION: Final = 0x55
_EXTENDED: Final = 0x56
_COMMON_EXTENDED: Final = 0x57
_USER_IDENTITY: Final = 0x58
_USER_IDENTITY_RESPONSE: Final = 0x59
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


_MAX_VERSION: Final = 16


def encode_user_information(message: AssociateRequest | AssociateAccept) -> bytes:
    """The whole item; LocalProtocolError when something does not fit."""
    parts = [
        (_MAX_LENGTH, message.max_pdu_length.to_bytes(4, "big")),
        (_IMPLEMENTATION_UID, ascii_text(message.implementation_class_uid)),
        *((_ROLE, counted(ascii_text(uid)) + bytes(roles)) for uid, roles in message.roles.items()),
        *((_EXTENDED, counted(ascii_text(uid)) + info) for uid, info in message.extended.items()),
    ]
    if message.implementation_version:
        parts.append((_IMPLEMENTATION_VERSION, ascii_text(message.implementation_version)))
    if message.async_window is not None:
        parts.append((_ASYNC_WINDOW, struct.pack(">HH", *message.async_window)))
    if isinstance(message, AssociateAccept):
        if message.user_identity_response is not None:
            parts.append((_USER_IDENTITY_RESPONSE, counted(message.user_identity_response)))
    else:
        parts.extend(_request_parts(message))
    parts.sort(key=lambda part: part[0])  # PS3.8 9.3.1: in increasing order of their types
    return item(USER_INFORMATION, b"".join(item(kind, value) for kind, value in parts))


def _request_parts(request: AssociateRequest) -> list[tuple[int, bytes]]:
    parts = []
    for uid, common in request.common_extended.items():
        related = b"".join(counted(ascii_text(general)) for general in common.related_general)
        service = counted(ascii_text(common.service_class_uid))
        parts.append((_COMMON_EXTENDED, counted(ascii_text(uid)) + service + counted(related)))
    identity = request.user_identity
    if identity is not None:
        head = bytes((identity.kind, identity.response_requested))
        parts.append((_USER_IDENTITY, head + counted(identity.primary) + counted(identity.secondary)))
    return parts


@dataclass(slots=True)
class UserInformation:
    """What the item says; the defaults stand for sub-items that are missing."""

    max_pdu_length: int = FALLBACK_PDU_LENGTH
    implementation_class_uid: str = ""
    implementation_version: str = ""
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)
    common_extended: dict[str, CommonExtended] = field(default_factory=dict)
    user_identity: UserIdentity | None = None
    user_identity_response: bytes | None = field(default=None, repr=False)
    async_window: tuple[int, int] | None = None


def decode_user_information(value: bytes, limits: NegotiationLimits) -> UserInformation:
    """Read the value of the item; PeerProtocolError when it is not one."""
    user = UserInformation()
    seen: set[int] = set()
    for count, (kind, raw) in enumerate(items(value, 0)):
        if count >= limits.max_user_items:
            raise invalid("more user information sub-items than allowed")
        if kind in seen and kind in _ONCE:
            raise unexpected(f"a second user information sub-item 0x{kind:02X}")
        seen.add(kind)
        fields = Fields(raw)
        if kind == _MAX_LENGTH:
            length = int.from_bytes(fields.take(4), "big")
            if 0 < length < limits.min_pdu_length:
                raise invalid(f"a maximum PDU length of {length} bytes is too small to be of use")
            user.max_pdu_length = length
        elif kind == _IMPLEMENTATION_UID:
            user.implementation_class_uid = read_uid(raw, limits)
        elif kind == _IMPLEMENTATION_VERSION:
            user.implementation_version = printable(raw[:_MAX_VERSION].rstrip(b"\0 "))
        elif kind == _ASYNC_WINDOW:
            invoked, performed = struct.unpack(">HH", fields.take(4))
            user.async_window = invoked, performed
        elif kind == _ROLE:
            uid = read_uid(fields.counted(), limits)
            scu, scp = fields.take(2)
            user.roles[uid] = bool(scu), bool(scp)
        elif kind == _EXTENDED:
            uid = read_uid(fields.counted(), limits)
            user.extended[uid] = fields.rest()
        elif kind == _COMMON_EXTENDED:
            uid = read_uid(fields.counted(), limits)
            user.common_extended[uid] = _read_common_extended(fields, limits)
        elif kind == _USER_IDENTITY:
            identity_kind, requested = fields.take(2)
            user.user_identity = UserIdentity(
                identity_kind, fields.counted(), fields.counted(), bool(requested)
            )
        elif kind == _USER_IDENTITY_RESPONSE:
            user.user_identity_response = fields.counted()
    return user


def _read_common_extended(fields: Fields, limits: NegotiationLimits) -> CommonExtended:
    service = read_uid(fields.counted(), limits)
    related: list[str] = []
    # Some implementations leave the list out instead of sending it empty.
    if fields.more:
        generals = Fields(fields.counted())
        while generals.more:
            if len(related) >= limits.max_related_general:
                raise invalid("more related general SOP classes than allowed")
            related.append(read_uid(generals.counted(), limits))
    return CommonExtended(service, tuple(related))
