"""The delivery side of the spool in memory: the same contract, no disk. For courier tests."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.model import AETitle, Delivery, DeliveryState, Instance, Origin, Priority, Receipt, StoredObject
from gateway.spool import Accepted, Confirmed, Hold, Job, PutBack, Settlement

ORIGIN = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
EXPLICIT_LE = "1.2.840.10008.1.2.1"


@dataclass(slots=True)
class Entry:
    delivery: Delivery
    stored: StoredObject
    data: bytes
    cause: str = ""
    receipts: list[Receipt] = field(default_factory=list)


class FakeSpool:
    def __init__(self, inline_max: int = 65536) -> None:
        self.entries: dict[int, Entry] = {}
        self.inline_max = inline_max
        self._callbacks: list[Callable[[str], None]] = []
        self._changed = asyncio.Event()
        self.claims = 0
        self.settle_error: Exception | None = None

    def add(
        self,
        destination: str,
        priority: Priority = Priority.IMAGE,
        *,
        data: bytes = b"",
        sop_class: str = "1.2.840.10008.5.1.4.1.1.481.1",
        syntax: str = EXPLICIT_LE,
    ) -> int:
        number = len(self.entries) + 1
        data = data or number.to_bytes(8, "little")
        instance = Instance(sop_class, f"1.2.826.0.1.{number}", syntax)
        stored = StoredObject(
            number, instance, ORIGIN, priority, hashlib.sha256(data).digest(), len(data), time.time()
        )
        delivery = Delivery(
            number, number, destination, priority, DeliveryState.QUEUED, 0, 0.0, "", time.time()
        )
        self.entries[number] = Entry(delivery, stored, data)
        self._tell(destination)
        return number

    def _tell(self, destination: str) -> None:
        for callback in self._callbacks:
            callback(destination)

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
    ) -> list[Job]:
        self.claims += 1
        await asyncio.sleep(0)
        due = sorted(
            (e.delivery.priority, e.stored.number, e)
            for e in self.entries.values()
            if e.delivery.destination == destination
            and e.delivery.state is DeliveryState.QUEUED
            and e.delivery.not_before <= time.time()
            and e.delivery.priority <= (Priority.BULK if max_priority is None else max_priority)
        )
        jobs: list[Job] = []
        total = 0
        for _, _, entry in due[:limit]:
            total += entry.stored.size
            if jobs and max_bytes is not None and total > max_bytes:
                break
            entry.delivery = replace(entry.delivery, state=DeliveryState.SENDING)
            inline = entry.stored.size <= self.inline_max
            jobs.append(Job(entry.delivery, entry.stored, entry.data if inline else None))
        return jobs

    async def settle(self, outcomes: Sequence[Settlement]) -> None:
        await asyncio.sleep(0)
        if self.settle_error is not None:
            raise self.settle_error
        for outcome in outcomes:
            entry = self.entries[outcome.delivery]
            assert entry.delivery.state is DeliveryState.SENDING
            match outcome:
                case Accepted(_, receipt):
                    entry.receipts.append(receipt)
                    entry.delivery = replace(entry.delivery, state=DeliveryState.ACCEPTED)
                case PutBack(_, not_before, reason, counts):
                    entry.delivery = replace(
                        entry.delivery,
                        state=DeliveryState.QUEUED,
                        not_before=not_before,
                        reason=reason,
                        attempts=entry.delivery.attempts + counts,
                    )
                    self._tell(entry.delivery.destination)
                case Hold(_, reason, cause):
                    entry.delivery = replace(
                        entry.delivery,
                        state=DeliveryState.HELD,
                        reason=reason,
                        attempts=entry.delivery.attempts + 1,
                    )
                    entry.cause = cause
                case Confirmed():
                    raise AssertionError("not by the courier")
        self._changed.set()

    async def next_due(self, destination: str) -> float | None:
        return min(
            (
                e.delivery.not_before
                for e in self.entries.values()
                if e.delivery.destination == destination and e.delivery.state is DeliveryState.QUEUED
            ),
            default=None,
        )

    def open_data(self, object_number: int) -> io.BytesIO:
        return io.BytesIO(self.entries[object_number].data)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def states(self, destination: str | None = None) -> list[DeliveryState]:
        return [
            e.delivery.state for e in self.entries.values() if destination in (None, e.delivery.destination)
        ]
