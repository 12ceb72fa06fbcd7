"""The log beside a partial object: what it is, and how far its bytes can be believed. Pure (FORMAT.md)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"DEGP"
VERSION: Final = 1
MAX_HEAD: Final = 4096
"""Bytes of JSON in a head: far more than there ever are."""

_FIXED = struct.Struct(">4sHI")
_CRC = struct.Struct(">I")
_ENTRY = struct.Struct(">QI")
ENTRY_SIZE: Final = _ENTRY.size + _CRC.size


def head(size: int, header: int) -> bytes:
    """The beginning of a log, for an object of `size` bytes behind a file header of `header` bytes."""
    body = json.dumps({"size": size, "header": header}).encode()
    return _FIXED.pack(MAGIC, VERSION, len(body)) + body + _CRC.pack(zlib.crc32(body))


def entry(end: int, data: bytes) -> bytes:
    """What is noted of a block whose last byte is byte number `end` of the data set."""
    body = _ENTRY.pack(end, zlib.crc32(data))
    return body + _CRC.pack(zlib.crc32(body))


def read_head(log: bytes) -> tuple[int, int, int] | None:
    """Return size, header and the length of the head itself; None when it does not hold."""
    if len(log) < _FIXED.size:
        return None
    magic, version, length = _FIXED.unpack_from(log)
    end = _FIXED.size + length
    if magic != MAGIC or version != VERSION or length > MAX_HEAD or len(log) < end + _CRC.size:
        return None
    body = log[_FIXED.size : end]
    if _CRC.unpack_from(log, end)[0] != zlib.crc32(body):
        return None
    facts = json.loads(body)
    return facts["size"], facts["header"], end + _CRC.size


def entries(log: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield (end, crc) of each block up to the first entry that does not hold or does not go forward."""
    before = 0
    for at in range(start, len(log) - ENTRY_SIZE + 1, ENTRY_SIZE):
        body = log[at : at + _ENTRY.size]
        end, crc = _ENTRY.unpack(body)
        if _CRC.unpack_from(log, at + _ENTRY.size)[0] != zlib.crc32(body) or end <= before:
            return
        yield end, crc
        before = end
