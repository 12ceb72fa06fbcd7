"""Alerts by e-mail (RFC 5321, RFC 5322)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import aiosmtplib

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.secrets import read_secret
from gateway.admin.alerts.message import Message
from gateway.config.alerting import MailAlerts

TIMEOUT = 30.0  # seconds for each step with the server; a satellite link is slow


class MailChannel:
    """One mail to everybody named; the next one is a connection of its own."""

    name = "email"
    certain = True

    def __init__(
        self,
        settings: MailAlerts,
        *,
        timeout: float = TIMEOUT,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._tls = tls

    @property
    def where(self) -> str:
        """Whom it tells."""
        return ", ".join(self._settings.to)

    async def tell(self, message: Message) -> None:
        """Send one mail. Raises NotTold with the server's own words."""
        settings = self._settings
        password = None
        if settings.user and settings.password_file is not None:
            password = await asyncio.to_thread(read_secret, settings.password_file)
        try:
            await aiosmtplib.send(
                compose(message, settings),
                hostname=settings.host,
                port=settings.port,
                username=settings.user or None,
                password=password,
                timeout=self._timeout,
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                tls_context=None if settings.security == "none" else await asyncio.to_thread(self._tls),
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotTold(f"{settings.host}: {_words(error)}") from error


def compose(message: Message, settings: MailAlerts) -> EmailMessage:
    """Return the mail for `message`."""
    mail = EmailMessage()
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Subject"] = " ".join(message.heading.split())  # a header is one line
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    mail["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
    if message.severity == "critical" and message.event != "over":
        mail["Importance"] = "high"
    mail.set_content("\n\n".join(part for part in (message.what, message.advice) if part) + "\n")
    return mail


def _words(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:300]
    return (str(error) or type(error).__name__)[:300]
