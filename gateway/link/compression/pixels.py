"""Pixels made small: differences folded into byte planes, and JPEG-LS.

Imports numpy, which the daemon must not: for the worker process only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import _CharLS
import numpy as np
import numpy.typing as npt

from gateway.link.compression.codecs import pack, unpack
from gateway.link.compression.plan import Mode
from gateway.link.values import BLOCK, Undecodable

_Samples = npt.NDArray[Any]

_PLANES: Final = struct.Struct(">IBBBII")
_IMAGE: Final = struct.Struct(">IBHHHI")
_WIDTHS: Final = (1, 2, 4, 8)
_MOST_COLUMNS: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Part:
    """Where the samples are within a block, and how they lie."""

    skip: int  # bytes of the block before the first whole sample, or the first whole row
    width: int
    columns: int
    step: int
    stop: int  # bytes of the block up to the end of the pixels


# --- byte planes -------------------------------------------------------------------------------------------


def pack_planes(block: bytes, part: Part, mode: Mode, level: int) -> bytes:
    """Return the payload of codec `planes`."""
    width, row = part.width, part.columns if mode is Mode.GRADIENT else 0
    unit = width * (row or 1)
    count = max(0, part.stop - part.skip) // unit * (row or 1)
    end = part.skip + count * width
    samples = np.frombuffer(block, f"<u{width}", count, part.skip)
    if mode is not Mode.VALUES:
        samples = _folded(_differences(samples, mode, part.step, row))
    planes = samples.view(np.uint8).reshape(-1, width).T.tobytes()
    head = _PLANES.pack(part.skip, width, mode, part.step, row, count)
    return head + pack(planes + block[: part.skip] + block[end:], level)


def unpack_planes(payload: bytes, length: int) -> bytes:
    """Return the block of `length` bytes. Raises Undecodable."""
    if len(payload) < _PLANES.size:
        raise Undecodable("a block of planes is cut short")
    skip, width, mode, step, row, count = _PLANES.unpack_from(payload)
    if width not in _WIDTHS or mode > Mode.GRADIENT or not step or skip + count * width > length:
        raise Undecodable("a block of planes does not fit")
    if mode == Mode.GRADIENT and (not row or count % row):
        raise Undecodable("a block of planes has no whole rows")
    content = unpack(payload[_PLANES.size :], length)
    size = count * width
    samples = np.frombuffer(content, np.uint8, size).reshape(width, -1).T.copy().view(f"<u{width}").ravel()
    if mode != Mode.VALUES:
        samples = _summed(_unfolded(samples), Mode(mode), step, row)
    return content[size : size + skip] + samples.tobytes() + content[size + skip :]


def _differences(samples: _Samples, mode: Mode, step: int, row: int) -> _Samples:
    if mode is Mode.GRADIENT:
        table = samples.reshape(-1, row)
        left = table.copy()
        left[:, step:] -= table[:, :-step]
        both = left.copy()
        both[1:] -= left[:-1]
        return both.ravel()
    left = samples.copy()
    left[step:] -= samples[:-step]
    return left


def _summed(samples: _Samples, mode: Mode, step: int, row: int) -> _Samples:
    if mode is Mode.GRADIENT:
        table = np.cumsum(samples.reshape(-1, row), axis=0, dtype=samples.dtype)
        for first in range(min(step, row)):
            table[:, first::step] = np.cumsum(table[:, first::step], axis=1, dtype=samples.dtype)
        return table.ravel()
    samples = samples.copy()
    for first in range(min(step, len(samples))):
        samples[first::step] = np.cumsum(samples[first::step], dtype=samples.dtype)
    return samples


def _folded(samples: _Samples) -> _Samples:
    """0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ..."""
    signed = samples.view(f"<i{samples.itemsize}")
    folded: _Samples = ((signed << 1) ^ (signed >> (8 * samples.itemsize - 1))).view(samples.dtype)
    return folded


def _unfolded(samples: _Samples) -> _Samples:
    one = samples.dtype.type(1)
    unfolded: _Samples = (samples >> one) ^ (~(samples & one) + one)
    return unfolded


# --- JPEG-LS -----------------------------------------------------------------------------------------------


def pack_image(block: bytes, part: Part) -> bytes | None:
    """Return the payload of codec `jpeg-ls`, None where it cannot be made of this block."""
    width, columns = part.width, part.columns
    rows = max(0, part.stop - part.skip) // (columns * width)
    if not rows or columns > _MOST_COLUMNS or rows > _MOST_COLUMNS:
        return None
    end = part.skip + rows * columns * width
    samples = np.frombuffer(block, f"<u{width}", rows * columns, part.skip)
    base, most = _spread(samples)
    samples = samples - samples.dtype.type(base)
    # The library takes the bytes of a sample from the number of bits.
    bits = max(most.bit_length(), 9 if width == 2 else 2)
    try:
        image: bytes = _CharLS._encode(samples.tobytes(), 0, 0, rows, columns, 1, bits)
    except RuntimeError:  # of a few pixels it can make more bytes than it has made room for
        return None
    edges = block[: part.skip] + block[end:]
    rest = pack(edges, 1) if edges else b""
    return _IMAGE.pack(part.skip, width, base, rows, columns, len(rest)) + rest + image


def unpack_image(payload: bytes, length: int) -> bytes:
    """Return the block of `length` bytes. Raises Undecodable."""
    if len(payload) < _IMAGE.size:
        raise Undecodable("a block of an image is cut short")
    skip, width, base, rows, columns, rest = _IMAGE.unpack_from(payload)
    size = width * rows * columns
    around = length - size
    if width not in (1, 2) or not size or not 0 <= skip <= around or bool(rest) != bool(around):
        raise Undecodable("a block of an image does not fit")
    edges = unpack(payload[_IMAGE.size : _IMAGE.size + rest], around) if rest else b""
    samples = _decoded(payload[_IMAGE.size + rest :], rows, columns, width)
    restored: bytes = (samples + samples.dtype.type(base & (0xFF if width == 1 else 0xFFFF))).tobytes()
    return edges[:skip] + restored + edges[skip:]


def _decoded(image: bytes, rows: int, columns: int, width: int) -> _Samples:
    try:
        said = _CharLS.read_header(image)
        shape = said["height"], said["width"], said["components"]
        # The library allocates what the header says: up to hundreds of gigabytes.
        if shape != (rows, columns, 1) or (said["bits_per_sample"] + 7) // 8 != width:
            raise Undecodable("an image is not as large as it should be")
        raw = _CharLS.decode_from_buffer(image)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise Undecodable(f"jpeg-ls: {error}") from None
    if len(raw) != rows * columns * width or len(raw) > BLOCK:
        raise Undecodable("an image decodes to another length")
    return np.frombuffer(raw, f"<u{width}")


def _spread(samples: _Samples) -> tuple[int, int]:
    """Return what to subtract so that the greatest value left is least, and that value."""
    low, high = int(samples.min()), int(samples.max())
    signed = samples.view(f"<i{samples.itemsize}")
    signed_low, signed_high = int(signed.min()), int(signed.max())
    if signed_high - signed_low < high - low:
        return signed_low % (1 << 8 * samples.itemsize), signed_high - signed_low
    return low, high - low
