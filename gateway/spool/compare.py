"""Is this the same content in another transfer syntax? Asked off the acknowledgement path.

"Yes" means that nothing is lost by delivering the one copy only, so every doubt is a "no": values are
compared as encoded bytes (after the byte order was made the same), sequences item by item, pixel data
decoded where pydicom can do so by itself. Group lengths and padding (PS3.5 7.2) say nothing and are left
out.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

from gateway.dicom.part10 import file_meta
from gateway.model import Instance

if TYPE_CHECKING:  # pydicom's data set machinery is only loaded when there is something to compare
    from pydicom.dataset import Dataset

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
MAX_EXPANSION: Final = 8
"""Inflated or decoded data may be this many times as large as the limit for what is compared."""

_PIXEL_DATA: Final = 0x7FE00010
_PADDING: Final = 0xFFFCFFFC
_WIDTH: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "UV", "SV"), 8),
}


class _CannotCompareError(Exception):
    """The two cannot be compared; the text says why, in words."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the two: what it says it is, and its data set as received."""

    instance: Instance
    data: bytes


def difference(first: Copy, second: Copy, limit: int) -> str:
    """Return why the two are not the same content, in words without patient data; "" when they are.

    `limit` is the largest data set that is compared, in bytes; what expands far beyond it is not.
    """
    if first.instance.sop_class_uid != second.instance.sop_class_uid:
        return "the SOP class differs"
    try:
        return _difference(_read(first, limit), _read(second, limit), limit)
    except _CannotCompareError as error:
        return str(error)
    except (MemoryError, RecursionError):
        return "the data sets are too deeply nested or too large to be compared"
    except Exception as error:  # noqa: BLE001 - pydicom raises whatever damaged data leads it to
        return f"a data set cannot be read ({type(error).__name__})"


def _read(copy: Copy, limit: int) -> Dataset:
    from pydicom import dcmread
    from pydicom.uid import UID

    instance, data = copy.instance, copy.data
    syntax = UID(instance.transfer_syntax_uid)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise _CannotCompareError("a transfer syntax is not a standard one")
    if instance.transfer_syntax_uid == DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(data, limit * MAX_EXPANSION)
        if inflater.unconsumed_tail:
            raise _CannotCompareError("a deflated data set is too large to be compared")
        instance = Instance(instance.sop_class_uid, instance.sop_instance_uid, EXPLICIT_LITTLE)
    return dcmread(BytesIO(file_meta(instance) + data))


def _difference(first: Dataset, second: Dataset, limit: int) -> str:
    pixels = (_decoded(first, limit), _decoded(second, limit))
    if pixels != (None, None):
        if pixels[0] is None:
            pixels = (_plain_pixels(first), pixels[1])
        if pixels[1] is None:
            pixels = (pixels[0], _plain_pixels(second))
        if pixels[0] != pixels[1]:
            return "the pixel data differ"
        del first[_PIXEL_DATA], second[_PIXEL_DATA]
    big = tuple(one.file_meta.TransferSyntaxUID == EXPLICIT_BIG for one in (first, second))
    return _compare_elements(first, second, (big[0], big[1]))


def _decoded(dataset: Dataset, limit: int) -> bytes | None:
    """Return decoded pixel data if they are encapsulated, None otherwise."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or _PIXEL_DATA not in dataset:
        return None
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        raise _CannotCompareError("compressed pixel data cannot be decoded here")
    if dataset.SamplesPerPixel != 1:
        raise _CannotCompareError("compressed colour images are not compared")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    size = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8 * frames
    if size > limit * MAX_EXPANSION:
        raise _CannotCompareError("the pixel data are too large to be compared")
    buffer, _ = decoder.as_buffer(dataset, raw=True)
    return bytes(buffer)


def _plain_pixels(dataset: Dataset) -> bytes:
    """Return native pixel data in little endian, without padding."""
    if _PIXEL_DATA not in dataset:
        return b""
    element = dataset.get_item(_PIXEL_DATA)
    value = bytes(element.value or b"") if element is not None else b""
    if dataset.file_meta.TransferSyntaxUID == EXPLICIT_BIG and dataset.BitsAllocated > 8:
        value = _swapped(value, dataset.BitsAllocated // 8)
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    return value[: dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8 * frames]


def _compare_elements(first: Dataset, second: Dataset, big: tuple[bool, bool]) -> str:
    tags = [
        {int(tag) for tag in one.keys() if tag.element != 0 and tag != _PADDING}  # noqa: SIM118
        for one in (first, second)
    ]
    if tags[0] != tags[1]:
        odd = min(tags[0] ^ tags[1])
        return f"element ({odd >> 16:04X},{odd & 0xFFFF:04X}) is in one of them only"
    for tag in sorted(tags[0]):
        found = _compare_element(first, second, tag, big)
        if found:
            return found
    return ""


def _compare_element(first: Dataset, second: Dataset, tag: int, big: tuple[bool, bool]) -> str:
    words = f"({tag >> 16:04X},{tag & 0xFFFF:04X}) differs"
    (left_vr, left), (right_vr, right) = _raw(first, tag), _raw(second, tag)
    if "SQ" in (left_vr, right_vr):
        one, other = first[tag], second[tag]
        if one.VR != "SQ" or other.VR != "SQ" or len(one.value) != len(other.value):
            return f"sequence {words}"
        for item, twin in zip(one.value, other.value, strict=True):
            found = _compare_elements(item, twin, big)
            if found:
                return found
        return ""
    # An implicit transfer syntax does not say the VR; a big-endian one always does.
    width = _WIDTH.get(left_vr) or _WIDTH.get(right_vr) or 1
    if big[0]:
        left = _swapped(left, width)
    if big[1]:
        right = _swapped(right, width)
    return "" if left == right else f"element {words}"


def _raw(dataset: Dataset, tag: int) -> tuple[str, bytes]:
    """Return the VR, "" where the encoding leaves it open, and the value as encoded."""
    element = dataset.get_item(tag)
    if element is None or element.VR == "SQ":
        return "SQ" if element is not None else "", b""
    return str(element.VR or ""), bytes(element.value or b"")


def _swapped(value: bytes, width: int) -> bytes:
    """Return words of `width` bytes with their bytes the other way round."""
    turned = bytearray(len(value))
    for place in range(width):
        turned[place::width] = value[width - 1 - place :: width]
    return bytes(turned)
