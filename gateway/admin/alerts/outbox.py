"""Tells the channels, one message after another each; what cannot be told waits until the line is back.

Every channel has a task of its own: a mail server that does not answer holds up no trap. Order within a
channel is kept: an end is never told before its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.admin.alerts.channels import Channel, NotTold
from gateway.admin.alerts.store import AlertStore, ChannelRecord

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """Seconds between tries: from `base`, doubled each time, up to `ceiling`."""

    base: float = 15.0
    ceiling: float = 900.0

    def wait(self, failures: int) -> float:
        """Return the wait after failure number `failures` in a row (the first is 1)."""
        return min(self.base * 2.0 ** min(failures - 1, 30), self.ceiling)


class Outbox:
    """The messages that wait, and the tasks that carry them."""

    def __init__(
        self,
        store: AlertStore,
        channels: Sequence[Channel],
        *,
        retry: Retry | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self.channels = tuple(channels)
        self._retry = retry or Retry()
        self._wall_clock = wall_clock
        self._wake = {channel.name: asyncio.Event() for channel in channels}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels."""
        return tuple(channel.name for channel in self.channels)

    def wake(self) -> None:
        """Something was put into the store, or the line is back: try at once, whatever was waited for."""
        for event in self._wake.values():
            event.set()

    async def record(self, channel: Channel) -> ChannelRecord:
        """Return how `channel` has fared."""
        return await asyncio.to_thread(self._store.record, channel.name)

    async def run(self) -> None:
        """Carry messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            for channel in self.channels:
                group.create_task(self._carry(channel), name=f"alerts by {channel.name}")

    async def _carry(self, channel: Channel) -> None:
        wake, failures = self._wake[channel.name], 0
        while True:
            wake.clear()
            waiting = await asyncio.to_thread(self._store.waiting, channel.name)
            if waiting is None:
                failures = 0
                await wake.wait()
                continue
            try:
                await channel.tell(waiting.message)
            except NotTold as error:
                failures += 1
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - a defect in one channel must not silence the others
                _log.exception("the channel %s failed on a message", channel.name)
                failures += 1
                reason = f"a defect of the gateway ({type(error).__name__}); its log has the details"
            else:
                failures = 0
                await asyncio.to_thread(self._store.told, waiting, self._wall_clock())
                continue
            await asyncio.to_thread(self._store.failed, waiting, self._wall_clock(), reason)
            _log.warning("alert not told by %s, it waits: %s", channel.name, reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry.wait(failures)):
                    await wake.wait()
