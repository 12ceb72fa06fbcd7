"""Modality Performed Procedure Step SCP (PS3.4 annex F.7) for routes that queue procedure steps.

A step is made durable before anything else. Then the console waits a few seconds: what the centre itself
answers in that time, success or failure, is passed on unchanged. Otherwise the answer is 0x0000 and means
that the step is safe here and will be passed on in order. The attribute list that a centre may return with
its answer to an N-CREATE is not passed on.

With several destinations in a route, procedure steps go to the first one alone, as everything that is
relayed: a procedure step is performed once, and two centres could answer differently.

The console has to name the SOP Instance UID in its N-CREATE. PS3.7 10.1.5 would let the SCP choose one, but
the one that will have to accept it may not be reachable, and nothing may be invented here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from gateway.association.admission import Operation
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext, ContextAnswer, ContextResult, ProposedContext
from gateway.errors import LocalError, NoRoom
from gateway.model import Route, valid_uid
from gateway.notices import Notices, StepAnswered
from gateway.routing import OwnTitle
from gateway.services.registry import Handler, Visit
from gateway.spool.step_values import Step, StepKind

MODALITY_PERFORMED_PROCEDURE_STEP: Final = "1.2.840.10008.3.1.2.3.3"
IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"

PROCESSING_FAILURE: Final = 0x0110  # PS3.7 annex C, like all that follow
DUPLICATE_SOP_INSTANCE: Final = 0x0111
INVALID_SOP_INSTANCE: Final = 0x0117
NO_SUCH_SOP_CLASS: Final = 0x0118
MISSING_ATTRIBUTE: Final = 0x0120
RESOURCE_LIMITATION: Final = 0x0213


@dataclass(frozen=True, slots=True)
class ProcedureStepLimits:
    """What consoles may make this service hold. Bytes."""

    max_size: int = 256 * 1024  # of the data set of one request
    max_receiving: int = 16 * 1024 * 1024  # of all data sets together that are not durable yet


class Desk(Protocol):
    """What this service needs of the queue."""

    async def submit(self, step: Step) -> Command | None:
        """Make a step durable and wait a while for the destination's own answer; None: none came.

        Raises NoRoom or SpoolFailure when it is not durable, or nothing certain can be said of it.
        """

    async def open_steps(self, sop_instance_uid: str, destination: str) -> int:
        """Count what is queued or held of one procedure step."""


class ProcedureStepService:
    """Takes N-CREATE and N-SET for the first destination of the route that was called."""

    def __init__(
        self,
        desk: Desk,
        notices: Notices,
        limits: ProcedureStepLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`desk` is the engine that passes the steps on."""
        self._desk = desk
        self._notices = notices
        self._limits = limits or ProcedureStepLimits()
        self._clock = clock
        self._receiving = 0  # bytes
        self._creating: set[tuple[str, str]] = set()

    @property
    def handlers(self) -> Mapping[int, Handler]:
        """N-CREATE and N-SET."""
        return {CommandField.N_CREATE_RQ: self._begin, CommandField.N_SET_RQ: self._begin}

    def serves(self, abstract_syntax: str, target: Route | OwnTitle) -> bool:
        """MPPS, where the called title's route queues it."""
        return (
            abstract_syntax == MODALITY_PERFORMED_PROCEDURE_STEP
            and isinstance(target, Route)
            and target.mpps == "queue"
        )

    def choose(self, proposed: ProposedContext, target: Route | OwnTitle) -> ContextAnswer:
        """Take Implicit VR Little Endian where it is offered: no centre may refuse it (PS3.5 10.1)."""
        offered = [uid for uid in proposed.transfer_syntaxes if valid_uid(uid)]
        if IMPLICIT_VR_LITTLE_ENDIAN in offered:
            return ContextAnswer.accept(IMPLICIT_VR_LITTLE_ENDIAN)
        if not offered:
            return ContextAnswer.refuse(ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
        return ContextAnswer.accept(offered[0])

    def roles(
        self, abstract_syntax: str, proposed: tuple[bool, bool], target: Route | OwnTitle
    ) -> tuple[bool, bool]:
        """The console is the SCU."""
        return proposed[0], False

    def extended(self, abstract_syntax: str, information: bytes) -> None:
        """MPPS defines no extended negotiation."""

    def _begin(self, visit: Visit, context: AcceptedContext, command: Command) -> Operation:
        if isinstance(visit.target, Route):
            return _Request(self, visit, visit.target.to[0], context, command)
        raise RuntimeError("an MPPS context was accepted without a route")

    # --- for the requests ----------------------------------------------------------------------------

    def now(self) -> float:
        """The clock that measures how long a console waited."""
        return self._clock()

    def take(self, size: int, more: int) -> bool:
        """Ask to hold `more` bytes of a data set of which `size` are held; False when it is too much."""
        limits = self._limits
        if size + more > limits.max_size or self._receiving + more > limits.max_receiving:
            return False
        self._receiving += more
        return True

    def give_back(self, size: int) -> None:
        """Say that `size` bytes are held no longer."""
        self._receiving -= size

    async def submit(self, step: Step) -> Command | None:
        """Hand a step in. An N-CREATE for a procedure step that is on its way already is a duplicate.

        The centre would say the same of the second one, only later, when its console has been told success.
        """
        if step.kind == "set":
            return await self._desk.submit(step)
        key = (step.sop_instance_uid, step.destination)
        if key in self._creating:
            raise _Duplicate
        self._creating.add(key)
        try:
            if await self._desk.open_steps(*key):
                raise _Duplicate
            return await self._desk.submit(step)
        finally:
            self._creating.discard(key)

    def tell(self, notice: StepAnswered) -> None:
        """Tell the world how a request ended."""
        self._notices.publish(notice)


class _Duplicate(Exception):
    """An N-CREATE for this SOP Instance UID is here already."""


class _Request:
    """One N-CREATE or N-SET. Once it has failed, the rest of its data set is counted and dropped."""

    __slots__ = (
        "_calling",
        "_command",
        "_context",
        "_data",
        "_destination",
        "_kind",
        "_notice",
        "_refusal",
        "_service",
        "_since",
        "_size",
        "_visit",
    )

    def __init__(
        self,
        service: ProcedureStepService,
        visit: Visit,
        destination: str,
        context: AcceptedContext,
        command: Command,
    ) -> None:
        self._service = service
        self._visit = visit
        self._destination = destination
        self._context = context
        self._command = command
        self._kind: StepKind = "create" if command.command_field == CommandField.N_CREATE_RQ else "set"
        self._since = service.now()
        self._size = 0
        self._data = bytearray()
        self._notice: StepAnswered | None = None
        self._refusal = self._check()

    def _identity(self) -> tuple[str, str]:
        command = self._command
        if self._kind == "create":
            return command.affected_sop_class_uid or "", command.affected_sop_instance_uid or ""
        return command.requested_sop_class_uid or "", command.requested_sop_instance_uid or ""

    def _check(self) -> tuple[int, str] | None:
        sop_class, instance = self._identity()
        if sop_class != MODALITY_PERFORMED_PROCEDURE_STEP:
            return NO_SUCH_SOP_CLASS, "the SOP class is not that of the presentation context"
        if not instance:
            return MISSING_ATTRIBUTE, "the request has to name the SOP Instance UID"
        if not valid_uid(instance):
            return INVALID_SOP_INSTANCE, "the SOP Instance UID is not a UID"
        return None

    @property
    def pressure(self) -> bool:
        """What may be held is bounded otherwise."""
        return False

    async def drained(self) -> None:
        """There is never pressure."""

    def write(self, data: memoryview) -> None:
        """Keep a piece of the data set, as long as there is room."""
        self._size += len(data)
        if self._refusal is not None:
            return
        if self._service.take(len(self._data), len(data)):
            self._data += data
        else:
            self._drop()
            self._refusal = RESOURCE_LIMITATION, "the attributes of this request take too much room"

    async def finish(self) -> Command:
        """Make the step durable, and answer what the centre answers, or that it is durable."""
        if self._refusal is None and not self._data:
            self._refusal = MISSING_ATTRIBUTE, "the request has no attributes"
        if self._refusal is not None:
            return self._refused(*self._refusal)
        try:
            answer = await self._service.submit(self._step())
        except _Duplicate:
            return self._refused(DUPLICATE_SOP_INSTANCE, "this procedure step is queued here already")
        except NoRoom:
            return self._refused(RESOURCE_LIMITATION, "the gateway has no room for this procedure step")
        except LocalError as error:
            return self._refused(PROCESSING_FAILURE, "the gateway could not store this step", str(error))
        finally:
            self._drop()
        response = messages.response(self._command, 0x0000)
        if answer is None:
            return self._told(response, "queued")
        return self._told(
            replace(
                response,
                status=answer.status,
                error_comment=answer.error_comment,
                error_id=answer.error_id,
                offending_element=answer.offending_element,
                attribute_identifier_list=answer.attribute_identifier_list,
            ),
            "answered",
        )

    def answered(self) -> None:
        """Tell the world, once the answer is on its way."""
        if self._notice is not None:
            self._service.tell(self._notice)

    def abandon(self) -> None:
        """The peer went away in the middle."""
        self._drop()

    def _step(self) -> Step:
        sop_class, instance = self._identity()
        return Step(
            sop_class_uid=sop_class,
            sop_instance_uid=instance,
            kind=self._kind,
            transfer_syntax_uid=self._context.transfer_syntax,
            calling_ae=self._visit.calling_ae,
            called_ae=self._visit.called_ae,
            destination=self._destination,
            data=bytes(self._data),
        )

    def _drop(self) -> None:
        self._service.give_back(len(self._data))
        self._data = bytearray()

    def _refused(self, status: int, comment: str, reason: str = "") -> Command:
        response = messages.response(self._command, status, error_comment=comment)
        return self._told(response, "refused", reason or comment)

    def _told(self, response: Command, outcome: str, reason: str = "") -> Command:
        self._notice = StepAnswered(
            association=self._visit.caller.association,
            calling_ae=self._visit.calling_ae,
            called_ae=self._visit.called_ae,
            kind=self._kind,
            size=self._size,
            seconds=self._service.now() - self._since,
            status=response.status or 0,
            outcome=outcome,
            reason=reason,
        )
        return response
