"""The frames of a write-ahead log (sqlite.org/fileformat2.html, section 4). Pure.

Each frame carries a checksum over itself and everything before it, so SQLite stops at the first one that does
not hold. But the checksum of a frame starts from what its predecessor *says*, so that frames behind a damaged
one can be told to be whole all the same: they are given too, as `stranded`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HEADER, FRAME_HEADER = 32, 24
_MAGIC = 0x377F0682
_WORD = 0xFFFFFFFF
PAGE_SIZES = tuple(1 << power for power in range(9, 17))


@dataclass(frozen=True, slots=True)
class Frame:
    """A page as it was written."""

    page: int
    offset: int  # of its bytes in the file
    commit: bool  # it ended a transaction


@dataclass(frozen=True, slots=True)
class Wal:
    """What a WAL holds. Frames in the order they were written."""

    page_size: int
    committed: tuple[Frame, ...] = ()  # what SQLite would read
    stranded: tuple[Frame, ...] = ()  # whole, but behind a damaged frame, or their commit is damaged
    damaged: int = 0  # frames of this log that do not hold
    header_holds: bool = True


def checksum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """Continue a checksum over `data`, a multiple of eight bytes; `order` is "<" or ">"."""
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & _WORD
        second = (second + words[place + 1] + first) & _WORD
    return first, second


def read_wal(read: Callable[[int, int], bytes], size: int, assumed_page_size: int) -> Wal:
    """Read a WAL of `size` bytes through `read(offset, length)`.

    A header that does not hold is replaced by what the first frame says and `assumed_page_size`.
    """
    head = read(0, HEADER)
    if not any(head) and not any(read(HEADER, FRAME_HEADER)):
        return Wal(assumed_page_size)  # empty, or made ready with zeros
    if len(head) < HEADER:
        return Wal(assumed_page_size, header_holds=False)
    magic, _, page_size, _, *rest = struct.unpack(">8I", head)
    salts, start = (rest[0], rest[1]), (rest[2], rest[3])
    order = ">" if magic & 1 else "<"
    holds = magic & ~1 == _MAGIC and page_size in PAGE_SIZES and checksum(head[:24], (0, 0), order) == start
    if holds:
        return _scan(read, size, page_size, salts, start, order)
    return _without_header(read, size, assumed_page_size)


def _without_header(read: Callable[[int, int], bytes], size: int, page_size: int) -> Wal:
    """Salts and byte order are what makes the second frame hold, after the first."""
    first = read(HEADER, FRAME_HEADER)
    if len(first) < FRAME_HEADER or not any(first):
        return Wal(page_size, header_holds=False)
    salts = struct.unpack(">2I", first[8:16])
    found = [
        _scan(read, size, page_size, (salts[0], salts[1]), None, order)  # whichever order has more that holds
        for order in "<>"
    ]
    best = max(found, key=lambda wal: len(wal.committed) + len(wal.stranded))
    frames = (*best.committed, *best.stranded)
    return Wal(page_size, (), tuple(sorted(frames, key=_offset)), best.damaged, header_holds=False)


def _offset(frame: Frame) -> int:
    return frame.offset


def _scan(
    read: Callable[[int, int], bytes],
    size: int,
    page_size: int,
    salts: tuple[int, int],
    start: tuple[int, int] | None,
    order: str,
) -> Wal:
    committed: list[Frame] = []
    open_frames: list[Frame] = []  # of a transaction that has not ended yet
    stranded: list[Frame] = []
    damaged = 0
    unbroken = start is not None
    before = start
    for offset, frame in _frames(read, size, page_size):
        page, end, salt1, salt2, sum1, sum2 = struct.unpack(">6I", frame[:FRAME_HEADER])
        whole = (salt1, salt2) == salts and page > 0
        if whole and before is not None:
            now = checksum(frame[FRAME_HEADER:], checksum(frame[:8], before, order), order)
            whole = now == (sum1, sum2)
        elif whole:
            whole = False  # nothing to check it against
        before = (sum1, sum2)
        if not whole:
            if (salt1, salt2) != salts and not _salts_again(read, offset, size, page_size, salts):
                break  # from here on: zeros, or an older log that was written over
            damaged += 1
            unbroken = False
            stranded += open_frames
            open_frames = []
            continue
        one = Frame(page, offset + FRAME_HEADER, end > 0)
        if not unbroken:
            stranded.append(one)
            continue
        open_frames.append(one)
        if one.commit:
            committed += open_frames
            open_frames = []
    # What is left open was being written when the power went: nobody was told that it is durable.
    return Wal(page_size, tuple(committed), tuple(stranded), damaged)


def _frames(read: Callable[[int, int], bytes], size: int, page_size: int) -> Iterator[tuple[int, bytes]]:
    length = FRAME_HEADER + page_size
    for offset in range(HEADER, size - length + 1, length):
        frame = read(offset, length)
        if len(frame) < length:
            return
        yield offset, frame


_AHEAD = 4
"""Frames looked at behind one with other salts, to tell a damaged frame header from the end of the log."""


def _salts_again(
    read: Callable[[int, int], bytes], offset: int, size: int, page_size: int, salts: tuple[int, int]
) -> bool:
    length = FRAME_HEADER + page_size
    for at in range(offset + length, min(size - length, offset + _AHEAD * length) + 1, length):
        if struct.unpack(">2I", read(at + 8, 8)) == salts:
            return True
    return False
