"""A strict reader of data sets (PS3.5 7), for comparing two of them. Pure.

It accounts for every byte or raises: a lenient reader takes half of a damaged data set for the whole, and two
damaged ones for the same. Values stay encoded; what is a sequence may be known to the other side only, so
items are read when they are asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from gateway.dicom.encoding import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
)

MAX_ELEMENTS: Final = 200_000
MAX_DEPTH: Final = 32


class Unreadable(ValueError):
    """The bytes are not a well-formed data set, or too large a one; the text says where in plain words."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element as encoded. `vr` is "" where the encoding does not say it."""

    tag: int
    vr: str
    value: bytes
    undefined: bool  # of undefined length: `value` is the items, without the delimiter
    encoding: Encoding  # of the items, if it has some


class Reader:
    """Reads data sets, and counts what it reads: one for each comparison."""

    def __init__(self) -> None:
        self._elements = 0

    def read(self, data: bytes, encoding: Encoding, depth: int = 0) -> dict[int, Element]:
        """Return the elements by tag. Raises Unreadable."""
        if depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        found: dict[int, Element] = {}
        offset = 0
        while offset < len(data):
            element, offset = self._element(data, offset, encoding, depth)
            if element.tag in found:
                raise Unreadable("an element is there twice")
            found[element.tag] = element
        return found

    def items(self, element: Element, depth: int) -> list[dict[int, Element]]:
        """Return the items of a sequence, as data sets. Raises Unreadable when it is none."""
        return [self.read(item, element.encoding, depth + 1) for item in self.fragments(element, depth)]

    def fragments(self, element: Element, depth: int = 0) -> list[bytes]:
        """Return the items of a sequence, or the fragments of encapsulated pixel data, as bytes."""
        items: list[bytes] = []
        offset = 0
        while offset < len(element.value):
            item, offset = self._item(element.value, offset, element.encoding, depth)
            items.append(item)
        return items

    def _element(self, data: bytes, offset: int, encoding: Encoding, depth: int) -> tuple[Element, int]:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise Unreadable("it has too many elements")
        group, element = self._unpack(f"{encoding.order}HH", data, offset)
        tag = group << 16 | element
        if group == 0xFFFE:
            raise Unreadable("a delimiter is in the wrong place")
        vr, inner = "", encoding
        if not encoding.explicit:
            (length,) = self._unpack(f"{encoding.order}I", data, offset + 4)
            start = offset + 8
        else:
            vr = data[offset + 4 : offset + 6].decode("latin-1")
            if vr in LONG_VRS:
                (length,) = self._unpack(f"{encoding.order}I", data, offset + 8)
                start = offset + 12
            elif vr in SHORT_VRS:
                (length,) = self._unpack(f"{encoding.order}H", data, offset + 6)
                start = offset + 8
            else:
                raise Unreadable("a VR is not a standard one")
            if vr == "UN" and length == UNDEFINED:
                inner = Encoding(explicit=False)  # PS3.5 6.2.2, note 6
        if length == UNDEFINED:
            end, after = self._sequence_end(data, start, inner, depth)
            return Element(tag, vr, data[start:end], True, inner), after
        end = start + length
        if end > len(data):
            raise Unreadable("it ends in the middle of an element")
        return Element(tag, vr, data[start:end], False, inner), end

    def _sequence_end(self, data: bytes, offset: int, encoding: Encoding, depth: int) -> tuple[int, int]:
        """Return where the items of a sequence of undefined length end, and what comes after begins."""
        while True:
            tag, length = self._delimiter(data, offset, encoding)
            if tag == SEQUENCE_END and length == 0:
                return offset, offset + 8
            _, offset = self._item(data, offset, encoding, depth)

    def _item(self, data: bytes, offset: int, encoding: Encoding, depth: int) -> tuple[bytes, int]:
        tag, length = self._delimiter(data, offset, encoding)
        if tag != ITEM:
            raise Unreadable("something that is not an item is in a sequence")
        start = offset + 8
        if length != UNDEFINED:
            if start + length > len(data):
                raise Unreadable("it ends in the middle of an item")
            return data[start : start + length], start + length
        if depth >= MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        end = start
        while self._delimiter(data, end, encoding)[0] != ITEM_END:
            _, end = self._element(data, end, encoding, depth + 1)
        return data[start:end], end + 8

    def _delimiter(self, data: bytes, offset: int, encoding: Encoding) -> tuple[int, int]:
        group, element, length = self._unpack(f"{encoding.order}HHI", data, offset)
        return group << 16 | element, length

    def _unpack(self, form: str, data: bytes, offset: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(form, data, offset)
        except struct.error:
            raise Unreadable("it ends in the middle of an element") from None
