"""Where threads meet the event loop: what they have to say is taken in here, in order, on the loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial

from gateway.errors import SpoolFailure
from gateway.model import Priority
from gateway.notices import Alarm, Notices
from gateway.spool.journal import Batch
from gateway.spool.quota import Ledger
from gateway.spool.values import MIB

_ROOM_AGAIN = 4 * MIB
"""Free room above the mark from which a refusal counts as over: the next one raises an alarm again."""


class LoopSide:
    """The loop thread's end of the spool: answers, room, alarms, and who wants to know of work."""

    def __init__(self, notices: Notices, ledger: Ledger, compare: Callable[[Sequence[int]], None]) -> None:
        self._notices = notices
        self._ledger = ledger
        self._compare = compare
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work_callbacks: list[Callable[[str], None]] = []
        self._settled_callbacks: list[Callable[[str], None]] = []
        self._step_callbacks: list[Callable[[str], None]] = []
        self._report_callbacks: list[Callable[[str], None]] = []
        self._commitment_callbacks: list[Callable[[], None]] = []
        self._refusing: set[Priority] = set()
        self._ended = asyncio.Event()
        self._failure: SpoolFailure | None = None

    def bind(self) -> bool:
        """Remember the running loop; True the first time."""
        if self._loop is not None:
            return False
        self._loop = asyncio.get_running_loop()
        return True

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Have `callback` called on the loop. Any thread."""
        loop = self._loop
        if loop is None:
            return  # before the first use there is nobody to be told
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(callback)

    def deliver(self, batch: Batch) -> None:
        """Take a batch to the loop. Any thread."""
        self.call_soon(partial(self._take, batch))

    def defect(self, error: BaseException) -> None:
        """A thread met something that cannot happen: the process must end. Any thread."""
        failure = SpoolFailure(f"a defect in the spool: {type(error).__name__}")
        failure.__cause__ = error
        self.deliver(Batch(failed=failure))

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See Spool.on_work."""
        self._work_callbacks.append(callback)
        return lambda: self._work_callbacks.remove(callback)

    def on_settled(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See Spool.on_settled."""
        self._settled_callbacks.append(callback)
        return lambda: self._settled_callbacks.remove(callback)

    def on_step(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See Spool.on_step."""
        self._step_callbacks.append(callback)
        return lambda: self._step_callbacks.remove(callback)

    def on_reports(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """See Spool.on_reports."""
        self._report_callbacks.append(callback)
        return lambda: self._report_callbacks.remove(callback)

    def on_commitment(self, callback: Callable[[], None]) -> Callable[[], None]:
        """See Spool.on_commitment."""
        self._commitment_callbacks.append(callback)
        return lambda: self._commitment_callbacks.remove(callback)

    def refused(self, priority: Priority) -> None:
        """There was no room: alarm, once until there is room again."""
        if priority in self._refusing:
            return
        self._refusing.add(priority)
        disk = self._ledger.disk
        free = f"{disk.free // MIB} MiB free on the disk"
        if disk.inodes_free is not None:
            free += f", room for {disk.inodes_free} more files"
        self.alarm(
            Alarm(
                "spool.room",
                f"objects of priority {priority.label} are refused: the spool has no room for them "
                f"({free}); deliver or discard what waits, or give it a larger disk",
            )
        )

    def alarm(self, alarm: Alarm) -> None:
        """Publish an alarm. On the loop."""
        self._notices.publish(alarm)

    def _take(self, batch: Batch) -> None:
        for answer, result, error in batch.results:
            answer(result, error)
        if batch.disk is not None:
            self._ledger.refresh(batch.disk, batch.kept)
            self._refusing = {one for one in self._refusing if self._ledger.room(one) < _ROOM_AGAIN}
        for alarm in batch.alarms:
            self._notices.publish(alarm)
        if batch.compare:
            self._compare(batch.compare)
        if batch.failed is not None and self._failure is None:
            self._failure = batch.failed
            self._notices.publish(Alarm("spool.failed", f"{batch.failed}; the gateway has to restart"))
            self._ended.set()
        for destinations, callbacks in (
            (batch.work, self._work_callbacks),
            (batch.settled, self._settled_callbacks),
            (batch.steps, self._step_callbacks),
            (batch.reports, self._report_callbacks),
        ):
            for destination in destinations:
                for callback in tuple(callbacks):
                    callback(destination)
        if batch.commitment:
            for tell in tuple(self._commitment_callbacks):
                tell()

    async def wait_failed(self) -> None:
        """See Spool.wait_failed."""
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Let those go who wait for a failure."""
        self._ended.set()
