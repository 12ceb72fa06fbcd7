"""Many objects, or huge ones, without paying for pydicom each time: templates, and a stream."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, MultiFrameGrayscaleWordSecondaryCaptureImageStorage

from gateway.demo.synthetic.encoding import (
    SyntheticObject,
    encode,
    file_meta,
    item,
    pixel_element_header,
    uid_for,
)
from gateway.demo.synthetic.patient import Patient

_MATRIX = 1024
_FRAME = _MATRIX * _MATRIX * 2  # bytes
_BLOCK = 1 << 18


class Template:
    """Copies of one object that differ in their SOP Instance UID alone: a copy costs one memcpy."""

    def __init__(self, original: SyntheticObject) -> None:
        uid = original.sop_instance_uid.encode()
        self._original = original
        self._length = len(uid)
        self._at = original.data.find(uid)
        if self._at < 0 or original.data.find(uid, self._at + 1) >= 0:
            raise ValueError("the SOP Instance UID must occur exactly once in the data set")

    def copy(self, number: int) -> SyntheticObject:
        """Return copy `number`: the same number gives the same object."""
        uid = uid_for("copy", self._original.sop_instance_uid, number)
        data, end = self._original.data, self._at + self._length
        patched = b"".join((data[: self._at], uid.encode(), data[end:]))
        return replace(self._original, sop_instance_uid=uid, data=patched)

    def copies(self, count: int, first: int = 0) -> Iterator[SyntheticObject]:
        """Yield `count` copies."""
        return (self.copy(number) for number in range(first, first + count))


@dataclass(frozen=True, slots=True)
class LargeObject:
    """A multi-frame image of any size below 4 GiB that exists only as a stream.

    Iterate over it for the data set in pieces of 256 KiB at most; every iteration gives the same bytes.
    Each piece of the pixels carries its own number, so a piece lost, doubled or out of place shows.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    head: bytes
    pixel_bytes: int

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return len(self.head) + self.pixel_bytes

    def __iter__(self) -> Iterator[bytes]:
        """Yield the data set from the start."""
        yield self.head
        noise = random.Random(self.sop_instance_uid).randbytes(_BLOCK - 8)  # noqa: S311 - reproducible
        left, number = self.pixel_bytes, 0
        while left:
            block = number.to_bytes(8, "little") + noise
            yield block if left >= _BLOCK else block[:left]
            left -= min(left, _BLOCK)
            number += 1

    def write(self, path: Path) -> Path:
        """Write a Part 10 file, with flat memory."""
        with path.open("wb") as file:
            file.write(file_meta(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid))
            file.writelines(self)
        return path


def stream_large_object(size: int, *, seed: int = 1) -> LargeObject:
    """Return a valid object whose data set has `size` bytes, rounded up to whole frames of 2 MiB.

    ValueError above what one native Pixel Data element holds (PS3.5 7.1: below 4 GiB).
    """
    frames = max(1, -(-size // _FRAME))
    pixel_bytes = frames * _FRAME
    if pixel_bytes >= 0xFFFFFFFE:
        raise ValueError(f"{size} bytes do not fit into one Pixel Data element")
    patient = Patient(seed)
    data_set = patient.common("rt-image", "OT", fraction=1, index=frames)
    data_set.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    data_set.SOPInstanceUID = patient.uid("large", frames)
    data_set.SeriesInstanceUID = patient.uid("series", "large")
    data_set.ConversionType = "SYN"
    data_set.InstanceNumber = "1"
    data_set.update(
        item(
            BodyPartExamined="PELVIS",
            PatientOrientation="",
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=str(frames),
            FrameIncrementPointer=0x00181063,
            FrameTime="40",
            Rows=_MATRIX,
            Columns=_MATRIX,
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            BurnedInAnnotation="NO",
            RescaleIntercept="0",
            RescaleSlope="1",
            RescaleType="US",
            PresentationLUTShape="IDENTITY",
        )
    )
    head = encode(data_set) + pixel_element_header(pixel_bytes)
    return LargeObject(
        data_set.SOPClassUID, data_set.SOPInstanceUID, str(ExplicitVRLittleEndian), head, pixel_bytes
    )
