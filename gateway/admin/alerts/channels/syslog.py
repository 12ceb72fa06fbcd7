"""Alerts as syslog messages (RFC 5424), over UDP (RFC 5426), TCP (RFC 6587 3.4.1) or TLS (RFC 5425)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from datetime import UTC, datetime

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.message import Message
from gateway.config.alerting import SyslogAlerts

TIMEOUT = 30.0  # seconds
_DAEMON = 3  # facility (RFC 5424 6.2.1)
_SEVERITY = {"critical": 2, "attention": 4}
_NOTICE = 5
_DATA_ID = "alert@32473"  # the private enterprise number set aside for examples (RFC 5612)
_MAX_UDP = 1400  # bytes: no fragments on a usual path
_NAME_CHARACTERS = re.compile(r"[^\x21-\x7e]")


class SyslogChannel:
    """One message at a time; with TCP and TLS, a connection for each: alerts are few."""

    name = "syslog"

    def __init__(self, settings: SyslogAlerts, *, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    @property
    def certain(self) -> bool:
        """UDP: nobody notices a loss. TCP: the server's system has it, which is as much as syslog knows."""
        return self._settings.transport != "udp"

    @property
    def where(self) -> str:
        """Whom it tells."""
        return f"{self._settings.host}:{self._settings.port} ({self._settings.transport})"

    async def tell(self, message: Message) -> None:
        """Send one message. Raises NotTold."""
        line = compose(message, socket.gethostname())
        try:
            async with asyncio.timeout(self._timeout):
                if self._settings.transport == "udp":
                    await self._datagram(line[:_MAX_UDP])
                else:
                    await self._stream(line)
        except TimeoutError as error:
            raise NotTold(f"{self.where} does not answer in time") from error
        except OSError as error:
            raise NotTold(f"{self.where}: {error.strerror or error}"[:300]) from error

    async def _datagram(self, line: bytes) -> None:
        loop = asyncio.get_running_loop()
        address = (self._settings.host, self._settings.port)
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
        transport.sendto(line)
        transport.close()

    async def _stream(self, line: bytes) -> None:
        context: ssl.SSLContext | None = None
        if self._settings.transport == "tls":
            context = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca)
        _reader, writer = await asyncio.open_connection(self._settings.host, self._settings.port, ssl=context)
        try:
            writer.write(b"%d %s" % (len(line), line))
            await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def compose(message: Message, host: str) -> bytes:
    """Return the message as RFC 5424 6 writes it."""
    severity = _NOTICE if message.event in ("over", "test") else _SEVERITY.get(message.severity, _NOTICE)
    at = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = " ".join(
        f'{name}="{_escaped(value)}"'
        for name, value in (
            ("number", str(message.alert)),
            ("event", message.event),
            ("kind", message.kind),
            ("severity", message.severity),
            ("subject", message.subject),
            ("gateway", message.gateway),
        )
    )
    text = " ".join(f"{message.what} {message.advice}".split())
    head = f"<{_DAEMON * 8 + severity}>1 {at} {_name(host, 255)} dicom-gateway - {_name(message.kind, 32)}"
    # The byte order mark says that the text is UTF-8 (6.4).
    return f"{head} [{_DATA_ID} {data}] ".encode() + b"\xef\xbb\xbf" + text.encode()


def _name(text: str, length: int) -> str:
    return _NAME_CHARACTERS.sub("-", text)[:length] or "-"


def _escaped(text: str) -> str:
    """Escape a parameter's value (6.3.3); control characters have no business in one."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
