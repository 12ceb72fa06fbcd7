"""An association that a peer opened with us: admission, then one operation per DIMSE request.

The way of a data set is synchronous from the socket to `Operation.write`: no task and no queue per
fragment. One task per request begins when its last byte is here, waits for the operation to finish (for
C-STORE: to be durable) and sends the response in the same step.

This room does not know any service: `Services` and `Operation` are what it needs of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from gateway.association.association import REFUSED, RELEASED, VIOLATION, Association
from gateway.association.stream import StreamLimits
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.events import (
    AssociateRejected,
    AssociateRequested,
    CommandReceived,
    DataSetFragment,
    Event,
    ReleaseConfirmed,
    ReleaseRequested,
)
from gateway.dicom.limits import MessageLimits, UpperLayerLimits
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest, Rejection
from gateway.dicom.state_table import Role
from gateway.notices import AssociationRefused, ConnectionRefused, Notices

DUPLICATE_INVOCATION = 0x0210


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """What one association may ask of us at a time."""

    max_operations: int = 16  # requests being performed at the same time; the window we grant is no wider
    messages: MessageLimits = field(default_factory=MessageLimits)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for an association, beyond what the A-ASSOCIATE-RQ says."""

    association: str
    listener: str
    address: str
    tls: str


class Operation(Protocol):
    """One DIMSE request while it is being performed."""

    @property
    def pressure(self) -> bool:
        """True when so much is waiting that no more should be read before `drained()` returns."""

    async def drained(self) -> None:
        """Wait until `pressure` is over."""

    def write(self, data: memoryview) -> None:
        """Take a piece of the data set; the memory is only lent for the call. Never raises, never blocks."""

    async def finish(self) -> Command:
        """All of the data set is here: do what was asked, and return the response to send."""

    def answered(self) -> None:
        """The response is on its way (or the peer is gone): tell the world, off the critical path."""

    def abandon(self) -> None:
        """The data set will never be complete: give back what was taken for it."""


class Admission(Protocol):
    """An association that was let in: how it was answered, and what its requests lead to."""

    answer: AssociateAccept

    def perform(self, context: AcceptedContext, command: Command) -> Command | Operation:
        """Begin what a request asks for, or return the response when that is all there is to it.

        A data set that comes with a request answered at once is read and dropped before the response.
        """


