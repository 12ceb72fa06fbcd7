"""Helpers for tests of the spool: objects to put in, a filesystem that fails on command, a listening ear."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.model import AETitle, Instance, Origin, Priority, Receipt
from gateway.notices import Alarm, Notice, Notices
from gateway.spool import Job, Spool, Stored
from gateway.spool.files import Files

BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
SMALL = 1000
LARGE = 200_000


def an_instance(number: int = 1, syntax: str = EXPLICIT) -> Instance:
    return Instance(BEAMS_RECORD, f"1.2.826.0.1.3680043.10.1.{number}", syntax)


def an_origin(calling: str = "LINAC1") -> Origin:
    return Origin("console", "192.0.2.20", AETitle(calling), AETitle("ARIA"), "a1")


def content(seed: int, size: int) -> bytes:
    """Return bytes that differ for each seed, and inside themselves."""
    pattern = b"".join((seed * 1000003 + place).to_bytes(8, "big") for place in range(64))
    return (pattern * (size // len(pattern) + 1))[:size]


async def store(
    spool: Spool,
    data: bytes,
    number: int = 1,
    *,
    priority: Priority = Priority.RECORD,
    to: Sequence[str] = ("oncology",),
    syntax: str = EXPLICIT,
    step: int = 65536,
    calling: str = "LINAC1",
) -> Stored:
    """Put one object in, as an association would."""
    incoming = spool.receive(an_instance(number, syntax), an_origin(calling), priority, to)
    for start in range(0, len(data), step):
        if incoming.pressure:
            await incoming.drained()
        incoming.write(memoryview(data)[start : start + step])
    return await incoming.commit()


def a_receipt(job: Job, status: int = 0) -> Receipt:
    return Receipt(
        job.delivery.destination, status, "", job.object.instance.transfer_syntax_uid, job.object.digest, 1.0
    )


class Heard:
    """Notices with an ear: what was said, and whether an alarm of some kind was."""

    def __init__(self) -> None:
        self.notices = Notices()
        self.said: list[Notice] = []
        self._news = asyncio.Event()
        self.notices.subscribe(self._hear)

    def _hear(self, notice: Notice) -> None:
        self.said.append(notice)
        self._news.set()

    def alarms(self) -> list[str]:
        return [one.code for one in self.said if isinstance(one, Alarm)]

    def words(self, code: str) -> list[str]:
        """What the alarms of this kind said."""
        return [one.text for one in self.said if isinstance(one, Alarm) and one.code == code]

    async def alarm(self, code: str) -> None:
        """Wait until there is an alarm of this kind."""
        while code not in self.alarms():
            self._news.clear()
            await self._news.wait()


class FaultyFiles(Files):
    """The real filesystem, with a record of the calls and an error for those that are to fail.

    `fail("sync", errno.EIO)` fails every sync from now on, `fail("write", errno.ENOSPC, after=3)` the fourth
    write and all that follow, `mend()` ends that.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.short_writes = False
        self.commit_error: sqlite3.Error | None = None
        self.commit_first = False
        self.connect_error: sqlite3.Error | None = None
        self._faults: dict[str, tuple[int, int]] = {}

    def fail(self, call: str, number: int, *, after: int = 0) -> None:
        self._faults[call] = (number, self.calls[call] + after)

    def mend(self) -> None:
        self._faults.clear()
        self.commit_error = self.connect_error = None

    def _called(self, call: str, what: object = "") -> None:
        self.calls[call] += 1
        self.log.append((call, str(what)))
        number, after = self._faults.get(call, (0, 0))
        if number and self.calls[call] > after:
            raise OSError(number, os.strerror(number))

    def make_directory(self, path: Path) -> None:
        self._called("make_directory", path)
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._called("sync_directory", path)
        super().sync_directory(path)

    def create(self, path: Path) -> int:
        self._called("create", path)
        return super().create(path)

    def open_for_write(self, path: Path) -> int:
        self._called("open_for_write", path)
        return super().open_for_write(path)

    def open_for_read(self, path: Path) -> int:
        self._called("open_for_read", path)
        return super().open_for_read(path)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> int:
        self._called("write")
        if self.short_writes and len(data) > 1:
            return super().write(descriptor, memoryview(data)[: len(data) // 2])
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._called("sync")
        super().sync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._called("close")

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        self._called("pread")
        return super().pread(descriptor, length, offset)

    def remove(self, path: Path) -> None:
        self._called("remove", path)
        super().remove(path)

    def list_names(self, path: Path) -> list[str]:
        self._called("list_names", path)
        return super().list_names(path)

    def connect(self, path: Path) -> sqlite3.Connection:
        if self.connect_error is not None:
            raise self.connect_error
        files = self

        class Connection(sqlite3.Connection):
            only_names = False

            def execute(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
                if sql.startswith(("PRAGMA user_version =", "INSERT OR REPLACE INTO facts")):
                    self.only_names = True  # what the spool writes to be ready, no more
                if sql == "COMMIT":
                    files._called("commit")
                    only_names, self.only_names = self.only_names, False
                    if files.commit_error is not None and not only_names:
                        if files.commit_first:
                            super().execute(sql)
                        raise files.commit_error
                return super().execute(sql, parameters)  # type: ignore[arg-type]

        return sqlite3.connect(
            path, timeout=5.0, isolation_level=None, check_same_thread=False, factory=Connection
        )


def disk_error() -> sqlite3.Error:
    """What SQLite says when the disk under it fails."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


def disk_full() -> sqlite3.Error:
    """What SQLite says when the disk under it is full."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def object_files(directory: Path) -> list[Path]:
    """Return the files under `objects` that have something in them (spares have nothing)."""
    return sorted(path for path in (directory / "objects").rglob("*.dcm") if path.stat().st_size)


EIO, ENOSPC = errno.EIO, errno.ENOSPC
OpenSpool = Callable[..., Spool]
