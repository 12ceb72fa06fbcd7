"""Between courier and transport: every object that goes on the wire, in that very moment, and how it ends.

What must hold there is written in `WireWatch.taken`: it is judged when a lane takes an object, because that
is when what leaves next is decided.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from gateway.delivery.courier import Courier
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport, Work
from gateway.errors import DeliveryFailure
from gateway.model import DeliveryState, Priority, Receipt
from gateway.spool import Job
from tests.durability.truth.findings import Findings
from tests.durability.truth.front import Front
from tests.durability.truth.journal_watch import Clocks, JournalWatch, Reasons, Seen

S = DeliveryState
RECORD = Priority.RECORD


class WireWatch:
    """What happens between one courier and its transport, over all lives of the gateway."""

    def __init__(
        self,
        name: str,
        findings: Findings,
        journal: JournalWatch,
        reasons: Reasons,
        policy: DeliveryPolicy,
        clocks: Clocks,
        attempts: Counter[int],
        *,
        lanes: int,
        window: int,
        slack: float,
    ) -> None:
        """`slack`: seconds that the spool may take to hand out what is due; inf: not judged."""
        self.name = name
        self.front: Front
        self.courier: Courier
        self.paused = False
        self.sent = 0
        self.attempts = attempts  # by delivery
        self.link_failures = 0  # since it was last known to live
        self.probes_since_accepted = 0
        self.probes = 0
        self.disturbed = 0.0  # when something last was not well
        self.capped_until = 0.0  # it refused a further association: no lane is owed to records
        self.longest_wait = 0.0
        self._on_wire: dict[int, Job] = {}
        self._accepted: set[int] = set()  # deliveries that this life of the gateway knows to be accepted
        self._overtaken: Counter[int] = Counter()
        self._record_ended = 0.0  # when a record last left the wire
        self._findings = findings
        self._journal = journal
        self._reasons = reasons
        self._policy = policy
        self._clocks = clocks
        self._lanes = lanes
        self._window = window
        self._slack = slack

    @property
    def in_flight(self) -> int:
        return len(self._on_wire)

    def born(self, front: Front, courier: Courier) -> None:
        """Another life of the gateway begins: what the last one had in memory is gone."""
        self.front = front
        self.courier = courier
        self._on_wire.clear()
        self._accepted.clear()
        self.link_failures = self.probes_since_accepted = 0
        self.capped_until = 0.0
        self.disturb()

    def disturb(self) -> None:
        """Something is not well at this moment."""
        self.disturbed = self._clocks.now()

    def wrong(self, words: str) -> None:
        self._findings.wrong(f"{self.name}: {words}")

    def due(self) -> dict[int, tuple[Seen, float]]:
        """What is queued and due, and since when."""
        return {
            number: (seen, since)
            for number, seen in self._journal.of(self.name, S.QUEUED).items()
            if (since := self._journal.due_since(seen)) is not None
        }

    # what happens

    def taken(self, job: Job) -> None:
        """A lane takes an object: the moment of truth."""
        number = job.delivery.number
        seen = self._journal.rows[number]
        if self.front.dead:
            return
        self.sent += 1
        if self.paused:
            self.wrong(f"delivery {number} was sent during a pause")
        if seen.state is not S.SENDING:
            self.wrong(f"delivery {number} was sent while the journal says that it is {seen.state}")
        if number in self._on_wire:
            self.wrong(f"delivery {number} is on the wire twice")
        if number in self._accepted and not self._reasons.was_asked(number, "retry"):
            self.wrong(f"delivery {number} was sent again although it was accepted")
        status = self.courier.status()
        if status.circuit == "open":
            self.wrong(f"delivery {number} was sent through an open circuit")
        if status.circuit == "closed":
            self._judge_order(job)
        self._on_wire[number] = job
        self._overtaken.pop(number, None)

    def _judge_order(self, job: Job) -> None:
        now, number, priority = self._clocks.now(), job.delivery.number, job.delivery.priority
        for one in self.courier._ready.upcoming():  # seen nowhere else
            other = one.delivery
            if other.number != number and other.priority < priority:
                self.wrong(f"{priority.label} {number} was sent before {other.priority.label} {other.number}")
        quiet = now - self.disturbed
        for other, (its, since) in self.due().items():
            waited = min(now - since, quiet)
            if its.priority is RECORD and priority is not RECORD and waited > self._slack:
                self.wrong(
                    f"{priority.label} {number} was sent while {its.priority.label} {other} "
                    f"had been due for {waited:.1f} s"
                )
            if (its.priority, other) < (priority, number) and waited > self._slack:
                self._overtaken[other] += 1
                # What was claimed before it became due may go before it; that is bounded.
                if self._overtaken[other] > self._policy.claim_objects + self._lanes * self._window:
                    self.wrong(f"delivery {other} was overtaken {self._overtaken[other]} times")
        if priority is RECORD:
            self._judge_record(number)

    def _judge_record(self, number: int) -> None:
        """A lane is kept for records: a record waits for images only where there is one lane."""
        now = self._clocks.now()
        since = self._journal.became_due.get(number, now)
        records = any(one.delivery.priority is RECORD for one in self._on_wire.values())
        begin = max(since, self.disturbed, self._record_ended, self.capped_until)
        waited = now - begin
        self.longest_wait = max(self.longest_wait, waited)
        if self._lanes > 1 and not records and waited > self._slack:
            self.wrong(f"record {number} waited {waited:.1f} s for a lane")

    def settled(self, job: Job, outcome: Receipt | DeliveryFailure) -> None:
        """An attempt ended."""
        number = job.delivery.number
        if self._on_wire.pop(number, None) is None and not self.front.dead:
            self.wrong(f"delivery {number} ended without having been sent")
        if job.delivery.priority is RECORD:
            self._record_ended = self._clocks.now()
        self.attempts[number] += 1
        if self.courier.status().circuit != "closed":
            self.disturb()  # on trial, one object goes at a time, whatever waits
        if isinstance(outcome, DeliveryFailure):
            hurt = self._reasons.hurt.setdefault(number, set())
            hurt.add(outcome.cause)
            if self.attempts[number] >= min(self._policy.poison_aborts, self._policy.poison_losses):
                hurt.add("cuts-association")
            self.disturb()
            self._judge_wait_soon()
        else:
            self._accepted.add(number)
            self.link_failures = self.probes_since_accepted = 0

    def link_failed(self, *, probe: bool) -> None:
        """No association came about."""
        self.link_failures += 1
        self.probes += probe
        self.disturb()
        self._judge_wait_soon()
        if self._on_wire or not probe:
            self.capped_until = max(self.capped_until, self._clocks.now() + self._policy.lane_cap_hold)

    def probed(self) -> None:
        """A probe found it alive."""
        self.link_failures = 0
        self.probes += 1
        self.probes_since_accepted += 1
        self.disturb()

    # what must hold whenever somebody looks

    def inspect(self) -> None:
        """Look at this destination while the gateway waits for time to pass."""
        status, now = self.courier.status(), self._clocks.now()
        if status.paused is not self.paused:
            self.wrong(f"it is {'paused' if status.paused else 'not paused'}, a person said otherwise")
        if status.circuit != "closed" or status.paused:
            self.disturb()
        if self.front.under_way[self.name] or self.courier._outcomes:
            return
        sending = self._journal.of(self.name, S.SENDING)
        if len(sending) != status.claimed + status.in_flight:
            self.wrong(
                f"{len(sending)} deliveries are `sending`, and the courier has "
                f"{status.claimed} + {status.in_flight}"
            )
        self._judge_wait(self.front)
        if now - self.disturbed > self._slack and not self._on_wire:
            for number, (_, since) in self.due().items():
                if now - since > self._slack:
                    self.wrong(f"delivery {number} is due for {now - since:.1f} s, and nothing is sent")

    def _judge_wait_soon(self) -> None:
        """Once the courier has decided, too."""
        asyncio.get_running_loop().call_soon(self._judge_wait, self.front)

    def _judge_wait(self, front: Front) -> None:
        """However often it failed, a destination is left alone no longer than the policy says."""
        next_try = self.courier.status().next_try
        if next_try is None or front is not self.front or front.dead:
            return
        wait, policy = next_try - self._clocks.wall(), self._policy
        longest = policy.link_backoff.bound(max(self.link_failures, 1))
        if self.rejected:
            longest = max(longest, 1.1 * policy.rejected_interval)
        if not self.courier._breaker.probe_would_close:  # it is paused for what it did to objects
            longest = max(longest, 1.1 * policy.pause_backoff.bound(1 + self.probes_since_accepted))
        if wait > longest + 1e-6:
            self.wrong(f"it is left alone for {wait:.1f} s, not {longest:.1f} s at most")

    rejected = False  # whether it ever rejected an association for good


class WatchedTransport:
    """A transport, with somebody who looks on."""

    def __init__(self, transport: Transport, watch: WireWatch) -> None:
        self._transport = transport
        self._watch = watch
        self._front = watch.front

    async def send(self, work: Work) -> None:
        try:
            await self._transport.send(_WatchedWork(work, self._watch, self._front))
        except DeliveryFailure as trouble:
            if not self._front.dead:
                self._watch.rejected |= trouble.cause == "association-rejected"
                self._watch.link_failed(probe=False)
            raise

    async def probe(self) -> float | None:
        try:
            rtt = await self._transport.probe()
        except DeliveryFailure as trouble:
            if not self._front.dead:
                self._watch.rejected |= trouble.cause == "association-rejected"
                self._watch.link_failed(probe=True)
            raise
        if not self._front.dead:
            self._watch.probed()
        return rtt

    async def close(self) -> None:
        await self._transport.close()


class _WatchedWork:
    def __init__(self, work: Work, watch: WireWatch, front: Front) -> None:
        self._work = work
        self._watch = watch
        self._front = front

    def first(self) -> Job | None:
        return self._work.first()

    def upcoming(self) -> Sequence[Job]:
        return self._work.upcoming()

    def take(self) -> Job:
        job = self._work.take()
        if not self._front.dead:
            self._watch.taken(job)
        return job

    def settled(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None:
        if not self._front.dead:
            self._watch.settled(job, outcome)
        self._work.settled(job, outcome, seconds)
