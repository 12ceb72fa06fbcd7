"""Procedure steps for tests: steps to hand in, the spool's part in memory, and a peer that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from gateway.dicom import data_set
from gateway.dicom.command import Command, CommandField
from gateway.errors import LocalError, SpoolFailure
from gateway.model import AETitle
from gateway.procedure_steps.sender import Answered, Reply
from gateway.spool.step_values import Step, StepKind, StepRow, StepState

MPPS = "1.2.840.10008.3.1.2.3.3"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
UID = "1.2.826.0.1.3680043.10.1."


def attributes(status: str = "IN PROGRESS", syntax: str = IMPLICIT, **more: str) -> bytes:
    """Encode a few attributes of a procedure step, its status among them."""
    elements = {0x00080060: ("CS", "RTIMAGE"), 0x00400252: ("CS", status)}
    elements |= {int(tag.removeprefix("t"), 16): ("LO", value) for tag, value in more.items()}
    return data_set.encode(elements, syntax)


def a_step(
    number: int = 1,
    kind: StepKind = "create",
    status: str = "",
    *,
    calling_ae: str = "LINAC1",
    destination: str = "oncology",
    syntax: str = IMPLICIT,
) -> Step:
    """Return a step of procedure step `number`."""
    status = status or ("IN PROGRESS" if kind == "create" else "COMPLETED")
    data = attributes(status, syntax, t00400254=f"{kind} {status} of {number}")
    return Step(MPPS, f"{UID}{number}", kind, syntax, calling_ae, "ARIA", destination, data)


def a_row(number: int, step: Step | None = None, *, attempts: int = 0, uncertain: bool = False) -> StepRow:
    """Return a queued row."""
    step = step or a_step(number)
    return StepRow(
        number=number,
        step=step,
        state=StepState.QUEUED,
        attempts=attempts,
        uncertain=uncertain,
        not_before=0.0,
        reason="",
        status=None,
        comment="",
        who="",
        size=len(step.data),
        received_at=0.0,
        updated_at=0.0,
    )


def an_answer(
    status: int = 0x0000,
    kind: StepKind = "create",
    *,
    comment: str | None = None,
    error_id: int | None = None,
) -> Command:
    """Return what a peer answers."""
    field = CommandField.N_CREATE_RSP if kind == "create" else CommandField.N_SET_RSP
    return Command(
        command_field=field,
        message_id_responded_to=1,
        status=status,
        error_comment=comment,
        error_id=error_id,
    )


_UNFINISHED = (StepState.QUEUED, StepState.HELD)


class FakeStepSpool:
    """The spool's part for procedure steps. Every answer comes a few turns of the loop later.

    tests/procedure_steps/test_fakes.py runs it and the real one through the same questions.
    """

    def __init__(self, wall_clock: Callable[[], float] = lambda: 0.0) -> None:
        self.rows: dict[int, StepRow] = {}
        self.events: list[tuple[str, int]] = []
        self.questions = 0
        self.failure: SpoolFailure | None = None
        self.before_writing: Callable[[str], Awaitable[None]] | None = None
        self._wall_clock = wall_clock
        self._callbacks: list[Callable[[str], None]] = []

    async def add_step(self, step: Step) -> StepRow:
        await self._written("add")
        row = a_row(len(self.rows) + 1, step)
        self._set("add", row)
        return row

    async def next_steps(self, destination: str, limit: int) -> list[StepRow]:
        self.questions += 1
        found = [row for row in self._first(destination) if row.not_before <= self._wall_clock()]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return found[:limit]

    async def next_step_due(self, destination: str) -> float | None:
        times = [row.not_before for row in self._first(destination)]
        await asyncio.sleep(0)
        return min((0.0 if due <= self._wall_clock() else due for due in times), default=None)

    async def step_done(self, number: int, status: int, comment: str) -> None:
        await self._written("done")
        self._move("done", number, StepState.DONE, status=status, comment=comment)

    async def step_refused(self, number: int, status: int) -> None:
        await self._written("refused")
        self._move("refused", number, StepState.REFUSED, status=status)

    async def step_put_back(self, number: int, not_before: float, reason: str, uncertain: bool) -> None:
        await self._written("put-back")
        uncertain = uncertain or self.rows[number].uncertain
        self._move(
            "put-back", number, StepState.QUEUED, not_before=not_before, reason=reason, uncertain=uncertain
        )

    async def step_held(self, number: int, reason: str) -> None:
        await self._written("held")
        self._move("held", number, StepState.HELD, reason=reason)

    async def steps_open(self, sop_instance_uid: str, destination: str) -> int:
        await asyncio.sleep(0)
        return sum(
            row.state in _UNFINISHED
            for row in self.rows.values()
            if (row.step.sop_instance_uid, row.step.destination) == (sop_instance_uid, destination)
        )

    async def retry_step(self, number: int, *, who: str = "") -> StepRow:
        row = self.rows[number]
        self._set("retry", replace(row, state=StepState.QUEUED, not_before=0.0, who=who))
        return row

    async def discard_step(self, number: int, reason: str, *, who: str = "") -> StepRow:
        row = self.rows[number]
        self._set("discard", replace(row, state=StepState.DISCARDED, reason=reason, who=who))
        return row

    def on_step(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._callbacks)

    def state(self, number: int) -> StepState:
        """Return where a step stands."""
        return self.rows[number].state

    def _first(self, destination: str) -> list[StepRow]:
        """The first unfinished step of each instance that is not held."""
        first: dict[str, StepRow] = {}
        for row in self.rows.values():
            if row.step.destination == destination and row.state in _UNFINISHED:
                first.setdefault(row.step.sop_instance_uid, row)
        return [row for row in first.values() if row.state is StepState.QUEUED]

    async def _written(self, what: str) -> None:
        if self.before_writing is not None:
            await self.before_writing(what)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    def _move(self, event: str, number: int, state: StepState, **changes: object) -> None:
        row = self.rows[number]
        if row.state is not StepState.QUEUED:
            raise LocalError(f"a procedure step that is {row.state} cannot be {event}")
        changes.setdefault("not_before", 0.0)
        self._set(event, replace(row, state=state, attempts=row.attempts + 1, **changes))  # type: ignore[arg-type]

    def _set(self, event: str, row: StepRow) -> None:
        self.rows[row.number] = row
        self.events.append((event, row.number))
        for callback in tuple(self._callbacks):
            asyncio.get_running_loop().call_soon(callback, row.step.destination)


@dataclass
class FakeSender:
    """A peer that answers as `replies` says, in order, and success when they are used up.

    An entry may be a reply, a future to wait for, or a function of step and title.
    """

    replies: list[Reply | asyncio.Future[Reply] | Callable[[Step, AETitle], Reply]] = field(
        default_factory=list
    )
    sent: list[tuple[Step, AETitle]] = field(default_factory=list)
    closed: bool = False
    flying: int = 0
    most_flying: int = 0

    async def send(self, step: Step, calling_ae: AETitle) -> Reply:
        """Answer after a turn of the loop."""
        self.sent.append((step, calling_ae))
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(0)
            reply = self.replies.pop(0) if self.replies else Answered(an_answer(0, step.kind))
            if isinstance(reply, asyncio.Future):
                return await reply
            return reply(step, calling_ae) if callable(reply) else reply
        finally:
            self.flying -= 1

    async def close(self) -> None:
        """Note it."""
        self.closed = True

    def order(self) -> list[tuple[int, str]]:
        """Return what was sent as (procedure step, kind)."""
        return [(int(step.sop_instance_uid.removeprefix(UID)), step.kind) for step, _ in self.sent]
