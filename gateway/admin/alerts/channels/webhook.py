"""Alerts as JSON to a web address, signed so that the receiver can tell who sent them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os

import aiohttp

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.secrets import read_secret
from gateway.admin.alerts.message import Message
from gateway.config.alerting import WebhookAlerts

TIMEOUT = 30.0  # seconds, for the whole request
SIGNATURE = "Gateway-Signature"


class WebhookChannel:
    """One POST for each message. Any answer of 200 to 299 counts as taken."""

    name = "webhook"
    certain = True

    def __init__(self, settings: WebhookAlerts, *, timeout: float = TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout

    @property
    def where(self) -> str:
        """Whom it tells: the address without its query, where tokens like to be."""
        return self._settings.url.partition("?")[0]

    async def tell(self, message: Message) -> None:
        """Send one message. Raises NotTold."""
        body = message.dump().encode()
        headers = {"Content-Type": "application/json"}
        if self._settings.secret_file is not None:
            secret = await asyncio.to_thread(read_secret, self._settings.secret_file)
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={digest}"
        bounds = aiohttp.ClientTimeout(total=self._timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=bounds) as session,
                # A redirect is a wrong configuration: the signed body is for one address only.
                session.post(
                    self._settings.url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                if not 200 <= response.status < 300:
                    raise NotTold(f"{self.where} answered {response.status} {response.reason or ''}".rstrip())
        except TimeoutError as error:
            raise NotTold(f"{self.where} does not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotTold(f"{self.where}: {_reason(error)}"[:300]) from error


def _reason(error: Exception) -> str:
    """Return what went wrong without the library's own words for host, port and TLS."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error) or type(error).__name__
