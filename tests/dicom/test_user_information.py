"""User information sub-items: defaults, tolerance, limits, and secrets that stay out of any text."""

from __future__ import annotations

import struct

import pytest

from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.limits import NegotiationLimits
from gateway.dicom.negotiation import AssociateAccept
from gateway.dicom.user_information import (
    FALLBACK_PDU_LENGTH,
    UserInformation,
    decode_user_information,
    encode_user_information,
)

LIMITS = NegotiationLimits()


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def decoded(*items: bytes) -> UserInformation:
    return decode_user_information(b"".join(items), LIMITS)


def test_nothing_said_means_the_defaults() -> None:
    assert decoded() == UserInformation(max_pdu_length=FALLBACK_PDU_LENGTH)


def test_a_maximum_length_is_zero_or_useful() -> None:
    assert decoded(item(0x51, bytes(4))).max_pdu_length == 0
    assert decoded(item(0x51, b"\0\0\0\x80")).max_pdu_length == 128
    with pytest.raises(PeerProtocolError, match="too small"):
        decoded(item(0x51, b"\0\0\0\x7f"))


def test_a_version_name_is_cut_and_printable() -> None:
    assert decoded(item(0x55, b"CONSOLE\x1b[1m\0\0")).implementation_version == "CONSOLE\\x1b[1m"
    assert len(decoded(item(0x55, b"V" * 500)).implementation_version) == 16


def test_a_common_extended_item_may_stop_before_its_list() -> None:
    uid = b"\0\x031.2"
    assert decoded(item(0x57, uid + uid)).common_extended["1.2"].related_general == ()


@pytest.mark.parametrize(
    "cut",
    [
        item(0x51, b"\0\0\0"),
        item(0x53, b"\0\1\0"),
        item(0x54, b"\0\x031.2\1"),
        item(0x54, b"\0\xff1.2"),
        item(0x56, b"\0"),
        item(0x57, b"\0\x031.2"),
        item(0x58, b"\2\1\0\4abc"),
        item(0x58, b"\2"),
        item(0x59, b"\0\4abc"),
        item(0x52, b"1" * 65),
    ],
)
def test_what_is_cut_short_or_too_long_is_invalid(cut: bytes) -> None:
    with pytest.raises(PeerProtocolError) as caught:
        decoded(cut)
    assert caught.value.reason == 6


@pytest.mark.parametrize("kind", [0x51, 0x52, 0x53, 0x55, 0x58, 0x59])
def test_what_may_come_once_may_not_come_twice(kind: int) -> None:
    value = {0x51: bytes(4), 0x53: bytes(4), 0x58: b"\1\0\0\0\0\0", 0x59: b"\0\0"}.get(kind, b"1.2")
    decoded(item(kind, value))
    with pytest.raises(PeerProtocolError) as caught:
        decoded(item(kind, value), item(kind, value))
    assert caught.value.reason == 5


def test_identities_do_not_show_in_any_text() -> None:
    user = decoded(item(0x58, b"\2\1\0\7console\0\6secret"), item(0x59, b"\0\6ticket"))
    assert user.user_identity is not None
    assert (user.user_identity.primary, user.user_identity.secondary) == (b"console", b"secret")
    answer = AssociateAccept("A", "B", (), user_identity_response=user.user_identity_response)
    for text in (repr(user), repr(answer)):
        assert "secret" not in text
        assert "ticket" not in text


def test_an_empty_positive_response_is_still_a_response() -> None:
    encoded = encode_user_information(AssociateAccept("A", "B", (), user_identity_response=b""))
    assert encoded.endswith(item(0x59, b"\0\0"))
