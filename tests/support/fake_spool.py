"""A spool in memory, with the failures of a real one on demand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.model import Instance, Origin, Priority
from gateway.spool.values import Stored


@dataclass
class Kept:
    """One object that was committed."""

    instance: Instance
    origin: Origin
    priority: Priority
    destinations: tuple[str, ...]
    data: bytes


@dataclass
class FakeSpool:
    """Has the interface of `Spool.receive`; every hook is called where a real spool could fail or wait."""

    kept: list[Kept] = field(default_factory=list)
    incoming: list[FakeIncoming] = field(default_factory=list)
    on_receive: Callable[[], None] = lambda: None
    on_write: Callable[[int], None] = lambda size: None  # bytes so far
    on_commit: Callable[[], None] = lambda: None
    on_commit_asked: Callable[[int], None] = lambda count: None  # before the gate
    gate: asyncio.Event | None = None  # commits wait for it
    max_pending: int | None = None  # bytes after which `pressure` is true until `relieve()`
    keep_data: bool = True
    commits: int = 0  # how many were asked for
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # an object has been received
    committing: asyncio.Event = field(default_factory=asyncio.Event)  # a commit has been asked for

    def receive(
        self, instance: Instance, origin: Origin, priority: Priority, destinations: Sequence[str]
    ) -> FakeIncoming:
        """Begin an object."""
        self.on_receive()
        incoming = FakeIncoming(self, instance, origin, priority, tuple(destinations))
        self.incoming.append(incoming)
        self.begun.set()
        return incoming


class FakeIncoming:
    """An object on its way in."""

    def __init__(
        self,
        spool: FakeSpool,
        instance: Instance,
        origin: Origin,
        priority: Priority,
        destinations: tuple[str, ...],
    ) -> None:
        self._spool = spool
        self._about = (instance, origin, priority, destinations)
        self._parts: list[bytes] = []
        self._pending = 0
        self._relieved = asyncio.Event()
        self._hash = hashlib.sha256()
        self.size = 0
        self.largest_pending = 0
        self.abandoned = asyncio.Event()
        self.started = asyncio.Event()  # the first byte is here
        self.pressed = asyncio.Event()

    @property
    def pressure(self) -> bool:
        """True when more is pending than the spool was told to bear."""
        limit = self._spool.max_pending
        pressed = limit is not None and self._pending > limit
        if pressed:
            self.pressed.set()
        return pressed

    def relieve(self) -> None:
        """Pretend that the disk caught up."""
        self._pending = 0
        self._relieved.set()

    async def drained(self) -> None:
        """Wait for `relieve()`."""
        while self.pressure:
            self._relieved.clear()
            await self._relieved.wait()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep a copy."""
        self.size += len(data)
        self._pending += len(data)
        self.largest_pending = max(self.largest_pending, self._pending)
        self._spool.on_write(self.size)
        self._hash.update(data)
        if self._spool.keep_data:
            self._parts.append(bytes(data))
        self.started.set()

    async def commit(self) -> Stored:
        """Keep the object; the journal number counts from 1."""
        self._spool.commits += 1
        self._spool.on_commit_asked(self._spool.commits)
        self._spool.committing.set()
        if self._spool.gate is not None:
            await self._spool.gate.wait()
        self._spool.on_commit()
        kept = Kept(*self._about, b"".join(self._parts))
        self._spool.kept.append(kept)
        return Stored(len(self._spool.kept), "new", self._hash.digest(), self.size)

    def abandon(self) -> None:
        """Forget the object."""
        self.abandoned.set()
