"""Data sets as bytes: building, encoding, File Meta. The one place here that knows how pydicom writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

IMPLEMENTATION_CLASS_UID = UID("2.25.289420653410954216739145871236095741234")
IMPLEMENTATION_VERSION = "DEG_SYNTHETIC_1"

_PIXEL_DATA = b"\xe0\x7f\x10\x00"


def uid_for(*path: object) -> str:
    """Return a UID that depends only on `path`: 44 characters, always (PS3.5 B.2, 2.25 and a UUID).

    The fixed, even length lets a template exchange one UID for another in place.
    """
    raw = bytearray(hashlib.sha256("/".join(map(str, path)).encode()).digest()[:16])
    raw[0] |= 0x80  # above 10**38, so that the decimal form has always 39 digits
    raw[6] = raw[6] & 0x0F | 0x80  # RFC 9562: version 8, made by a rule of our own
    raw[8] = raw[8] & 0x3F | 0x80  # and its variant
    return f"2.25.{int.from_bytes(raw, 'big')}"


def item(**attributes: Any) -> Dataset:
    """Return a data set with the attributes given by DICOM keyword; a list of data sets is a sequence."""
    data_set = Dataset()
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return data_set


def decimals(values: Iterator[float] | list[float], places: int = 1) -> list[str]:
    """Return numbers as DS strings (PS3.5 6.2: 16 characters at most)."""
    return [f"{value:.{places}f}" for value in values]


def encode(data_set: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """Return `data_set` as it travels in C-STORE: no preamble, no File Meta."""
    syntax = UID(transfer_syntax_uid)
    buffer = DicomBytesIO()
    buffer.is_little_endian = syntax.is_little_endian
    buffer.is_implicit_VR = syntax.is_implicit_VR
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def pixel_element_header(length: int, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """Return tag, VR and length of a native Pixel Data (7FE0,0010) element of `length` bytes.

    Pixel Data has the highest tag of the modules used here, so header and pixels can simply follow the
    encoded rest; the pixels never pass through pydicom.
    """
    if transfer_syntax_uid == ImplicitVRLittleEndian:
        return _PIXEL_DATA + length.to_bytes(4, "little")
    return _PIXEL_DATA + b"OW\0\0" + length.to_bytes(4, "little")


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return preamble, prefix and File Meta Information of a Part 10 file (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    write_file_meta_info(buffer, meta)
    return b"\0" * 128 + b"DICM" + buffer.getvalue()


@dataclass(frozen=True)
class SyntheticObject:
    """One composite object, encoded: what a C-STORE carries and what the far end must hold."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    data: bytes
    transfer_syntax_uid: str = ExplicitVRLittleEndian

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the data set."""
        return hashlib.sha256(self.data).digest()

    @property
    def size(self) -> int:
        """Bytes of the data set, without File Meta."""
        return len(self.data)

    def part10(self) -> bytes:
        """Return the object as the content of a Part 10 file."""
        return file_meta(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid) + self.data

    def data_set(self) -> Dataset:
        """Return the object decoded, with File Meta, ready for another toolkit's Storage SCU."""
        return dcmread(BytesIO(self.part10()))

    def write(self, directory: Path) -> Path:
        """Write a Part 10 file named after the kind and the SOP Instance UID; return its path."""
        path = directory / f"{self.kind}-{self.sop_instance_uid}.dcm"
        path.write_bytes(self.part10())
        return path
