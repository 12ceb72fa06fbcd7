"""What may look at a caller's request before it is passed on (the guard of UPS completion is one)."""

from __future__ import annotations

from typing import Protocol

from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route


class Inspector(Protocol):
    """Looks at some requests with their whole data set; everything else passes unseen and at once."""

    def wants(self, route: Route, context: AcceptedContext, command: Command) -> bool:
        """Say from its command alone whether this request is to be looked at."""

    async def inspect(
        self, route: Route, calling_ae: str, context: AcceptedContext, command: Command, data: bytes
    ) -> Command | None:
        """Return None to let the request go on, or the response that the caller gets instead.

        Cancelled when the caller goes away.
        """
