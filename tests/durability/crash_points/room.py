"""The room in which a history happens: the real spool, and a mark for everything it promises."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.model import DeliveryState, Priority
from gateway.notices import Notices
from gateway.spool import (
    Accepted,
    CommitmentRequest,
    Confirmed,
    Hold,
    Job,
    PutBack,
    Settlement,
    Spool,
    SpoolLimits,
    Step,
    Stored,
)
from gateway.spool.files import Files
from tests.durability.crash_points.facts import FORGOTTEN, say
from tests.support.spooling import EXPLICIT, SMALL, a_receipt, an_instance, content, store

S = DeliveryState
INLINE = 400
"""Bytes of an object that lives in the journal."""
FILE = 1800
"""Bytes of one that has a file of four sectors or five, so that every way to tear it can be tried."""
LIMITS = SpoolLimits(inline_max=1024, file_threads=2)
_AFTER = {Accepted: S.ACCEPTED, PutBack: S.QUEUED, Hold: S.HELD, Confirmed: S.CONFIRMED}
_OUTCOMES = {"new": (S.QUEUED,), "conflict": (S.HELD,), "checking": (S.HELD, S.DISCARDED)}


class Room:
    """A spool in `directory`, opened and closed at will; `mark` notes what is said between its operations."""

    def __init__(self, directory: Path, mark: Callable[[str], None]) -> None:
        self.directory = directory
        self.mark = mark
        self._spool: Spool | None = None
        self._states: dict[tuple[int, str], tuple[str, ...]] = {}

    def open(self, files: Files | None = None) -> Spool:
        """Open the spool, as a start does."""
        self._spool = Spool.open(self.directory, LIMITS, notices=Notices(), files=files)
        return self._spool

    @property
    def spool(self) -> Spool:
        """The spool that was opened last."""
        assert self._spool is not None
        return self._spool

    async def close(self) -> None:
        """Close it, as an orderly end does; twice is as good as once."""
        if self._spool is not None:
            await self._spool.close()

    def remember(self, path: Path) -> None:
        """Take over what a former act has left: in which states deliveries may be."""
        if path.exists():
            for number, destination, states in json.loads(path.read_text()):
                self._states[number, destination] = tuple(states)

    def leave(self, path: Path) -> None:
        """Leave it for the next act."""
        path.write_text(json.dumps([[*one, states] for one, states in self._states.items()]))

    def begin(self, *, settled: bool = False) -> None:
        """From here on power cuts are tried. `settled`: what was done before counts as durable."""
        self.mark(say("begin", settled=settled))

    async def put(
        self,
        number: int,
        size: int = INLINE,
        *,
        to: Sequence[str] = ("oncology",),
        syntax: str = EXPLICIT,
        seed: int | None = None,
        priority: Priority = Priority.RECORD,
    ) -> Stored:
        """Offer an object, and note that it was acknowledged once it was."""
        data = content(number if seed is None else seed, size)
        uid, digest = an_instance(number).sop_instance_uid, hashlib.sha256(data).hexdigest()
        self.mark(say("offer", uid=uid, digest=digest))
        stored = await store(self.spool, data, number, priority=priority, to=to, syntax=syntax)
        states = tuple(state.value for state in _OUTCOMES.get(stored.outcome, (S.QUEUED,)))
        for destination in to:
            self._states.setdefault((stored.number, destination), states)
        self.mark(
            say(
                "acknowledge",
                object=stored.number,
                uid=uid,
                digest=stored.digest.hex(),
                size=stored.size,
                to=list(to),
                states=states,
            )
        )
        return stored

    def inherit(self, number: int, state: str) -> None:
        """Note that a former version has acknowledged an object (test_migration.py makes them)."""
        uid, digest = an_instance(number).sop_instance_uid, hashlib.sha256(content(number, SMALL)).hexdigest()
        more = {"size": SMALL, "to": ["oncology"], "states": [state]}
        self.mark(say("acknowledge", object=number, uid=uid, digest=digest, **more))
        self._states[number, "oncology"] = (state,)

    def state(self, number: int, destination: str, *states: str) -> None:
        """Note in which states a delivery may be found from now on."""
        self._states[number, destination] = states
        self.mark(say("state", object=number, destination=destination, states=states))

    def may_become(self, number: int, destination: str, *more: str) -> None:
        """Note that a delivery may be in one of these states as well: it was asked for."""
        before = self._states[number, destination]
        self.state(number, destination, *before, *more)

    async def settle(self, *outcomes: tuple[Job, Settlement]) -> None:
        """Settle attempts, and note it."""
        for job, outcome in outcomes:
            self.may_become(job.object.number, job.delivery.destination, _AFTER[type(outcome)].value)
        await self.spool.settle([outcome for _, outcome in outcomes])
        for job, outcome in outcomes:
            self.state(job.object.number, job.delivery.destination, _AFTER[type(outcome)].value)

    async def deliver(self, destination: str = "oncology", limit: int = 10) -> list[Job]:
        """Claim what is due and have it accepted."""
        jobs = await self.spool.claim(destination, limit)
        await self.settle(*((job, Accepted(job.delivery.number, a_receipt(job))) for job in jobs))
        return jobs

    async def expire(self, now: float, *, forget: bool = False) -> None:
        """Apply the retention as of `now`; `forget`: it is so late that history goes too."""
        done = [one for one, states in self._states.items() if set(states) & {S.ACCEPTED, S.CONFIRMED}]
        after = (S.RELEASED.value, FORGOTTEN) if forget else (S.RELEASED.value,)
        for one in done:
            self.may_become(*one, *after)
        gone = [one for one, states in self._states.items() if set(states) == {S.RELEASED.value}]
        if forget:
            for one in gone:
                self.may_become(*one, FORGOTTEN)
        await self.spool.expire(now)
        for one in done:
            self.state(*one, *after)

    async def step(self, step: Step) -> int:
        """Hand in a procedure step."""
        row = await self.spool.add_step(step)
        self.step_is(row.number, step.data, "queued")
        return row.number

    def step_is(self, number: int, data: bytes, *states: str) -> None:
        """Note in which states a step may be found from now on."""
        digest = hashlib.sha256(data).hexdigest()
        self.mark(say("step", number=number, digest=digest, states=states))

    async def commitment(self, request: CommitmentRequest) -> int:
        """Ask for storage commitment."""
        added = await self.spool.add_commitment(request)
        self.commitment_is(request.transaction_uid, "open", "reporting")
        return added.number

    def commitment_is(self, uid: str, *states: str) -> None:
        """Note in which states a transaction may be found from now on."""
        self.mark(say("commitment", uid=uid, states=states))


class DyingFiles(Files):
    """The real filesystem, and kill -9 before the nth directory is synced, or after it is made."""

    def __init__(self, call: str, nth: int) -> None:
        self._call = call
        self._left = nth

    def _reached(self, call: str) -> None:
        self._left -= call == self._call
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        self._reached("make_directory")

    def sync_directory(self, path: Path) -> None:
        self._reached("sync_directory")
        super().sync_directory(path)
