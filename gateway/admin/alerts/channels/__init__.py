"""The ways to tell somebody, one file each. `Channel` is the port; one suite of tests runs on every one.

A channel carries one message at a time, bounded in time, and keeps nothing: waiting and trying again is the
outbox's.
"""

from __future__ import annotations

from typing import Protocol

from gateway.admin.alerts.message import Message
from gateway.errors import GatewayError


class NotTold(GatewayError):
    """The message was not taken; the text says why. It is tried again later."""


class Channel(Protocol):
    """One way to tell."""

    @property
    def name(self) -> str:
        """What it is called in the configuration: "email", "webhook", "syslog", "snmp"."""

    @property
    def where(self) -> str:
        """Whom it tells, for a person to recognise; no secrets."""

    @property
    def certain(self) -> bool:
        """Whether the other side confirms what it takes."""

    async def tell(self, message: Message) -> None:
        """Hand over one message. Raises NotTold."""
