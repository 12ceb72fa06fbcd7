"""PDU types, the fixed-size PDUs, the P-DATA header and the words for what they say (PS3.8 9.3).

The two A-ASSOCIATE PDUs that carry items are in `associate_pdu`.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.limits import UpperLayerLimits

Buffer = bytes | bytearray | memoryview
"""Something with a length in bytes that can be written as it is; a memoryview has format B."""

ASSOCIATE_RQ: Final = 0x01
ASSOCIATE_AC: Final = 0x02
ASSOCIATE_RJ: Final = 0x03
P_DATA: Final = 0x04
RELEASE_RQ: Final = 0x05
RELEASE_RP: Final = 0x06
ABORT: Final = 0x07

PDU_NAMES: Final = {
    ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    ASSOCIATE_AC: "A-ASSOCIATE-AC",
    ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA: "P-DATA-TF",
    RELEASE_RQ: "A-RELEASE-RQ",
    RELEASE_RP: "A-RELEASE-RP",
    ABORT: "A-ABORT",
}

HEADER_LENGTH: Final = 6
"""Type, reserved, and the 4-byte length of the variable field."""

FIXED_LENGTH: Final = 4
"""Variable field of A-ASSOCIATE-RJ, A-RELEASE-RQ, A-RELEASE-RP and A-ABORT."""

PDV_OVERHEAD: Final = 6
"""PDV item length, presentation context ID and message control header: counted in the P-DATA-TF length."""

ABORT_BY_USER: Final = 0
ABORT_BY_PROVIDER: Final = 2

REASON_NOT_SPECIFIED: Final = 0
REASON_UNRECOGNISED_PDU: Final = 1
REASON_UNEXPECTED_PDU: Final = 2
REASON_UNRECOGNISED_PARAMETER: Final = 4
REASON_UNEXPECTED_PARAMETER: Final = 5
REASON_INVALID_PARAMETER: Final = 6

_FIXED = struct.Struct(">BxIxBBB")
_DATA = struct.Struct(">BxIIBB")

RELEASE_RQ_PDU: Final = _FIXED.pack(RELEASE_RQ, FIXED_LENGTH, 0, 0, 0)
RELEASE_RP_PDU: Final = _FIXED.pack(RELEASE_RP, FIXED_LENGTH, 0, 0, 0)

_COMMAND_BIT = 0x01
_LAST_BIT = 0x02

_ABORT_REASONS: Final = {
    0: "no reason given",
    1: "it does not recognise a PDU",
    2: "it did not expect that PDU",
    4: "it does not recognise a PDU parameter",
    5: "it did not expect a PDU parameter",
    6: "a PDU parameter value is invalid",
}

_REJECT_RESULTS: Final = {1: "permanently", 2: "for now"}

_REJECT_DIAGNOSTICS: Final = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}


_VARIABLE: Final = frozenset({ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA})


def check_header(kind: int, length: int, limits: UpperLayerLimits) -> None:
    """Judge a PDU by type and length alone, before any of its variable field is buffered.

    Raises PeerProtocolError: after it, where the next PDU begins cannot be known.
    """
    name = PDU_NAMES.get(kind)
    if name is None:
        raise PeerProtocolError(f"PDU type 0x{kind:02X} does not exist", reason=REASON_UNRECOGNISED_PDU)
    if kind in _VARIABLE:
        fits = length <= (limits.max_pdu_length if kind == P_DATA else limits.max_associate_length)
    else:
        fits = length == FIXED_LENGTH
    if not fits:
        words = f"an {name} PDU of {length} bytes is not acceptable"
        raise PeerProtocolError(words, reason=REASON_INVALID_PARAMETER)


def data_header(context_id: int, is_command: bool, is_last: bool, length: int) -> bytes:
    """The 12 bytes before `length` bytes of a P-DATA-TF PDU with one PDV (PS3.8 9.3.5, annex E.2)."""
    control = (_COMMAND_BIT if is_command else 0) | (_LAST_BIT if is_last else 0)
    return _DATA.pack(P_DATA, length + PDV_OVERHEAD, length + 2, context_id, control)


def encode_reject(result: int, source: int, diagnostic: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return _FIXED.pack(ASSOCIATE_RJ, FIXED_LENGTH, result, source, diagnostic)


def encode_abort(source: int, reason: int) -> bytes:
    """A-ABORT (PS3.8 9.3.8); the reason is not significant, and so 0, unless the provider aborts."""
    return _FIXED.pack(ABORT, FIXED_LENGTH, 0, source, reason if source == ABORT_BY_PROVIDER else 0)


def reject_words(result: int, source: int, diagnostic: int) -> str:
    """Say an A-ASSOCIATE-RJ in words; values that PS3.8 reserves are shown as numbers."""
    how = _REJECT_RESULTS.get(result, f"with result {result}")
    why = _REJECT_DIAGNOSTICS.get((source, diagnostic), f"source {source}, reason {diagnostic}")
    return f"rejected {how}: {why}"


def abort_words(source: int, reason: int) -> str:
    """Say a received A-ABORT in words."""
    if source == ABORT_BY_USER:
        return "the peer's application aborted the association"
    why = _ABORT_REASONS.get(reason, f"reason {reason}")
    if source == ABORT_BY_PROVIDER:
        return f"the peer's DICOM layer aborted the association: {why}"
    return f"the peer aborted the association (source {source}): {why}"
