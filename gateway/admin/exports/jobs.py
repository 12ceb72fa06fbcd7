"""Exports that are under way or done: one at a time, seen by who began it, and cleaned up whatever happens.

An archive for a browser is kept in the page's own folder, encrypted, for a while. One for a drive is written
under a name that begins with a dot, read back, and only then given its own name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import aiohttp

from gateway.admin.exports.archive import Archive, Entry, ExportFailed, verify
from gateway.admin.exports.drives import Drive, Drives
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.page import N_
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.facts import DeliveryFacts

MAX_OBJECTS = 10_000
KEPT_SECONDS = 1800.0  # an archive for a browser, when it is ready
_KEEP_FREE = 256 << 20  # bytes of the page's own disk that an archive must leave
_KEEP_FREE_DRIVE = 1 << 20
_PER_FILE = 2048  # bytes that an object takes beyond its size: headers, manifest
_PIECE = 256 * 1024
_MAX_JOBS = 6  # remembered ones
_PART = ".dicom-export-"
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)

State = Literal["collecting", "writing", "checking", "done", "failed", "cancelled"]
ACTIVE = ("collecting", "writing", "checking")

T = TypeVar("T")

Collect = Callable[[], AsyncIterator[DeliveryFacts]]
Told = Callable[["Job"], Awaitable[None]]

_log = logging.getLogger(__name__)


class ExportBusy(Exception):
    """Another export is under way."""


@dataclass(slots=True)
class Job:
    """One export, and how far it is. Changes as it goes."""

    id: str
    who: str
    name: str  # of the archive
    drive: Drive | None  # None: for a browser
    started_at: float
    state: State = "collecting"
    objects: int = 0  # to be exported
    done: int = 0
    missing: list[int] = field(default_factory=list)  # delivery numbers whose bytes are gone
    bytes: int = 0  # to be exported
    written: int = 0
    checked: int = 0
    size: int = 0  # of the archive, when it is done
    problem: ExportFailed | None = None
    ended_at: float | None = None
    path: Path | None = None  # where the archive is, while it can be fetched
    work_since: float = 0.0  # by the monotonic clock
    _rate: float = 0.0

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self.state in ACTIVE

    @property
    def rate(self) -> float | None:
        """Bytes per second so far, of what it does now."""
        took = time.monotonic() - self.work_since
        amount = self.checked if self.state == "checking" else self.written
        return amount / took if self.work_since and took > 0.5 and amount else None

    @property
    def left(self) -> float | None:
        """Seconds until what it does now is done, at this rate."""
        amount = self.checked if self.state == "checking" else self.written
        rate = self.rate
        return None if rate is None else max(0, self.bytes - amount) / rate


class Exports:
    """The exports of this page. Everything in `folder` is its own and is removed when it starts."""

    def __init__(self, folder: Path, gateway_name: str, drives: Drives | None = None) -> None:
        self.drives = drives or Drives()
        self._folder = folder
        self._gateway_name = gateway_name
        self._jobs: dict[str, Job] = {}
        self._task: asyncio.Task[None] | None = None
        self._removals: dict[str, asyncio.TimerHandle] = {}
        shutil.rmtree(folder, ignore_errors=True)  # an earlier life may have left something

    async def close(self) -> None:
        """Stop what is under way, and leave nothing behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for handle in self._removals.values():
            handle.cancel()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def of(self, who: str) -> list[Job]:
        """Return the exports of one person, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.who == who]

    def find(self, wanted: str, who: str) -> Job | None:
        """Return an export of this person."""
        job = self._jobs.get(wanted)
        return job if job is not None and job.who == who else None

    def start(
        self,
        gateway: GatewayClient,
        collect: Collect,
        passphrase: str,
        *,
        who: str,
        drive: Drive | None,
        ended: Told,
    ) -> Job:
        """Begin an export. ExportBusy: another one is under way. `ended` is told when it is over."""
        if self._task is not None and not self._task.done():
            raise ExportBusy
        name = f"dicom-export-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.zip"
        job = Job(secrets.token_hex(16), who, name, drive, time.time())
        self._jobs[job.id] = job
        for old in [one for one in self._jobs.values() if not one.active][: -_MAX_JOBS + 1]:
            self.remove(old)
        self._task = asyncio.create_task(self._run(job, gateway, collect, passphrase, ended), name="export")
        return job

    async def cancel(self, job: Job) -> None:
        """Stop an export that is under way; return when nothing of it is left."""
        if job.active and self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def remove(self, job: Job) -> None:
        """Forget an export that is over, and its archive."""
        handle = self._removals.pop(job.id, None)
        if handle is not None:
            handle.cancel()
        if job.drive is None and job.path is not None:
            job.path.unlink(missing_ok=True)
        self._jobs.pop(job.id, None)

    # what is done

    async def _run(
        self, job: Job, gateway: GatewayClient, collect: Collect, passphrase: str, ended: Told
    ) -> None:
        try:
            await self._export(job, gateway, collect, passphrase)
            job.state = "done"
        except asyncio.CancelledError:
            job.state = "cancelled"
        except ExportFailed as error:
            job.problem = error
        except (DaemonUnreachable, ApiProblem):
            job.problem = ExportFailed(N_("The gateway program stopped answering. Try again."))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            job.problem = ExportFailed(N_("The drive or disk failed: %(reason)s"), reason=reason)
        if job.problem is not None:
            job.state = "failed"
        job.ended_at = time.time()
        if job.state == "done" and job.drive is None:
            loop = asyncio.get_running_loop()
            self._removals[job.id] = loop.call_later(KEPT_SECONDS, self.remove, job)
        _log.info("an export of %d objects is over: %s", job.done, job.state)
        await ended(job)

    async def _export(self, job: Job, gateway: GatewayClient, collect: Collect, passphrase: str) -> None:
        found: dict[int, list[DeliveryFacts]] = {}  # by object: one file, however many destinations
        async for row in collect():
            found.setdefault(row.object_number, []).append(row)
            if len(found) > MAX_OBJECTS:
                raise ExportFailed(
                    N_("More than %(most)s objects are too many for one export."), most=MAX_OBJECTS
                )
        job.objects = len(found)
        job.bytes = sum(rows[0].size for rows in found.values())
        if not found:
            raise ExportFailed(N_("There is nothing to export any more."))
        folder = await asyncio.to_thread(self._prepare, job)
        part = folder / f"{_PART}{job.id}.part"
        try:
            archive = await self._write(job, gateway, found, part, passphrase)
            job.state, job.work_since = "checking", time.monotonic()
            await asyncio.to_thread(verify, part, passphrase, archive.digests, lambda size: _add(job, size))
            job.size = part.stat().st_size
            await asyncio.to_thread(_give_name, part, folder / job.name)
            job.path = folder / job.name
        finally:
            await asyncio.shield(asyncio.to_thread(part.unlink, missing_ok=True))

    def _prepare(self, job: Job) -> Path:
        """Return the folder to write to, with room in it. ExportFailed when there is none."""
        needed = job.bytes + _PER_FILE * (job.objects + 4)
        if job.drive is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_room(self._folder, needed, _KEEP_FREE)
            return self._folder
        drive = self.drives.find(job.drive.id)
        if drive is None:
            raise ExportFailed(N_("The drive is not there any more. Plug it in and try again."))
        if not drive.writable:
            raise ExportFailed(N_("The drive cannot be written to."))
        if drive.largest_file is not None and needed > drive.largest_file:
            raise ExportFailed(
                N_(
                    "This drive (FAT32) takes files of 4 GB at most. "
                    "Export fewer objects, or format it as exFAT."
                )
            )
        for stale in drive.path.glob(f"{_PART}*.part"):  # of an export that was cut short
            with contextlib.suppress(OSError):
                stale.unlink()
        _check_room(drive.path, needed, _KEEP_FREE_DRIVE)
        return drive.path

    async def _write(
        self,
        job: Job,
        gateway: GatewayClient,
        found: dict[int, list[DeliveryFacts]],
        part: Path,
        passphrase: str,
    ) -> Archive:
        job.state, job.work_since = "writing", time.monotonic()
        file: BinaryIO = await asyncio.to_thread(_create, part)
        archive = Archive(file, passphrase)
        entries: list[Entry] = []
        try:
            for place, rows in enumerate(found.values(), 1):
                entry = await self._add_object(job, gateway, archive, place, rows)
                if entry is not None:
                    entries.append(entry)
            await _unbroken(partial(self._finish, job, archive, entries))
            await _unbroken(partial(_sync, file))
        except BaseException:
            archive.abandon()
            raise
        finally:
            file.close()
        return archive

    def _finish(self, job: Job, archive: Archive, entries: list[Entry]) -> None:
        if not entries:
            raise ExportFailed(N_("None of these objects has its bytes here any more."))
        archive.finish(entries, job.missing, gateway=self._gateway_name, who=job.who)

    async def _add_object(
        self, job: Job, gateway: GatewayClient, archive: Archive, place: int, rows: list[DeliveryFacts]
    ) -> Entry | None:
        row = rows[0]
        try:
            path = f"/v1/deliveries/{row.number}/export"
            async with gateway.stream("GET", path, timeout=_NO_TIMEOUT) as response:
                archive.begin(place)
                async for piece in response.content.iter_chunked(_PIECE):
                    await _unbroken(partial(archive.write, piece))
                    job.written += len(piece)
                name, size, digest = await _unbroken(archive.end)
        except ApiProblem as error:
            if error.details.status not in (404, 409):
                raise
            job.missing.append(row.number)  # its bytes went meanwhile; the manifest says so
            return None
        job.done += 1
        numbers = tuple(one.number for one in rows)
        return Entry(name, row.object_number, numbers, row.sop_class, size, digest, row.received_at)


async def _unbroken(work: Callable[[], T]) -> T:
    """Do `work` in a thread, and wait for its end even when cancelled: it must not meet a closed file."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _add(job: Job, size: int) -> None:
    job.checked += size


def _check_room(folder: Path, needed: int, keep: int) -> None:
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize - keep
    if needed > free:
        raise ExportFailed(
            N_("There is not enough room: %(needed)s MB are needed, %(free)s MB are free."),
            needed=-(-needed // 10**6),
            free=max(0, free) // 10**6,
        )


def _create(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "w+b")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _give_name(part: Path, path: Path) -> None:
    part.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
