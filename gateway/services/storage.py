"""Storage SCP (PS3.4 annex B, level 2): objects are kept exactly as received, acknowledged when durable.

Success (0x0000) is answered after the spool's commit and at no other moment. Everything that fails is
answered with a failure that says what happened, nothing of it is kept, and the association goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from gateway.association.admission import Operation
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import (
    STORAGE_EXTENDED_ANSWER,
    AcceptedContext,
    ContextAnswer,
    ContextResult,
    ProposedContext,
)
from gateway.dicom.sop_classes import default_priority, is_storage
from gateway.errors import NoRoom, SpoolFailure
from gateway.model import Instance, Origin, Priority, Route, valid_uid
from gateway.notices import Notices, ObjectRefused, ObjectStored
from gateway.routing import OwnTitle
from gateway.services.registry import Handler, Visit
from gateway.spool.values import IncomingObject, Stored

SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110  # PS3.7 C.5.16
INVALID_SOP_INSTANCE: Final = 0x0117  # PS3.7 C.5.11: the UID breaks the rules for UIDs
OUT_OF_RESOURCES: Final = 0xA700  # PS3.4 B.2.3
DATA_SET_DOES_NOT_MATCH_SOP_CLASS: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"


class Receiving(Protocol):
    """What this service needs of the spool."""

    def receive(
        self, instance: Instance, origin: Origin, priority: Priority, destinations: Sequence[str]
    ) -> IncomingObject:
        """Begin to take an object. Raises NoRoom or SpoolFailure at once when it cannot."""


class KnownTransferSyntaxes(Protocol):
    """What earlier associations have taught about a destination."""

    def accepted_by(self, destination: str, sop_class_uid: str) -> frozenset[str] | None:
        """Return the transfer syntaxes it takes for a SOP class; None while that is not known."""


class StorageService:
    """Takes objects for the destinations of the route that was called."""

    def __init__(
        self,
        spool: Receiving,
        known: KnownTransferSyntaxes,
        *,
        notices: Notices,
        priority_of: Callable[[str], Priority] = default_priority,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`priority_of` gives the priority of a SOP class; a route's own table comes before it."""
        self._spool = spool
        self._known = known
        self._notices = notices
        self._priority_of = priority_of
        self._clock = clock

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """C-STORE."""
        return {CommandField.C_STORE_RQ: self._store}

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """Every storage class, known or private, where the called title has a store-and-forward route."""
        return (
            isinstance(target, Route)
            and target.mode == "store"
            and valid_uid(abstract_syntax)
            and is_storage(abstract_syntax)
        )

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Take a syntax that every destination takes, else Explicit VR Little Endian, else the first one.

        The choice spares a conversion on the way out; nothing that is offered is ever turned down for it,
        because an object that waits here is better than one that stays at the console.
        """
        offered = [uid for uid in proposed.transfer_syntaxes if valid_uid(uid)]
        if not offered:
            return ContextAnswer.refuse(ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
        welcome = self._welcome_everywhere(offered, proposed.abstract_syntax, target)
        for candidates in (welcome, offered):
            if EXPLICIT_VR_LITTLE_ENDIAN in candidates:
                return ContextAnswer.accept(EXPLICIT_VR_LITTLE_ENDIAN)
            if candidates:
                return ContextAnswer.accept(candidates[0])
        raise AssertionError("something is offered")

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """The caller sends; what comes down to it is the relay's."""
        return proposed[0], False

    def extended(self, abstract_syntax: str, information: bytes) -> bytes:
        """Say that all attributes and digital signatures are kept, and nothing is coerced (PS3.4 B.3.1)."""
        return STORAGE_EXTENDED_ANSWER

    def _welcome_everywhere(self, offered: list[str], sop_class: str, target: Route | OwnTitle) -> list[str]:
        if not isinstance(target, Route):
            return []
        for destination in target.to:
            accepted = self._known.accepted_by(destination, sop_class)
            offered = [uid for uid in offered if accepted is not None and uid in accepted]
        return offered

    def _store(self, visit: Visit, context: AcceptedContext, command: Command) -> Operation:
        operation = _Store(self._notices, visit, context, command, self._clock)
        operation.begin(self._spool, self._priority(visit, command.affected_sop_class_uid or ""))
        return operation

    def _priority(self, visit: Visit, sop_class: str) -> Priority:
        if isinstance(visit.target, Route) and sop_class in visit.target.priorities:
            return visit.target.priorities[sop_class]
        return self._priority_of(sop_class)


