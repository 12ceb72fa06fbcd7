"""Notices as server-sent events (HTML standard, 9.2). A slow listener loses events and never holds us up."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from gateway.notices import Notice, Notices
from gateway.operator.control import Busy


@dataclass(frozen=True, slots=True)
class EventLimits:
    """What the listeners may take together."""

    max_listeners: int = 16
    max_queued: int = 1000  # events for one listener; the oldest are dropped beyond that, and counted
    keep_alive: float = 15.0  # seconds between comments on a silent stream, so that a dead one is noticed


class EventHub:
    """Hands every notice to every listener's own bounded queue."""

    def __init__(
        self, notices: Notices, wall_clock: Callable[[], float], limits: EventLimits | None = None
    ) -> None:
        self._notices = notices
        self._wall_clock = wall_clock
        self._limits = limits or EventLimits()
        self._listeners: set[_Listener] = set()
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def listeners(self) -> int:
        """How many are listening now."""
        return len(self._listeners)

    def stream(self) -> AsyncIterator[bytes]:
        """Return a stream of events for one listener, from now on. Raises Busy when there are too many."""
        if len(self._listeners) >= self._limits.max_listeners:
            raise Busy(f"{self._limits.max_listeners} listeners are the most; try again when one has gone")
        listener = _Listener(self._limits.max_queued)
        self._listeners.add(listener)
        if self._unsubscribe is None:  # nobody listening costs nothing
            self._unsubscribe = self._notices.subscribe(self._publish)
        return self._events(listener)

    def _publish(self, notice: Notice) -> None:
        if notice.internal:
            return
        event = _format(notice, self._wall_clock())
        for listener in self._listeners:
            listener.add(event)

    async def _events(self, listener: _Listener) -> AsyncIterator[bytes]:
        try:
            yield b": listening\n\n"
            while True:
                try:
                    async with asyncio.timeout(self._limits.keep_alive):
                        event = await listener.next()
                except TimeoutError:
                    event = b": still here\n\n"
                yield event
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._unsubscribe is not None:
                self._unsubscribe()
                self._unsubscribe = None


class _Listener:
    """One bounded queue. Events that did not fit are told as one `lost` event, in their place."""

    def __init__(self, max_queued: int) -> None:
        self._queue: deque[bytes] = deque(maxlen=max_queued)
        self._lost = 0
        self._wake = asyncio.Event()

    def add(self, event: bytes) -> None:
        if len(self._queue) == self._queue.maxlen:
            self._lost += 1
        self._queue.append(event)
        self._wake.set()

    async def next(self) -> bytes:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return f'event: lost\ndata: {{"count": {lost}}}\n\n'.encode()
        return self._queue.popleft()


def _format(notice: Notice, now: float) -> bytes:
    # JSON without line breaks: one `data:` line, whatever the text of a peer contains.
    data = json.dumps({"at": now, **dataclasses.asdict(notice)}, separators=(",", ":"))
    return f"event: {type(notice).__name__}\ndata: {data}\n\n".encode()
