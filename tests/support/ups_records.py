"""Deliveries as the UPS guard sees them, in memory: who stored what for whom, and whether it has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from gateway.errors import SpoolFailure
from gateway.model import Priority
from gateway.spool.values import Unsettled

_ON_THE_WAY = ("queued", "sending", "held")


@dataclass
class _Delivery:
    destination: str
    calling_ae: str
    priority: Priority
    state: str = "queued"
    finished: bool = False  # it was accepted or discarded once


@dataclass
class FakeRecords:
    """`unsettled` and `on_settled` of the spool. Object and delivery have the same number here."""

    deliveries: dict[int, _Delivery] = field(default_factory=dict)
    questions: list[int | None] = field(default_factory=list)  # `up_to` of each
    listeners: list[Callable[[str], None]] = field(default_factory=list)
    after_reading: Callable[[], None] = lambda: None  # once, between reading and the answer
    stuck: asyncio.Event | None = None  # no answer before it is set
    failure: SpoolFailure | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)  # somebody listens

    def store(
        self, destination: str, *, calling_ae: str = "LINAC1", priority: Priority = Priority.RECORD
    ) -> int:
        """Store one object; return its number."""
        number = len(self.deliveries) + 1
        self.deliveries[number] = _Delivery(destination, calling_ae, priority)
        return number

    def settle(self, number: int, state: str) -> None:
        """Move a delivery, and say so as the spool does: when it left `sending`, or was finished."""
        one = self.deliveries[number]
        told = one.state == "sending" or state not in _ON_THE_WAY
        one.state = state
        one.finished = one.finished or state not in _ON_THE_WAY
        for listener in tuple(self.listeners) if told else ():
            listener(one.destination)

    def matters(self, number: int, destinations: Collection[str], calling_ae: str) -> bool:
        """Say whether this is a record of that console for one of these destinations, on its way."""
        one = self.deliveries[number]
        return (
            one.destination in destinations
            and one.calling_ae == calling_ae
            and one.priority is Priority.RECORD
            and one.state in _ON_THE_WAY
        )

    def arrived_once(self, number: int) -> bool:
        """Say whether it was accepted (or given up by a person) at some moment."""
        return self.deliveries[number].finished

    async def unsettled(
        self, *, calling_ae: str, destinations: Collection[str], most: Priority, up_to: int | None = None
    ) -> Unsettled:
        """Read, and answer a moment later, as a journal in another thread does."""
        self.questions.append(up_to)
        if self.failure is not None:
            raise self.failure
        newest = max(self.deliveries, default=0)
        count = sum(
            one.state in _ON_THE_WAY
            and one.calling_ae == calling_ae
            and one.destination in destinations
            and one.priority <= most
            and number <= (newest if up_to is None else up_to)
            for number, one in self.deliveries.items()
        )
        self.after_reading()
        self.after_reading = lambda: None
        if self.stuck is not None:
            await self.stuck.wait()
        await asyncio.sleep(0)
        return Unsettled(count, newest)

    async def listened(self, count: int = 1) -> None:
        """Wait until as many listen."""
        async with asyncio.timeout(10):
            while len(self.listeners) < count:
                self.news.clear()
                await self.news.wait()

    def on_settled(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """As the spool's."""
        self.listeners.append(callback)
        self.news.set()
        return lambda: self.listeners.remove(callback)
