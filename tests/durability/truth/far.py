"""A destination that can do anything, and the way to it: a transport that keeps the contract of transports.

The far end outlives every crash of the gateway. What it has taken, it has taken whether or not the gateway
learns of it: an answer that is lost on the way is the reason why delivery is at least once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.delivery.classification import Cause, classify_status, failure
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt
from gateway.delivery.transports import Work
from gateway.errors import DeliveryFailure, LocalError
from gateway.model import Receipt
from gateway.spool import DataReader, Job
from tests.durability.truth.journal_watch import Reasons, digest_of

ANSWER_TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0
STATUS = {
    "well": 0x0000,
    "warns": 0xB000,
    "out of resources": 0xA700,
    "fails to process": 0x0110,
    "busy": 0xC000,
    "refuses": 0xA900,
    "conflict": 0x0111,
    "unknown status": 0xD123,
}
TAKES = frozenset({"well", "warns"})
BREAKS = ("aborts", "dies", "dies afterwards", "silent", "silent afterwards", "answers for another")
MOODS = (*STATUS, *BREAKS)
ATTITUDES: dict[str, Cause | None] = {
    "accepts": None,
    "rejects for now": Cause.REJECTED_TRANSIENT,
    "rejects": Cause.REJECTED_PERMANENT,
    "does not answer": Cause.NO_ASSOCIATION,
    "bad certificate": Cause.TLS,
}


@dataclass(eq=False)
class Line:
    """One association. `cut` says why it ended under whoever uses it."""

    warm: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    cut: Cause = Cause.LOST

    def end(self, cause: Cause) -> None:
        if not self.over.is_set():
            self.cut = cause
            self.over.set()

    async def ends_within(self, seconds: float) -> bool:
        """Let time pass; True when the association ended meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self.over.wait()
        except TimeoutError:
            return False
        return True


class Far:
    """One destination, well until told otherwise."""

    def __init__(self, name: str, reasons: Reasons, *, associations: int, window: int) -> None:
        self.name = name
        self.up = True
        self.attitude = "accepts"
        self.mood = "well"
        self.cursed: dict[str, str] = {}  # SOP Instance UID -> how it is answered, whatever the mood
        self.latency = 0.01
        self.goodput = 2_000_000.0  # bytes per second of one association
        self.thinking = 0.0  # seconds before it answers
        self.associations = associations  # how many it allows at a time
        self.window = window
        self.lines: dict[Line, None] = {}  # in the order in which they were opened
        self.kept: Counter[tuple[str, bytes]] = Counter()
        self._reasons = reasons

    def keep(self, uid: str, data: bytes) -> None:
        """It has it now."""
        self.take((uid, digest_of(data)))

    def take(self, what: tuple[str, bytes]) -> None:
        self.kept[what] += 1
        self._reasons.kept.setdefault(self.name, set()).add(what)

    def link(self, *, up: bool) -> None:
        """The link goes, and everything on it; or it comes back."""
        self.up = up
        if not up:
            self.hang_up()

    def hang_up(self) -> None:
        """Every association ends: the link went, or the process at our end."""
        for line in tuple(self.lines):
            line.end(Cause.LOST)
        self.lines.clear()

    def recover(self) -> None:
        """Everything is well again, except for objects that it does not want for their own sake."""
        self.up, self.attitude, self.mood = True, "accepts", "well"
        # These two are refusals for now, however often: such an object is tried for ever.
        for_now = ("out of resources", "fails to process")
        self.cursed = {uid: mood for uid, mood in self.cursed.items() if mood not in for_now}
        self.latency, self.goodput, self.thinking = 0.01, 2_000_000.0, 0.0


