"""The scrub: everything that is kept is read again, slowly, before somebody has need of it.

Each object is hashed and compared with the digest it was acknowledged with; the journal's rows are read, and
compared with its indexes and counters. What does not fit is read once more, and then held, never sent; an
alarm says so. It takes at most a tenth of the disk's time, and leaves a busy disk alone. How far it has come
is written down now and then, in a file whose loss costs no more than reading again.

A person may ask for a pass now: that one reads everything, half of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from gateway.errors import SpoolFailure
from gateway.notices import Alarm, Notices
from gateway.spool import scrub_progress
from gateway.spool.schema import PLACE_DAMAGED
from gateway.spool.scrub_methods import Examination
from gateway.spool.scrub_progress import Progress
from gateway.spool.scrub_queries import TABLES, Table
from gateway.spool.scrub_values import (
    FOUND_MOST,
    Found,
    PassKind,
    PassReport,
    ScrubPolicy,
    ScrubStatus,
    Target,
    Verdict,
)
from gateway.spool.start_checks import NEXT
from gateway.spool.values import MIB

STEP = 1 * MIB
"""Bytes read at a time; a pause follows each."""
_SAVE_EVERY = 60.0  # seconds
_SHARE = {"background": 9.0, "requested": 1.0}
"""How many times as long as it read the scrub then leaves the disk to others."""

_WORDS: dict[Verdict, tuple[str, str]] = {
    "damaged": (
        "spool.damaged",
        "object {number} is damaged on the disk: its bytes are not those that were received. What was not "
        "delivered of it is held and never sent: check the disk, have the object sent again",
    ),
    "missing": (
        "spool.missing",
        "the file of object {number} is missing; what was not delivered of it is held: check the disk, have "
        "the object sent again",
    ),
    "unreadable": (
        "spool.unreadable",
        "the disk does not give object {number} back; what waits of it is held: check the disk, then retry "
        "it or have it sent again",
    ),
}


class ScrubStore(Protocol):
    """What the scrub needs of the spool."""

    async def scrub_page(self, after: int) -> tuple[list[Target], int | None]: ...

    async def scrub_total(self) -> int: ...

    async def check_journal_rows(self, table: Table, after: int) -> tuple[int, int, int | None]: ...

    async def check_journal_counters(self) -> int: ...

    def examine(self, target: Target) -> Examination: ...

    async def settle_verdict(self, number: int, verdict: Verdict) -> bool: ...


class Scrub:
    """One per spool. For the event loop thread; the disk is read in others."""

    def __init__(
        self,
        store: ScrubStore,
        directory: Path,
        notices: Notices,
        policy: ScrubPolicy | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`directory`: of the spool, where the progress is written down."""
        self._store = store
        self._path = directory / scrub_progress.FILE
        self._notices = notices
        self._policy = policy or ScrubPolicy()
        self._wall_clock = wall_clock
        self._clock = clock
        self._sleep = sleep
        self._asked = asyncio.Event()
        self._progress = Progress()
        self._total = 0
        self._began = (0.0, 0)  # clock and bytes when this process took up the pass
        self._saved = 0.0
        self._next_at: float | None = None

    def request(self) -> None:
        """Check everything now. One that runs in the background becomes that one, from its beginning."""
        self._asked.set()

    def status(self) -> ScrubStatus:
        """Tell how things stand."""
        progress = self._progress
        rate = None
        if progress.current is not None:
            elapsed, read = self._clock() - self._began[0], progress.current.bytes - self._began[1]
            rate = read / elapsed if elapsed > 0 and read > 0 else None
        return ScrubStatus(
            running=progress.current is not None,
            current=progress.current,
            total_bytes=self._total,
            rate=rate,
            last=progress.last,
            next_at=self._next_at,
            found=progress.found,
        )

    async def run(self) -> None:
        """Check for ever. What fails is told, and is no reason to end."""
        self._progress = await asyncio.to_thread(scrub_progress.load, self._path)
        await self._wait(self._policy.start_after)
        try:
            while True:
                kind: PassKind = "background"
                if self._asked.is_set():
                    self._asked.clear()
                    kind = "requested"
                if self._progress.current is None or kind == "requested":
                    report = PassReport(kind, self._wall_clock())
                    found = () if kind == "requested" else self._progress.found
                    self._progress = replace(self._progress, current=report, after=0, found=found)
                await self._pass()
                if self._progress.current is None:
                    await self._wait(self._until_next())
        finally:
            with contextlib.suppress(OSError):
                scrub_progress.save(self._path, self._progress)

    def _until_next(self) -> float:
        """Seconds to the next pass: a clock that is wrong delays it by one period at most."""
        last, every = self._progress.last, self._policy.every
        since = (
            self._wall_clock() - last.ended_at if last is not None and last.ended_at is not None else every
        )
        return min(max(every - since, 0.0), every) if since >= 0 else every

    async def _wait(self, seconds: float) -> None:
        """Wait for the time, or for somebody who asks. Without a rate only the latter counts."""
        timeout = seconds if self._policy.bytes_per_second else None
        self._next_at = None if timeout is None else self._wall_clock() + timeout
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), timeout)
        self._next_at = None

    async def _pass(self) -> None:
        """Go on with the pass that is under way, to its end or until somebody asks for another."""
        self._total = await self._store.scrub_total()
        current = self._current
        self._began = (self._clock(), current.bytes)
        after: int | None = self._progress.after
        try:
            while after is not None:
                targets, following = await self._store.scrub_page(after)
                for target in targets:
                    await self._check(target)
                    await self._save(target.number)
                    if self._asked.is_set():
                        return
                after = following
        except SpoolFailure as error:
            self._fault(1, str(error))
        await self._check_journal()
        if self._asked.is_set():
            return
        ended = replace(self._current, ended_at=self._wall_clock())
        self._progress = replace(self._progress, current=None, last=ended, after=0)
        await self._save(0, now=True)

    @property
    def _current(self) -> PassReport:
        current = self._progress.current
        if current is None:
            raise RuntimeError("no pass is under way")
        return current

    def _note(self, **changes: Any) -> None:
        self._progress = replace(self._progress, current=replace(self._current, **changes))

    async def _check(self, target: Target) -> None:
        verdict = await self._read(target)
        if verdict in ("damaged", "unreadable"):  # once more: the memory or the cable may have been it
            verdict = await self._read(target)
        current = self._current
        self._note(objects=current.objects + 1)
        if verdict == "sound":
            return
        news = await self._store.settle_verdict(target.number, verdict)
        if not news and verdict != "unreadable" and target.place != PLACE_DAMAGED:
            return  # deleted in the meantime
        current = self._current
        self._note(**{verdict: getattr(current, verdict) + 1})
        one = Found(target.number, target.sop_class_uid, target.sop_instance_uid, verdict)
        self._progress = replace(self._progress, found=(*self._progress.found, one)[-FOUND_MOST:])
        if news and verdict in _WORDS:
            code, words = _WORDS[verdict]
            self._notices.publish(Alarm(code, words.format(number=target.number), target.number))

    async def _read(self, target: Target) -> Verdict:
        try:
            examination = await asyncio.to_thread(self._store.examine, target)
        except SpoolFailure as error:
            self._fault(1, str(error))
            return "unreadable"
        try:
            while True:
                started = self._clock()
                count = await asyncio.to_thread(examination.step, STEP)
                if not count:
                    break
                self._note(bytes=self._current.bytes + count)
                await self._pause(count, self._clock() - started)
        finally:
            verdict = examination.close()
        return verdict

    async def _pause(self, count: int, took: float) -> None:
        """Leave the disk to others, for a time that follows from what was just read."""
        kind = self._current.kind
        wait = took * _SHARE[kind]
        if kind == "background" and self._policy.bytes_per_second:
            wait = max(wait, count / self._policy.bytes_per_second)
        if took > self._policy.busy_seconds and kind == "background":
            wait = max(wait, self._policy.busy_pause)
        await self._sleep(wait)

    async def _save(self, after: int, *, now: bool = False) -> None:
        self._progress = replace(self._progress, after=after)
        if now or self._clock() - self._saved >= _SAVE_EVERY:
            self._saved = self._clock()
            with contextlib.suppress(OSError):  # it would only be read again
                await asyncio.to_thread(scrub_progress.save, self._path, self._progress)

    async def _check_journal(self) -> None:
        """Read the journal's own rows. What is wrong with it cannot be put right while it is in use."""
        for table in TABLES:
            after: int | None = 0
            while after is not None and not self._asked.is_set():
                started = self._clock()
                try:
                    rows, faults, after = await self._store.check_journal_rows(table, after)
                except SpoolFailure as error:
                    self._fault(1, str(error))
                    break
                self._note(journal_rows=self._current.journal_rows + rows)
                if faults:
                    self._fault(faults, f"rows of {table.name} are not where they belong")
                await self._sleep((self._clock() - started) * _SHARE[self._current.kind])
        try:
            wrong = await self._store.check_journal_counters()
        except SpoolFailure as error:
            self._fault(1, str(error))
        else:
            if wrong:
                self._fault(wrong, "the counters do not agree with the deliveries")
        if self._current.journal_faults:
            self._notices.publish(
                Alarm(
                    "spool.journal-damaged",
                    f"the journal is damaged ({self._current.journal_words}); everything that can be read is "
                    f"delivered still. Stop the gateway when it suits, and {NEXT}",
                )
            )

    def _fault(self, count: int, words: str) -> None:
        current = self._current
        self._note(
            journal_faults=current.journal_faults + count, journal_words=current.journal_words or words[:200]
        )
