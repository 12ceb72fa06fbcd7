"""A strict reader of the elements of a data set (PS3.5 7). Pure.

It accounts for every byte or raises, and holds nothing beyond its limits: a lenient reader takes half of a
damaged data set for the whole, and two damaged ones for the same. Values stay encoded; what is a sequence may
be known to the caller only, so items are read when they are asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.dicom.encoding import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
)
from gateway.errors import PeerError


class DataSetError(PeerError):
    """The bytes are not a well-formed data set, or too large a one. The text says what, never a value."""


class DataSetCut(DataSetError):
    """The data set goes on beyond the bytes given, and what is wanted may be there."""


@dataclass(frozen=True, slots=True)
class DataSetLimits:
    """What one data set may hold or cost."""

    max_bytes: int = 4 * 1024 * 1024  # inflated
    max_elements: int = 200_000  # elements and items looked at, of all levels together
    max_depth: int = 8  # sequences within sequences


@dataclass(frozen=True, slots=True)
class Element:
    """One element as encoded. `vr` is "" where the encoding does not say it."""

    tag: int
    vr: str
    value: bytes
    undefined: bool  # of undefined length: `value` is the items, without the delimiter
    encoding: Encoding  # of the items, if it has some


class ElementReader:
    """Reads one data set with all its items, and counts what it reads. Raises DataSetError."""

    __slots__ = ("_limits", "_read")

    def __init__(self, limits: DataSetLimits) -> None:
        self._limits = limits
        self._read = 0

    def read(
        self, data: bytes, encoding: Encoding, depth: int = 0, last: int | None = None
    ) -> dict[int, Element]:
        """Return the elements by tag; with `last` those up to that tag, and DataSetCut if more may come."""
        self._check_depth(depth)
        found: dict[int, Element] = {}
        offset = 0
        while offset < len(data):
            element, offset = self._element(data, offset, encoding, depth, last)
            if last is not None and element.tag > last:
                return found
            if element.tag in found:
                raise DataSetError("an element is there twice")
            found[element.tag] = element
        if last is not None:
            raise DataSetCut("the bytes end before what is wanted")
        return found

    def items(self, element: Element, depth: int = 0) -> list[dict[int, Element]]:
        """Return the items of a sequence, as data sets."""
        return [self.read(item, element.encoding, depth + 1) for item in self.fragments(element, depth)]

    def fragments(self, element: Element, depth: int = 0) -> Iterator[bytes]:
        """Give the items of a sequence, or the fragments of encapsulated pixel data, as bytes."""
        offset = 0
        while offset < len(element.value):
            item, offset = self._item(element.value, offset, element.encoding, depth)
            yield item

    def _element(
        self, data: bytes, offset: int, encoding: Encoding, depth: int, last: int | None = None
    ) -> tuple[Element, int]:
        self._count()
        group, number = _unpack(f"{encoding.order}HH", data, offset)
        tag = group << 16 | number
        if group == 0xFFFE:
            raise DataSetError("a delimiter is in the wrong place")
        if last is not None and tag > last:  # perhaps gigabytes of pixels: nothing of it is wanted
            return Element(tag, "", b"", False, encoding), offset
        vr, inner = "", encoding
        if not encoding.explicit:
            (length,) = _unpack("<I", data, offset + 4)
            start = offset + 8
        else:
            vr = data[offset + 4 : offset + 6].decode("latin-1")
            if vr in LONG_VRS:
                (length,) = _unpack(f"{encoding.order}I", data, offset + 8)
                start = offset + 12
            elif vr in SHORT_VRS:
                (length,) = _unpack(f"{encoding.order}H", data, offset + 6)
                start = offset + 8
            elif len(vr) < 2:
                raise DataSetCut("the data set ends in the middle of an element")
            else:
                raise DataSetError("a VR is not a standard one")
            if vr == "UN":
                inner = Encoding(explicit=False)  # PS3.5 6.2.2, note 6
        if length == UNDEFINED:
            end, after = self._sequence_end(data, start, inner, depth)
            return Element(tag, vr, data[start:end], True, inner), after
        end = start + length
        if end > len(data):
            raise DataSetCut("the data set ends in the middle of an element")
        return Element(tag, vr, data[start:end], False, inner), end

    def _sequence_end(self, data: bytes, offset: int, encoding: Encoding, depth: int) -> tuple[int, int]:
        """Return where the items of a sequence of undefined length end, and what comes after begins."""
        while True:
            tag, length = _delimiter(data, offset, encoding)
            if tag == SEQUENCE_END and length == 0:
                return offset, offset + 8
            _, offset = self._item(data, offset, encoding, depth)

    def _item(self, data: bytes, offset: int, encoding: Encoding, depth: int) -> tuple[bytes, int]:
        self._count()
        self._check_depth(depth + 1)
        tag, length = _delimiter(data, offset, encoding)
        if tag != ITEM:
            raise DataSetError("something that is not an item is in a sequence")
        start = offset + 8
        if length != UNDEFINED:
            if start + length > len(data):
                raise DataSetCut("the data set ends in the middle of an item")
            return data[start : start + length], start + length
        end = start
        while _delimiter(data, end, encoding)[0] != ITEM_END:
            _, end = self._element(data, end, encoding, depth + 1)
        return data[start:end], end + 8

    def _count(self) -> None:
        self._read += 1
        if self._read > self._limits.max_elements:
            raise DataSetError(f"the data set has more than {self._limits.max_elements} elements")

    def _check_depth(self, depth: int) -> None:
        if depth > self._limits.max_depth:
            raise DataSetError("the data set is nested too deeply")


def _delimiter(data: bytes, offset: int, encoding: Encoding) -> tuple[int, int]:
    group, number, length = _unpack(f"{encoding.order}HHI", data, offset)
    return group << 16 | number, length


def _unpack(form: str, data: bytes, offset: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, data, offset)
    except struct.error:
        raise DataSetCut("the data set ends in the middle of an element") from None