class ScriptedTransport:
    """The way to a `Far`, as the gateway's transports are: see gateway/delivery/transports."""

    def __init__(
        self,
        far: Far,
        policy: DeliveryPolicy,
        open_data: Callable[[int], DataReader],
        wall: Callable[[], float],
    ) -> None:
        self._far = far
        self._policy = policy
        self._open_data = open_data
        self._wall = wall
        self._idle: list[Line] = []

    async def send(self, work: Work) -> None:
        while work.first() is not None:
            line = self._warm() or await self._associate()
            try:
                await self._use(line, work)
            except BaseException:
                self._drop(line)
                raise
            if line.over.is_set():
                self._drop(line)
            else:
                self._idle.append(line)

    async def probe(self) -> float | None:
        line = await self._associate()
        if await line.ends_within(self._far.latency):
            self._drop(line)
            raise failure(Cause.NO_ASSOCIATION, "C-ECHO failed")
        self._idle.append(line)
        return self._far.latency

    async def close(self) -> None:
        for line in self._idle:
            self._drop(line)
        self._idle.clear()

    def _warm(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            # A peer that went away without a word looks alive until something is sent.
            if not line.over.is_set() or line.cut is Cause.LOST:
                line.warm = True
                return line
        return None

    def _drop(self, line: Line) -> None:
        line.end(Cause.ABORTED)
        self._far.lines.pop(line, None)

    async def _associate(self) -> Line:
        far = self._far
        for idle in self._idle:
            self._drop(idle)
        self._idle.clear()
        await asyncio.sleep(2 * far.latency)
        if not far.up:
            await asyncio.sleep(CONNECT_TIMEOUT)
            raise failure(Cause.UNREACHABLE, "nothing listens there")
        cause = ATTITUDES[far.attitude]
        if cause is None and len(far.lines) >= far.associations:
            cause = Cause.REJECTED_TRANSIENT
        if cause is not None:
            raise failure(cause, f"the destination {far.attitude}")
        line = Line()
        far.lines[line] = None
        return line

    async def _use(self, line: Line, work: Work) -> None:
        on_wire: list[asyncio.Task[None]] = []
        try:
            while True:
                if work.first() is not None and not line.over.is_set() and len(on_wire) < self._far.window:
                    left = asyncio.Event()
                    on_wire.append(asyncio.create_task(self._carry(line, work.take(), work, left)))
                    await left.wait()
                elif line.over.is_set() and line.warm and not on_wire and work.first() is not None:
                    await self._carry(line, work.take(), work, asyncio.Event())
                    return
                elif not on_wire:
                    return
                else:
                    await asyncio.wait(on_wire, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in on_wire if task.done()]:
                    on_wire.remove(task)
                    task.result()
        finally:
            for task in on_wire:
                task.cancel()
            if on_wire:
                await asyncio.wait(on_wire)

    async def _carry(self, line: Line, job: Job, work: Work, left: asyncio.Event) -> None:
        started = asyncio.get_running_loop().time()
        outcome: Receipt | DeliveryFailure
        try:
            outcome = await self._store(line, job, left)
        except DeliveryFailure as trouble:
            outcome = trouble
        finally:
            left.set()
        work.settled(job, outcome, asyncio.get_running_loop().time() - started)

    async def _store(self, line: Line, job: Job, left: asyncio.Event) -> Receipt:
        data = job.data if job.data is not None else self._read(job)
        if digest_of(data) != job.object.digest:
            raise failure(Cause.DAMAGED, "the stored bytes are not those that were received")
        if await line.ends_within(len(data) / self._far.goodput):
            raise self._broken(line)
        left.set()
        status = await self._answered(line, job, data)
        line.warm = False
        meaning = classify_status(status, self._policy)
        if meaning.cause is not None:
            raise failure(meaning.cause, meaning.words, status=status)
        return make_receipt(
            self._far.name,
            status,
            "",
            transfer_syntax_uid=job.object.instance.transfer_syntax_uid,
            digest=digest_of(data),
            at=self._wall(),
        )

    async def _answered(self, line: Line, job: Job, data: bytes) -> int:
        """What the far end does with an object that has arrived, and its status."""
        far = self._far
        uid = job.object.instance.sop_instance_uid
        if await line.ends_within(far.latency + far.thinking):
            raise self._broken(line)
        mood = far.cursed.get(uid, far.mood)
        if mood in TAKES or mood.endswith("afterwards"):
            far.keep(uid, data)
        if mood.startswith(("aborts", "dies")):
            line.end(Cause.ABORTED if mood == "aborts" else Cause.LOST)
        elif mood.startswith("silent"):
            if not await line.ends_within(ANSWER_TIMEOUT):
                line.end(Cause.LOST)
                raise failure(Cause.TIMEOUT, "no answer")
        elif mood == "answers for another":
            line.end(Cause.LOST)
            raise failure(Cause.VIOLATION, "the destination answered for another object than the one sent")
        if await line.ends_within(far.latency):
            raise self._broken(line)
        return STATUS[mood]

    def _broken(self, line: Line) -> DeliveryFailure:
        cause = Cause.STALE if line.warm else line.cut
        return failure(cause, "the association ended")

    def _read(self, job: Job) -> bytes:
        try:
            with self._open_data(job.object.number) as reader:
                return reader.read(job.object.size)
        except LocalError as error:
            raise failure(Cause.LOCAL, str(error)) from error
