"""The DICOM file header: preamble, prefix and File Meta Information (PS3.10 7.1).

Written before a data set that we keep exactly as it was received; read to find out what a file holds and
where its data set begins.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.errors import LocalError
from gateway.model import AETitle, Instance, valid_uid

PREAMBLE: Final = bytes(128)
PREFIX: Final = b"DICM"

MAX_HEADER: Final = 65536
"""How many of a file's first bytes `read_header` looks at; a header that is longer is not accepted."""

_START: Final = len(PREAMBLE) + len(PREFIX)
_GROUP: Final = 0x0002
_GROUP_BYTES: Final = _GROUP.to_bytes(2, "little")
_SHORT = struct.Struct("<HH2sH")
_LONG_LENGTH = struct.Struct("<I")
_LONG_VRS: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"))

_SOP_CLASS: Final = 0x0002
_SOP_INSTANCE: Final = 0x0003
_TRANSFER_SYNTAX: Final = 0x0010


class NotPart10(LocalError):
    """The bytes do not begin a DICOM file. The text says what is missing, never what was there."""


def _short(element: int, vr: bytes, value: str) -> bytes:
    raw = value.encode("ascii")
    if len(raw) % 2:
        raw += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(_GROUP, element, vr, len(raw)) + raw


def file_meta(instance: Instance, *, source_ae: AETitle | None = None) -> bytes:
    """Everything that comes before the data set of `instance` in a file; `source_ae` is who sent it to us."""
    body = b"".join(
        (
            _SHORT.pack(_GROUP, 0x0001, b"OB", 0) + _LONG_LENGTH.pack(2) + b"\0\1",
            _short(_SOP_CLASS, b"UI", instance.sop_class_uid),
            _short(_SOP_INSTANCE, b"UI", instance.sop_instance_uid),
            _short(_TRANSFER_SYNTAX, b"UI", instance.transfer_syntax_uid),
            _short(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _short(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _short(0x0016, b"AE", source_ae) if source_ae else b"",
        )
    )
    group_length = _SHORT.pack(_GROUP, 0x0000, b"UL", 4) + _LONG_LENGTH.pack(len(body))
    return PREAMBLE + PREFIX + group_length + body


def read_header(head: bytes) -> tuple[Instance, int]:
    """Identity of the object in a file, and where its data set begins, from the file's first bytes.

    Give at least the first `MAX_HEADER` bytes, or the whole file if it is shorter. The group length is not
    trusted: the header ends where group 0002 ends. Raises NotPart10.
    """
    head = head[:MAX_HEADER]
    if head[len(PREAMBLE) : _START] != PREFIX:
        raise NotPart10("not a DICOM file: the prefix DICM is missing after the preamble")
    found: dict[int, str] = {}
    offset = _START
    while head[offset : offset + 2] == _GROUP_BYTES:
        if offset + _SHORT.size > len(head):
            raise NotPart10("the file meta information is cut short or too long")
        _group, element, vr, length = _SHORT.unpack_from(head, offset)
        start = offset + _SHORT.size
        if vr in _LONG_VRS:
            if start + _LONG_LENGTH.size > len(head):
                raise NotPart10("the file meta information is cut short or too long")
            length = _LONG_LENGTH.unpack_from(head, start)[0]
            start += _LONG_LENGTH.size
        offset = start + length
        if offset > len(head):
            raise NotPart10("the file meta information is cut short or too long")
        if element in (_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX):
            found[element] = head[start:offset].rstrip(b"\0 ").decode("latin-1")
    uids = [found.get(element, "") for element in (_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX)]
    if not all(valid_uid(uid) for uid in uids):
        raise NotPart10(
            "the file meta information lacks a valid SOP class, SOP instance or transfer syntax UID"
        )
    return Instance(*uids), offset
