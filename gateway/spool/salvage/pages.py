"""One page of a b-tree (sqlite.org/fileformat2.html, section 1.6): its cells and its children. Pure.

Every page is taken as it is found: a cell that makes no sense is left out and counted, the others are read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from gateway.spool.salvage.records import Malformed, signed, varint

INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
KINDS = (INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF)
FILE_HEADER = 100
"""Bytes of the database header, at the beginning of page 1."""
MAX_PAYLOAD = 64 * 1024 * 1024
"""Bytes of the longest record that is read; an inline data set has 1 MiB at most."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a row or a part of it, or a way down, or both (interior pages of an index)."""

    rowid: int = 0  # of a table
    child: int = 0  # page number; 0: none
    size: int = 0  # bytes of the payload
    local: bytes = b""  # the part of the payload that is on this page
    overflow: int = 0  # page with the next part; 0: none


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a b-tree."""

    kind: int
    cells: tuple[Cell, ...]
    right: int = 0  # the last child of an interior page
    bad: int = 0  # cells that make no sense


def parse(data: bytes, usable: int, *, first: bool = False) -> Page:
    """Read a page; `first`: it is page 1. Raises Malformed when it is no b-tree page at all."""
    start = FILE_HEADER if first else 0
    if len(data) < start + 12 or data[start] not in KINDS:
        raise Malformed("not a page of a b-tree")
    kind = data[start]
    interior = kind in (INDEX_INTERIOR, TABLE_INTERIOR)
    count = int.from_bytes(data[start + 3 : start + 5], "big")
    pointers = start + (12 if interior else 8)
    if pointers + 2 * count > usable:
        raise Malformed("a page says that it has more cells than fit")
    right = int.from_bytes(data[start + 8 : start + 12], "big") if interior else 0
    cells: list[Cell] = []
    bad = 0
    for (offset,) in struct.iter_unpack(">H", data[pointers : pointers + 2 * count]):
        if not pointers + 2 * count <= offset < usable:
            bad += 1
            continue
        try:
            cells.append(_cell(data[:usable], kind, offset, usable))
        except Malformed:
            bad += 1
    return Page(kind, tuple(cells), right, bad)


def _cell(data: bytes, kind: int, at: int, usable: int) -> Cell:
    child = rowid = 0
    if kind in (INDEX_INTERIOR, TABLE_INTERIOR):
        if at + 4 > usable:
            raise Malformed("a cell is cut short")
        child = int.from_bytes(data[at : at + 4], "big")
        at += 4
    if kind == TABLE_INTERIOR:
        rowid, _ = varint(data, at)
        return Cell(signed(rowid), child)
    size, at = varint(data, at)
    if kind == TABLE_LEAF:
        rowid, at = varint(data, at)
    if size > MAX_PAYLOAD:
        raise Malformed("a record is too long")
    local = _local(size, usable, table=kind == TABLE_LEAF)
    end = at + local
    if end + (4 if local < size else 0) > usable:
        raise Malformed("a record does not fit its page")
    overflow = int.from_bytes(data[end : end + 4], "big") if local < size else 0
    return Cell(signed(rowid), child, size, data[at:end], overflow)


def _local(size: int, usable: int, *, table: bool) -> int:
    """How many bytes of a payload are on the page itself."""
    most = usable - 35 if table else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return size
    least = (usable - 12) * 32 // 255 - 23
    some = least + (size - least) % (usable - 4)
    return some if some <= most else least


def payload(cell: Cell, usable: int, read: Callable[[int], bytes | None]) -> bytes:
    """Return the whole payload, following its overflow pages through `read`. Raises Malformed."""
    parts, left, following = [cell.local], cell.size - len(cell.local), cell.overflow
    seen: set[int] = set()
    while left > 0:
        page = read(following) if following and following not in seen else None
        if page is None:
            raise Malformed("a part of a record is missing")
        seen.add(following)
        following = int.from_bytes(page[:4], "big")
        part = page[4:usable][:left]
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
