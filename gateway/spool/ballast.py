"""Room that is kept for the day on which somebody else fills the disk: a file of zeros, given up when needed.

On a disk without a free block nothing can be written down: not that an object was delivered, not that its
bytes may go, and SQLite cannot even open the journal. Without this file a gateway on such a disk could not
start, and never make room by its own work.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from gateway.spool.files import Files
from gateway.spool.values import MIB, SpoolLimits

NAME = "ballast"
SIZE = 4 * MIB
"""Enough for a WAL and its index, and to settle thousands of deliveries."""


class Ballast:
    """The file. Every method blocks; errors of the disk are nobody's business here."""

    def __init__(self, directory: Path, files: Files) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._files = files

    def keep(self, limits: SpoolLimits) -> None:
        """Have the file, whole, if there is plenty of room for it."""
        with contextlib.suppress(OSError):
            if self._is_whole():
                return
            if self._files.disk(self._directory).free < limits.reserve_bytes + limits.floor_bytes + 4 * SIZE:
                return
            with contextlib.suppress(FileNotFoundError):
                self._files.remove(self._path)
            self._files.close(self._files.create(self._path))
            self._files.fill_empty(self._path, SIZE)

    def _is_whole(self) -> bool:
        try:
            descriptor = self._files.open_for_read(self._path)
        except FileNotFoundError:
            return False
        try:
            return self._files.size(descriptor) >= SIZE
        finally:
            self._files.close(descriptor)

    def drop(self) -> bool:
        """Give the room back if there is none on the disk; whether there is some now."""
        try:
            if self._files.disk(self._directory).free >= SIZE:
                return False
            self._files.remove(self._path)
        except OSError:
            return False
        return True
