"""Object files: their names, the spares, opening, removing. FORMAT.md says why in this order."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from gateway.spool.files import Files

PER_DIRECTORY = 1000
SPARES = 8
"""Empty files made ahead, at the cost of one directory sync for all of them."""

_DIRECTORY = re.compile(r"[0-9]{6,}")
_FILE = re.compile(r"([0-9]{9,})\.dcm")


class Store:
    """The directory `objects`. Every method may be called from any thread, and blocks."""

    def __init__(self, root: Path, files: Files) -> None:
        self._root = root
        self._files = files
        self._lock = threading.Lock()
        self._next = 0
        self._ready: set[int] = set()  # directories that are known to be there, durably
        self._spares: deque[int] = deque()

    def create(self) -> None:
        """Create the root if it is not there. Its name is made durable with that of the journal."""
        with contextlib.suppress(FileExistsError):
            self._files.make_directory(self._root)

    def number_from(self, first_free: int) -> None:
        """Give new files numbers from `first_free` on."""
        self._next = first_free

    def path(self, number: int) -> Path:
        """Where file `number` is."""
        return self._root / f"{number // PER_DIRECTORY:06d}" / f"{number:09d}.dcm"

    def take(self) -> tuple[int, int]:
        """Return the number and the descriptor of an empty file whose name is durable."""
        while True:
            try:
                number = self._spares.popleft()
            except IndexError:
                self._make_spares(1)
                continue
            return number, self._files.open_for_write(self.path(number))

    def top_up(self) -> None:
        """Make spares if they are running short."""
        if len(self._spares) <= SPARES // 4:
            self._make_spares(SPARES)

    def _make_spares(self, count: int) -> None:
        with self._lock:
            directory = self._next // PER_DIRECTORY
            count = min(count, PER_DIRECTORY - self._next % PER_DIRECTORY)
            numbers = range(self._next, self._next + count)
            folder = self.path(self._next).parent
            self._next += count
            if directory not in self._ready:
                self._make_folder(folder)
                self._ready = {directory}
            made: list[int] = []
            try:
                for number in numbers:
                    descriptor = self._files.create(self.path(number))
                    made.append(number)
                    self._files.close(descriptor)
                self._files.sync_directory(folder)
            except OSError:
                # Names that may not outlive a power cut are of no use, and a disk that fails at every try
                # must not be filled with them.
                for number in made:
                    with contextlib.suppress(OSError):
                        self.remove(number)
                raise
        self._spares.extend(numbers)

    def _make_folder(self, folder: Path) -> None:
        try:
            with contextlib.suppress(FileExistsError):
                self._files.make_directory(folder)
            self._files.sync_directory(self._root)
        except OSError:
            # To sync once more would say nothing about this name: it is made anew the next time.
            with contextlib.suppress(OSError):
                self._files.remove_directory(folder)
            raise

    def open(self, number: int) -> int:
        """Open file `number` for reading."""
        return self._files.open_for_read(self.path(number))

    def remove(self, number: int) -> None:
        """Remove file `number`; it is no error when it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.remove(self.path(number))

    def scan(self) -> Iterator[tuple[int, set[int]]]:
        """Yield (first number, numbers of files there) for each directory; foreign names are left alone."""
        names = self._files.list_names(self._root)
        for name in sorted(filter(_DIRECTORY.fullmatch, names), key=int):
            first = int(name) * PER_DIRECTORY
            found = (_FILE.fullmatch(entry) for entry in self._files.list_names(self._root / name))
            numbers = {int(match[1]) for match in found if match}
            yield first, {number for number in numbers if first <= number < first + PER_DIRECTORY}

    def remove_empty(self, first: int) -> None:
        """Remove the directory that begins with file `first` if nothing is in it."""
        with contextlib.suppress(OSError):  # something foreign is in it: not ours to remove
            self._files.remove_directory(self.path(first).parent)

    def close(self) -> None:
        """Remove the spares that were not used, as far as the disk lets us."""
        while self._spares:
            with contextlib.suppress(OSError):  # it stays as a leftover
                self.remove(self._spares.popleft())
