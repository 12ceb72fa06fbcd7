"""Whose turn it is: records before images whenever they become due, and everybody's trial after a pause."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.delivery.backoff import Backoff
from gateway.delivery.classification import Cause, failure
from gateway.delivery.transports import Work
from gateway.errors import DeliveryFailure
from gateway.model import DeliveryState, Priority, Receipt
from gateway.spool import Job
from tests.delivery.test_courier import ScriptedTransport, accepted, couriering, open_gate
from tests.support.delivery import QUICK

ACCEPTED = DeliveryState.ACCEPTED


@dataclass
class ImagesTakeForever(ScriptedTransport):
    """Images stay on the wire until the gate opens; records are answered at once."""

    records: int = 0

    async def send(self, work: Work) -> None:
        while work.first() is not None:
            job = work.take()
            if job.delivery.priority is Priority.RECORD:
                self.records += 1
            else:
                self.taken.set()
                await self.gate.wait()
            work.settled(job, self.answer(job), 0.001)


async def test_a_record_that_becomes_due_does_not_wait_for_the_images_claimed_before_it(
    tmp_path: Path,
) -> None:
    """It is put back and due again while an image goes on for hours: the lane for records takes it."""
    transport = ImagesTakeForever()

    def refused_once(job: Job) -> Receipt | DeliveryFailure:
        if job.delivery.priority is Priority.RECORD and transport.records == 1:
            return failure(Cause.PROCESSING, "processing failure", status=0x0110)
        return accepted(job)

    transport.answer = refused_once
    policy = replace(QUICK, object_backoff=Backoff(0.3, 0.3))
    async with couriering(tmp_path, transport, policy=policy, lanes=2, paused=True) as running:
        record = await running.spool.add("oncology", priority=Priority.RECORD)
        for _ in range(40):
            await running.spool.add("oncology")
        running.courier.resume()
        await transport.taken.wait()
        await running.spool.until(lambda: running.spool.state(record) is ACCEPTED)
        assert transport.records == 2
        assert running.spool.states().count(ACCEPTED) == 1
        transport.gate.set()
        await running.spool.until(lambda: set(running.spool.states()) == {ACCEPTED})


async def test_after_a_pause_a_large_poison_object_does_not_keep_the_others_from_their_trial(
    tmp_path: Path,
) -> None:
    """It is the oldest, and so large that nothing is claimed beside it: the next is tried all the same."""
    down = [True]

    def answer(job: Job) -> Receipt | DeliveryFailure:
        if job.delivery.number == 1 or down[0]:
            return failure(Cause.ABORTED, "the peer aborted")
        return accepted(job)

    policy = replace(QUICK, object_backoff=Backoff(0.001, 0.001), claim_bytes=1000)
    transport = ScriptedTransport(answer, gate=open_gate())
    async with couriering(tmp_path, transport, policy=policy, paused=True) as running:
        await running.spool.add("oncology", data=bytes(100_000))
        for _ in range(4):
            await running.spool.add("oncology")
        running.courier.resume()
        async with asyncio.timeout(20):
            while transport.probes < 6:  # each of them has failed in its turn
                await asyncio.to_thread(lambda: None)
        down[0] = False
        await running.spool.until(lambda: running.spool.states().count(ACCEPTED) == 4)


async def test_a_probe_that_is_called_off_before_it_began_is_not_the_last(tmp_path: Path) -> None:
    """Somebody else has an answer in the very moment in which a probe is made; then the link goes again."""
    transport = ScriptedTransport(unreachable=failure(Cause.UNREACHABLE, "nothing listens"))
    async with couriering(tmp_path, transport) as running:
        courier, loop = running.courier, asyncio.get_running_loop()
        called_off: list[bool] = []

        def answered() -> None:
            called_off.append(courier._probe is not None and transport.probes == 0)
            courier.answered(0.1)
            courier.unreachable("nothing comes back, again")

        def clock() -> float:
            if courier._probe is None and True not in called_off:
                loop.call_soon(answered)  # before the first turn of a task that is made after this
            return loop.time()

        courier.unreachable("nothing comes back")
        courier._clock = clock
        async with asyncio.timeout(20):
            while transport.probes < 2:
                await asyncio.to_thread(lambda: None)
        assert True in called_off
