"""Everything about one destination: which steps are sent now, and what becomes of them.

Nothing polls. A line sleeps until a step arrives or is released, a try ends, somebody says that the peer is
back, or the one timer for the next try fires. In the journal a step moves only when something is known of it:
while the peer cannot be reached nothing is written, however often that is tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import SpoolFailure
from gateway.model import AETitle
from gateway.notices import Alarm, Notices, StepLinkChanged
from gateway.procedure_steps import order
from gateway.procedure_steps.outcomes import Outcomes, Settling, Try
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import NotSent, Reply, Scope, Unanswered
from gateway.procedure_steps.waiting import Wait, Waits
from gateway.spool.step_values import Step, StepRow


class StepJournal(Settling, Protocol):
    """What a line needs of the spool."""

    async def next_steps(self, destination: str, limit: int) -> list[StepRow]:
        """Return due steps, oldest first: of each procedure step the first unfinished one, if any is due."""

    async def next_step_due(self, destination: str) -> float | None:
        """When the next step may go (wall clock; 0.0: now); None when nothing waits for its time."""


class Sending(Protocol):
    """What a line needs of the sender."""

    async def send(self, step: Step, calling_ae: AETitle) -> Reply:
        """Try once."""

    async def close(self) -> None:
        """Let go of the associations."""


class Line:
    """One destination. It shares nothing with any other."""

    def __init__(
        self,
        name: str,
        journal: StepJournal,
        sender: Sending,
        notices: Notices,
        policy: StepPolicy,
        *,
        title_of: Callable[[Step], AETitle],
        from_before: Callable[[int], bool],
        reachable: Callable[[str], str | None],
        report: Callable[[str, str | None], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """`from_before(number)`: an earlier life may have sent that step; the rest as in StepEngine."""
        self.name = name
        self.waits = Waits()
        self._journal = journal
        self._sender = sender
        self._notices = notices
        self._policy = policy
        self._title_of = title_of
        self._from_before = from_before
        self._reachable = reachable
        self._report = report
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self._outcomes = Outcomes(
            name, journal, notices, policy, self.waits, clock=clock, wall_clock=wall_clock, rng=rng
        )
        self._wake = asyncio.Event()
        self._stopping = False
        self._arriving: Counter[str] = Counter()  # SOP Instance UIDs of which a step is being made durable
        self._flying: dict[int, _Flight] = {}
        self._down: _Closed | None = None
        self._failures = 0  # to reach it, in a row
        self._shut: dict[AETitle, _Closed] = {}  # titles that it refuses

    # --- from outside --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def arrival(self, uid: str) -> Iterator[None]:
        """Keep steps of `uid` from being sent until whoever hands one in waits for its answer."""
        self._arriving[uid] += 1
        try:
            yield
        finally:
            self._arriving[uid] -= 1
            if not self._arriving[uid]:
                del self._arriving[uid]
            self.news()

    def wait_for(self, number: int, uid: str) -> Wait:
        """Begin to wait for the peer's answer to a step that was just made durable."""
        wait = self.waits.open(number, uid)
        if self._stopping:
            self.waits.give_up(number)
        return wait

    def news(self) -> None:
        """A step is to be looked at: it arrived, or a person released it."""
        self._wake.set()

    def kick(self) -> None:
        """The peer is said to be there again: try now."""
        self._down = None
        self._wake.set()

    def stop(self) -> None:
        """Bring `run` to its end: what is on the wire may be answered within `policy.drain` seconds."""
        self._stopping = True
        self._wake.set()

    # --- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Pass steps on until `stop`. An exception is a defect or a failed spool: end the process."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    self._wake.clear()
                    await self._sleep_until(await self._look(group))
                self.waits.give_up_all()
                await self._wind_up()
        finally:
            self.waits.fail(SpoolFailure("the queue of procedure steps has ended"))

    async def _sleep_until(self, due: float | None) -> None:
        seconds = None if due is None else max(0.0, due - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _look(self, group: asyncio.TaskGroup) -> float | None:
        """Begin what can be sent now; return when to look again (monotonic), None: when woken."""
        if (until := self._closed_until()) is not None:
            return until
        # What flies now is looked at when it has landed: the journal may be read before that is written.
        flying = dict(self._flying)
        awaited = self.waits.open_now()  # these are in the journal already
        found = await self._journal.next_steps(self.name, self._policy.window)
        if (until := self._closed_until()) is not None:
            return until
        now = self._clock()
        shut = {title for title, one in self._shut.items() if one.until > now}
        rows = [row for row in found if row.number not in flying]
        open_rows = [row for row in rows if self._title_of(row.step) not in shut]
        self._let_go(awaited, [*open_rows, *(flight.row for flight in flying.values())])
        if await self._make_way(order.in_the_way(found, self._title_of, shut, self._policy.window), now):
            return now
        chosen = order.choose(
            open_rows,
            self._title_of,
            barred={flight.title for flight in self._flying.values()},
            arriving=self._arriving,
            awaited=awaited,
            most=self._policy.max_associations - len(self._flying),
        )
        if chosen and (trouble := self._reachable(self.name)) is not None:
            return self._go_down(trouble)
        for row in chosen:
            title = self._title_of(row.step)
            task = group.create_task(self._try(row, title), name=f"step {row.number} to {self.name}")
            self._flying[row.number] = _Flight(row, title, task)
        return await self._next_look(found, now)

    def _closed_until(self) -> float | None:
        """While the destination is down: until when. Nobody waits for an answer then."""
        if self._down is None or self._down.until <= self._clock():
            return None
        self.waits.give_up_all()
        return self._down.until

    def _let_go(self, awaited: Mapping[int, str], moving: Sequence[StepRow]) -> None:
        """No answer is near for a step behind one that is held, waits for its time or cannot be sent."""
        near = {row.step.sop_instance_uid for row in moving}
        for number, uid in awaited.items():
            if uid not in near:
                self.waits.give_up(number)

    async def _make_way(self, rows: Sequence[StepRow], now: float) -> bool:
        for row in rows:
            seconds = self._shut[self._title_of(row.step)].until - now
            await self._outcomes.make_way(row, seconds, uncertain=self._uncertain(row))
        return bool(rows)

    async def _next_look(self, found: Sequence[StepRow], now: float) -> float | None:
        """When something can be sent that cannot be now, unless something happens before."""
        moments = [one.until for one in self._shut.values() if one.until > now]
        if (later := self._outcomes.next_due(now)) is not None:
            moments.append(later)
        if not found and (due := await self._journal.next_step_due(self.name)) is not None:
            # Nothing was due a moment ago: whatever the clocks say, not at once again.
            moments.append(now + max(self._policy.shortest, due - self._wall_clock()))
        return min(moments, default=None)

    # --- one try -------------------------------------------------------------------------------------

    async def _try(self, row: StepRow, title: AETitle) -> None:
        since = self._clock()
        try:
            reply = await self._sender.send(row.step, title)
            again = not isinstance(reply, Unanswered) and reply.again
            if isinstance(reply, NotSent) and reply.scope is not Scope.STEP:
                if again:
                    await self._outcomes.cut_off(row, reply.reason)
                self._no_way(title, reply)
                return
            self._way_is_free(title)
            uncertain = again or self._uncertain(row)
            seconds = self._clock() - since
            await self._outcomes.settle(Try(row, title, uncertain=uncertain, seconds=seconds), reply)
        finally:
            del self._flying[row.number]
            self._wake.set()

    def _uncertain(self, row: StepRow) -> bool:
        return row.uncertain or self._from_before(row.number)

    def _go_down(self, reason: str) -> float:
        first, self._failures = not self._failures, self._failures + 1
        until = self._clock() + self._policy.delay(self._failures, self._rng)
        self._down = _Closed(until)
        self.waits.give_up_all()
        if first:
            self._notices.publish(StepLinkChanged(self.name, "", False, reason))
        return until

    def _way_is_free(self, title: AETitle | None) -> None:
        """The destination was there; with `title`, also for the steps of that one."""
        self._report(self.name, None)
        self._down = None
        if self._failures:
            self._failures = 0
            self._notices.publish(StepLinkChanged(self.name, "", True, ""))
        if title is not None and self._shut.pop(title, None) is not None:
            self._notices.publish(StepLinkChanged(self.name, title, True, ""))

    def _no_way(self, title: AETitle, trouble: NotSent) -> None:
        if trouble.scope is Scope.DESTINATION:
            self._report(self.name, trouble.reason)
            self._go_down(trouble.reason)
        else:
            self._way_is_free(None)
            self._shut_out(title, trouble)

    def _shut_out(self, title: AETitle, trouble: NotSent) -> None:
        before = self._shut.pop(title, None)
        refusals = before.refusals + 1 if before is not None else 1
        slow = self._policy.backoff_ceiling
        delay = slow if trouble.slow else self._policy.delay(refusals, self._rng)
        while len(self._shut) >= self._policy.max_titles:
            del self._shut[next(iter(self._shut))]
        self._shut[title] = _Closed(self._clock() + delay, refusals)
        if refusals > 1:
            return
        self._notices.publish(StepLinkChanged(self.name, title, False, trouble.reason))
        if trouble.slow:
            text = (
                f"procedure steps of {title} to {self.name} stay queued, and are tried on: {trouble.reason}"
            )
            self._notices.publish(Alarm("steps-refused", text))

    # --- the end -------------------------------------------------------------------------------------

    async def _wind_up(self) -> None:
        tasks = [flight.task for flight in self._flying.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._policy.drain)
        late = list(self._flying.values())
        for flight in late:
            flight.task.cancel()
        if late:
            await asyncio.wait([flight.task for flight in late])
        for flight in late:
            await self._outcomes.cut_off(flight.row, "the gateway stopped while it was sent")
        await self._sender.close()


@dataclass(frozen=True, slots=True)
class _Flight:
    """A step on the wire."""

    row: StepRow
    title: AETitle
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class _Closed:
    """Something that is not to be tried before a moment (monotonic)."""

    until: float
    refusals: int = 0  # in a row
