"""A spool with treatment records in it, and the section of the operator API that shows them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.synthetic import SyntheticObject
from gateway.model import AETitle, Instance, Origin, Priority, Receipt
from gateway.operator.record_list import RecordList
from gateway.operator.sections.records import MAX_COUNTED, RecordsSection
from gateway.spool import Accepted, Confirmed, Hold, Job, Spool, SpoolLimits
from tests.support.committing import Clock
from tests.support.fake_control import FakeControl

LIMITS = SpoolLimits(retention_seconds=0, reserve_bytes=0, floor_bytes=0)


@dataclass
class RecordBench:
    """Objects in, and deliveries on their way, as the daemon's parts would do it."""

    spool: Spool
    clock: Clock
    records: RecordList
    section: RecordsSection
    control: FakeControl

    async def store(self, thing: SyntheticObject, *to: str, calling: str = "LINAC1") -> int:
        """Put an object in as a console would; return its journal number."""
        origin = Origin("console", "192.0.2.20", AETitle(calling), AETitle("ARIA"), "a1")
        instance = Instance(thing.sop_class_uid, thing.sop_instance_uid, thing.transfer_syntax_uid)
        incoming = self.spool.receive(instance, origin, Priority.RECORD, to or ("oncology",))
        incoming.write(thing.data)
        return (await incoming.commit()).number

    async def claim(self, destination: str = "oncology") -> Job:
        (job,) = await self.spool.claim(destination, 1)
        return job

    async def accept(self, destination: str = "oncology") -> Job:
        """Let the destination accept what is next."""
        job = await self.claim(destination)
        syntax = job.object.instance.transfer_syntax_uid
        receipt = Receipt(destination, 0, "", syntax, job.object.digest, self.clock.now)
        await self.spool.settle([Accepted(job.delivery.number, receipt)])
        return job

    async def confirm(self, job: Job) -> None:
        await self.spool.settle([Confirmed(job.delivery.number, "verified")])

    async def hold(self, destination: str = "oncology") -> Job:
        job = await self.claim(destination)
        await self.spool.settle([Hold(job.delivery.number, "no", "rejected")])
        return job


@contextlib.asynccontextmanager
async def record_bench(
    directory: Path, now: float, *, max_counted: int = MAX_COUNTED
) -> AsyncIterator[RecordBench]:
    """Open a spool whose clock stands at `now`. Delivered bytes go as soon as it is told to expire."""
    control, clock = FakeControl(), Clock()
    clock.now = now
    spool = await asyncio.to_thread(Spool.open, directory, LIMITS, notices=control.notices, wall_clock=clock)
    records = RecordList(spool, wall_clock=clock, max_counted=max_counted)
    yield RecordBench(spool, clock, records, RecordsSection(records), control)
    await spool.close()
