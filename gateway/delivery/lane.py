"""One association's view of what there is to send (the `Work` of the transport contract)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.errors import DeliveryFailure
from gateway.model import Priority, Receipt
from gateway.spool import Job


class Dispatcher(Protocol):
    """What a lane needs of its courier."""

    def offer(self, most: Priority) -> Job | None: ...
    def in_sight(self, most: Priority) -> Sequence[Job]: ...
    def hand_over(self, most: Priority) -> Job: ...
    async def news(self) -> None: ...
    def on_outcome(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None: ...


class Lane:
    """One association's view of the ready queue (the `Work` of the transport contract)."""

    def __init__(self, courier: Dispatcher, most: Priority) -> None:
        self._courier = courier
        self._most = most
        self.taken: dict[int, Job] = {}

    def first(self) -> Job | None:
        return self._courier.offer(self._most)

    def upcoming(self) -> Sequence[Job]:
        return self._courier.in_sight(self._most)

    def take(self) -> Job:
        job = self._courier.hand_over(self._most)
        self.taken[job.delivery.number] = job
        return job

    async def more(self) -> None:
        await self._courier.news()

    def settled(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None:
        del self.taken[job.delivery.number]
        self._courier.on_outcome(job, outcome, seconds)
