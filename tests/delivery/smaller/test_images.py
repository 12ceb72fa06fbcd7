"""Images as JPEG-LS: judged by pydicom with its own decoder, and by what must not have changed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jpeg_ls
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway.delivery.decompress import NotConvertible
from gateway.delivery.smaller.images import JPEG_LS, as_jpeg_ls
from tests.support import objects
from tests.support.ct_noise import slice_pixels

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
MOST = 1 << 24


def written(data_set: Dataset, syntax: str = EXPLICIT) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = syntax == IMPLICIT
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def image(pixels: bytes, rows: int = 64, columns: int = 64, **more: Any) -> Dataset:
    """A small image with something before and behind its pixels."""
    found = Dataset()
    found.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    found.SOPInstanceUID = "1.2.3.4"
    found.PatientName = "Nobody"
    icon = Dataset()
    icon.Rows, icon.Columns, icon.PixelData = 2, 2, b"icon"
    icon["PixelData"].VR = "OW"
    found.IconImageSequence = [icon]
    found.SamplesPerPixel = 1
    found.PhotometricInterpretation = "MONOCHROME2"
    found.Rows, found.Columns = rows, columns
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 12, 11, 0
    for name, value in more.items():
        setattr(found, name, value)
    found.add_new(0x7FE00010, "OW", pixels)
    found.add_new(0xFFFCFFFC, "OB", b"behind")  # data set trailing padding
    return found


def smooth(count: int = 64 * 64, most: int = 4095) -> bytes:
    return (np.arange(count, dtype="<u2") // 7 % (most + 1)).astype("<u2").tobytes()


def seen(data: bytes, syntax: str) -> Dataset:
    """What pydicom makes of it."""
    found = pydicom.dcmread(io.BytesIO(objects.part10("1.2", "1.3", syntax, data)))
    assert isinstance(found.file_meta, FileMetaDataset)
    return found


def test_a_slice_of_a_scanner() -> None:
    pixels = slice_pixels("cbct", matrix=256)
    data = written(image(pixels, 256, 256))
    shorter = as_jpeg_ls(data, EXPLICIT, MOST)
    assert len(data) / len(shorter) > 1.7
    found = seen(shorter, JPEG_LS)
    assert found.pixel_array.astype("<u2").tobytes() == pixels
    before, behind = data.index(b"\xe0\x7f\x10\x00OW\0\0"), b"\xfc\xff\xfc\xffOB"
    start = data.rindex(b"\xe0\x7f\x10\x00OW\0\0")
    assert start > before  # the icon has pixels, too
    assert shorter[:start] == data[:start]
    assert shorter[shorter.rindex(behind) :] == data[data.rindex(behind) :]


def test_several_frames_and_odd_ones() -> None:
    pixels = bytes(np.random.default_rng(1).integers(0, 40, 3 * 5 * 7, dtype="u1")) + b"\0"
    more = {"NumberOfFrames": 3, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    frames = smooth(3 * 40 * 40)
    shorter = as_jpeg_ls(written(image(frames, 40, 40, NumberOfFrames=3)), EXPLICIT, MOST)
    assert seen(shorter, JPEG_LS).pixel_array.astype("<u2").tobytes() == frames
    many = bytes(range(40)) * 3 * 41 + b"\0" * (3 * 41 * 40 % 2)
    shorter = as_jpeg_ls(written(image(many, 41, 40, **more)), EXPLICIT, MOST)
    assert seen(shorter, JPEG_LS).pixel_array.astype("u1").tobytes() == many[: 3 * 41 * 40]
    with pytest.raises(NotConvertible, match=r"shorter|too small"):
        as_jpeg_ls(written(image(pixels, 5, 7, **more)), EXPLICIT, MOST)


def test_implicit_ones() -> None:
    pixels = smooth()
    shorter = as_jpeg_ls(written(image(pixels), IMPLICIT), IMPLICIT, MOST)
    assert seen(shorter, JPEG_LS).pixel_array.astype("<u2").tobytes() == pixels


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("one sample per pixel", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
        ("one sample per pixel", {"PhotometricInterpretation": "PALETTE COLOR"}),
        ("one sample per pixel", {"HighBit": 15}),
        ("one sample per pixel", {"BitsStored": 8, "HighBit": 7}),
        ("one sample per pixel", {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}),
        ("length", {"Rows": 65}),
        ("length", {"NumberOfFrames": 2}),
        ("cannot be described", {"BitsStored": None}),
        ("do not use", {"BitsStored": 9, "HighBit": 8}),
    ],
)
def test_what_is_not_plainly_an_image_stays(words: str, change: dict[str, Any]) -> None:
    with pytest.raises(NotConvertible, match=words):
        as_jpeg_ls(written(image(smooth(), **change)), EXPLICIT, MOST)


def test_what_has_no_image_stays() -> None:
    for name in ("rtplan.dcm", "rtstruct.dcm"):
        source = Path(pydicom.__file__).parent / "data" / "test_files" / name
        raw = source.read_bytes()
        data = raw[raw.index(b"DICM") + 4 :] if b"DICM" in raw[:140] else raw
        with pytest.raises(NotConvertible):
            as_jpeg_ls(data, IMPLICIT if name == "rtstruct.dcm" else EXPLICIT, MOST)
    with pytest.raises(NotConvertible, match="native"):
        as_jpeg_ls(b"", JPEG_LS, MOST)


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=2, max_size=2), st.integers(0, 400), st.booleans())
def test_whatever_is_bent_is_refused_or_comes_back_the_same(junk: bytes, place: int, cut: bool) -> None:
    pixels = smooth()
    data = bytearray(written(image(pixels)))
    start = data.rindex(b"\xe0\x7f\x10\x00OW\0\0")  # behind the icon's; its own header may be bent, too
    data[place : place + 2] = junk
    whole = bytes(data[: len(data) // 2] if cut else data)
    try:
        shorter = as_jpeg_ls(whole, EXPLICIT, MOST)
    except NotConvertible:
        return
    assert shorter[:start] == whole[:start]
    (frame,) = generate_frames(shorter[start + 12 :], number_of_frames=1)
    assert bytes(jpeg_ls.decode_buffer(frame)[0]) == whole[start + 12 : start + 12 + len(pixels)]


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=8 * 8 * 2, max_size=8 * 8 * 2))
def test_any_pixels_come_back(raw: bytes) -> None:
    found = image(raw * 16, 32, 32, BitsStored=16, HighBit=15)
    try:
        shorter = as_jpeg_ls(written(found), EXPLICIT, MOST)
    except NotConvertible:
        return
    assert seen(shorter, JPEG_LS).pixel_array.astype("<u2").tobytes() == raw * 16
