"""What a gateway does with its spool, once through, in a process of its own while the disk goes wrong.

    object -> put (inline, file, many at once, again, other content, other syntax) -> claim, read, settle ->
    operators, commitment, steps, comparison -> retention, checkpoints -> close -> open -> put -> close

Every answer goes to a ledger outside the spool, as a line of JSON, at the moment at which a console would
have it. It ends as the daemon does: by itself, with code 0, or with code 1 and words when the spool says that
it cannot go on. Anything else is a defect.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.model import Priority
from gateway.notices import Alarm, Notice, Notices
from gateway.spool import (
    Accepted,
    Confirmed,
    Hold,
    Job,
    PutBack,
    Spool,
    SpoolLimits,
    ballast,
    journal,
    recovery,
)
from gateway.spool.values import KIB, MIB
from tests.support.committing import a_request, a_step, references
from tests.support.spooling import EXPLICIT, IMPLICIT, a_receipt, an_instance, an_origin, content

T = TypeVar("T")
WENT_ON, ENDED, DEFECT = 0, 1, 70
LIMITS = SpoolLimits(
    inline_max=4 * KIB,
    reserve_bytes=4 * MIB,
    floor_bytes=1 * MIB,
    min_free_inodes=100,
    max_pending_bytes=16 * KIB,
    file_threads=2,
    retention_seconds=0.0,
    history_rows=3,
)
SMALL, LARGE, LARGER = 700, 30_000, 90_000
PATIENCE = 20.0
"""Seconds that anything may take; longer is for ever."""
_FAR = 1e12


@contextmanager
def small_journal() -> Iterator[None]:
    """A journal that is written back, shrunk and refilled every few transactions, as others are in days."""
    wanted = (
        (journal, "WAL_PAGES_IDLE", 6),
        (journal, "WAL_PAGES_MAX", 40),
        (journal, "IDLE_SECONDS", 0.005),
        (journal, "REFRESH_SECONDS", 0.0),
        (journal, "FREE_PAGES_MAX", 2),
        (recovery, "WAL_READY", 128 * KIB),
        (ballast, "SIZE", 64 * KIB),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    try:
        for module, name, value in wanted:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class Ledger:
    """What was said to the world, in order; each line is on its way before anything else happens."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(self, what: str, **facts: object) -> None:
        os.write(self._descriptor, json.dumps({"what": what, **facts}).encode() + b"\n")

    def hear(self, notice: Notice) -> None:
        if isinstance(notice, Alarm):
            self.say("alarm", code=notice.code, words=notice.text)


