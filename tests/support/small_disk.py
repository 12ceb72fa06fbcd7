"""A small file system of our own, on a loop device: a disk that can be filled without harm. Needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import machine


def _run(*command: str | Path) -> None:
    program = machine.program(str(command[0]))
    subprocess.run([program, *command[1:]], check=True, capture_output=True)


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Path]:
    """Mount an empty ext4 of that size for the time of a with block.

    Not below pytest's temporary directory: that is cleared by other runs of pytest on this machine, which
    must not come across somebody's mounted disk.
    """
    with tempfile.TemporaryDirectory(prefix="gateway-disk-") as name:
        image, place = Path(name, "disk.img"), Path(name, "disk")
        place.mkdir()
        with image.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, mebibytes << 20)
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image)
        _run("mount", "-o", "loop", image, place)
        try:
            yield place
        finally:
            _run("umount", place)


class Ballast:
    """A file that takes room away and gives it back."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "ballast"

    def leave(self, free: int) -> None:
        """Grow or shrink until the file system has about `free` bytes left; 0: to the last block."""
        self.remove()
        left = os.statvfs(self._path.parent)
        size = left.f_bavail * left.f_frsize - free
        piece, at = 1 << 20, 0
        with self._path.open("wb") as file:
            # The file system takes blocks of its own for our file, so the last ones are tried one by one.
            while at < size and piece >= 1 << 12:
                try:
                    os.posix_fallocate(file.fileno(), at, min(piece, size - at))
                    at += min(piece, size - at)
                except OSError:
                    piece //= 2

    def remove(self) -> None:
        """Give all the room back."""
        self._path.unlink(missing_ok=True)
