"""The courier of one destination: claim, send, settle. The only place that retries.

At least once. The order is: the peer answers success, then the journal records it. Between the two lies a
moment in which a crash (or a journal that cannot be written, which ends the process) makes the object
`queued` again at the next start, and it is sent a second time. The other order would lose objects; a
receiver recognizes a second copy by its SOP Instance UID.

Nothing polls. The courier sleeps until the spool says that something became queued, a lane ends, an answer
comes, or the one timer for the next due time or probe fires.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from gateway.delivery.breaker import Circuit
from gateway.delivery.classification import Cause, failure
from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.health import Health
from gateway.delivery.lane import Lane
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.scheduler import Claim, ReadyQueue, plan_claim, plan_lanes
from gateway.delivery.throughput import Throughput
from gateway.delivery.transports import Transport
from gateway.errors import DeliveryFailure
from gateway.link_monitor import LinkState
from gateway.model import Priority, Receipt
from gateway.notices import Notices
from gateway.reachability import Reachability
from gateway.spool import Job, PutBack, Settlement


class Queue(Protocol):
    """What a courier needs of the spool."""

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
        leave_out: Collection[int] = (),
    ) -> list[Job]: ...

    async def settle(self, outcomes: Sequence[Settlement]) -> None: ...

    async def next_due(self, destination: str, *, max_priority: Priority = Priority.BULK) -> float | None: ...


class Courier:
    """Delivers to one destination. Its own tasks, its own claims: no other destination can hold it up."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        queue: Queue,
        notices: Notices,
        *,
        policy: DeliveryPolicy,
        max_associations: int,
        paused: bool,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
        reachability: Reachability | None = None,
    ) -> None:
        self.name = name
        self._transport = transport
        self._queue = queue
        self._policy = policy
        self._clock = clock
        self._wall_clock = wall_clock
        self._paused = paused
        self._most, self._held_back = Priority.BULK, ""  # what may leave, and why the rest may not
        self._throughput = Throughput()
        self._ready: ReadyQueue[Job] = ReadyQueue()
        self._health = Health(
            name,
            notices,
            policy=policy,
            clock=clock,
            wall_clock=wall_clock,
            rng=rng,
            reachability=reachability,
        )
        self._breaker = self._health.breaker
        self._monitor = self._health.monitor
        self._max_lanes = max(1, max_associations)
        self._lane_cap: tuple[int, float] | None = None  # lanes, until (monotonic)
        self._general: set[asyncio.Task[None]] = set()
        self._record: asyncio.Task[None] | None = None
        self._probe: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._fresh = asyncio.Event()  # set, and replaced, when something was claimed
        self._dry = {Priority.RECORD: False, Priority.BULK: False}  # the spool had nothing more of that kind
        self._records_due: float | None = None  # wall clock, inf: never; None: ask (work arrived since)
        self._outcomes: list[Settlement] = []
        self._settling = asyncio.Event()
        self._on_wire = 0
        self._unsettled = 0  # on the wire, or ended and not yet in the journal
        self._accepted = 0
        self._generation = 0  # of work: tells whether something became queued while we were asking
        self._stopping = False
        self._wound_up = False  # nothing more will happen that the journal has to know

    # --- from outside --------------------------------------------------------------------------------

    def work_arrived(self) -> None:
        """Something became queued for this destination."""
        self._generation += 1
        self._dry = dict.fromkeys(self._dry, False)
        self._records_due = None
        self._wake.set()

    def pause(self) -> None:
        """Send nothing more until `resume`; what is on the wire is finished."""
        self._paused = True
        self._wake.set()

    def resume(self) -> None:
        """Send again."""
        self._paused = False
        self.work_arrived()

    def hold_back(self, most: Priority, why: str) -> None:
        """Begin to send only what is as urgent as `most` or more, until told otherwise; the rest waits."""
        before, self._most, self._held_back = self._most, most, why
        if before is not most:
            self.work_arrived()

    def kick(self) -> None:
        """Try now, whatever the circuit breaker says."""
        self._breaker.kick(self._clock())
        self.work_arrived()

    def unreachable(self, reason: str) -> None:
        """Somebody found that nothing comes back any more: send nothing new until a probe gets through."""
        if self._breaker.state is not Circuit.OPEN:
            self._health.link_down(failure(Cause.UNREACHABLE, reason))
            self._wake.set()

    def answered(self, rtt: float) -> None:
        """Somebody had an answer to C-ECHO, after `rtt` seconds: as good as one to our own probe."""
        if not self._breaker.probe_would_close:
            self._health.answered(rtt)
            return
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None  # cancelled before it began, it would never say so itself
        self._health.probe_answered(None)
        self.work_arrived()

    def status(self) -> DestinationStatus:
        """Tell how things stand."""
        monitor, breaker = self._monitor, self._breaker
        waits = breaker.next_probe
        return DestinationStatus(
            name=self.name,
            link_state=monitor.state.value,
            reason=monitor.reason,
            since=monitor.since,
            paused=self._paused,
            in_flight=self._on_wire,
            claimed=len(self._ready),
            associations=len(self._general) + (self._record is not None),
            circuit=breaker.state.value,
            rtt=monitor.rtt if monitor.rtt is not None else monitor.turnaround,
            goodput=monitor.goodput,
            last_success=monitor.last_success,
            next_try=None if waits is None else self._wall_clock() + max(0.0, waits - self._clock()),
            most=self._most,
            held_back=self._held_back,
            throughput=self._throughput.rate(self._clock()),
        )

    # --- the two loops -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until `stop`. Any exception out of here is a defect or a failed spool: end the process."""
        async with asyncio.TaskGroup() as group:
            settler = group.create_task(self._settle_loop(), name=f"settle {self.name}")
            try:
                while not self._stopping:
                    due = await self._step(group)
                    await self._sleep_until(due)
                await self._wind_up()
            finally:
                self._wound_up = True
                self._settling.set()
            await settler

    def stop(self) -> None:
        """Bring `run` to an end: what is on the wire may finish within `policy.drain` seconds."""
        self._stopping = True
        self._wake.set()

    async def _step(self, group: asyncio.TaskGroup) -> float | None:
        """Do what can be done now; return when to look again (monotonic), None: when woken."""
        self._wake.clear()
        breaker = self._breaker
        if self._paused or breaker.state is Circuit.OPEN:
            self._put_back_ready()
            if self._paused:
                return None
            if self._probe is None and breaker.next_probe is not None:
                if breaker.next_probe > self._clock():
                    return breaker.next_probe
                self._probe = group.create_task(self._probe_once(), name=f"probe {self.name}")
            return None
        self._put_back_ready(above=self._most)
        due = await self._fill()
        self._start_lanes(group)
        return due

    async def _sleep_until(self, due: float | None) -> None:
        if due is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.0, due - self._clock())):
                await self._wake.wait()
        except TimeoutError:
            self.work_arrived()

    async def _settle_loop(self) -> None:
        """Record outcomes in the journal: everything that gathered during one commit goes into the next."""
        while True:
            await self._settling.wait()
            self._settling.clear()
            while self._outcomes:
                batch, self._outcomes = self._outcomes, []
                await self._queue.settle(batch)
                self._unsettled -= len(batch)
                self._wake.set()
            if self._wound_up and not self._outcomes:
                return

    # --- claiming ------------------------------------------------------------------------------------

    async def _fill(self) -> float | None:
        """Claim what is worth claiming; return when something becomes due, if nothing is due now."""
        while not self._stopping and not self._paused and (claim := self._wanted()) is not None:
            generation = self._generation
            # On trial, not again what it failed with: one object must not keep all others from theirs.
            tried = self._health.tried if self._breaker.state is Circuit.TRIAL else frozenset()
            jobs = await self._queue.claim(
                self.name,
                claim.limit,
                max_bytes=claim.max_bytes,
                max_priority=min(claim.max_priority, self._most),
                leave_out=tried,
            )
            for job in jobs:
                self._ready.push(job)
            if jobs:
                self._fresh.set()
                self._fresh = asyncio.Event()
            if not jobs and tried:
                self._health.new_round()
            elif not jobs and generation == self._generation:
                self._dry[Priority.RECORD] = True
                self._dry[claim.max_priority] = True
        if self._dry[Priority.BULK]:
            due = await self._queue.next_due(self.name, max_priority=self._most)
        elif self._dry[Priority.RECORD]:
            due = await self._next_record()
        else:
            return None
        if due is None:
            return None
        return self._clock() + max(0.0, due - self._wall_clock())

    async def _next_record(self) -> float | None:
        """Say when a record becomes due (wall clock). It does not wait until images make room for a claim."""
        if self._records_due is None:
            generation = self._generation
            due = await self._queue.next_due(self.name, max_priority=Priority.RECORD)
            if generation != self._generation:
                return due  # we are awake already, and shall ask again
            self._records_due = math.inf if due is None else due
        return None if self._records_due == math.inf else self._records_due

    def _wanted(self) -> Claim | None:
        if self._breaker.state is Circuit.OPEN:
            return None
        trial = self._breaker.state is Circuit.TRIAL
        # What is on the wire or not yet in the journal counts: a slow disk must slow us down.
        claimed = len(self._ready) + (self._unsettled if trial else 0)
        claim = plan_claim(claimed, self._ready.bytes, self._ready.records, self._policy, trial=trial)
        if claim is None or self._unsettled > 4 * self._policy.claim_objects:
            return None
        if self._dry[claim.max_priority]:
            return None
        return claim

    def _put_back_ready(self, above: Priority | None = None) -> None:
        """Give back what was claimed ahead; with `above`, only what is less urgent than that."""
        for job in self._ready.drain() if above is None else self._ready.drain_above(above):
            self._unsettled += 1
            reason = self._monitor.reason if above is None else self._held_back
            self._record_outcome(PutBack(job.delivery.number, 0.0, reason, counts_attempt=False))

    # --- lanes ---------------------------------------------------------------------------------------

    def _lanes(self) -> list[asyncio.Task[None]]:
        return [*self._general, *([self._record] if self._record else [])]

    def _start_lanes(self, group: asyncio.TaskGroup) -> None:
        trial = self._breaker.state is Circuit.TRIAL
        if trial and self._unsettled:
            return  # one object at a time; the settle loop wakes us
        plan = plan_lanes(
            len(self._ready),
            self._ready.records,
            len(self._general),
            self._record is not None,
            self._monitor.turnaround if self._monitor.turnaround is not None else self._monitor.rtt,
            self._lanes_allowed(),
            trial=trial,
            proven=self._monitor.state is LinkState.ONLINE or self._on_wire > 0,
        )
        for _ in range(plan.general):
            task = group.create_task(self._run_lane(Priority.BULK), name=f"lane {self.name}")
            self._general.add(task)
        if plan.record:
            self._record = group.create_task(self._run_lane(Priority.RECORD), name=f"records {self.name}")

    def _lanes_allowed(self) -> int:
        if self._lane_cap is not None:
            lanes, until = self._lane_cap
            if self._clock() < until:
                return min(lanes, self._max_lanes)
            self._lane_cap = None
        return self._max_lanes

    async def _run_lane(self, most: Priority) -> None:
        lane = Lane(self, most)
        accepted = self._accepted
        try:
            await self._transport.send(lane)
        except DeliveryFailure as trouble:
            # What is on the wire is another lane's: this one failed before it took anything.
            self._link_trouble(trouble, others_work=self._on_wire > 0 or self._accepted > accepted)
        finally:
            if most is Priority.RECORD:
                self._record = None
            else:
                self._general -= {asyncio.current_task()}
            for job in lane.taken.values():
                self._on_wire -= 1
                self._record_outcome(PutBack(job.delivery.number, 0.0, "stopped while it was sent", False))
            if not self._on_wire:
                self._throughput.idle(self._clock())
            self._settling.set()
            self._wake.set()

    def _link_trouble(self, trouble: DeliveryFailure, *, others_work: bool) -> None:
        if self._breaker.state is Circuit.OPEN:
            return  # another lane met the same trouble first: one failure, not several
        if others_work:
            # The peer serves our other associations; it rejects more, or does not even get to them (many
            # serve one at a time). Should the link be dead after all, the other lanes will find out.
            most = max(1, len(self._lanes()) - 1)
            self._lane_cap = (most, self._clock() + self._policy.lane_cap_hold)
            return
        self._health.link_down(trouble)

    async def _probe_once(self) -> None:
        try:
            rtt = await self._transport.probe()
        except DeliveryFailure as trouble:
            self._health.link_down(trouble)
        else:
            self._health.probe_answered(rtt)
            self.work_arrived()
        finally:
            if self._probe is asyncio.current_task():
                self._probe = None
            self._wake.set()

    # --- what a lane asks and tells ------------------------------------------------------------------

    def offer(self, most: Priority) -> Job | None:
        """The job a lane may take now. None while the circuit is open, on a pause, and while stopping."""
        if self._stopping or self._paused or self._breaker.state is Circuit.OPEN:
            return None
        if self._breaker.state is Circuit.TRIAL and self._unsettled:
            return None
        return self._ready.first(min(most, self._most))

    async def news(self) -> None:
        """Return when something more may be on offer than there was."""
        await self._fresh.wait()

    def in_sight(self, most: Priority) -> Sequence[Job]:
        """The jobs a lane might take."""
        return self._ready.upcoming(min(most, self._most)) if self.offer(most) is not None else ()

    def hand_over(self, most: Priority) -> Job:
        """Give away the job that is on offer; it is on the wire now."""
        job = self.offer(most)
        if job is None:
            raise RuntimeError("a transport took a job that was not on offer")
        self._ready.remove(job)
        self._throughput.busy(self._clock())
        self._on_wire += 1
        self._unsettled += 1
        if len(self._ready) <= self._policy.claim_objects // 2 or self._monitor.state is not LinkState.ONLINE:
            self._wake.set()
        return job

    def on_outcome(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None:
        """A job came to an end: judge it, and hand the verdict to the journal."""
        self._on_wire -= 1
        if isinstance(outcome, Receipt):
            self._accepted += 1
            self._throughput.done(self._clock(), job.object.size)
        if not self._on_wire:
            self._throughput.idle(self._clock())
        self._record_outcome(self._health.outcome(job, outcome, seconds))
        self._wake.set()

    def _record_outcome(self, settlement: Settlement) -> None:
        self._outcomes.append(settlement)
        self._settling.set()

    # --- the end -------------------------------------------------------------------------------------

    async def _wind_up(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
        lanes = self._lanes()
        if lanes:
            _, late = await asyncio.wait(lanes, timeout=self._policy.drain)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._put_back_ready()
        await self._transport.close()
