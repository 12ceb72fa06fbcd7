"""Where the pixels are in a data set, found as it streams (PS3.5 7, PS3.3 C.7.6.3). Pure.

Only top-level elements are read; what is nested is stepped over, so an icon's pixels are not mistaken for the
image's. A wrong answer would cost compression, never a byte: whatever surprises ends the search.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.encoding import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, SHORT_VRS, UNDEFINED

_SAMPLES, _PLANAR, _ROWS, _COLUMNS, _ALLOCATED = 0x00280002, 0x00280006, 0x00280010, 0x00280011, 0x00280100
_WANTED: Final = frozenset({_SAMPLES, _PLANAR, _ROWS, _COLUMNS, _ALLOCATED})
_FLOAT, _DOUBLE, _PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010

_PER_FEED: Final = 3000  # elements and items: some milliseconds of the loop on a small board
_HEADER: Final = 12  # the longest element header; a shorter last element is no loss
_DEEP: Final = 16

_LONG: Final = frozenset(vr.encode() for vr in LONG_VRS)
_SHORT: Final = frozenset(vr.encode() for vr in SHORT_VRS)


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Where the samples of an image are, and how they lie. All of it little endian."""

    start: int  # offset of the first byte in the data set
    end: int  # offset behind the last
    width: int  # bytes of a sample
    columns: int  # samples of a row: pixels of a row times `step`
    step: int  # samples from one pixel to the next in a row


class PixelFinder:
    """Reads a data set in pieces, in order, until its pixels are found or cannot be."""

    def __init__(self, transfer_syntax_uid: str) -> None:
        self.layout: PixelLayout | None = None
        self.searching = transfer_syntax_uid in (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
        self._explicit = transfer_syntax_uid == EXPLICIT_LITTLE
        self._held = b""  # the beginning of an element whose header is not complete
        self._at = 0  # offset of the first byte of `_held`, or of what comes next
        self._skip = 0  # bytes of a value that have not come yet
        self._nested: list[bool] = []  # what is open, of undefined length; explicit in it?
        self._found: dict[int, int] = {}

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        if not self.searching:
            return
        if self._skip >= len(data):
            self._skip -= len(data)
            self._at += len(data)
            return
        data = self._held + bytes(data[self._skip :])
        self._at += self._skip
        self._skip = 0
        position = 0
        for _ in range(_PER_FEED):
            after = self._element(data, position)
            if after is None or not self.searching:
                break
            position = after
            if position > len(data):
                break
        else:
            self.searching = False
        if not self.searching:
            self._held = b""
            return
        consumed = min(position, len(data))
        self._at += consumed
        self._skip = position - consumed
        self._held = data[consumed:]

    def _element(self, data: bytes, position: int) -> int | None:
        """Read one element; return where the next begins (perhaps beyond `data`), None: more is needed."""
        if len(data) - position < _HEADER:
            return None
        group, number = struct.unpack_from("<HH", data, position)
        tag = group << 16 | number
        if group == 0xFFFE:
            return self._delimiter(tag, data, position)
        explicit = self._nested[-1] if self._nested else self._explicit
        vr = data[position + 4 : position + 6] if explicit else b""
        if vr in _LONG:
            (length,) = struct.unpack_from("<I", data, position + 8)
            value = position + 12
        elif vr in _SHORT:
            (length,) = struct.unpack_from("<H", data, position + 6)
            value = position + 8
        elif not explicit:
            (length,) = struct.unpack_from("<I", data, position + 4)
            value = position + 8
        else:
            self.searching = False
            return None
        if not self._nested:
            if tag in (_FLOAT, _DOUBLE, _PIXELS):
                self._pixels(tag, self._at + value, length)
                return None
            if tag > _PIXELS:
                self.searching = False
                return None
            if tag in _WANTED and length == 2:
                if value + 2 > len(data):
                    return None
                (self._found[tag],) = struct.unpack_from("<H", data, value)
        if length != UNDEFINED:
            return int(value + length)
        if len(self._nested) >= _DEEP:
            self.searching = False
            return None
        self._nested.append(explicit and vr != b"UN")  # PS3.5 6.2.2: UN of undefined length is implicit
        return int(value)

    def _delimiter(self, tag: int, data: bytes, position: int) -> int | None:
        (length,) = struct.unpack_from("<I", data, position + 4)
        after = position + 8
        if not self._nested:
            self.searching = False
            return None
        if tag == ITEM and length != UNDEFINED:
            return int(after + length)
        if tag == ITEM and len(self._nested) < _DEEP:
            self._nested.append(self._nested[-1])
            return after
        if tag in (ITEM_END, SEQUENCE_END) and length == 0:
            self._nested.pop()
            return after
        self.searching = False
        return None

    def _pixels(self, tag: int, start: int, length: int) -> None:
        self.searching = False
        found = self._found
        samples = found.get(_SAMPLES, 1)
        bits = {_FLOAT: 32, _DOUBLE: 64}.get(tag, found.get(_ALLOCATED, 0))
        columns = found.get(_COLUMNS, 0)
        if length == UNDEFINED or bits not in (8, 16, 32, 64) or not columns or not 1 <= samples <= 4:
            return
        step = samples if samples > 1 and found.get(_PLANAR, 0) == 0 else 1
        self.layout = PixelLayout(start, start + length, bits // 8, columns * step, step)
