"""The methods of the spool for procedure steps that are queued, and for what waits for deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from gateway.model import Priority
from gateway.spool import steps
from gateway.spool.access import Access
from gateway.spool.step_values import Step, StepCounts, StepRow, StepState
from gateway.spool.unsettled import unsettled
from gateway.spool.values import KIB, Unsettled


class StepMethods(Access):
    """N-CREATE and N-SET of procedure steps, in order per SOP Instance UID and destination."""

    async def add_step(self, step: Step) -> StepRow:
        """Keep a step for its destination; durable when it returns. Raises NoRoom when too many wait."""
        self._check_room(len(step.data) + 4 * KIB)
        return await self._submit(partial(steps.add, step=step))

    async def next_steps(self, destination: str, limit: int) -> list[StepRow]:
        """Return up to `limit` steps that may go now, in order, with their data.

        Of each instance only the first unfinished one; none when that one is held or not due yet.
        """
        now, longest = self._wall_clock(), self._limits.max_wait_seconds
        return await self._ask(lambda db: steps.following(db, destination, now, longest, limit))

    async def step_done(self, number: int, status: int, comment: str) -> None:
        """Record that the destination accepted it; durable when it returns. Its data is deleted."""
        await self._submit(partial(steps.done, number=number, status=status, comment=comment))

    async def step_put_back(self, number: int, not_before: float, reason: str, uncertain: bool) -> None:
        """Record that an attempt failed; the next one goes at `not_before` (wall clock) or later.

        `uncertain`: it may have been carried out all the same. That stays with the step.
        """
        work = partial(
            steps.put_back, number=number, not_before=not_before, reason=reason, uncertain=uncertain
        )
        await self._submit(work)

    async def step_refused(self, number: int, status: int) -> None:
        """Record that the destination refused it and the console was told so. Its data is deleted."""
        await self._submit(partial(steps.refused, number=number, status=status))

    async def step_held(self, number: int, reason: str) -> None:
        """Keep it, and all that follows it for the same instance, until a person decides."""
        await self._submit(partial(steps.held, number=number, reason=reason))

    async def steps_open(self, sop_instance_uid: str, destination: str) -> int:
        """Count the steps of an instance that wait or are held."""
        return await self._ask(lambda db: steps.count_open(db, sop_instance_uid, destination))

    async def next_step_due(self, destination: str) -> float | None:
        """When the next step may go (wall clock; 0.0: now); None when none waits, or for a person only."""
        now, longest = self._wall_clock(), self._limits.max_wait_seconds
        return await self._ask(lambda db: steps.next_due(db, destination, now, longest))

    def on_step(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` on the event loop when a step was added or changed its state.

        The returned function ends that.
        """
        return self._side.on_step(callback)

    async def list_steps(
        self,
        *,
        states: Collection[StepState] | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[StepRow]:
        """List steps by number, without data, those after number `after`. `states` None: all, history too."""
        return await self._ask(lambda db: steps.listing(db, states, destination, after or 0, limit))

    async def retry_step(self, number: int, *, who: str = "") -> StepRow:
        """Send a waiting or held step as soon as possible. LocalError when it is finished or not there."""
        return await self._submit(partial(steps.retry, number=number, who=who))

    async def discard_step(self, number: int, reason: str, *, who: str = "") -> StepRow:
        """Give a waiting or held step up for good, and its data."""
        return await self._submit(partial(steps.discard, number=number, reason=reason, who=who))

    async def step_counts(self) -> StepCounts:
        """Count the steps that wait or are held."""
        return await self._ask(steps.counts)

    # what waits for deliveries

    async def unsettled(
        self,
        *,
        calling_ae: str,
        destinations: Collection[str],
        most: Priority,
        up_to: int | None = None,
    ) -> Unsettled:
        """Count deliveries to `destinations` that are queued, being sent or held (COUNT_MOST at most).

        Only what `calling_ae` sent, of priority `most` or more urgent, with object numbers up to `up_to`.
        """
        return await self._ask(lambda db: unsettled(db, calling_ae, frozenset(destinations), most, up_to))

    def on_settled(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` on the event loop when a delivery left `sending`, or was finished.

        The returned function ends that.
        """
        return self._side.on_settled(callback)
