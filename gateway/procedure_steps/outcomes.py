"""What the journal, the waiting console and a person are told about one try to pass a step on.

The journal comes first, then the console: a crash between the two leaves a console without an answer, which
it knows how to deal with, and never one that was told of a failure that is then tried again behind its back.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.dicom.command import Command, CommandField
from gateway.errors import LocalError, SpoolFailure
from gateway.model import AETitle
from gateway.notices import Alarm, Notices, StepSettled
from gateway.procedure_steps.decisions import PROCESSING_FAILURE, Decision, Verdict, judge
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Answered, NotSent, Unanswered
from gateway.procedure_steps.waiting import Waits
from gateway.spool.step_values import Step, StepRow

_SUCCESS: Final = 0x0000
_COMMENT_MAX: Final = 64  # characters of an error comment, an LO


class Settling(Protocol):
    """What is told to the journal. All of it is durable when it returns."""

    async def step_done(self, number: int, status: int, comment: str) -> None:
        """The destination accepted it."""

    async def step_refused(self, number: int, status: int) -> None:
        """The destination refused it, and its console is told so: drop it."""

    async def step_put_back(self, number: int, not_before: float, reason: str, uncertain: bool) -> None:
        """Try again, not before `not_before` (wall clock; 0: at once)."""

    async def step_held(self, number: int, reason: str) -> None:
        """Keep it for a person; what follows of the same procedure step waits behind it."""


class Try:
    """One try that came to an end: what was sent for whom, and how long it took."""

    __slots__ = ("calling_ae", "row", "seconds", "uncertain")

    def __init__(self, row: StepRow, calling_ae: AETitle, *, uncertain: bool, seconds: float) -> None:
        """`uncertain`: a try before this one may have arrived."""
        self.row = row
        self.calling_ae = calling_ae
        self.uncertain = uncertain
        self.seconds = seconds


class Outcomes:
    """Turns replies into what the journal says. One destination."""

    def __init__(
        self,
        destination: str,
        journal: Settling,
        notices: Notices,
        policy: StepPolicy,
        waits: Waits,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """`clock` is monotonic, `wall_clock` is what the journal's due times are in."""
        self._destination = destination
        self._journal = journal
        self._notices = notices
        self._policy = policy
        self._waits = waits
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self._later: dict[int, float] = {}  # steps that were put back, until when (monotonic)

    def next_due(self, now: float) -> float | None:
        """When the next of the steps that were put back here may go (monotonic)."""
        self._later = {number: until for number, until in self._later.items() if until > now}
        return min(self._later.values(), default=None)

    async def settle(self, one: Try, reply: Answered | Unanswered | NotSent) -> None:
        """Record what became of a step. SpoolFailure ends the process; a person's decision goes first."""
        match reply:
            case Answered(command):
                await self._answered(one, command)
            case Unanswered(reason):
                await self._again(one, reason, None, uncertain=True)
            case NotSent(_, reason):
                await self._impossible(one, reason)

    async def cut_off(self, row: StepRow, reason: str) -> None:
        """This was on the wire when something else came in between: it may have arrived."""
        await self._record(self._journal.step_put_back(row.number, 0.0, reason, True))

    async def make_way(self, row: StepRow, seconds: float, *, uncertain: bool) -> None:
        """Put a step out of the way of others that can be sent; nothing was tried."""
        await self._put_back(row, seconds, row.reason, uncertain=uncertain)

    async def _answered(self, one: Try, command: Command) -> None:
        row, code = one.row, command.status or 0
        decision = judge(
            row.step, command, uncertain=one.uncertain, attempts=row.attempts + 1, policy=self._policy
        )
        if self._waits.claim(row.number):
            await self._settle_awaited(one, command, decision)
        elif decision.verdict is Verdict.DONE:
            await self._record(self._journal.step_done(row.number, code, _printable(command.error_comment)))
            self._tell(one, "done", code, decision.words if code else "")
        elif decision.verdict is Verdict.RETRY:
            await self._again(one, decision.words, code, uncertain=one.uncertain)
        else:
            await self._hold(one, decision.words, code)

    async def _settle_awaited(self, one: Try, command: Command, decision: Decision) -> None:
        """The console hears the destination's own answer, whatever it is, and that is the end of the step."""
        row, code = one.row, command.status or 0
        if decision.verdict is Verdict.DONE:
            await self._record(self._journal.step_done(row.number, code, _printable(command.error_comment)))
            self._tell(one, "done", code, decision.words if code else "")
            answer = _answer(row.step, _SUCCESS) if decision.by_earlier_try else command
        else:
            await self._record(self._journal.step_refused(row.number, code))
            self._tell(one, "refused", code, decision.words)
            answer = command
        self._waits.tell(row.number, answer)

    async def _impossible(self, one: Try, reason: str) -> None:
        """It cannot be sent as it is: its console is told while it waits, else a person decides."""
        row = one.row
        if not self._waits.claim(row.number):
            await self._hold(one, reason, None)
            return
        await self._record(self._journal.step_refused(row.number, PROCESSING_FAILURE))
        self._tell(one, "refused", None, reason)
        self._waits.tell(row.number, _answer(row.step, PROCESSING_FAILURE, reason[:_COMMENT_MAX]))

    async def _again(self, one: Try, reason: str, status: int | None, *, uncertain: bool) -> None:
        row, attempts = one.row, one.row.attempts + 1
        delay = self._policy.delay(attempts, self._rng)
        await self._put_back(row, delay, reason, uncertain=uncertain)
        self._tell(one, "retry", status, reason)
        if attempts == self._policy.alarm_attempts:
            self._alarm("step-not-passed-on", row, f"was tried {attempts} times, and is tried on ({reason})")

    async def _put_back(self, row: StepRow, delay: float, reason: str, *, uncertain: bool) -> None:
        if delay > 0:
            self._later[row.number] = self._clock() + delay
        not_before = self._wall_clock() + delay if delay > 0 else 0.0
        await self._record(self._journal.step_put_back(row.number, not_before, reason, uncertain))

    async def _hold(self, one: Try, reason: str, status: int | None) -> None:
        await self._record(self._journal.step_held(one.row.number, reason))
        self._tell(one, "held", status, reason)
        what = "is held, and what follows of the same procedure step waits behind it: retry or discard it"
        self._alarm("step-held", one.row, f"{what} ({reason})")

    async def _record(self, entry: Awaitable[None]) -> None:
        try:
            await entry
        except SpoolFailure:
            raise
        except LocalError:
            pass  # a person discarded the step while it was on the wire

    def _tell(self, one: Try, outcome: str, status: int | None, reason: str) -> None:
        row = one.row
        self._notices.publish(
            StepSettled(
                number=row.number,
                destination=self._destination,
                calling_ae=one.calling_ae,
                kind=row.step.kind,
                attempts=row.attempts + 1,
                seconds=one.seconds,
                outcome=outcome,
                status=status,
                reason=reason,
            )
        )

    def _alarm(self, code: str, row: StepRow, words: str) -> None:
        text = f"procedure step {row.number} (N-{row.step.kind.upper()}) to {self._destination} {words}"
        self._notices.publish(Alarm(code, text))


def _answer(step: Step, status: int, comment: str | None = None) -> Command:
    """An answer of ours in the place of the destination's."""
    field = CommandField.N_CREATE_RSP if step.kind == "create" else CommandField.N_SET_RSP
    return Command(
        command_field=field,
        message_id_responded_to=0,
        affected_sop_class_uid=step.sop_class_uid,
        affected_sop_instance_uid=step.sop_instance_uid,
        status=status,
        error_comment=comment,
    )


def _printable(comment: str | None) -> str:
    """The peer's words on one line, bounded."""
    return "".join(c if c.isprintable() else " " for c in (comment or "")[:_COMMENT_MAX]).strip()
