"""The files of the trail: append and sync, drop the oldest, read backwards. Blocking, for one thread."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.audit import chain
from gateway.audit.values import AuditEntry, AuditLimits, AuditPage, AuditRecord, Filter

_log = logging.getLogger(__name__)

_AGE_EVERY = 3600.0  # seconds between two files removed because of their age


class Segments:
    """All files in one folder. An OSError of any method leaves the trail as it was, to be tried again."""

    def __init__(self, folder: Path, limits: AuditLimits, wall_clock: Callable[[], float]) -> None:
        self.folder = folder
        self._limits = limits
        self._wall_clock = wall_clock
        self._fd: int | None = None
        self._good = 0  # length of the open file that is known to be durable
        self._opened_at = 0.0
        self._aged_at = float("-inf")
        self._end_known = False
        self.last = 0
        self.digest = chain.GENESIS

    def open(self) -> None:
        """Find the end of the chain. Files that make no sense are left alone, and the chain goes on after."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Each time: whoever made the folder may have ended before it was durable.
        _sync_names(self.folder.parent)
        self._find_end()
        self._end_known = True

    def _find_end(self) -> None:
        self.last, self.digest = 0, chain.GENESIS
        for path in reversed(self.files()):
            lines = [*_lines(path)]
            # By its place, not by what the line says: a line that makes no sense was an entry, too.
            self.last = self.last or number_of(path) - 1 + sum(line.endswith(b"\n") for line in lines[1:])
            found = _last_entry(lines)
            if found is not None:
                self.digest = found.digest
                return
            with contextlib.suppress(chain.Unreadable, IndexError):
                self.digest = chain.read_header(lines[0]).previous
                return

    def close(self) -> None:
        """Close the file that is open for writing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def files(self) -> list[Path]:
        """Return the files, the oldest first."""
        return sorted((path for path in self.folder.glob("audit-*.jsonl") if number_of(path)), key=number_of)

    def size(self) -> int:
        """Return what the files take together, in bytes."""
        return sum(path.stat().st_size for path in self.files())

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Write `entries` and sync them. OSError when that failed; none of them counts as written then."""
        if not self._end_known:
            self.open()
        now = self._wall_clock()
        fd = self._file_for_writing(now)
        last, digest = self.last, self.digest
        data = bytearray()
        for entry in entries:
            last += 1
            line, digest = chain.seal(last, entry, now, digest)
            data += line
        try:
            written = 0
            while written < len(data):
                written += os.write(fd, memoryview(data)[written:])
            os.fsync(fd)
        except OSError:
            self._give_up(fd)
            raise
        self._good += len(data)
        self.last, self.digest = last, digest

    def prune(self) -> tuple[int, str] | None:
        """Remove the oldest file if that is due; return up to which entry, and why."""
        files = self.files()
        if len(files) < 2:
            return None
        oldest, after = files[0], files[1]
        why = ""
        if self.size() > self._limits.max_size:
            why = "the trail has reached its size limit"
        elif self._wall_clock() - self._aged_at >= _AGE_EVERY:
            newest = _last_entry([*_lines(oldest)])
            if newest is not None and self._wall_clock() - newest.recorded_at > self._limits.retention:
                self._aged_at = self._wall_clock()
                why = "they are older than the retention"
        if not why:
            return None
        oldest.unlink()
        return number_of(after) - 1, why

    def page(self, wanted: Filter, before: int | None, limit: int) -> AuditPage:
        """Return entries that pass the filter, the newest first, below number `before`."""
        found: list[AuditRecord] = []
        examined = 0
        for record in self._backwards(before):
            if examined >= self._limits.max_examined or len(found) >= limit:
                return AuditPage(tuple(found), record.number + 1, examined)
            examined += 1
            if wanted.takes(record):
                found.append(record)
        return AuditPage(tuple(found), None, examined)

    def _backwards(self, before: int | None) -> Iterator[AuditRecord]:
        for path in reversed(self.files()):
            if before is not None and number_of(path) >= before:
                continue
            for line in reversed([*_lines(path)][1:]):
                with contextlib.suppress(chain.Unreadable):  # `checking` tells of those
                    record = chain.read_entry(line)
                    if before is None or record.number < before:
                        yield record

    def _file_for_writing(self, now: float) -> int:
        full = self._good >= self._limits.segment_bytes
        old = now - self._opened_at > self._limits.segment_seconds
        if self._fd is not None and (full or old):
            self.close()
        if self._fd is None:
            self._fd = self._begin(now)
        return self._fd

    def _begin(self, now: float) -> int:
        path = self.folder / f"audit-{self.last + 1:012d}.jsonl"
        # A file of that name has no entry in it: what failed before its first one was durable.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            line = chain.header_line(self.last + 1, self.digest)
            if os.write(fd, line) != len(line):
                raise OSError("the first line did not fit")  # noqa: TRY301 - undone below like any other
            os.fsync(fd)
            _sync_names(self.folder)
        except OSError:
            os.close(fd)
            raise
        self._good, self._opened_at = len(line), now
        return fd

    def _give_up(self, fd: int) -> None:
        """Cut the file back to what is good. It is never synced again: a failed sync marks pages clean."""
        try:
            os.ftruncate(fd, self._good)
        except OSError as error:
            _log.warning("an unfinished entry stays in a file of the audit trail: %s", error.strerror)
        self.close()


def _sync_names(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def number_of(path: Path) -> int:
    """Return the number of the first entry of a file, by its name; 0 when the name is not one of ours."""
    digits = path.stem.removeprefix("audit-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else 0


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(chain.MAX_LINE):
            yield line


def _last_entry(lines: list[bytes]) -> AuditRecord | None:
    for line in reversed(lines[1:]):
        if line.endswith(b"\n"):
            with contextlib.suppress(chain.Unreadable):
                return chain.read_entry(line)
    return None
