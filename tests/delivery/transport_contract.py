"""What every transport has to do (gateway/delivery/transports/__init__.py), as tests.

A test module makes a subclass of `TransportContract` and a fixture `rig`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from gateway.delivery.transports import Transport
from gateway.errors import DeliveryFailure
from gateway.model import Delivery, DeliveryState, Instance, Priority, Receipt, StoredObject
from gateway.spool import Job
from tests.support.delivery_spool import EXPLICIT_LE, ORIGIN, RT_IMAGE, uid


class Rig(Protocol):
    """A transport and the far end it leads to."""

    transport: Transport

    def refuse(self, number: int) -> None:
        """Let the far end refuse the object with this number for good."""

    def cut(self, number: int) -> None:
        """Let the far end cut the association under the object with this number."""

    def stall(self, number: int) -> asyncio.Event:
        """Let the far end never answer for the object; the event is set when it has arrived."""

    def unplug(self) -> None:
        """Take the far end away."""

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        """(SOP Instance UID, data set) of everything accepted, in order."""

    async def wait_released(self) -> None:
        """Return when the far end saw a polite end of an association."""


def make_job(
    number: int,
    data: bytes = b"",
    *,
    priority: Priority = Priority.IMAGE,
    sop_class: str = RT_IMAGE,
    syntax: str = EXPLICIT_LE,
    digest: bytes | None = None,
) -> Job:
    """Return a claimed job with its bytes inline."""
    data = data or number.to_bytes(8, "little")
    digest = digest or hashlib.sha256(data).digest()
    instance = Instance(sop_class, uid(number), syntax)
    stored = StoredObject(number, instance, ORIGIN, priority, digest, len(data), 0.0)
    delivery = Delivery(number, number, "oncology", priority, DeliveryState.SENDING, 0, 0.0, "", 0.0)
    return Job(delivery, stored, data)


@dataclass
class ListedWork:
    """Work from a list, best first; notes how each job ended."""

    jobs: list[Job]
    outcomes: dict[int, Receipt | DeliveryFailure] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    on_settled: Callable[[int], None] = lambda number: None

    def first(self) -> Job | None:
        return self.jobs[0] if self.jobs else None

    def upcoming(self) -> Sequence[Job]:
        return self.jobs

    def take(self) -> Job:
        job = self.jobs.pop(0)
        self.taken.append(job.delivery.number)
        return job

    async def more(self) -> None:
        await asyncio.Event().wait()  # all there ever is was there from the beginning

    def settled(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None:
        number = job.delivery.number
        assert number in self.taken, "settled without being taken"
        assert number not in self.outcomes, "settled twice"
        assert seconds >= 0
        self.outcomes[number] = outcome
        self.on_settled(number)


class TransportContract:
    """Inherit, and provide `rig`."""

    WINDOW = 8
    """Objects that may be in flight at a time."""

    async def test_everything_taken_is_settled_with_a_receipt_for_the_bytes_sent(self, rig: Rig) -> None:
        jobs = [make_job(number, bytes([number]) * 1000) for number in range(1, 20)]
        work = ListedWork(list(jobs))
        await rig.transport.send(work)
        assert work.taken == list(range(1, 20))
        assert sorted(rig.delivered()) == sorted((uid(n), bytes([n]) * 1000) for n in range(1, 20))
        for job in jobs:
            receipt = work.outcomes[job.delivery.number]
            assert isinstance(receipt, Receipt)
            assert (receipt.destination, receipt.status) == ("oncology", 0)
            assert receipt.digest == job.object.digest
            assert receipt.transfer_syntax_uid == job.object.instance.transfer_syntax_uid

    async def test_nothing_to_send_is_nothing_done(self, rig: Rig) -> None:
        rig.unplug()
        await rig.transport.send(ListedWork([]))

    async def test_what_comes_next_is_asked_for_at_the_last_moment(self, rig: Rig) -> None:
        work = ListedWork([make_job(number, bytes(200_000)) for number in range(1, 20)])

        def settled(number: int) -> None:
            if number == 1:
                work.jobs.insert(0, make_job(99, priority=Priority.RECORD))

        work.on_settled = settled
        await rig.transport.send(work)
        # What was in flight already cannot be called back; the rest waits.
        assert work.taken.index(99) <= self.WINDOW
        assert len(rig.delivered()) == 20

    async def test_a_refused_object_does_not_keep_the_others_back(self, rig: Rig) -> None:
        rig.refuse(2)
        work = ListedWork([make_job(number) for number in (1, 2, 3)])
        await rig.transport.send(work)
        refused = work.outcomes[2]
        assert isinstance(refused, DeliveryFailure)
        assert not refused.link
        assert refused.cause
        assert refused.reason
        assert [isinstance(work.outcomes[n], Receipt) for n in (1, 3)] == [True, True]

    async def test_a_cut_settles_what_was_under_way(self, rig: Rig) -> None:
        rig.cut(2)
        work = ListedWork([make_job(number) for number in (1, 2, 3)])
        await rig.transport.send(work)
        cut = work.outcomes[2]
        assert isinstance(cut, DeliveryFailure)
        assert not cut.link
        assert set(work.outcomes) == set(work.taken)

    async def test_an_unreachable_destination_is_a_failure_of_the_link(self, rig: Rig) -> None:
        rig.unplug()
        work = ListedWork([make_job(1)])
        with pytest.raises(DeliveryFailure) as caught:
            await rig.transport.send(work)
        assert caught.value.link
        assert caught.value.reason
        assert set(work.outcomes) == set(work.taken)

    async def test_damaged_bytes_are_never_accepted(self, rig: Rig) -> None:
        work = ListedWork([make_job(1, bytes(500), digest=bytes(32)), make_job(2)])
        await rig.transport.send(work)
        damaged = work.outcomes[1]
        assert isinstance(damaged, DeliveryFailure)
        assert damaged.cause == "damaged"
        assert [name for name, _ in rig.delivered()] == [uid(2)]

    async def test_a_probe_finds_life(self, rig: Rig) -> None:
        rtt = await rig.transport.probe()
        assert rtt is None or 0 <= rtt < 10

    async def test_a_probe_finds_death(self, rig: Rig) -> None:
        rig.unplug()
        with pytest.raises(DeliveryFailure) as caught:
            await rig.transport.probe()
        assert caught.value.link

    async def test_cancelled_it_lets_go_and_settles_nothing_more(self, rig: Rig) -> None:
        arrived = rig.stall(1)
        work = ListedWork([make_job(1), make_job(2)])
        sending = asyncio.create_task(rig.transport.send(work))
        async with asyncio.timeout(10):
            await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert 1 not in work.outcomes

    async def test_concurrent_sends_share_nothing_but_the_destination(self, rig: Rig) -> None:
        works = [ListedWork([make_job(10 * lane + n) for n in range(1, 6)]) for lane in range(1, 4)]
        await asyncio.gather(*(rig.transport.send(work) for work in works))
        assert len(rig.delivered()) == 15
        assert all(isinstance(o, Receipt) for work in works for o in work.outcomes.values())

    async def test_closing_ends_politely(self, rig: Rig) -> None:
        await rig.transport.send(ListedWork([make_job(1)]))
        await rig.transport.close()
        await rig.wait_released()
