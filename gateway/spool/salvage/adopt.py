"""Object files and data sets that no row names: who they are, from their own bytes. Reads only.

Whether such an object was ever acknowledged, and where it was to go, nobody can tell from its bytes. So it is
held for a person, with what was found out about it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.dicom.data_set import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.elements import DataSetError, DataSetLimits, Element, ElementReader
from gateway.dicom.encoding import Encoding
from gateway.dicom.part10 import MAX_HEADER, NotPart10, read_header
from gateway.model import AETitle, Instance, valid_uid

_LIMITS = DataSetLimits(max_depth=32)
MAX_READ = 64 * 1024 * 1024
"""Bytes of the largest data set that is read through to its end."""
UNKNOWN = AETitle("UNKNOWN")
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_SOURCE_AE = b"\x02\x00\x16\x00AE"
_CHUNK = 1 << 20
_GUESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG)

WHOLE = "its data set reads to its end"
CUT = "its data set does not read to its end: perhaps it was still arriving"
NOT_READ = "its data set was not read through"


@dataclass(frozen=True, slots=True)
class Foundling:
    """An object without a row."""

    instance: Instance
    calling_ae: AETitle
    data_offset: int
    size: int  # bytes of the data set
    digest: bytes
    at: float  # when its file was last written; 0: not known
    words: str  # how whole it is


def read_file(path: Path) -> Foundling | None:
    """Say which object a file holds; None when it is no DICOM file. OSError when it cannot be read."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        head = file.read(MAX_HEADER)
        try:
            instance, offset = read_header(head)
        except NotPart10:
            return None
        size = stat.st_size - offset
        if size <= 0:
            return None
        file.seek(offset)
        digest = hashlib.sha256()
        kept: list[bytes] = []
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if size <= MAX_READ:
                kept.append(chunk)
    words = _how_whole(b"".join(kept), instance) if size <= MAX_READ else NOT_READ
    return Foundling(instance, _source_ae(head[:offset]), offset, size, digest.digest(), stat.st_mtime, words)


def read_data(data: bytes) -> Foundling | None:
    """Say which object a data set is, in one of the transfer syntaxes without compression; None: in none."""
    for syntax in _GUESSED:
        found = _elements(data, syntax)
        if found is None:
            continue
        sop_class, sop_instance = (
            found[tag].value.rstrip(b"\0 ").decode("latin-1") if tag in found else ""
            for tag in (_SOP_CLASS, _SOP_INSTANCE)
        )
        if valid_uid(sop_class) and valid_uid(sop_instance):
            instance = Instance(sop_class, sop_instance, syntax)
            return Foundling(instance, UNKNOWN, 0, len(data), hashlib.sha256(data).digest(), 0.0, WHOLE)
    return None


def _how_whole(data: bytes, instance: Instance) -> str:
    if instance.transfer_syntax_uid == DEFLATED:
        return NOT_READ
    found = _elements(data, instance.transfer_syntax_uid)
    if found is None or _SOP_INSTANCE not in found:
        return CUT
    uid = found[_SOP_INSTANCE].value.rstrip(b"\0 ").decode("latin-1")
    return WHOLE if uid == instance.sop_instance_uid else "its data set names another SOP Instance UID"


def _elements(data: bytes, syntax: str) -> dict[int, Element] | None:
    encoding = Encoding(syntax != IMPLICIT_LITTLE, syntax == EXPLICIT_BIG)
    try:
        return ElementReader(_LIMITS).read(data, encoding)
    except DataSetError:
        return None


def _source_ae(header: bytes) -> AETitle:
    """Return who sent the object to us, which the File Meta we wrote says (PS3.10, 0002,0016)."""
    at = header.find(_SOURCE_AE)
    if at < 0:
        return UNKNOWN
    start = at + len(_SOURCE_AE) + 2
    length = int.from_bytes(header[start - 2 : start], "little")
    try:
        return AETitle.parse(header[start : start + length])
    except ValueError:
        return UNKNOWN
