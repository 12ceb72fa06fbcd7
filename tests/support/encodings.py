"""One data set in several transfer syntaxes, for tests of the comparison."""

from __future__ import annotations

import struct
import zlib

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from tests.support.spooling import BEAMS_RECORD, an_instance

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def a_record(number: int = 1) -> Dataset:
    """Return a data set with what is awkward: nested sequences, numbers, private elements."""
    beam = Dataset()
    beam.BeamName = "AP"
    beam.ReferencedBeamNumber = 3
    point = Dataset()
    point.DeliveredMeterset = 12.5
    point.add_new(0x300A011E, "DS", "180")
    beam.ControlPointDeliverySequence = [point, Dataset()]
    dataset = Dataset()
    dataset.SOPClassUID = BEAMS_RECORD
    dataset.SOPInstanceUID = an_instance(number).sop_instance_uid
    dataset.PatientName = "Phantom^Water"
    dataset.TreatmentSessionBeamSequence = [beam, beam]
    dataset.ReferencedFractionGroupSequence = []
    dataset.add_new(0x00280106, "US", 7)
    dataset.add_new(0x00186020, "SL", -5)
    dataset.add_new(0x00189087, "FD", 1.25)
    dataset.add_new(0x00720069, "SL", [1, 2, 3])
    dataset.add_new(0x00091010, "LO", "VENDOR")
    dataset.add_new(0x00091101, "OB", b"\1\2\3\4")
    return dataset


def an_image(number: int = 1) -> Dataset:
    """Return a data set with 16-bit pixels."""
    dataset = a_record(number)
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.add_new(0x7FE00010, "OW", b"".join(struct.pack("<H", 257 * n) for n in range(64)))
    return dataset


def encode(dataset: Dataset, syntax: str) -> bytes:
    """Return the bytes of `dataset` in `syntax`."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = syntax == IMPLICIT
    buffer.is_little_endian = syntax != BIG_ENDIAN
    if syntax == RLE:
        dataset = _with_rle(dataset)
    elif syntax == BIG_ENDIAN and "PixelData" in dataset:
        dataset = _with_big_pixels(dataset)
    write_dataset(buffer, dataset)
    data = bytes(buffer.getvalue())
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
        data += b"\0" * (len(data) % 2)
    return data


def _copy(dataset: Dataset) -> Dataset:
    copy = Dataset()
    for element in dataset:
        copy.add(element)
    return copy


def _with_big_pixels(dataset: Dataset) -> Dataset:
    copy = _copy(dataset)
    pixels = dataset.PixelData
    copy.add_new(0x7FE00010, "OW", b"".join(pixels[n : n + 2][::-1] for n in range(0, len(pixels), 2)))
    return copy


def _with_rle(dataset: Dataset) -> Dataset:
    """Pixels as RLE (PS3.5 annex G): two segments of literal runs."""
    copy = _copy(dataset)
    segments = []
    for plane in (dataset.PixelData[1::2], dataset.PixelData[0::2]):
        runs = b"".join(
            bytes([len(run) - 1]) + run for run in (plane[n : n + 100] for n in range(0, len(plane), 100))
        )
        segments.append(runs + b"\0" * (len(runs) % 2))
    header = struct.pack("<16I", 2, 64, 64 + len(segments[0]), *[0] * 13)
    copy.add_new(0x7FE00010, "OB", encapsulate([header + b"".join(segments)]))
    copy["PixelData"].is_undefined_length = True
    return copy