class _Store:
    """One C-STORE (PS3.7 9.1.1). Once it has failed, the rest of its data set is counted and dropped."""

    __slots__ = (
        "_clock",
        "_command",
        "_context",
        "_failure",
        "_incoming",
        "_notices",
        "_priority",
        "_since",
        "_size",
        "_stored",
        "_visit",
    )

    def __init__(
        self,
        notices: Notices,
        visit: Visit,
        context: AcceptedContext,
        command: Command,
        clock: Callable[[], float],
    ) -> None:
        self._notices = notices
        self._visit = visit
        self._context = context
        self._command = command
        self._clock = clock
        self._since = clock()
        self._size = 0
        self._priority = Priority.IMAGE
        self._incoming: IncomingObject | None = None
        self._stored: Stored | None = None
        self._failure: tuple[int, str, str] | None = None  # status, comment for the peer, reason for us

    def begin(self, spool: Receiving, priority: Priority) -> None:
        """Check what the command claims, and open the object in the spool."""
        command, visit, context = self._command, self._visit, self._context
        self._priority = priority
        sop_class = command.affected_sop_class_uid or ""
        instance_uid = command.affected_sop_instance_uid or ""
        if not command.has_data_set:
            self._fail(CANNOT_UNDERSTAND, "the C-STORE-RQ announces no data set")
        elif not self._class_fits(sop_class):
            self._fail(DATA_SET_DOES_NOT_MATCH_SOP_CLASS, "SOP class differs from the presentation context's")
        elif not valid_uid(instance_uid):
            self._fail(INVALID_SOP_INSTANCE, "the Affected SOP Instance UID is not a UID")
        elif not isinstance(visit.target, Route):
            raise RuntimeError("a storage context was accepted without a route")
        else:
            origin = Origin(
                visit.caller.listener,
                visit.caller.address,
                visit.calling_ae,
                visit.called_ae,
                visit.caller.association,
            )
            instance = Instance(sop_class, instance_uid, context.transfer_syntax)
            try:
                self._incoming = spool.receive(instance, origin, priority, visit.target.to)
            except (NoRoom, SpoolFailure) as error:
                self._spool_failed(error)

    @property
    def pressure(self) -> bool:
        """True while the spool has more to write than it wants."""
        return self._incoming is not None and self._incoming.pressure

    async def drained(self) -> None:
        """Wait for the spool."""
        if self._incoming is not None:
            await self._incoming.drained()

    def write(self, data: memoryview) -> None:
        """Hand a piece to the spool."""
        self._size += len(data)
        if self._incoming is not None:
            try:
                self._incoming.write(data)
            except (NoRoom, SpoolFailure) as error:
                self._spool_failed(error)

    async def finish(self) -> Command:
        """Make the object durable, then say so; or say what went wrong."""
        if self._incoming is not None and self._size == 0:
            self._incoming.abandon()
            self._fail(CANNOT_UNDERSTAND, "the data set is empty")
        if self._incoming is not None:
            try:
                self._stored = await self._incoming.commit()
            except (NoRoom, SpoolFailure) as error:
                self._spool_failed(error)
        if self._failure is not None:
            return messages.c_store_rsp(self._command, self._failure[0], error_comment=self._failure[1])
        # A conflict (this UID is here with other content) is success as well: both contents are durable
        # and the alarm calls a person here. A failure would make the console send for ever what is safe
        # already, and a warning would alarm somebody at the linac who can do nothing about it.
        return messages.c_store_rsp(self._command, SUCCESS)

    def answered(self) -> None:
        """Publish what became of the object, after the response has left."""
        visit = self._visit
        sop_class = self._command.affected_sop_class_uid or ""
        if self._stored is not None:
            self._notices.publish(
                ObjectStored(
                    association=visit.caller.association,
                    address=visit.caller.address,
                    calling_ae=visit.calling_ae,
                    called_ae=visit.called_ae,
                    number=self._stored.number,
                    sop_class_uid=sop_class,
                    transfer_syntax_uid=self._context.transfer_syntax,
                    priority=self._priority.label,
                    size=self._stored.size,
                    seconds=self._clock() - self._since,
                    outcome=self._stored.outcome,
                )
            )
        elif self._failure is not None:
            self._notices.publish(
                ObjectRefused(
                    association=visit.caller.association,
                    address=visit.caller.address,
                    calling_ae=visit.calling_ae,
                    called_ae=visit.called_ae,
                    sop_class_uid=sop_class if valid_uid(sop_class) else "",
                    size=self._size,
                    status=self._failure[0],
                    reason=self._failure[2],
                )
            )

    def abandon(self) -> None:
        """The peer went away in the middle."""
        if self._incoming is not None:
            self._incoming.abandon()
            self._incoming = None

    def _class_fits(self, sop_class: str) -> bool:
        """The context's own class, or one declared as a specialisation of it (PS3.7 D.3.3.6)."""
        if sop_class == self._context.abstract_syntax:
            return True
        declared = self._visit.request.common_extended.get(sop_class)
        return declared is not None and self._context.abstract_syntax in declared.related_general

    def _spool_failed(self, error: NoRoom | SpoolFailure) -> None:
        if isinstance(error, NoRoom):
            self._fail(OUT_OF_RESOURCES, "the gateway has no room for this object", str(error))
        else:
            self._fail(PROCESSING_FAILURE, "the gateway could not store this object", str(error))

    def _fail(self, status: int, comment: str, reason: str = "") -> None:
        self._failure = (status, comment, reason or comment)
        self._incoming = None
