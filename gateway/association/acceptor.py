"""An association that a peer opened with us: admission, then one operation per DIMSE request.

The way of a data set is synchronous from the socket to `Operation.write`: no task and no queue per
fragment. One task per request begins when its last byte is here, waits for the operation to finish (for
C-STORE: to be durable) and sends the response in the same step.

Messages that are not served here go to the relay of the admission, piece by piece in the same call, and what
the far side sends comes back from it. What this room needs of services and relay is in `admission`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.association.admission import RELAYED, Admission, Caller, Operation, Relay, Services
from gateway.association.association import REFUSED, RELEASED, TIMEOUT, VIOLATION, Association
from gateway.association.errors import AssociationLost, ResponseTimeout
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
from gateway.dicom.negotiation import AcceptedContext, AssociateRequest, Rejection
from gateway.dicom.state_table import Role
from gateway.notices import AssociationRefused, ConnectionRefused, Notices

DUPLICATE_INVOCATION = 0x0210

_FIRST_OWN_MESSAGE_ID = 0xF000
"""Requests of ours to a caller begin here, away from the message IDs of a far side."""


@dataclass(frozen=True, slots=True)
class AcceptorLimits:
    """What one association may ask of us at a time."""

    max_operations: int = 16  # requests being performed at the same time; the window we grant is no wider
    answer_timeout: float = 60.0  # seconds for the peer to answer what we ask on its association
    messages: MessageLimits = field(default_factory=MessageLimits)


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
        self._through: set[int] = set()  # contexts on which the data set that comes is passed through
        self._asked: dict[int, asyncio.Future[Command]] = {}  # what we asked of the peer, by message ID
        self._dropping: set[int] = set()  # contexts on which the data set of a response to us is coming
        self._release_waits = False
        self._leave_reason = ""  # we are to end as soon as every request has its response

    def leave(self, reason: str) -> None:
        """End the association as soon as no request is without its response (the process stops)."""
        if self._outstanding or self._relay_busy:
            self._leave_reason = reason
        else:
            self.abort(reason)

    def drop(self) -> None:
        """Hang up without waiting for anything; what is being made durable may still become so.

        Who waits for something relayed is told that it failed, as far as the connection takes it at once.
        """
        if self._relay is not None:
            self._relay.give_up(self._leave_reason)
        self.abort(self._leave_reason or "hung up")
        self.stream.kill()
        for task in self._performing:
            task.cancel()

    # --- opening and releasing -----------------------------------------------------------------------

    def _on_control(self, event: Event) -> None:
        if isinstance(event, AssociateRequested):
            self._admitting = self._loop.create_task(self._admit(event.request))
            self._admitting.add_done_callback(self.surface)
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
        caller = Caller(self.id, self.listener, self.address, self.tls, self)
        admission = await self._services.admit(request, caller)
        if self._ended is not None:
            if not isinstance(admission, Rejection) and admission.relay is not None:
                admission.relay.near_ending(released=True)  # it was never used: as good as new
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
        self._open(
            admission.answer,
            request.max_pdu_length,
            request.contexts,
            (request.implementation_class_uid, request.implementation_version),
        )
        if admission.relay is not None:
            admission.relay.attach(self, self._rested)

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
        at_rest = not self._performing and not self._relay_busy
        if self._release_waits and at_rest and self._ended is None:
            self._end(RELEASED, "released by the peer")
            if self.layer.can_answer_release:  # what came with the request may have ended it already
                self.layer.release_response()
            self.stream.flush()

    # --- requests ------------------------------------------------------------------------------------

    def on_events(self, events: Sequence[Event]) -> None:
        """Take events in order, then let the relay send what came of them."""
        super().on_events(events)
        if self._relay is not None:
            self._relay.flush()

    @property
    def _relay(self) -> Relay | None:
        return self._admission.relay if self._admission is not None else None

    @property
    def _relay_busy(self) -> bool:
        relay = self._relay
        return relay is not None and relay.busy

    def _on_command(self, message: CommandReceived) -> None:
        command = message.command
        context = self.contexts[message.context_id]
        relay = self._relay
        if command.is_response:
            self._on_response(context, command)
        elif command.command_field == CommandField.C_CANCEL_RQ:
            # What is done here cannot be cancelled, or is over already.
            if relay is not None:
                relay.cancel(context, command)
        elif (command.message_id or 0) in self._outstanding or (
            relay is not None and relay.knows(command.message_id or 0)
        ):
            # PS3.7 annex C.5.7; the first one goes on undisturbed.
            comment = "this message ID is in use"
            self._begin(
                context.context_id,
                command,
                messages.response(command, DUPLICATE_INVOCATION, error_comment=comment),
            )
        elif self._admission is None:
            raise RuntimeError("a DIMSE message came before the association was open")
        else:
            outcome = self._admission.perform(context, command)
            if outcome is not RELAYED:
                self._begin(context.context_id, command, outcome)
            elif relay is None:
                raise RuntimeError("a request is to be relayed, and there is no relay")
            else:
                self._pass_data_set(context.context_id, command)
                relay.request(context, command)

    def _on_response(self, context: AcceptedContext, command: Command) -> None:
        waiting = self._asked.pop(command.message_id_responded_to or 0, None)
        if waiting is not None:
            if command.has_data_set:
                self._dropping.add(context.context_id)  # nobody here wants it
            if not waiting.done():
                waiting.set_result(command)
            return
        relay = self._relay
        if relay is None or not relay.response(context, command):
            self._stop(VIOLATION, "aborted here: the peer sent a response to nothing it was asked")
            return
        self._pass_data_set(context.context_id, command)

    def _pass_data_set(self, context_id: int, command: Command) -> None:
        if command.has_data_set:
            self._through.add(context_id)

    def _begin(self, context_id: int, command: Command, outcome: Command | Operation) -> None:
        request = _Request(context_id, command, outcome)
        self._outstanding[command.message_id or 0] += 1
        if command.has_data_set:
            self._receiving[context_id] = request
        else:
            self._complete(request)

    def _on_fragment(self, message: DataSetFragment) -> None:
        context_id = message.context_id
        if context_id in self._through:
            if message.is_last:
                self._through.discard(context_id)
            if self._relay is not None:
                self._relay.fragment(context_id, message.data, message.is_last)
            return
        if context_id in self._dropping:
            if message.is_last:
                self._dropping.discard(context_id)
            return
        request = self._receiving[context_id]
        operation = request.operation
        if operation is not None:
            if message.data:
                operation.write(message.data)
            if operation.pressure and request.relief is None and not message.is_last:
                self._relieve(request, operation)
        if message.is_last:
            del self._receiving[context_id]
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
            self.count(response)
        if self.layer.can_send:
            self.send_command(request.context_id, response)

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        self.stream.end()
        self.stream.resume_reading("operations")
        self.surface(task)
        self._rested()

    def _rested(self) -> None:
        """Something came to its end: go on with what waited for that."""
        if not self.stream.connected:
            self._finished()
        elif self._leave_reason and not self._outstanding and not self._relay_busy:
            self.abort(self._leave_reason)
        else:
            self._release_if_done()

    def _relieve(self, request: _Request, operation: Operation) -> None:
        """Read nothing more until the operation has room again."""
        why = f"pressure on context {request.context_id}"
        request.relief = self._loop.create_task(operation.drained())
        self.stream.hold_reading(why)

        def relieved(task: asyncio.Task[None]) -> None:
            request.relief = None
            self.stream.resume_reading(why)
            self.surface(task)

        request.relief.add_done_callback(relieved)

    # --- what we ask of the peer ---------------------------------------------------------------------

    def message_id_for(self, wanted: int) -> int:
        """Return `wanted` where it is free, else another message ID for a request to this peer."""
        relay = self._relay
        while wanted in self._asked or (relay is not None and relay.asks(wanted)) or not 0 < wanted <= 0xFFFF:
            wanted = wanted % 0xFFFF + 1
        return wanted

    async def ask(self, context_id: int, build: Callable[[int], Command], data: bytes = b"") -> Command:
        """Ask the caller something on its own association; see NearSide."""
        if not self.established or not self.layer.can_send:
            raise AssociationLost("the caller's association has ended")
        message_id = self.message_id_for(_FIRST_OWN_MESSAGE_ID)
        waiting: asyncio.Future[Command] = self._loop.create_future()
        self._asked[message_id] = waiting
        self.stream.begin()
        try:
            self.send_command(context_id, build(message_id), data)
            self.stream.flush()
            async with asyncio.timeout(self._limits.answer_timeout):
                return await waiting
        except TimeoutError:
            self._stop(TIMEOUT, "aborted here: the peer did not answer our request in time")
            raise ResponseTimeout("no answer to a request on the caller's own association") from None
        finally:
            self._asked.pop(message_id, None)
            self.stream.end()

    # --- ending --------------------------------------------------------------------------------------

    def _on_ending(self) -> None:
        if self._admitting is not None and not self._answered:
            self._admitting.cancel()
        if self._relay is not None:
            released = self._ended is not None and self._ended.outcome == RELEASED
            self._relay.near_ending(released=released)
        asked, self._asked = self._asked, {}
        for waiting in asked.values():
            if not waiting.done():
                waiting.set_exception(AssociationLost("the caller's association ended before it answered"))
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
