"""Storage commitment (PS3.4 annex J): what consoles ask of the gateway, and what destinations tell it.

Towards a console the gateway is the SCP: its N-ACTION is in the journal before it is answered, and what
becomes of it is told by an N-EVENT-REPORT later (gateway/commitment). Towards a destination it is the SCU:
results come on associations that the destination opens to our own title.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from gateway.association.admission import NearSide, Operation
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.commitment import (
    INVALID_ARGUMENT,
    PROCESSING_FAILURE,
    PUSH_MODEL,
    RESOURCE_LIMITATION,
    Action,
    Refused,
    check_action,
    max_bytes,
    read_action,
)
from gateway.dicom.data_set import SYNTAXES
from gateway.dicom.negotiation import AcceptedContext, ContextAnswer, ContextResult, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import NoRoom, SpoolFailure
from gateway.model import Peer, Route
from gateway.routing import OwnTitle
from gateway.services.gathering import Gathering, Room
from gateway.services.registry import Handler, Visit
from gateway.spool.commitment_values import AddedCommitment, CommitmentRequest, Reference

SUCCESS: Final = 0x0000
NOT_AUTHORISED: Final = 0x0124  # PS3.7 annex C.5.20

NEVER: Final = "never"
"""Value of `Peer.commitment`: nothing of storage commitment with this peer."""


@dataclass(frozen=True, slots=True)
class CommitmentLimits:
    """What callers may make each of these services hold."""

    max_instances: int = 10_000  # that one request, or one result, names
    max_gathered: int = 16 * 1024 * 1024  # bytes of the data sets that are arriving, all together


class Keeping(Protocol):
    """What this service needs of the spool."""

    async def add_commitment(self, request: CommitmentRequest) -> AddedCommitment: ...


class Desk(Protocol):
    """Who goes on with what a console asked (commitment/engine.py)."""

    def taken(
        self,
        request: CommitmentRequest,
        number: int,
        *,
        again: bool,
        association: str,
        near: tuple[NearSide, AcceptedContext] | None,
    ) -> None:
        """A request is durable and answered; its result may go to `near` for as long as that is open."""

    def refused(self, association: str, address: str, calling_ae: str, status: int, reason: str) -> None:
        """A request was answered with a failure; nothing of it was kept."""


def _choose(proposed: ProposedContext) -> ContextAnswer:
    for syntax in SYNTAXES:
        if syntax in proposed.transfer_syntaxes:
            return ContextAnswer.accept(syntax)
    return ContextAnswer.refuse(ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)


class CommitmentService:
    """Storage Commitment SCP for consoles, on routes that store and forward.

    A console is told its result by dialling it, so its calling title has to be a peer's.
    """

    def __init__(
        self,
        spool: Keeping,
        desk: Desk,
        peers: Mapping[str, Peer],
        limits: CommitmentLimits | None = None,
    ) -> None:
        """`peers` by name: destinations and consoles."""
        limits = limits or CommitmentLimits()
        self._spool = spool
        self._desk = desk
        self._never = frozenset(name for name, peer in peers.items() if peer.commitment == NEVER)
        self._titles = frozenset(str(peer.ae_title) for peer in peers.values())
        self._max_instances = limits.max_instances
        self._room = Room(limits.max_gathered)

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """N-ACTION."""
        return {CommandField.N_ACTION_RQ: self._action}

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """The push model, where objects are stored here first; elsewhere it is relayed with all the rest."""
        return abstract_syntax == PUSH_MODEL and isinstance(target, Route) and target.mode == "store"

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Refuse where a destination is never asked: nobody could ever say that everything is committed."""
        if not isinstance(target, Route) or self._never.intersection(target.to):
            return ContextAnswer.refuse(ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED)
        return _choose(proposed)

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """The console is the SCU."""
        return proposed[0], False

    def extended(self, abstract_syntax: str, information: bytes) -> None:
        """Storage commitment defines no extended negotiation."""

    def _action(self, visit: Visit, context: AcceptedContext, command: Command) -> Command | Operation:
        refused = self._objection(visit, command)
        if refused is not None:
            _tell_refused(self._desk, visit, refused)
            return _refusal(command, refused)
        too_many = Refused(RESOURCE_LIMITATION, f"more than {self._max_instances} instances in one request")
        operation = _Asked(self, visit, context, command)
        return Gathering(
            operation.perform,
            most=max_bytes(self._max_instances),
            room=self._room,
            too_large=_refusal(command, too_many),
            answered=operation.answered,
        )

    def _objection(self, visit: Visit, command: Command) -> Refused | None:
        try:
            check_action(command)
        except Refused as refused:
            return refused
        if visit.calling_ae not in self._titles:
            return Refused(NOT_AUTHORISED, "no peer here has this calling AE title")
        return None

    async def take(self, visit: Visit, action: Action) -> tuple[CommitmentRequest, AddedCommitment]:
        """Make a request durable. Raises Refused."""
        target = visit.target
        request = CommitmentRequest(
            transaction_uid=action.transaction_uid,
            calling_ae=visit.calling_ae,
            called_ae=visit.called_ae,
            listener=visit.caller.listener,
            address=visit.caller.address,
            destinations=target.to if isinstance(target, Route) else (),
            references=tuple(Reference(*one) for one in action.references),
        )
        try:
            added = await self._spool.add_commitment(request)
        except NoRoom as error:
            raise Refused(RESOURCE_LIMITATION, "too many requests are open already") from error
        except SpoolFailure as error:
            raise Refused(PROCESSING_FAILURE, "the gateway could not keep the request") from error
        if added.outcome == "different":
            raise Refused(INVALID_ARGUMENT, "the Transaction UID is in use for another request")
        return request, added

    @property
    def max_instances(self) -> int:
        """How many instances one request may name."""
        return self._max_instances

    @property
    def desk(self) -> Desk:
        """Who goes on with it."""
        return self._desk


