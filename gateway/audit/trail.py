"""The trail as the daemon uses it. It looks on: whatever happens to its disk, DICOM goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gateway import __version__
from gateway.audit.checking import check
from gateway.audit.segments import Segments
from gateway.audit.values import (
    MAX_TEXT,
    AuditEntry,
    AuditLimits,
    AuditPage,
    AuditUnavailable,
    AuditVerdict,
    Filter,
)
from gateway.logs.text import harmless, without_uids
from gateway.notices import Alarm, Notice, Notices, OperatorActed

_log = logging.getLogger(__name__)

T = TypeVar("T")

ALARM = "audit"
GATEWAY = "gateway"  # who, for what the gateway does by itself
_MOST_AT_ONCE = 200  # entries under one sync
_PATIENCE = 5.0  # seconds for the last entries when the gateway stops


@dataclass(slots=True)
class _Waiting:
    entry: AuditEntry
    durable: asyncio.Future[None] | None  # who waits for it; None: nobody


class AuditTrail:
    """Takes entries from notices and from the operator API, and writes them in one thread of its own."""

    def __init__(
        self,
        folder: Path,
        limits: AuditLimits,
        notices: Notices,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._segments = Segments(folder, limits, wall_clock)
        self._limits = limits
        self._notices = notices
        self._wall_clock = wall_clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._lost = 0
        self._failing = False
        self._writer: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Find the end of the chain and begin. A disk that refuses is an alarm, no error."""
        try:
            await self._in_thread(self._segments.open)
        except OSError as error:
            self._failed(error)
        self._writer = asyncio.create_task(self._write(), name="audit")
        self._unsubscribe = self._notices.subscribe(self)
        self.record("start", detail=f"version {__version__}")

    async def close(self) -> None:
        """Write what waits, if the disk takes it in a few seconds, and end."""
        self._unsubscribe()
        self.record("stop")
        self._closing.set()
        self._wake.set()
        if self._writer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._writer
        for waiting in self._queue:
            _settle(waiting, AuditUnavailable("the gateway stops"))
        await asyncio.to_thread(self._thread.shutdown)
        self._segments.close()

    def __call__(self, notice: Notice) -> None:
        """Take what an operator did; other notices are none of the trail's business."""
        if isinstance(notice, OperatorActed):
            self.record(notice.what, notice.subject, notice.outcome, notice.detail, who=notice.who)

    def record(
        self, what: str, subject: str = "", outcome: str = "done", detail: str = "", *, who: str = GATEWAY
    ) -> None:
        """Take one entry; it is written soon. While the disk refuses, the newest beyond a bound are lost."""
        if len(self._queue) >= self._limits.max_queued:
            self._lost += 1
            return
        entry = AuditEntry(self._wall_clock(), who, what, subject, outcome, detail)
        self._queue.append(_Waiting(_clean(entry), None))
        self._wake.set()

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Write `entries`; return when they are durable. AuditUnavailable when they cannot be."""
        if self._failing or self._closing.is_set() or len(self._queue) >= self._limits.max_queued:
            raise AuditUnavailable("the audit trail cannot be written at the moment; keep the entries")
        if not entries:
            return
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(_clean(entry), loop.create_future()) for entry in entries]
        self._queue.extend(waiting)
        self._wake.set()
        results = await asyncio.gather(
            *(one.durable for one in waiting if one.durable is not None), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def page(self, wanted: Filter, *, before: int | None, limit: int) -> AuditPage:
        """Return entries, the newest first. AuditUnavailable when the files cannot be read."""
        try:
            return await self._in_thread(lambda: self._segments.page(wanted, before, limit))
        except OSError as error:
            raise AuditUnavailable(f"the audit trail cannot be read: {error.strerror}") from error

    async def verify(self, noted: str = "") -> AuditVerdict:
        """Follow the chain of digests to its end. AuditUnavailable when the files cannot be read."""
        try:
            return await self._in_thread(lambda: check(self._segments, noted))
        except OSError as error:
            raise AuditUnavailable(f"the audit trail cannot be read: {error.strerror}") from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _write(self) -> None:
        try:
            while self._queue or not self._closing.is_set():
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                elif not await self._write_some() and not await self._wait_for_next_try():
                    return
        except Exception as error:  # noqa: BLE001 - a defect of the trail must not end the gateway
            _log.exception("the audit trail ended on a defect")
            self._failed(error)

    async def _write_some(self) -> bool:
        """Write the first entries of the queue; say whether that worked."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_AT_ONCE))]
        try:
            await self._in_thread(lambda: self._segments.append([one.entry for one in batch]))
        except OSError as error:
            self._failed(error)
            refused = AuditUnavailable(f"the audit trail cannot be written: {error.strerror}")
            for one in batch:
                _settle(one, refused)
            self._queue.extendleft(reversed([one for one in batch if one.durable is None]))
            return False
        for one in batch:
            _settle(one)
        self._worked()
        await self._prune()
        return True

    async def _wait_for_next_try(self) -> bool:
        """Wait; False when the gateway stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.retry):
                await self._closing.wait()
        return not self._closing.is_set()

    async def _prune(self) -> None:
        try:
            removed = await self._in_thread(self._segments.prune)
        except OSError as error:
            _log.warning("an old file of the audit trail cannot be removed: %s", error.strerror)
            return
        if removed is not None:
            number, why = removed
            self.record("audit-remove", f"entries up to {number}", detail=why)

    def _failed(self, error: Exception) -> None:
        if self._failing:
            return
        self._failing = True
        words = getattr(error, "strerror", None) or type(error).__name__
        self._notices.publish(
            Alarm(ALARM, f"the audit trail cannot be written ({words}); DICOM goes on. Make room on the disk")
        )

    def _worked(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("the audit trail is written again")
        if self._lost:
            lost, self._lost = self._lost, 0
            self.record("audit-gap", detail=f"{lost} entries could not be kept while the disk refused them")


def _settle(waiting: _Waiting, error: Exception | None = None) -> None:
    if waiting.durable is None or waiting.durable.done():
        return
    if error is None:
        waiting.durable.set_result(None)
    else:
        waiting.durable.set_exception(error)


def _clean(entry: AuditEntry) -> AuditEntry:
    """Return `entry` with bounded, harmless texts; UIDs of instances are blanked out."""

    def text(name: str) -> str:
        most = MAX_TEXT[name] - 20  # room for the words about what was cut off
        return harmless(without_uids(getattr(entry, name).strip()[: MAX_TEXT[name]]), most)

    return replace(
        entry,
        who=text("who"),
        what=text("what"),
        subject=text("subject"),
        outcome=text("outcome"),
        detail=text("detail"),
        address=text("address"),
    )
