"""Verification SCP (PS3.4 annex A): C-ECHO to our own title is answered here, to a route's by its far end.

A console that asks whether ARIA is there is not told so by the gateway. Objects are taken all the same: what
a failed C-ECHO says is that what is relayed will fail too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.association.admission import Operation
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext, ContextAnswer, ContextResult, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model import Route
from gateway.routing import OwnTitle
from gateway.services.registry import Handler, Visit

PROCESSING_FAILURE: Final = 0x0110  # PS3.7 C.5.16

FarEcho = Callable[[Route, str], Awaitable[str | None]]
"""Asks the far end of a route for a caller's title: None when it answered, else why not."""


class VerificationService:
    """Says who is there: the gateway for its own title, the far end for a route's."""

    def __init__(self, far_echo: FarEcho | None = None) -> None:
        """Without `far_echo` the gateway answers for everybody."""
        self._far_echo = far_echo

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """C-ECHO."""
        return {CommandField.C_ECHO_RQ: self._echo}

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """Verification, whoever is called."""
        return abstract_syntax == VERIFICATION

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Take the first transfer syntax: no data set is ever encoded in it."""
        if not proposed.transfer_syntaxes:
            return ContextAnswer.refuse(ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
        return ContextAnswer.accept(proposed.transfer_syntaxes[0])

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """The caller asks."""
        return proposed[0], False

    def extended(self, abstract_syntax: str, information: bytes) -> None:
        """Verification defines no extended negotiation."""

    def _echo(self, visit: Visit, context: AcceptedContext, command: Command) -> Command | Operation:
        if self._far_echo is None or isinstance(visit.target, OwnTitle):
            return messages.c_echo_rsp(command)
        return _FarEcho(self._far_echo, visit.target, visit.calling_ae, command)


class _FarEcho:
    """A C-ECHO on its way to the far end."""

    pressure = False

    def __init__(self, far_echo: FarEcho, route: Route, calling_ae: str, command: Command) -> None:
        self._far_echo = far_echo
        self._route = route
        self._calling_ae = calling_ae
        self._command = command

    async def drained(self) -> None:
        """There is never pressure."""

    def write(self, data: memoryview) -> None:
        """C-ECHO has no data set; one that comes is dropped."""

    async def finish(self) -> Command:
        """Ask, and say what came of it."""
        trouble = await self._far_echo(self._route, self._calling_ae)
        if trouble is None:
            return messages.c_echo_rsp(self._command)
        comment = "the far end cannot be reached; objects are still taken"
        return messages.response(self._command, PROCESSING_FAILURE, error_comment=comment)

    def answered(self) -> None:
        """The far association's own notices tell of it."""

    def abandon(self) -> None:
        """Nothing was taken."""
