"""The real spool, with a window: what the journal says of every delivery, seen without asking."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.model import AETitle, Delivery, DeliveryState, Instance, Origin, Priority, Receipt, StoredObject
from gateway.notices import Notices
from gateway.spool import DataReader, Job, Settlement, Spool, SpoolLimits

ORIGIN = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
EXPLICIT_LE = "1.2.840.10008.1.2.1"
RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"
LIMITS = SpoolLimits(reserve_bytes=0, floor_bytes=0)


@dataclass(slots=True)
class Entry:
    """One delivery as the journal has it after the last claim or settlement."""

    delivery: Delivery
    stored: StoredObject
    cause: str = ""
    receipts: tuple[Receipt, ...] = ()


class DeliverySpool:
    """What the engine gets; every call goes to the real spool."""

    def __init__(self, spool: Spool, directory: Path) -> None:
        self.spool = spool
        self.directory = directory
        self.entries: dict[int, Entry] = {}
        self.damaged: dict[int, bytes] = {}  # object number -> what the journal gives instead of its bytes
        self.settle_error: Exception | None = None
        self.claims = 0
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, directory: Path, notices: Notices, limits: SpoolLimits = LIMITS) -> DeliverySpool:
        return cls(await asyncio.to_thread(Spool.open, directory, limits, notices=notices), directory)

    async def add(
        self,
        *destinations: str,
        priority: Priority = Priority.IMAGE,
        data: bytes = b"",
        sop_class: str = RT_IMAGE,
        syntax: str = EXPLICIT_LE,
    ) -> int:
        """Store an object whose SOP Instance UID ends in its number; return its (first) delivery number."""
        count = len(self.entries) + 1
        data = data or count.to_bytes(8, "little")
        instance = Instance(sop_class, uid(count), syntax)
        incoming = self.spool.receive(instance, ORIGIN, priority, destinations)
        incoming.write(data)
        # Registered first: the courier may be faster than this coroutine.
        pending = asyncio.ensure_future(incoming.commit())
        digest = hashlib.sha256(data).digest()
        stored = StoredObject(count, instance, ORIGIN, priority, digest, len(data), 0.0)
        for number, destination in enumerate(destinations, count):
            queued = Delivery(number, count, destination, priority, DeliveryState.QUEUED, 0, 0.0, "", 0.0)
            self.entries[number] = Entry(queued, stored)
        assert (await pending).outcome == "new"
        return count

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
        leave_out: Collection[int] = (),
    ) -> list[Job]:
        self.claims += 1
        jobs = await self.spool.claim(
            destination, limit, max_bytes=max_bytes, max_priority=max_priority, leave_out=leave_out
        )
        for number, job in enumerate(jobs):
            self.entries[job.delivery.number].delivery = job.delivery
            if job.object.number in self.damaged:
                jobs[number] = replace(job, data=self.damaged[job.object.number])
        self._changed.set()
        return jobs

    async def settle(self, outcomes: Sequence[Settlement]) -> None:
        if self.settle_error is not None:
            raise self.settle_error
        await self.spool.settle(outcomes)
        for number in [outcome.delivery for outcome in outcomes]:
            story = await self.spool.show(number)
            self.entries[number] = Entry(
                story.delivery,
                story.object,
                story.cause,
                tuple(receipt for delivery, receipt in story.receipts if delivery == number),
            )
        self._changed.set()

    async def next_due(self, destination: str, *, max_priority: Priority = Priority.BULK) -> float | None:
        return await self.spool.next_due(destination, max_priority=max_priority)

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        return self.spool.on_work(callback)

    def open_data(self, object_number: int) -> DataReader:
        return self.spool.open_data(object_number)

    def state(self, number: int) -> DeliveryState:
        return self.entries[number].delivery.state

    def states(self, destination: str | None = None) -> list[DeliveryState]:
        return [
            entry.delivery.state
            for entry in self.entries.values()
            if destination in (None, entry.delivery.destination)
        ]

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait for a condition that changes with a claim or a settlement."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def flip_a_bit(self, size: int) -> None:
        """Damage the one object file with `size` bytes of data set on the disk."""
        file = self._file(size)
        body = bytearray(file.read_bytes())
        body[-size // 2] ^= 1
        file.write_bytes(body)

    def truncate(self, size: int) -> None:
        """Cut the one object file with `size` bytes of data set in half."""
        file = self._file(size)
        file.write_bytes(file.read_bytes()[: -size // 2])

    def _file(self, size: int) -> Path:
        header = range(size, size + 4096)  # preamble and File Meta come before the data set
        (file,) = (p for p in self.directory.rglob("*") if p.is_file() and p.stat().st_size in header)
        file.chmod(0o600)
        return file


def uid(number: int) -> str:
    """The SOP Instance UID of the object with this number."""
    return f"1.2.826.0.1.{number}"
