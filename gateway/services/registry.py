"""The table (abstract syntax, DIMSE command) -> handler, and the decision on every A-ASSOCIATE-RQ.

A new service class is one more file and one more entry in `ServiceRegistry(services=...)`; neither the
listener nor the association changes. What no service here serves is relayed to the first peer of the route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.association.admission import (
    RELAYED,
    Admission,
    Caller,
    NearSide,
    Operation,
    Relay,
    Relayed,
)
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ProposedContext,
    Rejection,
    UserIdentity,
    narrower_window,
    negotiate,
    refusal,
)
from gateway.dicom.sop_classes import VERIFICATION, is_registered, is_storage
from gateway.model import AETitle, Route
from gateway.relay.mirror import Mirror, Wanted
from gateway.routing import OwnTitle, Routing

UNRECOGNIZED_OPERATION = 0x0211  # PS3.7 annex C.5.18

TEMPORARY_CONGESTION = Rejection(2, 3, 1, "the far end cannot be reached")
"""PS3.8 Table 9-21: transient, by the provider; the caller may try again."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One admitted association, as the services see it."""

    caller: Caller
    calling_ae: AETitle
    called_ae: AETitle
    target: Route | OwnTitle
    request: AssociateRequest

    @property
    def near(self) -> NearSide:
        """The caller's association itself, to ask something of it."""
        if self.caller.near is None:
            raise RuntimeError("this caller has no association")
        return self.caller.near


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

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """Grant the requestor's (SCU, SCP) roles, of those it proposed (PS3.7 D.3.3.4)."""

    def extended(self, abstract_syntax: str, information: bytes) -> bytes | None:
        """Answer SOP class extended negotiation (PS3.7 D.3.3.5); None when there is nothing to say."""


class Connection(Protocol):
    """What the relay found for a caller."""

    @property
    def mirror(self) -> Mirror:
        """The far end's answer; an empty one when it was not reached."""

    @property
    def rejection(self) -> Rejection | None:
        """The far end's own A-ASSOCIATE-RJ, when that is why it was not reached."""

    def relay(self) -> Relay | None:
        """Begin to relay; None when the far end was not reached. To be called at most once."""

    def leave(self) -> None:
        """Nothing will be relayed after all: give back what was taken. Instead of `relay`."""


class Relaying(Protocol):
    """What connects a caller with the far end of its route."""

    async def connect(self, visit: Visit, wanted: Wanted, *, alone: bool) -> Connection:
        """Reach the far end, within a bound. `alone`: nothing is served here on this association."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who answers each proposed context: a service here, the far end, or both.

    Both, by request: storage classes that go up to the spool and come down by C-GET (`Wanted.both`); private
    SOP classes, whose objects go to the spool and whose other operations go on (nobody can tell in advance
    which they have); and Verification, which is passed on where the caller has a far end anyway.
    """

    served: Mapping[int, Service]
    wanted: Wanted
    alone: bool  # only the far end can give this association a use

    def is_wanted(self, context_id: int) -> bool:
        return any(context.context_id == context_id for context in self.wanted.contexts)


