"""Is this the same content in another transfer syntax? Asked off the acknowledgement path.

"Yes" means that nothing is lost by delivering the one copy only, so every doubt is a "no": values are
compared as encoded bytes (after the byte order was made the same), sequences item by item, pixel data
decoded where pydicom can do so by itself. Group lengths and padding (PS3.5 7.2) say nothing and are left out.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from gateway.dicom.elements import DataSetError, DataSetLimits, Element, ElementReader
from gateway.dicom.encoding import Encoding
from gateway.dicom.part10 import file_meta
from gateway.errors import PeerError
from gateway.model import Instance

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
MAX_EXPANSION: Final = 8
"""Inflated or decoded data may be this many times as large as the limit for what is compared."""

_LIMITS: Final = DataSetLimits(max_depth=32)

_SOP_INSTANCE_UID: Final = 0x00080018
_PIXEL_DATA: Final = 0x7FE00010
_PADDING: Final = 0xFFFCFFFC
_ROWS, _COLUMNS, _BITS, _SAMPLES, _FRAMES = 0x00280010, 0x00280011, 0x00280100, 0x00280002, 0x00280008
_WIDTH: Final = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "UV", "SV"), 8),
}
Elements = dict[int, Element]


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the two: what it says it is, and its data set as received."""

    instance: Instance
    data: bytes


class Incomparable(PeerError):
    """Whether two data sets are the same content cannot be found out here."""


class Rule:
    """When two data sets are the same: here, when every value is. What a rule allows, it has to know why."""

    def left_out(self, tag: int, depth: int, *, in_first: bool, in_second: bool) -> bool:
        """Say whether an element need not be the same; `depth` 0 is the data set itself, not an item."""
        return False

    def same(self, first: Element, left: bytes, second: Element, right: bytes) -> bool:
        """Compare two values, both with little endian words."""
        return left == right


EXACTLY: Final = Rule()


def difference(first: Copy, second: Copy, limit: int, rule: Rule = EXACTLY) -> str:
    """Return why the two are not the same content, in words without patient data; "" when they are.

    `limit` is the largest data set that is compared, in bytes; what expands far beyond it is not.
    """
    try:
        return compared(first, second, limit, rule)
    except Incomparable as error:
        return f"a data set cannot be compared: {error}"


def compared(first: Copy, second: Copy, limit: int, rule: Rule = EXACTLY) -> str:
    """As `difference`, but raise Incomparable where that is all that can be said."""
    if first.instance.sop_class_uid != second.instance.sop_class_uid:
        return "the SOP class differs"
    try:
        return _difference(_Side(first, limit), _Side(second, limit), rule)
    except DataSetError as error:
        raise Incomparable(str(error)) from None


