"""One record of SQLite's file format (sqlite.org/fileformat2.html, section 2.1). Pure.

record = varint(length of header) varint(serial type)... value...
"""

from __future__ import annotations

import struct

Value = int | float | str | bytes | None

MAX_COLUMNS = 64
"""Columns of a record that are read: our widest table has about twenty."""

_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # bytes of serial types 0 to 9


class Malformed(ValueError):
    """The bytes are not what the file format says."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer: (value as 64 bits, without sign; offset after it)."""
    value = 0
    for place in range(9):
        if at + place >= len(data):
            raise Malformed("a number is cut short")
        byte = data[at + place]
        if place == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + place + 1
    raise AssertionError("a loop of nine steps returns")


def signed(value: int) -> int:
    """Return 64 bits as the number they stand for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def decode(payload: bytes) -> tuple[Value, ...]:
    """Return the values of a record. Raises Malformed unless the record ends where its bytes end."""
    header_size, at = varint(payload, 0)
    if not at <= header_size <= len(payload):
        raise Malformed("the header of a record is longer than the record")
    kinds: list[int] = []
    while at < header_size:
        kind, at = varint(payload, at)
        kinds.append(kind)
        if len(kinds) > MAX_COLUMNS:
            raise Malformed("a record has too many columns")
    if at != header_size:
        raise Malformed("the header of a record does not end where it says")
    values: list[Value] = []
    for kind in kinds:
        value, at = _value(kind, payload, at)
        values.append(value)
    if at != len(payload):
        raise Malformed("a record is longer or shorter than its columns")
    return tuple(values)


def _value(kind: int, payload: bytes, at: int) -> tuple[Value, int]:
    if kind >= 12:
        size = (kind - 12) // 2
        data = payload[at : at + size]
        if len(data) != size:
            raise Malformed("a value is cut short")
        if kind % 2 == 0:
            return data, at + size
        try:
            return data.decode("utf-8"), at + size
        except UnicodeDecodeError as error:
            raise Malformed("a text is not UTF-8") from error
    if kind >= 10:
        raise Malformed("a value has a type that is reserved")
    if kind == 0:
        return None, at
    if kind >= 8:
        return kind - 8, at
    width = _WIDTHS[kind]
    data = payload[at : at + width]
    if len(data) != width:
        raise Malformed("a value is cut short")
    if kind == 7:
        (number,) = struct.unpack(">d", data)
        return float(number), at + width
    return int.from_bytes(data, "big", signed=True), at + width
