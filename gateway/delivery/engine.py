"""All couriers together. Destinations share nothing but the spool and the event loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.delivery.courier import Courier, Queue
from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports import Transport
from gateway.errors import LocalError
from gateway.model import Peer, Priority
from gateway.notices import Notices
from gateway.reachability import Reachabilities


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer that objects are delivered to."""

    peer: Peer
    paused: bool = False  # as it was when the process ended, or as configured
    policy: DeliveryPolicy | None = None  # None: that of all others

    @property
    def name(self) -> str:
        """The name used in the spool, in notices and by operators."""
        return self.peer.name


class WorkQueue(Queue, Protocol):
    """What the engine needs of the spool beyond what a courier needs."""

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]: ...


class DeliveryEngine:
    """Runs one courier per destination. Delivery is at least once: see courier.py."""

    def __init__(
        self,
        spool: WorkQueue,
        destinations: Sequence[Destination],
        transport: Callable[[Peer], Transport],
        notices: Notices,
        policy: DeliveryPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        remember_paused: Callable[[Sequence[str]], None] | None = None,
        reachabilities: Reachabilities | None = None,
    ) -> None:
        """`remember_paused` is given the names of all paused destinations whenever that changes.

        `reachabilities` learns which destinations are found up or down, in times of `clock`.
        """
        self._spool = spool
        self._remember_paused = remember_paused
        self._couriers = {
            destination.name: Courier(
                destination.name,
                transport(destination.peer),
                spool,
                notices,
                policy=destination.policy or policy or DeliveryPolicy(),
                max_associations=destination.peer.max_associations,
                paused=destination.paused,
                clock=clock,
                wall_clock=wall_clock,
                rng=rng or random.SystemRandom(),
                reachability=reachabilities.of(destination.name) if reachabilities else None,
            )
            for destination in destinations
        }
        if len(self._couriers) != len(destinations):
            raise LocalError("two destinations have the same name")
        self._run: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled or closed. An exception is a defect or a failed spool: end the process.

        Cancelled, objects on the wire stay `sending` in the journal until the next start makes them `queued`;
        `close` puts them back at once and lets associations go politely.
        """
        self._run = asyncio.current_task()
        forget = self._spool.on_work(self._work_arrived)
        try:
            async with asyncio.TaskGroup() as group:
                for courier in self._couriers.values():
                    group.create_task(courier.run(), name=f"courier {courier.name}")
                # A gateway that only relays has no courier, and goes on all the same.
                await self._closing.wait()
        finally:
            forget()
            self._run = None

    async def close(self) -> None:
        """End `run` gracefully: within the drain time and the release time-out of the associations."""
        run = self._run
        self._closing.set()
        for courier in self._couriers.values():
            courier.stop()
        if run is not None:
            await asyncio.wait([run])

    def pause(self, destination: str) -> None:
        """Deliver nothing more to `destination` until `resume`."""
        self._courier(destination).pause()
        self._remember()

    def resume(self, destination: str) -> None:
        """Deliver to `destination` again."""
        self._courier(destination).resume()
        self._remember()

    def hold_back(self, destination: str, most: Priority, why: str) -> None:
        """Begin to send only what is as urgent as `most` or more to `destination`, until told otherwise."""
        self._courier(destination).hold_back(most, why)

    def kick(self, destination: str) -> None:
        """Try `destination` now, whatever its circuit breaker says."""
        self._courier(destination).kick()

    def unreachable(self, destination: str, reason: str) -> None:
        """Somebody found that nothing comes back from `destination` any more."""
        self._courier(destination).unreachable(reason)

    def answered(self, destination: str, rtt: float) -> None:
        """Somebody had an answer from `destination`, after `rtt` seconds."""
        self._courier(destination).answered(rtt)

    def status(self) -> list[DestinationStatus]:
        """How every destination stands, in the order of the configuration."""
        return [courier.status() for courier in self._couriers.values()]

    def _courier(self, destination: str) -> Courier:
        courier = self._couriers.get(destination)
        if courier is None:
            raise LocalError(f"there is no destination {destination!r}")
        return courier

    def _remember(self) -> None:
        if self._remember_paused is not None:
            self._remember_paused([status.name for status in self.status() if status.paused])

    def _work_arrived(self, destination: str) -> None:
        courier = self._couriers.get(destination)
        if courier is not None:  # a destination that left the configuration keeps its objects in the spool
            courier.work_arrived()
