"""Partial objects in a directory of this machine, beside the spool (FORMAT.md). See ports.Partials."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.dicom.part10 import file_meta
from gateway.errors import NoRoom, SpoolFailure
from gateway.link.objects.part_file import PartFile, log_of, part_of
from gateway.link.objects.ports import Expected
from gateway.model import Priority
from gateway.spool import Room, Stored, Transfer, Whole

T = TypeVar("T")

GIB = 1024 * 1024 * 1024
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class PartialLimits:
    """What one site may leave unfinished here."""

    max_partials: int = 64
    """Large objects of one site that are not whole yet (a number)."""
    max_partial_bytes: int = 16 * GIB
    """What they may become together, in bytes."""
    partial_seconds: float = 14 * DAY
    """How long one is kept that nobody adds to, in seconds."""


class Keeping(Protocol):
    """What is needed of the spool."""

    def make_room(self, priority: Priority, size: int) -> Room: ...

    async def adopt(self, path: Path, whole: Whole, room: Room) -> Stored: ...


def failure_from(error: OSError) -> NoRoom | SpoolFailure:
    """Put an error of the filesystem into our words; paths stay out of them."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom("the disk is full")
    return SpoolFailure(f"the disk failed: {error.strerror or type(error).__name__}")


class FilePartials:
    """The directory of partial objects."""

    def __init__(
        self,
        directory: Path,
        spool: Keeping,
        executor: Executor,
        limits: PartialLimits | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`directory` is on the filesystem of the spool. What blocks runs on `executor`."""
        self._directory = directory
        self._spool = spool
        self._executor = executor
        self._limits = limits or PartialLimits()
        self._wall_clock = wall_clock
        self._known: dict[Path, FilePartial] = {}  # used since the start: what they hold need not be read
        self._making = asyncio.Lock()

    async def start(self) -> None:
        """Make the directory, and remove what nobody needs. Raises SpoolFailure."""
        await self.run(self._prepare)

    async def sweep(self) -> int:
        """Remove what was not touched for long; return how many."""
        async with self._making:
            gone = await self.run(self._overdue)
            return await self._forget([path for path in gone if not self._in_use(path)])

    async def open(self, expected: Expected) -> FilePartial:
        """See ports.Partials."""
        path = self._path(expected.transfer)
        async with self._making:
            partial = self._known.get(path)
            if partial is None or partial.expected.size != expected.size:
                partial = FilePartial(self, path, expected, self._spool)
            if path not in self._known:
                await self._make_place(path, expected.size)
                self._known[path] = partial
            partial.in_use = True
        try:
            await partial.begin(expected)
        except BaseException:
            await partial.rest()
            raise
        return partial

    def gone(self, path: Path) -> None:
        """A partial has come to its end."""
        self._known.pop(path, None)

    async def run(self, work: Callable[[], T]) -> T:
        """Do what blocks on a thread; its errors in our words."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except OSError as error:
            raise failure_from(error) from error

    # --- places --------------------------------------------------------------------------------------

    def _path(self, transfer: Transfer) -> Path:
        name = f"{transfer.site}\0{transfer.spool.hex()}\0{transfer.delivery}\0{transfer.digest.hex()}"
        site = hashlib.sha256(transfer.site.encode()).hexdigest()[:16]
        return self._directory / site / hashlib.sha256(name.encode()).hexdigest()[:32]

    def _in_use(self, path: Path) -> bool:
        known = self._known.get(path)
        return known is not None and known.in_use

    async def _make_place(self, path: Path, size: int) -> None:
        """Let the oldest partials of the site make room for this one. Raises NoRoom if that is not enough."""
        limits = self._limits
        if size > limits.max_partial_bytes:
            raise NoRoom("the object is larger than all that one site may leave unfinished here")
        there = await self.run(lambda: _oldest_first(path.parent))
        there.pop(path, None)
        sizes = {
            each: self._known[each].expected.size if each in self._known else held
            for each, held in there.items()
        }
        doomed = []
        for each in there:
            if len(sizes) < limits.max_partials and sum(sizes.values()) + size <= limits.max_partial_bytes:
                break
            if not self._in_use(each):
                doomed.append(each)
                del sizes[each]
        if len(sizes) >= limits.max_partials or sum(sizes.values()) + size > limits.max_partial_bytes:
            raise NoRoom("too much of this site is under way at the same time")
        await self._forget(doomed)

    async def _forget(self, paths: list[Path]) -> int:
        for path in paths:
            self._known.pop(path, None)
        await self.run(lambda: _remove(paths))
        return len(paths)

    def _prepare(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self._directory.iterdir():
            parts = {path.with_suffix("") for path in folder.glob("*.part")}
            logs = {path.with_suffix("") for path in folder.glob("*.log")}
            _remove([*(parts ^ logs), *(path for path in parts if part_of(path).stat().st_nlink > 1)])
        _remove(self._overdue())
        for folder in self._directory.iterdir():
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()

    def _overdue(self) -> list[Path]:
        now, longest = self._wall_clock(), self._limits.partial_seconds
        return [
            path.with_suffix("")
            for path in self._directory.glob("*/*.part")
            if now - path.stat().st_mtime > longest
        ]


class FilePartial:
    """See ports.Partial."""

    def __init__(self, partials: FilePartials, path: Path, expected: Expected, spool: Keeping) -> None:
        self.expected = expected
        self.in_use = False
        self._partials = partials
        self._path = path
        self._spool = spool
        self._header = file_meta(expected.instance, source_ae=expected.origin.calling_ae)
        self._file = PartFile(path, self._header, expected.size)
        self._room: Room | None = None

    @property
    def held(self) -> int:
        """Bytes of the data set from its beginning on."""
        return self._file.held

    async def begin(self, expected: Expected) -> None:
        """Find what there is, and set room aside for the rest."""
        self.expected = expected
        await self._partials.run(self._find)
        self._room = self._spool.make_room(expected.priority, expected.size - self.held)

    def _find(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file.open()

    def _leave(self) -> None:
        """Note when it was touched last, more exactly than the filesystem does, and let go of the files."""
        self._file.close()
        now = time.time_ns()
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._file.part, ns=(now, now))

    async def append(self, data: bytes) -> None:
        """Add what follows."""
        if self.held + len(data) > self.expected.size:
            raise ValueError("more than the object was to have")
        await self._partials.run(lambda: self._file.append(data))
        if self._room is not None:
            self._room.wrote(len(data))

    async def begin_anew(self) -> None:
        """Forget the bytes."""
        await self._partials.run(self._file.begin_anew)

    def digest(self) -> bytes:
        """SHA-256 of what is held."""
        return self._file.digest()

    async def keep(self, destinations: tuple[str, ...]) -> Stored:
        """Put the object into the spool."""
        expected = self.expected
        whole = Whole(
            expected.instance,
            expected.origin,
            expected.priority,
            destinations,
            self.digest(),
            expected.size,
            len(self._header),
            expected.transfer,
        )
        await self._partials.run(self._file.sync)
        room, self._room = self._room, None
        if room is None:
            room = self._spool.make_room(expected.priority, 0)
        stored = await self._spool.adopt(self._file.part, whole, room)
        await self._partials.run(self._file.remove)
        self._partials.gone(self._path)
        self.in_use = False
        return stored

    async def rest(self) -> None:
        """Let go of all but the bytes."""
        self.in_use = False
        if self._room is not None:
            self._room.close()
            self._room = None
        await self._partials.run(self._leave)


def _oldest_first(folder: Path) -> dict[Path, int]:
    """The partials of a site, with the bytes they have."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime, path))
    return {path.with_suffix(""): path.stat().st_size for _, path in sorted(found)}


def _remove(paths: list[Path]) -> None:
    for path in paths:
        for each in (log_of(path), part_of(path)):
            with contextlib.suppress(FileNotFoundError):
                each.unlink()
