"""One image as JPEG-LS Lossless (PS3.5 8.2.3, A.4.3), without a bit of anything else touched.

Everything before and behind the pixel data stays byte for byte. The frames are decoded again from what was
made, and compared. Whatever is not plainly an image of one sample per pixel is left as it is.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import _CharLS
import numpy as np
from pydicom.encaps import generate_frames
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from gateway.delivery import transcode
from gateway.delivery.decompress import NotConvertible
from gateway.link.compression.layout import PixelFinder

JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
_PIXEL_DATA: Final = struct.pack("<HH", 0x7FE0, 0x0010)
_HEADER: Final = 12
_UNDEFINED: Final = 0xFFFFFFFF
_MOST: Final = 0xFFFF
_WANTED: Final[list[BaseTag | int]] = [
    Tag(number)  # from samples per pixel to the highest bit
    for number in (0x280002, 0x280004, 0x280008, 0x280010, 0x280011, 0x280100, 0x280101, 0x280102)
]


@dataclass(frozen=True, slots=True)
class _Shape:
    """Frames of one sample per pixel."""

    frames: int
    rows: int
    columns: int
    bits: int
    width: int  # bytes of a sample

    @property
    def frame_size(self) -> int:
        return self.rows * self.columns * self.width


def as_jpeg_ls(data: bytes, syntax: str, max_bytes: int) -> bytes:
    """Return the data set `data`, which is in `syntax`, with its image as JPEG-LS. Raises NotConvertible."""
    if syntax == transcode.IMPLICIT_LE:
        sink = io.BytesIO()
        transcode.transcode(io.BytesIO(data), sink, syntax, transcode.EXPLICIT_LE, max_bytes)
        data = sink.getvalue()
    elif syntax != transcode.EXPLICIT_LE:
        raise NotConvertible("it is not in a native little-endian transfer syntax")
    start, end = _pixels(data)
    shape = _shape(data[: start - _HEADER])
    pixels = data[start:end]
    pad = len(pixels) - shape.frames * shape.frame_size
    if pad not in (0, 1) or (pad and pixels[-1]):
        raise NotConvertible("its pixel data has not the length that its attributes say")
    frames = [_encoded(frame, shape) for frame in _frames(pixels, shape)]
    element = _encapsulated(frames)
    if len(element) >= end - start:
        raise NotConvertible("it does not become shorter")
    _compare(element, pixels, shape)
    return b"".join((data[: start - _HEADER], element, data[end:]))


def _pixels(data: bytes) -> tuple[int, int]:
    finder = PixelFinder(transcode.EXPLICIT_LE)
    finder.feed(data)
    layout = finder.layout
    if layout is None or layout.end > len(data) or layout.start < _HEADER:
        raise NotConvertible("there is no image in it")
    header = data[layout.start - _HEADER : layout.start]
    if header[:4] != _PIXEL_DATA or header[4:6] not in (b"OW", b"OB"):
        raise NotConvertible("its pixel data is not of integers")
    return layout.start, layout.end


def _shape(head: bytes) -> _Shape:
    try:
        found: Any = read_dataset(io.BytesIO(head), False, True, specific_tags=_WANTED)
        shape = _Shape(
            int(found.get("NumberOfFrames") or 1),
            int(found.Rows),
            int(found.Columns),
            int(found.BitsStored),
            int(found.BitsAllocated) // 8,
        )
        grey = found.SamplesPerPixel == 1 and str(found.PhotometricInterpretation).startswith("MONOCHROME")
        flush = found.HighBit == shape.bits - 1 and found.BitsAllocated in (8, 16)
    except Exception as error:  # pydicom raises whatever comes to it
        raise NotConvertible(f"its image cannot be described ({type(error).__name__})") from error
    sides = 0 < shape.rows <= _MOST and 0 < shape.columns <= _MOST and shape.frames > 0
    # The codec takes the bytes of a sample from the number of bits.
    if not (grey and flush and sides and 8 * (shape.width - 1) < shape.bits <= 8 * shape.width):
        raise NotConvertible("its image is not of one sample per pixel in all bits but the highest")
    if shape.bits < 2:
        raise NotConvertible("its image has one bit per pixel")
    return shape


def _frames(pixels: bytes, shape: _Shape) -> Iterator[bytes]:
    for number in range(shape.frames):
        yield pixels[number * shape.frame_size : (number + 1) * shape.frame_size]


def _encoded(frame: bytes, shape: _Shape) -> bytes:
    if int(np.frombuffer(frame, f"<u{shape.width}").max()) >> shape.bits:
        raise NotConvertible("there is something in the bits that its pixels do not use")
    try:
        return bytes(_CharLS._encode(frame, 0, 0, shape.rows, shape.columns, 1, shape.bits))
    except RuntimeError as error:
        raise NotConvertible(f"the codec does not take it: {error}") from error


def _encapsulated(frames: list[bytes]) -> bytes:
    """The element with one fragment for each frame, and a basic offset table (PS3.5 A.4)."""
    even = [frame + b"\0" * (len(frame) % 2) for frame in frames]
    offsets, at = [], 0
    for frame in even:
        offsets.append(at)
        at += 8 + len(frame)
    if at > _UNDEFINED:
        raise NotConvertible("it is too long for an offset table")
    parts = [_PIXEL_DATA, b"OB\0\0", struct.pack("<I", _UNDEFINED)]
    parts += [_item(struct.pack(f"<{len(offsets)}I", *offsets)), *map(_item, even)]
    parts.append(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    return b"".join(parts)


def _item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def _compare(element: bytes, pixels: bytes, shape: _Shape) -> None:
    """Read the element back as a receiver does, with another reader than the one that wrote it."""
    frames = generate_frames(element[_HEADER:], number_of_frames=shape.frames)
    back = []
    for frame in frames:
        said = _CharLS.read_header(frame)
        if (said["height"], said["width"], said["components"]) != (shape.rows, shape.columns, 1):
            raise NotConvertible("it did not read back as what it should be")
        back.append(bytes(_CharLS.decode_from_buffer(frame)))
    if b"".join(back) != pixels[: shape.frames * shape.frame_size]:
        raise NotConvertible("it did not read back as what it should be")
