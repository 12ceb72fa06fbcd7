"""The fixed PDUs against pynetdicom's, the P-DATA header, and words for every answer."""

from __future__ import annotations

import pytest
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_RELEASE_RP, A_RELEASE_RQ, P_DATA_TF

from gateway.dicom import pdu
from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.limits import UpperLayerLimits

LIMITS = UpperLayerLimits()


def test_release_pdus_are_those_of_pynetdicom() -> None:
    assert A_RELEASE_RQ().encode() == pdu.RELEASE_RQ_PDU
    assert A_RELEASE_RP().encode() == pdu.RELEASE_RP_PDU


@pytest.mark.parametrize(
    ("source", "diagnostic"), [(1, 1), (1, 2), (1, 3), (1, 7), (2, 1), (2, 2), (3, 1), (3, 2)]
)
@pytest.mark.parametrize("result", [1, 2])
def test_rejects_are_those_of_pynetdicom(result: int, source: int, diagnostic: int) -> None:
    theirs = A_ASSOCIATE_RJ()
    theirs.decode(pdu.encode_reject(result, source, diagnostic))
    assert (theirs.result, theirs.source, theirs.reason_diagnostic) == (result, source, diagnostic)
    assert theirs.encode() == pdu.encode_reject(result, source, diagnostic)
    words = pdu.reject_words(result, source, diagnostic)
    assert words.startswith("rejected permanently" if result == 1 else "rejected for now")
    assert "source" not in words


def test_reserved_reject_values_are_shown_as_numbers() -> None:
    assert pdu.reject_words(9, 1, 4) == "rejected with result 9: source 1, reason 4"


@pytest.mark.parametrize(("source", "reason"), [(0, 0), (2, 0), (2, 1), (2, 2), (2, 4), (2, 5), (2, 6)])
def test_aborts_are_those_of_pynetdicom(source: int, reason: int) -> None:
    theirs = A_ABORT_RQ()
    theirs.decode(pdu.encode_abort(source, reason))
    assert (theirs.source, theirs.reason_diagnostic) == (source, reason)
    assert theirs.encode() == pdu.encode_abort(source, reason)
    assert pdu.abort_words(source, reason)


@pytest.mark.parametrize("is_command", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_data_is_that_of_pynetdicom(is_command: bool, is_last: bool) -> None:
    ours = pdu.data_header(7, is_command, is_last, 5) + b"hello"
    theirs = P_DATA_TF()
    theirs.decode(ours)
    [value] = theirs.presentation_data_value_items
    assert value.presentation_context_id == 7
    assert value.presentation_data_value == bytes((is_command | is_last << 1,)) + b"hello"
    assert theirs.encode() == ours


@pytest.mark.parametrize(
    ("kind", "length"),
    [(kind, 4) for kind in (3, 5, 6, 7)]
    + [
        (1, 0),
        (1, LIMITS.max_associate_length),
        (2, LIMITS.max_associate_length),
        (4, LIMITS.max_pdu_length),
    ],
)
def test_headers_that_may_be(kind: int, length: int) -> None:
    pdu.check_header(kind, length, LIMITS)


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_types_that_do_not_exist(kind: int) -> None:
    with pytest.raises(PeerProtocolError) as caught:
        pdu.check_header(kind, 4, LIMITS)
    assert caught.value.reason == 1


@pytest.mark.parametrize(
    ("kind", "length"),
    [(kind, length) for kind in (3, 5, 6, 7) for length in (0, 3, 5, 1 << 31)]
    + [
        (1, LIMITS.max_associate_length + 1),
        (2, LIMITS.max_associate_length + 1),
        (4, LIMITS.max_pdu_length + 1),
    ],
)
def test_lengths_that_cannot_be(kind: int, length: int) -> None:
    with pytest.raises(PeerProtocolError) as caught:
        pdu.check_header(kind, length, LIMITS)
    assert caught.value.reason == 6
