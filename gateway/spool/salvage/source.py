"""Pages by number, out of a database file and its WAL. Reads only; what the disk does not give is None."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.spool.salvage.wal import PAGE_SIZES, Frame, Wal, read_wal

PAGE = 4096
"""Page size when the header of the database does not say: the one we write."""
_MAGIC = b"SQLite format 3\0"
_POINTER_BYTES = 5  # of one entry of a pointer map


class _File:
    """A file that may not be there, and may have bad places."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._descriptor).st_size
        except OSError:
            self._descriptor = None
            self.size = 0
        self.bad = 0  # reads that the disk refused

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes; fewer at the end, none where the disk fails."""
        if self._descriptor is None:
            return b""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError:
            self.bad += 1
            return b""

    def close(self) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Source:
    """The pages of one journal, in layers: committed first."""

    def __init__(self, database: Path, wal: Path) -> None:
        self._db = _File(database)
        self._log = _File(wal)
        head = self._db.read(0, 100)
        self.header_holds = head.startswith(_MAGIC)
        said = int.from_bytes(head[16:18], "big") if len(head) == 100 else 0
        said = 65536 if said == 1 else said
        self.page_size = said if self.header_holds and said in PAGE_SIZES else PAGE
        self.usable = self.page_size  # we reserve nothing at the end of pages, whatever a header says now
        self.wal: Wal = read_wal(self._log.read, self._log.size, self.page_size)
        if self.wal.page_size != self.page_size:
            if not self.header_holds and self.wal.header_holds:
                self.page_size = self.usable = self.wal.page_size
            else:
                self.wal = Wal(self.page_size, damaged=1, header_holds=False)
        self._newest: dict[int, Frame] = {frame.page: frame for frame in self.wal.committed}
        self._stranded: dict[int, Frame] = {frame.page: frame for frame in self.wal.stranded}
        self.pages = max(self._db.size // self.page_size, *self._newest, 0)

    @property
    def bad_places(self) -> int:
        """Reads that the disk refused so far."""
        return self._db.bad + self._log.bad

    def committed(self, number: int) -> bytes | None:
        """Return a page as it was last committed."""
        frame = self._newest.get(number)
        return self.stored(number) if frame is None else self.frame(frame)

    def stored(self, number: int) -> bytes | None:
        """Return a page as it is in the database file, which the WAL may have superseded."""
        if not 0 < number <= self._db.size // self.page_size:
            return None
        data = self._db.read((number - 1) * self.page_size, self.page_size)
        return data if len(data) == self.page_size else None

    def stranded(self, number: int) -> bytes | None:
        """Return a page as a whole frame behind a damaged one has it."""
        frame = self._stranded.get(number)
        return None if frame is None else self.frame(frame)

    def frame(self, frame: Frame) -> bytes | None:
        """Return the page that a frame of the WAL holds."""
        data = self._log.read(frame.offset, self.page_size)
        return data if len(data) == self.page_size else None

    def superseded(self) -> Iterator[tuple[int, bytes]]:
        """Yield what there is besides the committed pages, newest first: (page number, bytes)."""
        newest = set(self._newest.values())
        for frame in (*reversed(self.wal.stranded), *reversed(self.wal.committed)):
            if frame not in newest and (data := self.frame(frame)) is not None:
                yield frame.page, data
        for number in sorted(self._newest):
            if (data := self.stored(number)) is not None:
                yield number, data

    def is_pointer_map(self, number: int) -> bool:
        """Say whether a page holds pointers for vacuuming, as every so many pages do."""
        return number >= 2 and (number - 2) % (self.usable // _POINTER_BYTES + 1) == 0

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