class _Side:
    """One of the two, read."""

    def __init__(self, copy: Copy, limit: int) -> None:
        syntax = copy.instance.transfer_syntax_uid
        data = copy.data
        if syntax == DEFLATED:
            data = _inflate(data, limit * MAX_EXPANSION)
        self.copy = copy
        self.limit = limit
        self.reader = ElementReader(_LIMITS)
        self.big = syntax == EXPLICIT_BIG
        # Every other standard transfer syntax, the encapsulated ones too, is explicit and little endian.
        self.elements = self.reader.read(data, Encoding(syntax != IMPLICIT_LITTLE, self.big))
        if _SOP_INSTANCE_UID not in self.elements:
            raise DataSetError("it has no SOP Instance UID")

    def pixels(self) -> bytes | None:
        """Return pixel data decoded, in little endian and without padding; None when there are none."""
        element = self.elements.get(_PIXEL_DATA)
        if element is None:
            return None
        size = self._pixel_bytes()
        if element.undefined:
            return self._decode(size)
        bits = self.number(_BITS, 0)
        value = _swapped(element.value, bits // 8) if self.big and bits > 8 else element.value
        return value[:size]

    def number(self, tag: int, default: int) -> int:
        """Return an element that says how pixel data are laid out (US, or IS for the number of frames)."""
        element = self.elements.get(tag)
        if element is None:
            return default
        if tag == _FRAMES:
            text = element.value.strip(b" \0")
            if not text.isdigit():
                raise DataSetError("its number of frames is not a number")
            return int(text)
        return int.from_bytes(element.value[:2], "big" if self.big else "little")

    def _pixel_bytes(self) -> int:
        bits = self.number(_ROWS, 0) * self.number(_COLUMNS, 0) * self.number(_BITS, 0)
        size = bits * self.number(_SAMPLES, 1) * self.number(_FRAMES, 1) // 8
        if not 0 < size <= self.limit * MAX_EXPANSION:
            raise DataSetError("its pixel data are too large, or it does not say how large they are")
        return size

    def _decode(self, size: int) -> bytes:
        from pydicom import dcmread
        from pydicom.pixels.decoders.base import get_decoder
        from pydicom.uid import UID

        try:
            decoder = get_decoder(UID(self.copy.instance.transfer_syntax_uid))
        except NotImplementedError:
            decoder = None
        if decoder is None or not decoder.is_available:
            raise DataSetError("its compressed pixel data cannot be decoded here")
        if self.number(_SAMPLES, 1) != 1:
            raise DataSetError("it is a compressed colour image")
        try:
            dataset = dcmread(BytesIO(file_meta(self.copy.instance) + self.copy.data))
            buffer, _ = decoder.as_buffer(dataset, raw=True)
        except Exception as error:  # pydicom raises whatever damaged pixel data lead it to
            raise DataSetError("its compressed pixel data are damaged") from error
        return bytes(buffer)[:size]


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, limit)
    except zlib.error:
        raise DataSetError("its deflated data are damaged") from None
    if not inflater.eof:
        raise DataSetError("its deflated data are cut short or too large")
    return inflated


def _difference(first: _Side, second: _Side, rule: Rule) -> str:
    encapsulated = [
        side.elements[_PIXEL_DATA].undefined for side in (first, second) if _PIXEL_DATA in side.elements
    ]
    if any(encapsulated):
        if first.pixels() != second.pixels():
            return "the pixel data differ"
        first.elements.pop(_PIXEL_DATA, None)
        second.elements.pop(_PIXEL_DATA, None)
    return _compare(first, first.elements, second, second.elements, 0, rule)


def _compare(first: _Side, one: Elements, second: _Side, other: Elements, depth: int, rule: Rule) -> str:
    tags = [
        {
            tag
            for tag in side
            if tag & 0xFFFF
            and tag != _PADDING
            and not rule.left_out(tag, depth, in_first=tag in one, in_second=tag in other)
        }
        for side in (one, other)
    ]
    if tags[0] != tags[1]:
        odd = min(tags[0] ^ tags[1])
        return f"element {_tag(odd)} is in one of them only"
    for tag in sorted(tags[0]):
        found = _compare_element(first, one[tag], second, other[tag], depth, rule)
        if found:
            return found
    return ""


def _compare_element(
    first: _Side, one: Element, second: _Side, other: Element, depth: int, rule: Rule
) -> str:
    if _is_sequence(one) or _is_sequence(other):
        items = first.reader.items(one, depth), second.reader.items(other, depth)
        if len(items[0]) != len(items[1]):
            return f"sequence {_tag(one.tag)} differs"
        for item, twin in zip(*items, strict=True):
            found = _compare(first, item, second, twin, depth + 1, rule)
            if found:
                return found
        return ""
    # An implicit transfer syntax does not say the VR; a big-endian one always does.
    width = _WIDTH.get(one.vr) or _WIDTH.get(other.vr) or 1
    left = _swapped(one.value, width) if one.encoding.big else one.value
    right = _swapped(other.value, width) if other.encoding.big else other.value
    return "" if rule.same(one, left, other, right) else f"element {_tag(one.tag)} differs"


def _is_sequence(element: Element) -> bool:
    if element.vr or element.undefined:
        return element.vr == "SQ" or element.undefined
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_has_tag(element.tag) and dictionary_VR(element.tag) == "SQ"


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _swapped(value: bytes, width: int) -> bytes:
    """Return words of `width` bytes with their bytes the other way round."""
    if width < 2:
        return value
    if len(value) % width:
        raise DataSetError("a value does not have the length of its kind")
    turned = bytearray(len(value))
    for place in range(width):
        turned[place::width] = value[width - 1 - place :: width]
    return bytes(turned)
