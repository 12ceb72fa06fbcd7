"""The spool as one process sees it: requests take their time there and back, and end when the process dies.

A request that had not reached the journal when the process died was never made; one that had is carried out,
and nobody learns of it. Both happen, because the time to the journal and the time back are drawn apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from gateway.delivery.policy import DeliveryPolicy
from gateway.model import DeliveryState, Priority
from gateway.spool import Job, PutBack, Settlement, Spool
from tests.durability.truth.findings import Findings
from tests.durability.truth.journal_watch import JournalWatch

T = TypeVar("T")


class Front:
    """What the engine gets (its WorkQueue), and through which operators and consoles reach the spool."""

    def __init__(
        self,
        spool: Spool,
        watch: JournalWatch,
        findings: Findings,
        policy: DeliveryPolicy,
        *,
        owed: Callable[[int], None],
        lag: Callable[[], float],
        wall: Callable[[], float],
        attempts: Counter[int],
        one_at_a_time: bool = True,
    ) -> None:
        """`owed` is told of answers that threads owe, `lag` draws how long a way takes (seconds)."""
        self.spool = spool
        self.dead = False
        self.handed: dict[int, Job] = {}
        """Claimed, and not settled in the journal yet."""
        self.under_way: Counter[str] = Counter()
        """Requests of couriers that are not answered yet, by destination."""
        self._watch = watch
        self._findings = findings
        self._policy = policy
        self._owed = owed
        self._lag = lag
        self._wall = wall
        self._attempts = attempts
        # One at a time makes a run repeatable: what shares a commit would depend on the threads.
        self._door = asyncio.Semaphore(1 if one_at_a_time else 1000)

    async def do(self, call: Callable[[], Awaitable[T]], then: Callable[[T], None] = lambda _: None) -> T:
        """Have `call` made of the spool; `then` runs in the moment in which the journal has answered."""
        await self._travel()
        async with self._door:
            if not self.dead:
                self._owed(1)
                try:
                    result = await call()
                finally:
                    self._owed(-1)
                then(result)
        await self._alive()
        await self._travel()
        await self._alive()
        return result

    async def die(self) -> None:
        """Nothing reaches the spool any more, and nothing comes back; returns when it is quiet."""
        self.dead = True
        async with self._door:
            pass

    async def _travel(self) -> None:
        seconds = self._lag()
        if seconds:
            await asyncio.sleep(seconds)

    async def _alive(self) -> None:
        if self.dead:
            await asyncio.Event().wait()

    # what the engine asks

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
        leave_out: Collection[int] = (),
    ) -> list[Job]:
        self.under_way[destination] += 1
        jobs = await self.do(
            lambda: self.spool.claim(
                destination, limit, max_bytes=max_bytes, max_priority=max_priority, leave_out=leave_out
            )
        )
        self.under_way[destination] -= 1
        for job in jobs:
            if job.delivery.number in self.handed:
                self._findings.wrong(f"delivery {job.delivery.number} was given out twice")
            self.handed[job.delivery.number] = job
        return jobs

    async def settle(self, outcomes: Sequence[Settlement]) -> None:
        names = {
            self.handed[one.delivery].delivery.destination for one in outcomes if one.delivery in self.handed
        }
        for outcome in outcomes:
            if isinstance(outcome, PutBack) and not self.dead:
                self._look_at_wait(outcome)
        self.under_way.update(names)

        def settled(_: None) -> None:
            for outcome in outcomes:
                self.handed.pop(outcome.delivery, None)

        await self.do(lambda: self.spool.settle(outcomes), settled)
        self.under_way.subtract(names)

    def _look_at_wait(self, outcome: PutBack) -> None:
        """A wait is never longer than the policy says for so many attempts."""
        policy, count = self._policy, self._attempts[outcome.delivery]
        longest = policy.object_backoff.bound(max(count, 1))
        if count > policy.max_attempts:
            longest = max(longest, 1.1 * policy.slow_interval)
        wait = outcome.not_before - self._wall()
        if wait > longest + 1e-6:
            self._findings.wrong(
                f"delivery {outcome.delivery} is to wait {wait:.1f} s after {count} attempts, "
                f"not {longest:.1f} s"
            )

    async def next_due(self, destination: str, *, max_priority: Priority = Priority.BULK) -> float | None:
        self.under_way[destination] += 1
        due = await self.do(lambda: self.spool.next_due(destination, max_priority=max_priority))
        self.under_way[destination] -= 1
        return due

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        news: set[str] = set()

        def tell(destination: str) -> None:
            # One commit has news for several in no certain order; a run is to be the same each time.
            if not news:
                asyncio.get_running_loop().call_soon(tell_all)
            news.add(destination)

        def tell_all() -> None:
            for destination in sorted(news):
                if not self.dead:
                    callback(destination)
            news.clear()

        return self.spool.on_work(tell)

    # what persons ask

    async def operate(self, call: Callable[[], Awaitable[object]], number: int, after: DeliveryState) -> None:
        """Have an operator's action done; the journal shows its result in the moment it is answered."""

        def look(_: object) -> None:
            state = self._watch.rows[number].state
            if state is not after:
                self._findings.wrong(f"delivery {number} is {state} after a person made it {after}")

        await self.do(call, look)
