"""Alerts as SNMP version 2c traps (RFC 3416 4.2.6). docs/alerts.md lists what each trap carries."""

from __future__ import annotations

import asyncio

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.secrets import read_secret
from gateway.admin.alerts.message import Message
from gateway.config.alerting import SnmpAlerts

TIMEOUT = 10.0  # seconds
_MAX_TEXT = 255  # characters of one value: a trap should fit into one packet
_TRAPS = {"raised": 1, "repeated": 2, "over": 3, "test": 4}
FIELDS = ("number", "event", "kind", "severity", "subject", "gateway", "what", "advice")
"""What a trap carries: OID.2.1, OID.2.2 ... in this order."""


class SnmpChannel:
    """One trap for each message. Nobody confirms a trap."""

    name = "snmp"
    certain = False

    def __init__(self, settings: SnmpAlerts) -> None:
        self._settings = settings

    @property
    def where(self) -> str:
        """Whom it tells."""
        return f"{self._settings.host}:{self._settings.port}"

    async def tell(self, message: Message) -> None:
        """Send one trap. Raises NotTold."""
        # Imported on use: it takes ten megabytes, and few clinics have an SNMP manager.
        from pysnmp.error import PySnmpError
        from pysnmp.hlapi.v3arch.asyncio import (
            CommunityData,
            ContextData,
            NotificationType,
            ObjectIdentity,
            OctetString,
            SnmpEngine,
            UdpTransportTarget,
            send_notification,
        )

        settings = self._settings
        community = "public"
        if settings.community_file is not None:
            community = await asyncio.to_thread(read_secret, settings.community_file)
        values = {
            "number": str(message.alert),
            "event": message.event,
            "kind": message.kind,
            "severity": message.severity,
            "subject": message.subject,
            "gateway": message.gateway,
            "what": message.what,
            "advice": message.advice,
        }
        bindings = [
            (f"{settings.oid}.2.{place}", OctetString(values[name][:_MAX_TEXT].encode()))
            for place, name in enumerate(FIELDS, start=1)
        ]
        trap = NotificationType(ObjectIdentity(f"{settings.oid}.0.{_TRAPS[message.event]}"))
        engine = SnmpEngine()
        try:
            async with asyncio.timeout(TIMEOUT):
                target = await UdpTransportTarget.create((settings.host, settings.port))
                failure, *_ = await send_notification(
                    engine,
                    CommunityData(community, mpModel=1),  # noqa: S508 - 2c is what clinics' managers speak
                    target,
                    ContextData(),
                    "trap",
                    trap.add_varbinds(*bindings),
                )
        except (PySnmpError, OSError, TimeoutError) as error:
            raise NotTold(f"{self.where}: {error or type(error).__name__}"[:300]) from error
        finally:
            engine.close_dispatcher()
        if failure:
            raise NotTold(f"{self.where}: {failure}"[:300])