class ServiceRegistry:
    """Decides who may associate and for what; the `Services` of every listener."""

    def __init__(
        self,
        routing: Routing,
        services: Sequence[Service],
        *,
        relaying: Relaying | None = None,
        max_operations: int = 16,
    ) -> None:
        """Of several services that serve an abstract syntax the first in `services` gets it.

        Without `relaying` whatever no service serves is refused. `max_operations` bounds the asynchronous
        operations window that is granted (PS3.7 D.3.3.3).
        """
        self._routing = routing
        self._services = tuple(services)
        self._relaying = relaying
        self._max_operations = max_operations

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Answer an A-ASSOCIATE-RQ: rejected for its titles, else context by context.

        What is relayed is answered as the far end answers it, and refused by the provider (result 2) when the
        far end cannot be reached; when nothing is left then, the association is rejected as transient, or as
        the far end itself rejected it. Otherwise an association none of whose contexts is accepted is still
        accepted (PS3.8 7.1.1.11: each context has its own result).

        User identity is never verified here, and a positive response is given only where the far end gave
        one: PS3.7 D.3.3.7 lets an acceptor that does not support user identity stay silent, and anything
        else would claim a check that did not take place.
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
        plan = self._plan(request, target)
        if not plan.wanted.contexts or self._relaying is None:
            nobody = Mirror()
            return _Admitted(self._negotiate(request, plan, nobody, target), visit, plan, nobody, None)
        connection = await self._relaying.connect(visit, plan.wanted, alone=plan.alone)
        if plan.alone and not connection.mirror.reached:
            return connection.rejection or TEMPORARY_CONGESTION
        answer = self._negotiate(request, plan, connection.mirror, target)
        relay: Relay | None = None
        if any(connection.mirror.accepts(context) for context in plan.wanted.contexts):
            relay = connection.relay()
        else:
            connection.leave()
        return _Admitted(answer, visit, plan, connection.mirror, relay)

    def _plan(self, request: AssociateRequest, target: Route | OwnTitle) -> _Plan:
        served: dict[int, Service] = {}
        wanted: list[ProposedContext] = []
        both: set[str] = set()
        has_far_end = isinstance(target, Route) and self._relaying is not None
        for proposed in request.contexts:
            uid = proposed.abstract_syntax
            service = self._service_for(uid, target)
            as_scu, as_scp = request.roles.get(uid, (True, False))
            # What comes down is never kept here; nor is what goes up when the caller says it sends nothing.
            comes_down = has_far_end and as_scp and is_storage(uid)
            if service is not None and not (comes_down and not as_scu):
                served[proposed.context_id] = service
            if has_far_end and (service is None or comes_down or not is_registered(uid)):
                wanted.append(proposed)
                if service is not None and as_scu and is_registered(uid):
                    both.add(uid)
        if wanted:
            wanted += [
                proposed
                for proposed in request.contexts
                if proposed.abstract_syntax == VERIFICATION and proposed.context_id in served
            ]
        alone = all(
            proposed.abstract_syntax == VERIFICATION
            for proposed in request.contexts
            if proposed.context_id in served
        )
        return _Plan(served, Wanted(tuple(wanted), frozenset(both)), alone)

    def _negotiate(
        self, request: AssociateRequest, plan: _Plan, mirror: Mirror, target: Route | OwnTitle
    ) -> AssociateAccept:
        by_syntax = {
            context.abstract_syntax: plan.served[context.context_id]
            for context in request.contexts
            if context.context_id in plan.served
        }
        down = {
            context.abstract_syntax
            for context in plan.wanted.contexts
            if context.abstract_syntax in plan.wanted.both and mirror.as_scp(context)
        }

        def choose(proposed: ProposedContext) -> ContextAnswer:
            uid = proposed.abstract_syntax
            service = plan.served.get(proposed.context_id)
            wanted = plan.is_wanted(proposed.context_id)
            if service is None:
                return mirror.context(proposed) if wanted else ContextAnswer.refuse()
            if wanted and uid == VERIFICATION and mirror.reached:
                return mirror.context(proposed)
            # Shared between the spool and the far end: in the transfer syntax that the far end chose.
            shared = wanted and mirror.accepts(proposed) and (uid in down or not is_registered(uid))
            return mirror.context(proposed) if shared else service.choose(proposed, target)

        def roles(uid: str, as_scu: bool, as_scp: bool) -> tuple[bool, bool] | None:
            service = by_syntax.get(uid)
            if service is None:
                return mirror.roles(uid)
            granted = service.roles(uid, (as_scu, as_scp), target)
            far = mirror.roles(uid) or (False, False)
            return (granted[0], far[1]) if uid in down or not is_registered(uid) else granted

        def extended(uid: str, information: bytes) -> bytes | None:
            service = by_syntax.get(uid)
            return service.extended(uid, information) if service else mirror.extended(uid)

        def identity(_identity: UserIdentity) -> bytes | None:
            return mirror.answer.user_identity_response if mirror.answer else None

        policy = AcceptorPolicy(
            choose=choose,
            roles=roles,
            extended=extended,
            identity=identity,
            max_operations=self._max_operations,
        )
        answer = negotiate(request, policy)
        if mirror.reached and answer.async_window is not None:
            window = narrower_window(answer.async_window, mirror.async_window)
            answer = replace(answer, async_window=window)
        return answer

    def _service_for(self, abstract_syntax: str, target: Route | OwnTitle) -> Service | None:
        for service in self._services:
            if service.serves(abstract_syntax, target):
                return service
        return None


class _Admitted:
    """One association that was let in, with the service of each of its contexts."""

    def __init__(
        self, answer: AssociateAccept, visit: Visit, plan: _Plan, mirror: Mirror, relay: Relay | None
    ) -> None:
        self.answer = answer
        self.relay = relay
        self._visit = visit
        self._plan = plan
        self._relayed = {one.context_id for one in plan.wanted.contexts if mirror.accepts(one)}

    def perform(self, context: AcceptedContext, command: Command) -> Command | Operation | Relayed:
        """Begin a request, pass it on, or turn down what the service of its context does not know."""
        service = self._plan.served.get(context.context_id)
        if self.relay is not None and self._passed_on(service, context, command):
            return RELAYED
        handler = service.handlers.get(command.command_field) if service is not None else None
        if handler is None:
            return messages.response(
                command, UNRECOGNIZED_OPERATION, error_comment="this operation is not offered on this context"
            )
        return handler(self._visit, context, command)

    def _passed_on(self, service: Service | None, context: AcceptedContext, command: Command) -> bool:
        uid = context.abstract_syntax
        if context.context_id not in self._relayed:
            return False
        if service is None or uid == VERIFICATION:
            return True
        return not is_registered(uid) and command.command_field != CommandField.C_STORE_RQ
