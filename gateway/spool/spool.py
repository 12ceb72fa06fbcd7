"""The durable spool: what is acknowledged is here until it is delivered. The one door to this room."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.model import Delivery, DeliveryState, Instance, Origin, Priority
from gateway.notices import Notices
from gateway.spool.values import (
    DataReader,
    DeliveryRow,
    DeliveryStory,
    ExpireReport,
    IncomingObject,
    Job,
    RecoveryReport,
    Settlement,
    SpoolLimits,
    SpoolSummary,
)


class Spool:
    """Objects, and their deliveries, that survive everything but the loss of the disk.

    All methods belong to the event loop thread, `open_data` excepted. None of them waits for the disk on
    that thread. Raised are LocalError for misuse, and its kinds NoRoom and SpoolFailure.
    """

    recovery: RecoveryReport

    @classmethod
    def open(
        cls,
        directory: Path,
        limits: SpoolLimits | None = None,
        *,
        notices: Notices,
        wall_clock: Callable[[], float] = time.time,
    ) -> Spool:
        """Lock `directory` (created if need be), recover what is there, start the threads. Blocking.

        Raises SpoolFailure when another process has it, when it was written by a newer version, or when
        the disk fails. Alarms of the recovery are published before it returns.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Finish what was handed in, write the journal back, let go of the directory."""
        raise NotImplementedError

    async def wait_failed(self) -> None:
        """Wait until the journal cannot be trusted any more, then raise SpoolFailure.

        The process must end then: recovery at start is the one repair. Never returns before `close`.
        """
        raise NotImplementedError

    # what arrives

    def receive(
        self, instance: Instance, origin: Origin, priority: Priority, destinations: Sequence[str]
    ) -> IncomingObject:
        """Begin to take an object for `destinations` (at least one). Raises NoRoom at once."""
        raise NotImplementedError

    # what leaves

    async def claim(
        self,
        destination: str,
        limit: int,
        *,
        max_bytes: int | None = None,
        max_priority: Priority | None = None,
    ) -> list[Job]:
        """Take up to `limit` due deliveries, records first, then oldest first: they are `sending` now.

        `max_bytes` bounds their sizes together (one job is always given), `max_priority` leaves out what
        is less urgent than it.
        """
        raise NotImplementedError

    async def settle(self, outcomes: Sequence[Settlement]) -> None:
        """Record how attempts ended; durable when it returns. All of them or, on an error, none."""
        raise NotImplementedError

    def open_data(self, object_number: int) -> DataReader:
        """Open the bytes of an object. Blocking, for any thread; SpoolFailure when they are not there."""
        raise NotImplementedError

    async def next_due(self, destination: str) -> float | None:
        """When the next queued delivery may go (wall clock; 0.0: now); None when nothing is queued."""
        raise NotImplementedError

    def on_work(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` on the event loop when something became queued for it.

        The returned function ends that.
        """
        raise NotImplementedError

    # what the operator sees and does; `who` is the person, and is kept in the history

    async def summary(self) -> SpoolSummary:
        """Count what is here; the cost depends on the number of destinations only."""
        raise NotImplementedError

    async def list_deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[DeliveryRow]:
        """List deliveries by number, those after number `after` (the last one of the page before)."""
        raise NotImplementedError

    async def show(self, delivery_number: int) -> DeliveryStory:
        """Tell all about one delivery; LocalError when there is no such number."""
        raise NotImplementedError

    async def retry(self, delivery_number: int, *, who: str = "") -> Delivery:
        """Send as soon as possible: a waiting or held one now, an accepted one again (bytes permitting)."""
        raise NotImplementedError

    async def hold(self, delivery_number: int, reason: str, *, who: str = "") -> Delivery:
        """Keep a queued delivery until a person releases it."""
        raise NotImplementedError

    async def release(self, delivery_number: int, *, who: str = "") -> Delivery:
        """Let a held delivery go: it is queued again, due now."""
        raise NotImplementedError

    async def discard(self, delivery_number: int, reason: str, *, who: str = "") -> Delivery:
        """Give up a queued or held delivery for good.

        The bytes are deleted at once when no other delivery of the object has need of them.
        """
        raise NotImplementedError

    async def retry_held(
        self, destination: str | None = None, cause: str | None = None, *, who: str = ""
    ) -> int:
        """Queue every held delivery again (not those being compared); return how many."""
        raise NotImplementedError

    async def expire(self, now: float | None = None) -> ExpireReport:
        """Apply the retention: release what was delivered long ago, delete bytes and old history."""
        raise NotImplementedError

    async def export(self, object_number: int, path: Path) -> None:
        """Write the object to the new file `path` as a DICOM file (PS3.10), verified against its digest."""
        raise NotImplementedError
