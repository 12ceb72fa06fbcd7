"""Real DICOM objects on disk, and the digest of exactly the bytes that C-STORE carries.

File Meta Information is read and written by hand here (PS3.10 7.1, always Explicit VR Little Endian): the
packages under test, and pydicom's opinion of a UID, stay out of it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pynetdicom

_PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
_PYNETDICOM = Path(pynetdicom.__file__).parent / "tests" / "dicom_files"
_PREAMBLE = b"\0" * 128 + b"DICM"

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

RT_OBJECTS = (
    _PYDICOM / "rtplan.dcm",
    _PYDICOM / "rtdose.dcm",
    _PYDICOM / "rtstruct.dcm",  # a bare data set, without File Meta
    _PYNETDICOM / "RTImageStorage.dcm",  # its File Meta names another SOP Instance UID than its data set
)

# One of each transfer syntax that a console is likely to use, beside the uncompressed ones above.
OTHER_SYNTAXES = (
    _PYNETDICOM / "CTImageStorage.dcm",
    _PYNETDICOM / "MRImageStorage_ExplicitVRBigEndian.dcm",
    _PYNETDICOM / "SCImageStorage_Deflated.dcm",
    _PYDICOM / "JPEG2000.dcm",
    _PYDICOM / "MR_small_jpeg_ls_lossless.dcm",
    _PYDICOM / "SC_rgb_rle.dcm",
    _PYDICOM / "SC_rgb_jpeg_dcmtk.dcm",
)

# One image under one SOP Instance UID, as an archive may re-send it: twice in syntaxes that can be compared
# here, and once compressed.
ONE_IMAGE = (_PYDICOM / "MR_small.dcm", _PYDICOM / "MR_small_implicit.dcm")
ONE_IMAGE_COMPRESSED = _PYDICOM / "MR_small_jp2klossless.dcm"


@dataclass(frozen=True, slots=True)
class Stored:
    """One Part 10 file, seen as what C-STORE carries."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    digest: str  # SHA-256, hexadecimal, of the data set without preamble and File Meta
    size: int


def _split(raw: bytes, name: str) -> tuple[dict[int, str], bytes]:
    """Return the UIDs of the File Meta by element number, and the data set behind it."""
    if raw[128:132] != b"DICM":
        raise ValueError(f"{name} is not a Part 10 file")
    uids = {}
    (length,) = struct.unpack_from("<I", raw, 140)  # (0002,0000) counts the bytes behind itself
    at, end = 144, 144 + length
    while at < end:
        element, vr, length = struct.unpack_from("<H2sH", raw, at + 2)
        at += 8
        if vr in (b"OB", b"UN", b"OW"):
            (length,) = struct.unpack_from("<I", raw, at)
            at += 4
        if vr == b"UI":
            uids[element] = raw[at : at + length].rstrip(b"\0 ").decode("ascii")
        at += length
    return uids, raw[end:]


def data_set(path: Path) -> bytes:
    """Return the bytes behind the File Meta Information of a Part 10 file."""
    return _split(path.read_bytes(), path.name)[1]


def read(path: Path) -> Stored:
    """Describe one Part 10 file."""
    return describe(path.read_bytes(), path)


def describe(raw: bytes, path: Path) -> Stored:
    """Describe the bytes of one Part 10 file; `path` says where they come from."""
    uids, body = _split(raw, path.name)
    return Stored(path, uids[2], uids[3], uids[0x10], hashlib.sha256(body).hexdigest(), len(body))


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """SOP Instance UID -> digest, for many files."""
    return {stored.sop_instance_uid: stored.digest for stored in map(read, paths)}


def part10(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, body: bytes) -> bytes:
    """Return a Part 10 file around a data set that stays as it is."""
    meta = struct.pack("<HH2sHIH", 2, 1, b"OB", 0, 2, 0x0100)
    pairs = ((2, sop_class_uid), (3, sop_instance_uid), (0x10, transfer_syntax_uid), (0x12, "1.2.3.4"))
    for element, uid in pairs:
        value = uid.encode("ascii")
        value += b"\0" * (len(value) % 2)
        meta += struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value
    return _PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + body


def real_objects(directory: Path, sources: Iterable[Path] = (*RT_OBJECTS, *OTHER_SYNTAXES)) -> list[Path]:
    """Lay out real objects as Part 10 files whose File Meta agrees with the data set; that stays as it is."""
    laid = []
    for source in sources:
        raw = source.read_bytes()
        inside = pydicom.dcmread(source, force=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        syntax, body = IMPLICIT_LITTLE, raw
        if raw[128:132] == b"DICM":
            uids, body = _split(raw, source.name)
            syntax = uids[0x10]
            body += b"\0" * (len(body) % 2)  # PS3.5 A.5: the deflated one should have been padded
        target = directory / source.name
        target.write_bytes(part10(str(inside.SOPClassUID), str(inside.SOPInstanceUID), syntax, body))
        laid.append(target)
    return laid


def small_object(sop_class_uid: str, sop_instance_uid: str, payload: bytes) -> bytes:
    """Return a minimal Explicit VR Little Endian data set: the SOP Common UIDs and one private OB element."""
    body = b""
    for element, uid in ((0x16, sop_class_uid), (0x18, sop_instance_uid)):
        value = uid.encode("ascii")
        value += b"\0" * (len(value) % 2)
        body += struct.pack("<HH2sH", 8, element, b"UI", len(value)) + value
    body += struct.pack("<HH2sH", 9, 0x10, b"LO", 8) + b"GATEWAY "
    payload += b"\0" * (len(payload) % 2)
    return body + struct.pack("<HH2sHI", 9, 0x1001, b"OB", 0, len(payload)) + payload
