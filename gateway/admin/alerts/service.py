"""The alerts of this gateway, built from the configuration and run beside the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.admin.alerts.book import Alert, Book, Pace
from gateway.admin.alerts.channels import Channel
from gateway.admin.alerts.channels.email import MailChannel
from gateway.admin.alerts.channels.snmp import SnmpChannel
from gateway.admin.alerts.channels.syslog import SyslogChannel
from gateway.admin.alerts.channels.webhook import WebhookChannel
from gateway.admin.alerts.conditions import Severity
from gateway.admin.alerts.message import trial
from gateway.admin.alerts.outbox import Outbox
from gateway.admin.alerts.rules import Thresholds
from gateway.admin.alerts.store import AlertStore, ChannelRecord
from gateway.admin.alerts.texts import Speaker
from gateway.admin.alerts.watcher import Eyes, Report, Watcher
from gateway.config.alerting import Alerts as AlertsSection

FILE_NAME = "alerts.sqlite"
_FRESH = 3.0  # seconds for which a look is good enough


class NoSuchChannel(LookupError):
    """The configuration names no such channel."""


class Alerts:
    """What the page knows of alerts. `run` goes on until it is cancelled."""

    def __init__(
        self,
        section: AlertsSection,
        state_dir: Path,
        eyes: Eyes,
        *,
        gateway: str,
        speaker: Speaker,
        changed: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Open what is on the disk. Blocking."""
        self._store = AlertStore(state_dir / FILE_NAME)
        self._outbox = Outbox(self._store, channels(section), wall_clock=wall_clock)
        self._gateway = gateway
        self._speaker = speaker
        self._wall_clock = wall_clock
        self._watcher = Watcher(
            eyes,
            Book(
                Pace(settle=section.settle, repeat=section.repeat),
                self._store.active(),
                self._store.next_number(),
            ),
            self._store,
            self._outbox,
            limits=thresholds(section),
            gateway=gateway,
            speaker=speaker,
            changed=changed,
            wall_clock=wall_clock,
        )

    @property
    def report(self) -> Report:
        """What is wrong now."""
        return self._watcher.report

    @property
    def unknown(self) -> tuple[int, bool]:
        """How many alerts nobody has acknowledged, and whether one of them is critical."""
        alerts = [alert for alert in self.report.active if alert.acknowledged_at is None]
        return len(alerts), any(alert.condition.severity is Severity.CRITICAL for alert in alerts)

    async def look(self) -> None:
        """Look now, unless somebody has in the last few seconds: a person wants to know."""
        await self._watcher.look(_FRESH)

    @property
    def channels(self) -> Sequence[Channel]:
        """Who is told."""
        return self._outbox.channels

    async def run(self) -> None:
        """Look, and tell, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watcher.run(), name="alerts: look")
            group.create_task(self._outbox.run(), name="alerts: tell")

    async def close(self) -> None:
        """Let go of the file; after `run` has ended."""
        await asyncio.to_thread(self._store.close)

    async def acknowledge(self, number: int, who: str) -> Alert:
        """Remember that `who` knows of alert `number`. Raises book.NotActive."""
        return await self._watcher.acknowledge(number, who)

    async def history(self, before: int | None, limit: int) -> list[Alert]:
        """Return alerts that are over, the newest first."""
        return await self._watcher.history(before, limit)

    async def record(self, channel: Channel) -> ChannelRecord:
        """Return how a channel has fared."""
        return await self._outbox.record(channel)

    async def try_channel(self, name: str) -> None:
        """Send a test message at once. Raises NoSuchChannel, channels.NotTold."""
        found = next((channel for channel in self.channels if channel.name == name), None)
        if found is None:
            raise NoSuchChannel(name)
        await found.tell(trial(self._gateway, self._wall_clock(), self._speaker))
        self._outbox.wake()  # if this one went through, what waits will too


def thresholds(section: AlertsSection) -> Thresholds:
    """Return the thresholds that the configuration sets."""
    return Thresholds(
        oldest_record=section.oldest_record,
        oldest_object=section.oldest_object,
        link_down=section.link_down,
        gateway_silent=section.gateway_silent,
        disk_free=section.disk_free_bytes,
        certificate=section.certificate,
        clock_offset=section.clock_offset,
        held=section.held,
    )


def channels(section: AlertsSection) -> list[Channel]:
    """Return the channels that the configuration names."""
    found: list[Channel] = []
    if section.email is not None:
        found.append(MailChannel(section.email))
    if section.webhook is not None:
        found.append(WebhookChannel(section.webhook))
    if section.syslog is not None:
        found.append(SyslogChannel(section.syslog))
    if section.snmp is not None:
        found.append(SnmpChannel(section.snmp))
    return found
