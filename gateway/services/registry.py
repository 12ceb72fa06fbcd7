"""The table (abstract syntax, DIMSE command) -> handler, and the decision on every A-ASSOCIATE-RQ.

A new service class is one more file and one more entry in `ServiceRegistry(services=...)`; neither the
listener nor the association changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.association.acceptor import Admission, Caller, Operation
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ProposedContext,
    Rejection,
    negotiate,
    refusal,
)
from gateway.model import AETitle, Route
from gateway.routing import OwnTitle, RoutingTable

UNRECOGNIZED_OPERATION = 0x0211  # PS3.7 annex C.5.18


@dataclass(frozen=True, slots=True)
class Visit:
    """One admitted association, as the services see it."""

    caller: Caller
    calling_ae: AETitle
    called_ae: AETitle
    target: Route | OwnTitle
    request: AssociateRequest


Handler = Callable[[Visit, AcceptedContext, Command], Command | Operation]
"""Begins a request: an Operation when there is something to wait for, else the response itself."""


class Service(Protocol):
    """One service class in the SCP role."""

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """What begins each DIMSE request of this service, by command field (PS3.7 E.1)."""

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """Say whether contexts of this abstract syntax are this service's, for this called title."""

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Answer a proposed context that this service serves."""

    def extended(self, abstract_syntax: str, information: bytes) -> bytes | None:
        """Answer SOP class extended negotiation (PS3.7 D.3.3.5); None when there is nothing to say."""


class ServiceRegistry:
    """Decides who may associate and for what; the `Services` of every listener."""

    def __init__(
        self, routing: RoutingTable, services: Sequence[Service], *, max_operations: int = 16
    ) -> None:
        """Of several services that serve an abstract syntax the first in `services` gets it.

        `max_operations` bounds the asynchronous operations window that is granted (PS3.7 D.3.3.3).
        """
        self._routing = routing
        self._services = tuple(services)
        self._max_operations = max_operations

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Answer an A-ASSOCIATE-RQ: rejected for its titles, else context by context.

        An association none of whose contexts is accepted is still accepted (PS3.8 7.1.1.11: each context
        has its own result). User identity is never verified here, and therefore a positive response is
        never given, even where one was asked for: PS3.7 D.3.3.7 lets an acceptor that does not support
        user identity stay silent, and anything else would claim a check that did not take place.
        """
        refused = refusal(request)
        if refused is not None:
            return refused
        target = self._routing.resolve(request.called_ae, request.calling_ae)
        if isinstance(target, Rejection):
            return target
        visit = Visit(
            caller, AETitle.parse(request.calling_ae), AETitle.parse(request.called_ae), target, request
        )
        served: dict[int, Service] = {}
        by_syntax: dict[str, Service] = {}

        def choose(proposed: ProposedContext) -> ContextAnswer:
            service = self._service_for(proposed.abstract_syntax, target)
            if service is None:
                return ContextAnswer.refuse()
            served[proposed.context_id] = service
            by_syntax[proposed.abstract_syntax] = service
            return service.choose(proposed, target)

        def extended(abstract_syntax: str, information: bytes) -> bytes | None:
            service = by_syntax.get(abstract_syntax)
            return service.extended(abstract_syntax, information) if service else None

        policy = AcceptorPolicy(choose=choose, extended=extended, max_operations=self._max_operations)
        return _Admitted(negotiate(request, policy), visit, served)

    def _service_for(self, abstract_syntax: str, target: Route | OwnTitle) -> Service | None:
        for service in self._services:
            if service.serves(abstract_syntax, target):
                return service
        return None


class _Admitted:
    """One association that was let in, with the service of each of its contexts."""

    def __init__(self, answer: AssociateAccept, visit: Visit, served: Mapping[int, Service]) -> None:
        self.answer = answer
        self._visit = visit
        self._served = served

    def perform(self, context: AcceptedContext, command: Command) -> Command | Operation:
        """Begin a request, or turn down what the service of its context does not know."""
        handler = self._served[context.context_id].handlers.get(command.command_field)
        if handler is None:
            return messages.response(
                command, UNRECOGNIZED_OPERATION, error_comment="this operation is not offered on this context"
            )
        return handler(self._visit, context, command)
