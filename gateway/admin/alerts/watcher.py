"""Looks at the gateway every few seconds, and feeds rules, book, store and outbox."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.admin.alerts.book import Alert, Book, Event
from gateway.admin.alerts.message import Message, message
from gateway.admin.alerts.outbox import Outbox
from gateway.admin.alerts.rules import Seen, Thresholds, conditions
from gateway.admin.alerts.store import AlertStore
from gateway.admin.alerts.texts import Speaker

_log = logging.getLogger(__name__)

_WRITE_EVERY = 300.0  # seconds; when an alert was last seen need not be known more exactly after a restart


class Eyes(Protocol):
    """What looks. `look` never raises for a gateway that does not answer: that is something to see."""

    async def look(self) -> Seen: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What the page shows."""

    active: tuple[Alert, ...]
    looked_at: float | None  # None: not yet


class Watcher:
    """The alerts of this gateway, for as long as the page runs."""

    def __init__(
        self,
        eyes: Eyes,
        book: Book,
        store: AlertStore,
        outbox: Outbox,
        *,
        limits: Thresholds,
        gateway: str,
        speaker: Speaker,
        every: float = 15.0,
        changed: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`changed` is called when something on the page about alerts is different."""
        self._eyes = eyes
        self._book = book
        self._store = store
        self._outbox = outbox
        self._limits = limits
        self._gateway = gateway
        self._speaker = speaker
        self._every = every
        self._changed = changed
        self._wall_clock = wall_clock
        self._written: dict[int, Alert] = {}
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()

    @property
    def report(self) -> Report:
        """What is wrong now."""
        return Report(self._book.active, self._looked_at)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - logged with its traceback; one bad look must not end the alerts
                _log.exception("looking for alerts failed; it is tried again")
            await asyncio.sleep(self._every)

    async def look(self, fresh: float = 0.0) -> None:
        """Look once; not at all when the last look is less than `fresh` seconds old."""
        async with self._looking:  # two at a time would find the same thing twice
            if self._looked_at is None or not 0 <= self._wall_clock() - self._looked_at < fresh:
                await self._look()

    async def _look(self) -> None:
        seen = await self._eyes.look()
        found = tuple(conditions(seen, self._limits))
        if seen.status is None:
            # What lies behind a silent gateway is not over: nobody can see it.
            found += tuple(alert.condition for alert in self._book.active if alert.condition not in found)
        now = seen.now
        changed, telling = self._book.look(found, now)
        messages = [message(one, self._gateway, now, self._speaker) for one in telling]
        for one in telling:
            self._log(one.event, one.alert)
        await self._keep([alert for alert in changed if self._differs(alert)], messages)
        first, self._looked_at = self._looked_at is None, now
        if messages or first:
            self._changed()

    async def acknowledge(self, number: int, who: str) -> Alert:
        """Remember that `who` knows of alert `number`. Raises book.NotActive."""
        alert = self._book.acknowledge(number, who, self._wall_clock())
        await self._keep([alert], [])
        self._changed()
        return alert

    async def history(self, before: int | None, limit: int) -> list[Alert]:
        """Return alerts that are over, the newest first."""
        return await asyncio.to_thread(self._store.history, before, limit)

    async def _keep(self, alerts: Sequence[Alert], messages: Sequence[Message]) -> None:
        if not alerts and not messages:
            return
        await asyncio.to_thread(self._store.keep, alerts, messages, self._outbox.names)
        for alert in alerts:
            self._written[alert.number] = alert
            if not alert.active:
                del self._written[alert.number]
        if messages:
            self._outbox.wake()

    def _differs(self, alert: Alert) -> bool:
        """Say whether the disk has to know: an SD card does not like a write every few seconds."""
        written = self._written.get(alert.number)
        if written is None or alert.seen_at - written.seen_at >= _WRITE_EVERY:
            return True
        same = replace(written, condition=alert.condition, seen_at=alert.seen_at)
        return same != alert

    def _log(self, event: Event, alert: Alert) -> None:
        condition = alert.condition
        _log.warning(
            "alert %d %s: %s%s",
            *(alert.number, event.value, condition.kind.value),
            f" ({condition.subject})" if condition.subject else "",
        )