class Errand:
    """The walk through. `number` of an object: its SOP Instance UID and its content follow from it."""

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self._directory = directory
        self._ledger = ledger
        self._notices = Notices()
        self._notices.subscribe(ledger.hear)
        self._spool: Spool | None = None
        self._failed: asyncio.Task[None] | None = None

    @property
    def spool(self) -> Spool:
        assert self._spool is not None
        return self._spool

    def open(self) -> None:
        self._spool = Spool.open(self._directory, LIMITS, notices=self._notices)
        self._failed = asyncio.create_task(self._spool.wait_failed())
        self._ledger.say("opened")

    async def close(self) -> None:
        assert self._failed is not None
        async with asyncio.timeout(PATIENCE):
            await self.spool.close()
            await asyncio.wait([self._failed])
        self._ledger.say("closed")
        self.end_if_told()

    def end_if_told(self) -> None:
        """As app.py: the process ends when the spool cannot be trusted any more."""
        if self._failed is not None and self._failed.done() and not self._failed.cancelled():
            error = self._failed.exception()
            if error is not None:
                raise error

    async def attempt(self, what: str, work: Awaitable[T], **facts: object) -> T | None:
        """Do something that may be refused, and say how it went."""
        self._ledger.say("begun", of=what, **facts)
        try:
            async with asyncio.timeout(PATIENCE):
                result = await work
        except (NoRoom, SpoolFailure, LocalError) as error:
            self._ledger.say("refused", of=what, kind=type(error).__name__, words=str(error), **facts)
            await asyncio.sleep(0)  # what the spool has to say about itself comes with the refusal
            self.end_if_told()
            return None
        self._ledger.say("done", of=what, **facts)
        return result

    async def put(
        self, number: int, size: int, *, variant: int = 0, syntax: str = EXPLICIT, to: tuple[str, ...] = ()
    ) -> None:
        data = content(number + 1000 * variant, size)
        instance = an_instance(number, syntax)
        facts: dict[str, Any] = {
            "uid": instance.sop_instance_uid,
            "syntax": syntax,
            "digest": hashlib.sha256(data).hexdigest(),
        }
        priority = Priority.RECORD if number % 2 else Priority.IMAGE
        destinations = to or ("oncology",)

        async def store() -> None:
            incoming = self.spool.receive(instance, an_origin(), priority, destinations)
            for start in range(0, len(data), 8192):
                if incoming.pressure:
                    await incoming.drained()
                incoming.write(data[start : start + 8192])
            stored = await incoming.commit()
            self._ledger.say("acknowledged", outcome=stored.outcome, number=stored.number, **facts)

        await self.attempt("put", store(), **facts)

    async def abandoned(self, number: int) -> None:
        """The peer goes away in the middle of an object."""

        async def some() -> None:
            incoming = self.spool.receive(an_instance(number), an_origin(), Priority.IMAGE, ["oncology"])
            incoming.write(content(number, LARGE))
            incoming.abandon()

        await self.attempt("abandoned", some())

    async def deliver(self, limit: int, outcome: Callable[[Job], Any]) -> None:
        """Claim, read every byte as a transport does, settle."""
        jobs = await self.attempt("claim", self.spool.claim("oncology", limit)) or []
        outcomes = []
        for job in jobs:
            uid = job.object.instance.sop_instance_uid
            try:
                data = job.data
                if data is None:
                    with self.spool.open_data(job.object.number) as reader:
                        data = b"".join(iter(lambda: reader.read(16 * KIB), b""))
            except (SpoolFailure, OSError) as error:
                self._ledger.say("unreadable", uid=uid, words=str(error))
                outcomes.append(PutBack(job.delivery.number, 0.0, "its bytes cannot be read"))
                continue
            digest = hashlib.sha256(data).hexdigest()
            self._ledger.say("sent", uid=uid, digest=digest, claimed=job.object.digest.hex())
            result = outcome(job)
            if isinstance(result, Accepted):
                self._ledger.say("may go", uid=uid, digest=digest)  # delivered: retention may delete it
            outcomes.append(result)
        if outcomes:
            await self.attempt("settle", self.spool.settle(outcomes))

    async def delivering(self) -> None:
        await self.deliver(3, lambda job: Accepted(job.delivery.number, a_receipt(job)))
        await self.deliver(1, lambda job: PutBack(job.delivery.number, 0.0, "busy"))
        await self.deliver(1, lambda job: Hold(job.delivery.number, "no", "rejected"))
        rows = await self.attempt("list", self.spool.list_deliveries()) or []
        accepted = [row for row in rows if row.delivery.state.value == "accepted"]
        if accepted:
            await self.attempt("settle", self.spool.settle([Confirmed(accepted[0].delivery.number, "so")]))

    async def operating(self) -> None:
        rows = await self.attempt("list", self.spool.list_deliveries()) or []
        waiting = [row for row in rows if row.delivery.state.value == "queued"]
        if waiting:
            number = waiting[0].delivery.number
            await self.attempt("hold", self.spool.hold(number, "let me see"))
            await self.attempt("show", self.spool.show(number))
            await self.attempt("release", self.spool.release(number))
        if len(waiting) > 1:
            row = waiting[1]
            digest = row.object.digest.hex()
            self._ledger.say("may go", uid=row.object.instance.sop_instance_uid, digest=digest)
            await self.attempt("discard", self.spool.discard(row.delivery.number, "not wanted"))
        await self.attempt("summary", self.spool.summary())

    async def committing(self) -> None:
        await self.attempt("ask for", self.spool.add_commitment(a_request(1, 2)))
        await self.attempt("ask", self.spool.ask_begun("oncology", "2.25.1", references(1, 2), _FAR))
        answered = self.spool.ask_answered("2.25.1", references(1, 2), [], "committed", resend=frozenset())
        await self.attempt("answer", answered)
        for report in await self.attempt("reports", self.spool.commitments_to_report(10)) or []:
            await self.attempt("report", self.spool.commitment_reported(report.number))
        step = await self.attempt("step", self.spool.add_step(a_step()))
        if step is not None:
            await self.attempt("step done", self.spool.step_done(step.number, 0, ""))

    async def settle_down(self) -> None:
        """Let the journal have its idle moment, and the workers finish what follows an answer."""
        await self.attempt("summary", self.spool.summary())
        await asyncio.sleep(0.03)

    async def walk(self) -> None:
        self.open()
        await self.put(1, SMALL)
        await self.put(2, LARGE, to=("oncology", "archive"))
        await asyncio.gather(*(self.put(3 + lane, LARGER if lane % 2 else SMALL) for lane in range(4)))
        await self.put(2, LARGE, to=("oncology", "archive"))  # the same again
        await self.put(1, SMALL, variant=1)  # other content: a conflict
        await self.put(3, SMALL, syntax=IMPLICIT, variant=1)  # compared in the background
        await self.abandoned(40)
        self.end_if_told()
        await self.delivering()
        await self.operating()
        await self.committing()
        await self.attempt("expire", self.spool.expire(now=_FAR))
        await self.settle_down()
        await asyncio.gather(*(self.put(20 + lane, SMALL if lane % 2 else LARGE) for lane in range(3)))
        self.end_if_told()
        await self.close()
        self.open()
        await self.put(30, SMALL)
        await self.put(31, LARGE)
        await self.delivering()
        await self.settle_down()
        await self.put(32, LARGE)
        self.end_if_told()
        await self.close()

    async def run(self) -> int:
        """Walk, and end as the daemon would."""
        try:
            await self.walk()
        except SpoolFailure as error:
            self._ledger.say("ended", words=str(error))
            if self._failed is not None:
                self._failed.add_done_callback(lambda task: task.cancelled() or task.exception())
            if self._spool is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        await self._spool.close()
                    return ENDED
                self._ledger.say("defect", words="the spool does not close")
                return DEFECT
            return ENDED
        return WENT_ON


def run(directory: Path, ledger_path: Path) -> int:
    """Run one errand in this process; return its exit code."""
    ledger = Ledger(ledger_path)
    try:
        with small_journal():
            return asyncio.run(Errand(directory, ledger).run())
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a defect, and told
        ledger.say("defect", words=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return DEFECT