class Services(Protocol):
    """Who may associate, and for what."""

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Decide on an A-ASSOCIATE-RQ. The peer waits."""


class _Request:
    """A request whose response has not been sent."""

    __slots__ = ("command", "context_id", "operation", "relief", "response")

    def __init__(self, context_id: int, command: Command, outcome: Command | Operation) -> None:
        self.context_id = context_id
        self.command = command
        self.operation = None if isinstance(outcome, Command) else outcome
        self.response = outcome if isinstance(outcome, Command) else None
        self.relief: asyncio.Task[None] | None = None


class InboundAssociation(Association):
    """One association in which we are the acceptor."""

    def __init__(
        self,
        *,
        listener: str,
        services: Services,
        notices: Notices,
        stream_limits: StreamLimits,
        limits: AcceptorLimits,
        upper_layer_limits: UpperLayerLimits,
    ) -> None:
        """`services` decides on everything that is asked; the limits hold whatever it decides."""
        super().__init__(
            Role.ACCEPTOR,
            notices=notices,
            stream_limits=stream_limits,
            upper_layer_limits=upper_layer_limits,
            message_limits=limits.messages,
        )
        self.listener = listener
        self._services = services
        self._limits = limits
        self._admitting: asyncio.Task[None] | None = None
        self._admission: Admission | None = None
        self._answered = False  # A-ASSOCIATE was accepted, or was refused with words of its own
        self._receiving: dict[int, _Request] = {}  # by presentation context: a data set is on its way
        self._performing: set[asyncio.Task[None]] = set()
        self._outstanding: Counter[int] = Counter()  # message IDs without a response yet
        self._release_waits = False
        self._leave_reason = ""  # we are to end as soon as every request has its response

    def leave(self, reason: str) -> None:
        """End the association as soon as no request is without its response (the process stops)."""
        if self._outstanding:
            self._leave_reason = reason
        else:
            self.abort(reason)

    def drop(self) -> None:
        """Hang up without waiting for anything; what is being made durable may still become so."""
        self.stream.kill()
        for task in self._performing:
            task.cancel()

    # --- opening and releasing -----------------------------------------------------------------------

    def _on_control(self, event: Event) -> None:
        if isinstance(event, AssociateRequested):
            self._admitting = self._loop.create_task(self._admit(event.request))
            self._admitting.add_done_callback(self._surface)
        elif isinstance(event, AssociateRejected):
            # The upper layer itself refused (protocol version, PS3.8 AE-6).
            self._refused(Rejection(event.result, event.source, event.diagnostic, event.words))
        elif isinstance(event, ReleaseRequested):
            self._release_waits = True
            self._release_if_done()
        elif isinstance(event, ReleaseConfirmed):
            self._end(RELEASED, "released by us")

    async def _admit(self, request: AssociateRequest) -> None:
        self.calling_ae = request.calling_ae.strip()
        self.called_ae = request.called_ae.strip()
        caller = Caller(self.id, self.listener, self.address, self.tls)
        admission = await self._services.admit(request, caller)
        if self._ended is not None:
            return
        if isinstance(admission, Rejection):
            self.layer.reject(admission.result, admission.source, admission.diagnostic)
            self.stream.flush()
            self._refused(admission)
            return
        self._admission = admission
        self.layer.accept(admission.answer)
        self.stream.flush()
        self._answered = True
        self._open(admission.answer, request.max_pdu_length)

    def _refused(self, rejection: Rejection) -> None:
        self._answered = True
        self._notices.publish(
            AssociationRefused(
                association=self.id,
                inbound=True,
                address=self.address,
                calling_ae=self.calling_ae,
                called_ae=self.called_ae,
                result=rejection.result,
                source=rejection.source,
                diagnostic=rejection.diagnostic,
                reason=rejection.words,
            )
        )
        self._end(REFUSED, rejection.words)

    def _release_if_done(self) -> None:
        # A response may still be sent after the peer asked for release (AR-7), and the peer needs it.
        if self._release_waits and not self._performing and self._ended is None:
            self._end(RELEASED, "released by the peer")
            if self.layer.can_answer_release:  # what came with the request may have ended it already
                self.layer.release_response()
            self.stream.flush()

    # --- requests ------------------------------------------------------------------------------------

    def _on_command(self, message: CommandReceived) -> None:
        command = message.command
        if command.is_response:
            self._stop(VIOLATION, "aborted here: the peer sent a response to nothing we asked")
            return
        if command.command_field == CommandField.C_CANCEL_RQ:
            return  # what it names is over already, or cannot be cancelled
        context_id = message.context_id
        message_id = command.message_id or 0
        outcome: Command | Operation
        if message_id in self._outstanding:
            # PS3.7 annex C.5.7; the first one goes on undisturbed.
            outcome = messages.response(
                command, DUPLICATE_INVOCATION, error_comment="this message ID is in use"
            )
        elif self._admission is None:
            raise RuntimeError("a DIMSE message came before the association was open")
        else:
            outcome = self._admission.perform(self.contexts[context_id], command)
        request = _Request(context_id, command, outcome)
        self._outstanding[message_id] += 1
        if command.has_data_set:
            self._receiving[context_id] = request
        else:
            self._complete(request)

    def _on_fragment(self, message: DataSetFragment) -> None:
        request = self._receiving[message.context_id]
        operation = request.operation
        if operation is not None:
            if message.data:
                operation.write(message.data)
            if operation.pressure and request.relief is None and not message.is_last:
                self._relieve(request, operation)
        if message.is_last:
            del self._receiving[message.context_id]
            self._complete(request)

    def _complete(self, request: _Request) -> None:
        """All of the request is here."""
        if request.response is not None:
            self._respond(request, request.response)
            return
        self.stream.begin()
        task = self._loop.create_task(self._perform(request))
        self._performing.add(task)
        task.add_done_callback(self._performed)
        if len(self._performing) >= self._limits.max_operations:
            self.stream.hold_reading("operations")

    async def _perform(self, request: _Request) -> None:
        operation = request.operation
        if operation is None:
            raise RuntimeError("nothing to perform")
        response = await operation.finish()
        self._respond(request, response)
        self.stream.flush()
        operation.answered()

    def _respond(self, request: _Request, response: Command) -> None:
        message_id = request.command.message_id or 0
        self._outstanding[message_id] -= 1
        if not self._outstanding[message_id]:
            del self._outstanding[message_id]
        if request.command.command_field == CommandField.C_STORE_RQ:
            self._count(response)
        if self.layer.can_send:
            self._send_command(request.context_id, response)

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        self.stream.end()
        self.stream.resume_reading("operations")
        self._surface(task)
        if not self.stream.connected:
            self._finished()
        elif self._leave_reason and not self._outstanding:
            self.abort(self._leave_reason)
        else:
            self._release_if_done()

    def _surface(self, task: asyncio.Task[None]) -> None:
        """Let an unexpected exception out into the event loop, whose handler ends the process."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.abort("aborted here: internal error")
            self._loop.call_exception_handler(
                {
                    "message": "an association failed unexpectedly",
                    "exception": error,
                    "task": task,
                    "protocol": self.stream,
                }
            )

    def _relieve(self, request: _Request, operation: Operation) -> None:
        """Read nothing more until the operation has room again."""
        why = f"pressure on context {request.context_id}"
        request.relief = self._loop.create_task(operation.drained())
        self.stream.hold_reading(why)

        def relieved(task: asyncio.Task[None]) -> None:
            request.relief = None
            self.stream.resume_reading(why)
            self._surface(task)

        request.relief.add_done_callback(relieved)

    # --- ending --------------------------------------------------------------------------------------

    def _on_ending(self) -> None:
        if self._admitting is not None and not self._answered:
            self._admitting.cancel()
        receiving, self._receiving = self._receiving, {}
        for request in receiving.values():
            if request.relief is not None:
                request.relief.cancel()
            if request.operation is not None:
                request.operation.abandon()

    def _finished(self) -> None:
        # What is being made durable goes on being so without the peer; the books close after it.
        if self._performing or self.closed:
            return
        if not self._answered:
            reason = self._ended.reason if self._ended else "the connection ended"
            self._notices.publish(ConnectionRefused(self.listener, self.address, reason))
        super()._finished()
