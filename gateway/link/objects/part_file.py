"""The two files of one partial object (FORMAT.md). Blocking: for an executor's thread, one at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import zlib
from pathlib import Path
from typing import Final

from gateway.link.objects import log_file

SYNC_EVERY: Final = 4 * 1024 * 1024
"""Bytes that a power cut may cost, at most."""

_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_OLD = os.O_RDWR | os.O_CLOEXEC


class PartFile:
    """Bytes that come in order, and outlive the process that wrote them. Raises OSError."""

    def __init__(self, path: Path, header: bytes, size: int) -> None:
        """`path` without suffix; `header`: what stands before the data set; `size`: bytes of the data set."""
        self._part = part_of(path)
        self._log = log_of(path)
        self._header = header
        self._size = size
        self._files: tuple[int, int] | None = None  # descriptors of part and log
        self._log_end = 0
        self._unsynced = 0
        self._hash = hashlib.sha256()
        self.held = 0

    @property
    def part(self) -> Path:
        """The file with the object."""
        return self._part

    @property
    def _opened(self) -> tuple[int, int]:
        if self._files is None:
            raise OSError(errno.EBADF, "the files of a partial object are closed")
        return self._files

    def open(self) -> None:
        """Find what there is, and check it; begin anew where there is nothing that holds."""
        if self._files is not None:
            return
        if self.held:  # known from before: nobody else writes here
            with contextlib.suppress(FileNotFoundError):
                self._files = self._descriptors(_OLD)
                return
        if not self._find():
            self._create()

    def _descriptors(self, flags: int) -> tuple[int, int]:
        part = os.open(self._part, flags, 0o600)
        try:
            return part, os.open(self._log, flags, 0o600)
        except OSError:
            os.close(part)
            raise

    def _create(self) -> None:
        self._files = part, log = self._descriptors(_NEW)
        head = log_file.head(self._size, len(self._header))
        _write_all(part, self._header, 0)
        _write_all(log, head, 0)
        self._log_end = len(head)
        self.held = self._unsynced = 0
        self._hash = hashlib.sha256()

    def _find(self) -> bool:
        """Take up what an earlier process left; False when there is nothing that holds."""
        try:
            if self._part.stat().st_nlink > 1:
                self.remove()  # the spool has it, too: not to be written to
                return False
            files = self._descriptors(_OLD)
        except FileNotFoundError:
            return False
        part, log = files
        noted = _read(log, os.fstat(log).st_size, 0)
        head = log_file.read_head(noted)
        if head is None or head[:2] != (self._size, len(self._header)):
            _close(files)
            return False
        if _read(part, len(self._header), 0) != self._header:
            _close(files)
            return False
        self._files = files
        self._believe(noted, head[2])
        return True

    def _believe(self, noted: bytes, at: int) -> None:
        """Go through the blocks until one does not hold, and cut off what lies behind."""
        part, log = self._opened
        self.held, self._hash, self._log_end = 0, hashlib.sha256(), at
        for end, crc in log_file.entries(noted, at):
            data = _read(part, end - self.held, len(self._header) + self.held)
            if end > self._size or len(data) != end - self.held or zlib.crc32(data) != crc:
                break
            self._hash.update(data)
            self.held = end
            self._log_end += log_file.ENTRY_SIZE
        os.ftruncate(part, len(self._header) + self.held)
        os.ftruncate(log, self._log_end)
        self._unsynced = self.held

    def append(self, data: bytes) -> None:
        """Add a block. On an error what was held before is held still."""
        part, log = self._opened
        end = self.held + len(data)
        _write_all(part, data, len(self._header) + self.held)
        _write_all(log, log_file.entry(end, data), self._log_end)
        self._hash.update(data)
        self.held = end
        self._log_end += log_file.ENTRY_SIZE
        self._unsynced += len(data)
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Have it outlive a power cut. When that fails nothing is kept: the next sync would lie."""
        try:
            for descriptor in self._opened:
                os.fdatasync(descriptor)
        except OSError:
            self.remove()
            raise
        self._unsynced = 0

    def digest(self) -> bytes:
        """SHA-256 of what is held."""
        return self._hash.digest()

    def begin_anew(self) -> None:
        """Forget the bytes."""
        part, log = self._opened
        # The log first: entries without bytes would be found out, bytes without entries are nothing.
        self._log_end = len(log_file.head(self._size, len(self._header)))
        os.ftruncate(log, self._log_end)
        os.ftruncate(part, len(self._header))
        self.held = self._unsynced = 0
        self._hash = hashlib.sha256()

    def close(self) -> None:
        """Let go of the descriptors. What is held stays known."""
        if self._files is not None:
            files, self._files = self._files, None
            _close(files)

    def remove(self) -> None:
        """Remove both files. A failure leaves something for the next sweep."""
        self.close()
        for path in (self._log, self._part):
            with contextlib.suppress(OSError):
                path.unlink()
        self.held = 0
        self._hash = hashlib.sha256()


def part_of(path: Path) -> Path:
    """The file with the object."""
    return path.with_name(f"{path.name}.part")


def log_of(path: Path) -> Path:
    """The file beside it."""
    return path.with_name(f"{path.name}.log")


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count


def _read(descriptor: int, length: int, offset: int) -> bytes:
    pieces = []
    while length > 0:
        piece = os.pread(descriptor, length, offset)
        if not piece:
            break
        pieces.append(piece)
        length, offset = length - len(piece), offset + len(piece)
    return b"".join(pieces)


def _close(descriptors: tuple[int, int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)
