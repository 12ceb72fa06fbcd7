"""Verification SCP (PS3.4 annex A): C-ECHO is answered here, for our own title and for every route's."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext, ContextAnswer, ContextResult, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model import Route
from gateway.routing import OwnTitle
from gateway.services.registry import Handler, Visit


class VerificationService:
    """Says that the gateway is there; nothing about any destination."""

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

    def extended(self, abstract_syntax: str, information: bytes) -> None:
        """Verification defines no extended negotiation."""

    def _echo(self, visit: Visit, context: AcceptedContext, command: Command) -> Command:
        return messages.c_echo_rsp(command)
