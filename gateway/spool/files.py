"""Every call that this room makes on the filesystem: one small seam, so that it can be recorded and failed.

`Files` is the real thing; tests subclass it. Nothing here decides or repairs anything. All methods block
and raise OSError (`connect`: sqlite3.Error).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SYNC_FILE_RANGE_WRITE = 2


@dataclass(frozen=True, slots=True)
class Disk:
    """What the filesystem says of itself. Bytes, and inodes where it has a fixed number of them."""

    free: int
    total: int
    inodes_free: int | None


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Linux only, and not in every C library: without it the disk merely starts its work later."""
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    function.restype = ctypes.c_int
    typed: Callable[[int, int, int, int], int] = function
    return typed


class Files:
    """The filesystem, as this room uses it."""

    def make_directory(self, path: Path) -> None:
        """Create `path` for us alone. FileExistsError when it is there."""
        path.mkdir(mode=0o700)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def sync_directory(self, path: Path) -> None:
        """Make the names in `path` durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def list_names(self, path: Path) -> list[str]:
        """Return the names in `path`, in no order."""
        return os.listdir(path)  # noqa: PTH208 - a million names: strings, not Path objects

    def create(self, path: Path) -> int:
        """Create a file that is not there yet; return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open_for_write(self, path: Path) -> int:
        """Open a file that is there."""
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def open_for_read(self, path: Path) -> int:
        """Open a file that is there."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> int:
        """Append; return how many bytes were taken, which may be fewer than given."""
        return os.write(descriptor, data)

    def fill_empty(self, path: Path, size: int) -> None:
        """Fill a file that is there and empty with `size` zeros, durably; one with contents is left alone."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_size:
                return
            # That it is empty must be durable first: a filesystem without a journal may give it the same
            # blocks again, and zeros among what was there before would be neither the one nor the other.
            os.fdatasync(descriptor)
            zeros = bytes(1 << 20)
            for offset in range(0, size, len(zeros)):
                os.pwrite(descriptor, zeros[: size - offset], offset)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def start_writeback(self, descriptor: int, offset: int, length: int) -> None:
        """Let the disk begin; says nothing about durability, and its errors come out of `sync`."""
        function = _sync_file_range()
        if function is not None:
            function(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)

    def sync(self, descriptor: int) -> None:
        """Make the contents and the size durable. Never to be called again after it failed."""
        os.fdatasync(descriptor)

    def forget_cached(self, descriptor: int) -> None:
        """Let the next reads come from the disk, as far as what is in memory was written already."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def size(self, descriptor: int) -> int:
        """Bytes in the file."""
        return os.fstat(descriptor).st_size

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        """Read; fewer bytes than asked at the end of the file."""
        return os.pread(descriptor, length, offset)

    def close(self, descriptor: int) -> None:
        """Let go."""
        os.close(descriptor)

    def link(self, path: Path, other: Path) -> None:
        """Give the file a second name, which is not there yet, on the same filesystem."""
        os.link(path, other)

    def rename(self, path: Path, other: Path) -> None:
        """Give the file another name on the same filesystem."""
        path.rename(other)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def disk(self, path: Path) -> Disk:
        """Ask how much room there is on the filesystem of `path`."""
        stat = os.statvfs(path)
        return Disk(
            free=stat.f_bavail * stat.f_frsize,
            total=stat.f_blocks * stat.f_frsize,
            inodes_free=stat.f_favail if stat.f_files else None,
        )

    def lock(self, path: Path) -> int:
        """Lock `path` for us alone, or raise BlockingIOError at once; closing the descriptor frees it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open the database `path`: transactions only where we begin and end them."""
        return sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
