"""The courier over a scripted transport and the real spool: what no real peer can be made to do."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.delivery.backoff import Backoff
from gateway.delivery.classification import Cause, failure
from gateway.delivery.courier import Courier
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt
from gateway.delivery.transports import Work
from gateway.errors import DeliveryFailure, SpoolFailure
from gateway.model import DeliveryState, Priority, Receipt
from gateway.notices import Notices
from gateway.spool import Job
from tests.support.delivery import QUICK
from tests.support.delivery_spool import DeliverySpool

ACCEPTED, HELD, QUEUED, SENDING = (
    DeliveryState.ACCEPTED,
    DeliveryState.HELD,
    DeliveryState.QUEUED,
    DeliveryState.SENDING,
)


def accepted(job: Job) -> Receipt:
    syntax = job.object.instance.transfer_syntax_uid
    digest = hashlib.sha256(job.data or b"").digest()
    return make_receipt("oncology", 0, "", transfer_syntax_uid=syntax, digest=digest, at=0.0)


@dataclass
class ScriptedTransport:
    """Answers each job as `answer` says; `gate` holds every job on the wire while it is clear."""

    answer: Callable[[Job], Receipt | DeliveryFailure] = accepted
    unreachable: DeliveryFailure | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[int] = field(default_factory=list)
    sending: int = 0
    most: int = 0
    probes: int = 0
    closed: bool = False
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, work: Work) -> None:
        if self.unreachable is not None:
            raise self.unreachable
        while work.first() is not None:
            job = work.take()
            self.sent.append(job.delivery.number)
            self.sending += 1
            self.most = max(self.most, self.sending)
            self.taken.set()
            try:
                await self.gate.wait()
            finally:
                self.sending -= 1
            work.settled(job, self.answer(job), 0.001)

    async def probe(self) -> float | None:
        self.probes += 1
        if self.unreachable is not None:
            raise self.unreachable
        return 0.001

    async def close(self) -> None:
        self.closed = True


@dataclass
class Running:
    courier: Courier
    spool: DeliverySpool
    transport: ScriptedTransport
    task: asyncio.Task[None]


@asynccontextmanager
async def couriering(
    directory: Path,
    transport: ScriptedTransport,
    *,
    policy: DeliveryPolicy = QUICK,
    lanes: int = 4,
    paused: bool = False,
) -> AsyncIterator[Running]:
    notices = Notices()
    spool = await DeliverySpool.open(directory, notices)
    courier = Courier(
        "oncology",
        transport,
        spool,
        notices,
        policy=policy,
        max_associations=lanes,
        paused=paused,
        clock=asyncio.get_running_loop().time,
        wall_clock=time.time,
        rng=random.Random(5),
    )
    forget = spool.on_work(lambda destination: courier.work_arrived())
    task = asyncio.create_task(courier.run())
    try:
        yield Running(courier, spool, transport, task)
    finally:
        courier.stop()
        await asyncio.wait([task])
        forget()
        await spool.spool.close()


def open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


async def test_idle_is_silent(tmp_path: Path) -> None:
    """Nothing to do: the spool is asked once, and then nothing happens until something does."""
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as running:
        await running.spool.add("oncology")
        await running.spool.until(lambda: running.spool.states() == [ACCEPTED])
        await running.spool.add("other")  # somebody else's work makes the callback, and one empty claim
        settled = running.spool.claims
        for _ in range(200):
            await asyncio.to_thread(lambda: None)
        assert running.spool.claims <= settled + 3
        assert running.transport.probes == 0


async def test_a_settlement_that_fails_ends_the_run(tmp_path: Path) -> None:
    """The journal cannot be trusted any more: the process must end, and the object is sent again."""
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as running:
        running.spool.settle_error = SpoolFailure("the disk failed")
        await running.spool.add("oncology")
        with pytest.raises(ExceptionGroup) as caught:
            await running.task
    assert caught.group_contains(SpoolFailure)
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as again:
        again.spool.entries.update(running.spool.entries)
        await again.spool.until(lambda: again.spool.states() == [ACCEPTED])
        assert again.transport.sent == [1]


async def test_a_defect_in_a_transport_ends_the_run(tmp_path: Path) -> None:
    def defect(job: Job) -> Receipt:
        raise ZeroDivisionError

    async with couriering(tmp_path, ScriptedTransport(defect, gate=open_gate())) as running:
        await running.spool.add("oncology")
        with pytest.raises(ExceptionGroup) as caught:
            await running.task
    assert caught.group_contains(ZeroDivisionError)


async def test_what_is_claimed_ahead_is_bounded(tmp_path: Path) -> None:
    policy = replace(QUICK, claim_objects=8, claim_bytes=100_000)
    async with couriering(tmp_path, ScriptedTransport(), policy=policy, lanes=1, paused=True) as running:
        for _ in range(60):
            await running.spool.add("oncology", priority=Priority.BULK)
        running.courier.resume()
        await running.transport.taken.wait()
        await running.spool.until(lambda: running.spool.states().count(SENDING) >= 8)
        for _ in range(100):
            await asyncio.to_thread(lambda: None)
        assert running.spool.states().count(SENDING) <= 9
        running.transport.gate.set()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})
        assert running.transport.most == 1


async def test_bytes_claimed_ahead_are_bounded(tmp_path: Path) -> None:
    policy = replace(QUICK, claim_objects=16, claim_bytes=30_000)
    async with couriering(tmp_path, ScriptedTransport(), policy=policy, lanes=1, paused=True) as running:
        for _ in range(20):
            await running.spool.add("oncology", data=bytes(10_000))
        running.courier.resume()
        await running.transport.taken.wait()
        for _ in range(100):
            await asyncio.to_thread(lambda: None)
        assert running.spool.states().count(SENDING) <= 4
        running.transport.gate.set()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})


async def test_a_pause_puts_back_what_is_not_on_the_wire(tmp_path: Path) -> None:
    async with couriering(tmp_path, ScriptedTransport(), lanes=1) as running:
        for _ in range(10):
            await running.spool.add("oncology")
        await running.transport.taken.wait()
        running.courier.pause()
        await running.spool.until(lambda: running.spool.states().count(QUEUED) == 9)
        running.transport.gate.set()
        await running.spool.until(lambda: running.spool.states().count(ACCEPTED) == 1)
        assert running.transport.sent == [1]
        running.courier.resume()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})


async def test_a_paused_courier_does_not_probe(tmp_path: Path) -> None:
    transport = ScriptedTransport(unreachable=failure(Cause.UNREACHABLE, "nothing listens"))
    async with couriering(tmp_path, transport, paused=True) as running:
        await running.spool.add("oncology")
        running.courier.kick()
        for _ in range(100):
            await asyncio.to_thread(lambda: None)
        assert transport.probes == 0
        assert running.spool.claims == 0


async def test_while_the_link_is_down_only_probes_go_out(tmp_path: Path) -> None:
    transport = ScriptedTransport(gate=open_gate(), unreachable=failure(Cause.UNREACHABLE, "nothing listens"))
    async with couriering(tmp_path, transport) as running:
        for _ in range(5):
            await running.spool.add("oncology")
        async with asyncio.timeout(10):
            while transport.probes < 4:
                await asyncio.to_thread(lambda: None)
        assert transport.sent == []
        status = running.courier.status()
        assert (status.link_state, status.circuit, status.reason) == ("offline", "open", "nothing listens")
        transport.unreachable = None
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})
        assert running.courier.status().circuit == "closed"


async def test_one_lost_lane_does_not_stop_the_others(tmp_path: Path) -> None:
    """A further association that cannot be opened, while one works, costs lanes and not the link."""
    transport = ScriptedTransport()
    async with couriering(tmp_path, transport) as running:
        await running.spool.add("oncology", priority=Priority.BULK)
        await transport.taken.wait()
        transport.unreachable = failure(Cause.NO_ASSOCIATION, "no answer to our association request")
        await running.spool.add("oncology", priority=Priority.RECORD)
        await running.spool.until(lambda: running.spool.state(2) is SENDING)
        for _ in range(50):
            await asyncio.to_thread(lambda: None)
        assert running.courier.status().circuit == "closed"
        transport.gate.set()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})
        assert transport.probes == 0


async def test_after_a_pause_one_object_is_tried_first(tmp_path: Path) -> None:
    mood = [failure(Cause.RESOURCES, "out of resources", status=0xA700)]

    def answer(job: Job) -> Receipt | DeliveryFailure:
        return mood[0] if mood else accepted(job)

    policy = replace(QUICK, pause_backoff=Backoff(0.02, 0.02), refusals_before_pause=3)
    transport = ScriptedTransport(answer, gate=open_gate())
    async with couriering(tmp_path, transport, policy=policy) as running:
        for _ in range(40):
            await running.spool.add("oncology")
        async with asyncio.timeout(10):
            while transport.probes < 4:
                await asyncio.to_thread(lambda: None)
        # Three refusals paused it; afterwards one object per probe.
        assert len(transport.sent) <= 16 + transport.probes
        assert running.courier.status().circuit in ("open", "trial")
        mood.clear()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})


async def test_a_stop_gives_the_wire_time_and_then_puts_back(tmp_path: Path) -> None:
    transport = ScriptedTransport()
    async with couriering(tmp_path, transport, policy=replace(QUICK, drain=0.05), lanes=1) as running:
        for _ in range(5):
            await running.spool.add("oncology")
        await transport.taken.wait()
        running.courier.stop()
        await running.task
        assert set(running.spool.states()) == {QUEUED}
        assert transport.closed
        assert all(entry.delivery.attempts == 0 for entry in running.spool.entries.values())


async def test_a_stop_lets_the_wire_finish(tmp_path: Path) -> None:
    transport = ScriptedTransport()
    async with couriering(tmp_path, transport, policy=replace(QUICK, drain=10), lanes=1) as running:
        for _ in range(3):
            await running.spool.add("oncology")
        await transport.taken.wait()
        running.courier.stop()
        transport.gate.set()
        await running.task
        assert running.spool.states() == [ACCEPTED, QUEUED, QUEUED]


async def test_a_retry_waits_for_its_time_and_lets_others_pass(tmp_path: Path) -> None:
    seen: set[int] = set()

    def answer(job: Job) -> Receipt | DeliveryFailure:
        number = job.delivery.number
        if number == 1 and number not in seen:
            seen.add(number)
            return failure(Cause.PROCESSING, "processing failure", status=0x0110)
        return accepted(job)

    policy = replace(QUICK, object_backoff=Backoff(0.3, 0.3))
    transport = ScriptedTransport(answer, gate=open_gate())
    async with couriering(tmp_path, transport, policy=policy, lanes=1, paused=True) as running:
        for _ in range(4):
            await running.spool.add("oncology")
        running.courier.resume()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})
        assert transport.sent == [1, 2, 3, 4, 1]


async def test_each_destination_of_a_fan_out_is_on_its_own(tmp_path: Path) -> None:
    transport = ScriptedTransport(gate=open_gate())
    async with couriering(tmp_path, transport) as running:
        await running.spool.add("oncology", "archive")
        await running.spool.until(lambda: running.spool.states("oncology") == [ACCEPTED])
        assert running.spool.states("archive") == [QUEUED]


async def test_what_is_on_the_wire_at_a_crash_is_sent_again(tmp_path: Path) -> None:
    """Cancelled without a graceful stop: `sending` in the journal, `queued` at the next start."""
    async with couriering(tmp_path, ScriptedTransport()) as running:
        await running.spool.add("oncology")
        await running.transport.taken.wait()
        running.task.cancel()
        await asyncio.wait([running.task])
        assert running.spool.states() == [SENDING]
    async with couriering(tmp_path, ScriptedTransport(gate=open_gate())) as again:
        again.spool.entries.update(running.spool.entries)
        await again.spool.until(lambda: again.spool.states() == [ACCEPTED])


async def test_a_poison_record_does_not_keep_others_from_their_trial(tmp_path: Path) -> None:
    """After a pause the head of the queue is again the record it failed with; an image is tried instead."""
    down = [True]

    def answer(job: Job) -> Receipt | DeliveryFailure:
        if job.delivery.number <= 3 or down[0]:
            return failure(Cause.ABORTED, "the peer aborted")
        return accepted(job)

    policy = replace(QUICK, object_backoff=Backoff(0.001, 0.001), poison_aborts=1000)
    transport = ScriptedTransport(answer, gate=open_gate())
    async with couriering(tmp_path, transport, policy=policy) as running:
        for _ in range(3):
            await running.spool.add("oncology", priority=Priority.RECORD)
        async with asyncio.timeout(10):
            while transport.probes < 2:
                await asyncio.to_thread(lambda: None)
        down.clear()
        down.append(False)
        await running.spool.add("oncology")
        await running.spool.until(lambda: running.spool.state(4) is ACCEPTED)


@pytest.mark.parametrize("hold", [3600.0, 0.0])
async def test_a_peer_that_takes_one_association_is_not_asked_for_more_for_a_while(
    tmp_path: Path, hold: float
) -> None:
    class OneAtATime(ScriptedTransport):
        refused = 0

        async def send(self, work: Work) -> None:
            if self.sending:
                self.refused += 1
                raise failure(Cause.REJECTED_TRANSIENT, "local limit exceeded")
            await super().send(work)

    transport = OneAtATime()
    policy = replace(QUICK, lane_cap_hold=hold)
    async with couriering(tmp_path, transport, policy=policy, paused=True) as running:
        for _ in range(40):
            await running.spool.add("oncology")
        running.courier.resume()
        await transport.taken.wait()
        async with asyncio.timeout(10):
            while transport.refused < (1 if hold else 10):
                await asyncio.to_thread(lambda: None)
        for _ in range(200):
            running.courier.work_arrived()
            await asyncio.to_thread(lambda: None)
        transport.gate.set()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})
        assert transport.probes == 0
        assert transport.refused <= 3 or not hold  # those asked for together
