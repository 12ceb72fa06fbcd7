"""An inspector that a test tells what to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route
from tests.support.relay_memory import UPS_PUSH


@dataclass
class Guard:
    """Looks at N-ACTION; `verdict` None lets it go on."""

    verdict: int | None = None
    called: str = "ARIA"  # the route that it expects
    gate: asyncio.Event | None = None
    error: Exception | None = None
    seen: list[bytes] = field(default_factory=list)
    cancelled: int = 0

    def wants(self, route: Route, context: AcceptedContext, command: Command) -> bool:
        return context.abstract_syntax == UPS_PUSH and command.command_field == CommandField.N_ACTION_RQ

    async def inspect(
        self, route: Route, calling_ae: str, context: AcceptedContext, command: Command, data: bytes
    ) -> Command | None:
        assert (route.called, calling_ae, context.abstract_syntax) == (self.called, "LINAC1", UPS_PUSH)
        self.seen.append(data)
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return None if self.verdict is None else messages.response(command, self.verdict)