class _Asked:
    """One N-ACTION while it is being performed."""

    __slots__ = ("_command", "_context", "_outcome", "_service", "_visit")

    def __init__(
        self, service: CommitmentService, visit: Visit, context: AcceptedContext, command: Command
    ) -> None:
        self._service = service
        self._visit = visit
        self._context = context
        self._command = command
        self._outcome: Refused | tuple[CommitmentRequest, AddedCommitment] | None = None

    async def perform(self, data: bytes) -> Command:
        service = self._service
        try:
            action = read_action(data, self._context.transfer_syntax, service.max_instances)
            self._outcome = await service.take(self._visit, action)
        except Refused as refused:
            self._outcome = refused
            return _refusal(self._command, refused)
        return messages.n_action_rsp(self._command, SUCCESS)

    def answered(self) -> None:
        """Only now: the result must not overtake the response."""
        visit, outcome = self._visit, self._outcome
        desk = self._service.desk
        caller = visit.caller
        if isinstance(outcome, tuple):
            request, added = outcome
            desk.taken(
                request,
                added.number,
                again=added.outcome == "again",
                association=caller.association,
                near=(visit.near, self._context) if _dedicated(visit) else None,
            )
            return
        _tell_refused(desk, visit, outcome or Refused(RESOURCE_LIMITATION, "the request is too long"))


def _tell_refused(desk: Desk, visit: Visit, refused: Refused) -> None:
    caller = visit.caller
    desk.refused(caller.association, caller.address, visit.calling_ae, refused.status, refused.comment)


def _dedicated(visit: Visit) -> bool:
    """Say whether the console opened this association for commitment alone.

    A console that may be in the middle of something else on it (C-STORE) is not asked there: PS3.4 J.3.3
    leaves the choice to us, and several take a request where they expect a response for a fault.
    """
    proposed = {context.abstract_syntax for context in visit.request.contexts}
    return visit.caller.near is not None and proposed <= {PUSH_MODEL, VERIFICATION}


class CommitmentResults:
    """Takes what destinations report on associations that they open to our own title."""

    def __init__(
        self,
        take: Callable[[str, AcceptedContext, Command, bytes], Awaitable[Command]],
        limits: CommitmentLimits | None = None,
    ) -> None:
        """`take` (CommitmentEngine.take_result) applies an N-EVENT-REPORT and gives the response.

        It is given who calls, the context, the request and its data set.
        """
        limits = limits or CommitmentLimits()
        self._take = take
        self._max_bytes = max_bytes(limits.max_instances)
        self._room = Room(limits.max_gathered)

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """N-EVENT-REPORT: the one service in which the SCP asks."""
        return {CommandField.N_EVENT_REPORT_RQ: self._report}

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """The push model at our own title."""
        return abstract_syntax == PUSH_MODEL and isinstance(target, OwnTitle)

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Take it, also without a proposal of roles: some archives report without one."""
        return _choose(proposed)

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """The caller is the SCP; nothing is asked of us under this title, so there is no SCU."""
        return False, proposed[1]

    def extended(self, abstract_syntax: str, information: bytes) -> None:
        """Storage commitment defines no extended negotiation."""

    def _report(self, visit: Visit, context: AcceptedContext, command: Command) -> Operation:
        too_large = Refused(RESOURCE_LIMITATION, "the event information is too long")
        return Gathering(
            partial(self._take, visit.calling_ae, context, command),
            most=self._max_bytes,
            room=self._room,
            too_large=_refusal(command, too_large),
        )


def _refusal(command: Command, refused: Refused) -> Command:
    return messages.response(command, refused.status, error_comment=refused.comment)
