"""An association that we open to ask things with small data sets, and on which the peer may ask us back.

What `sending` does for objects this does for everything else: N-ACTION, N-EVENT-REPORT, N-CREATE, N-SET,
C-FIND. Data sets come and go whole, because they are small; that they are is a limit here. A request of the
peer on the same association (the N-EVENT-REPORT that answers an N-ACTION) is handed to whoever opened it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.association.association import VIOLATION
from gateway.association.dial import OnPhase
from gateway.association.requestor import establish
from gateway.association.sending import RequestorAssociation
from gateway.association.sources import BytesSource
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.events import AssociateAccepted, CommandReceived, DataSetFragment, Event
from gateway.dicom.negotiation import AcceptedContext, AssociateRequest, ProposedContext, UserIdentity
from gateway.dicom.status import Category, category
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from gateway.notices import Notices

RESOURCE_LIMITATION: Final = 0x0213  # PS3.7 annex C.5.26


class AnswerTooLarge(PeerError):
    """The peer's answer has more bytes than we keep; the association goes on."""


class Answer(NamedTuple):
    """A response and its data set, empty when there is none."""

    command: Command
    data: bytes


Builder = Callable[[int], Command]
"""Builds the request for a message ID."""

RequestHandler = Callable[[AcceptedContext, Command, bytes], Awaitable[Command]]
"""Performs a request that the peer makes of us on our association, and returns the response."""


@dataclass(frozen=True, slots=True)
class AskingLimits:
    """What the peer may make one asking association hold or do."""

    max_data_set: int = 1024 * 1024  # bytes of one data set: of an answer, or of a request to us
    max_answers: int = 8 * 1024 * 1024  # bytes of the answers to one question together
    max_requests: int = 4  # requests of the peer being performed at the same time
    max_surplus: int = 1000  # pending responses to one question beyond those wanted, then we hang up


@dataclass(slots=True)
class _Question:
    """A request of ours without its final response."""

    context_id: int
    most: int  # pending responses that are wanted
    cancellable: bool
    waiting: asyncio.Future[Command] | None = None  # settled by the next response
    answers: list[Answer] = field(default_factory=list)
    size: int = 0
    surplus: int = 0
    final: bool = False
    too_large: bool = False


@dataclass(slots=True)
class _Arriving:
    """A message of the peer whose data set is on its way; `data` None: it has become too large."""

    command: Command
    data: bytearray | None


class AskingAssociation(RequestorAssociation):
    """One association in which we ask. Made by `open_asking`."""

    def __init__(
        self,
        request: AssociateRequest,
        *,
        notices: Notices,
        timeouts: RequestorTimeouts,
        on_request: RequestHandler | None,
        limits: AskingLimits,
    ) -> None:
        """Prepare the association; without `on_request` whatever the peer asks is turned down (0x0211)."""
        super().__init__(request, notices=notices, timeouts=timeouts, max_outstanding=1)
        self._on_request = on_request
        self._asking_limits = limits
        self.answered_roles: Mapping[str, tuple[bool, bool]] = {}
        """What the peer said to the roles proposed; many leave the item out (PS3.7 D.3.3.4)."""
        self._questions: dict[int, _Question] = {}
        self._arriving: dict[int, _Arriving] = {}  # by context
        self._performing: set[asyncio.Task[None]] = set()

    # --- asking --------------------------------------------------------------------------------------

    async def ask(self, context_id: int, build: Builder, data: bytes = b"") -> Answer:
        """Send the request that `build(message_id)` makes, with `data`, and return the final response.

        Any status is an answer. Raises PeerError (a kind from `errors`) when there is none, AnswerTooLarge
        when its data set is beyond the limit. A call that is cancelled aborts the association.
        """
        return (await self.ask_all(context_id, build, data, most=0))[-1]

    async def ask_all(self, context_id: int, build: Builder, data: bytes = b"", *, most: int) -> list[Answer]:
        """As `ask`, but return the first `most` pending responses too, in order, before the final one.

        When there are more the peer is asked to stop (C-CANCEL, for C-FIND) and the rest is dropped. The
        time-out for a response runs anew with each of them.
        """
        async with self._operation() as message_id:
            request = build(message_id)
            if request.has_data_set != bool(data):
                raise LocalError(f"a {request.name} and its data set do not fit together")
            cancellable = request.command_field == CommandField.C_FIND_RQ
            question = self._questions[message_id] = _Question(context_id, most, cancellable)
            try:
                await self._ask(context_id, request, BytesSource(data) if data else None)
                while not question.final:
                    await self._next(question)
            except BaseException:
                if self._ended is None:
                    self.abort("aborted here: a request was given up half way")
                raise
            finally:
                self._questions.pop(message_id, None)
                self._pending.pop(message_id, None)
        if question.too_large:
            raise AnswerTooLarge("the peer's answer is larger than anything it should have to say")
        return question.answers

    async def _next(self, question: _Question) -> None:
        if question.waiting is None:
            raise RuntimeError("a question without a final response waits for nothing")
        await self._response(question.waiting)

    async def release(self) -> None:
        """Release when what the peer asked has come to its end, or has taken too long. Never raises."""
        if self._performing and self.established:
            await asyncio.wait(self._performing, timeout=self._timeouts.release)
        await super().release()

    # --- what the peer says --------------------------------------------------------------------------

    def _on_control(self, event: Event) -> None:
        if isinstance(event, AssociateAccepted):
            self.answered_roles = event.answer.roles
        super()._on_control(event)

    def _on_command(self, message: CommandReceived) -> None:
        command = message.command
        ours = command.is_response and (command.message_id_responded_to or 0) in self._questions
        theirs = (
            not command.is_response
            and command.command_field != CommandField.C_CANCEL_RQ
            and self._on_request is not None
        )
        if not ours and not theirs:
            super()._on_command(message)
        elif command.has_data_set:
            self._arriving[message.context_id] = _Arriving(command, bytearray())
        elif ours:
            self._answered(command, b"")
        else:
            self._requested(message.context_id, command, b"")

    def _on_fragment(self, message: DataSetFragment) -> None:
        arriving = self._arriving.get(message.context_id)
        if arriving is None:
            super()._on_fragment(message)
            return
        if arriving.data is not None:
            arriving.data += message.data
            if len(arriving.data) > self._asking_limits.max_data_set:
                arriving.data = None
        if message.is_last:
            del self._arriving[message.context_id]
            data = None if arriving.data is None else bytes(arriving.data)
            if arriving.command.is_response:
                self._answered(arriving.command, data)
            else:
                self._requested(message.context_id, arriving.command, data)

    def _answered(self, command: Command, data: bytes | None) -> None:
        """A response is complete; `data` None: too large to be kept."""
        message_id = command.message_id_responded_to or 0
        question = self._questions.get(message_id)
        waiting = self._pending.pop(message_id, None)
        if question is None or waiting is None:
            self._stop(VIOLATION, "aborted here: the peer sent a response to nothing we asked")
            return
        question.final = category(command.status or 0) is not Category.PENDING
        if not question.final:
            question.waiting = self._pending[message_id] = self._loop.create_future()
            question.waiting.add_done_callback(_seen)
        if question.final or (len(question.answers) < question.most and not question.too_large):
            self._keep(question, command, data)
        else:
            self._enough(question, message_id)
        waiting.set_result(command)

    def _keep(self, question: _Question, command: Command, data: bytes | None) -> None:
        question.size += len(data or b"")
        if data is None or question.size > self._asking_limits.max_answers:
            question.too_large = True
            question.answers.clear()
        else:
            question.answers.append(Answer(command, data))

    def _enough(self, question: _Question, message_id: int) -> None:
        """No more pending responses are wanted: say so once, and bear those that are on their way."""
        question.surplus += 1
        if question.surplus > self._asking_limits.max_surplus:
            self._stop(VIOLATION, "aborted here: the peer does not stop answering")
        elif (
            question.surplus == 1
            and question.cancellable
            and self.layer.can_send
            and not self._line.locked()  # no message of ours is half written
        ):
            self.send_command(question.context_id, messages.c_cancel_rq(message_id))

    # --- what the peer asks of us --------------------------------------------------------------------

    def _requested(self, context_id: int, command: Command, data: bytes | None) -> None:
        """A request of the peer is complete; `data` None: too large to be kept."""
        handler = self._on_request
        if data is None or handler is None or len(self._performing) >= self._asking_limits.max_requests:
            self._turn_down(context_id, command, RESOURCE_LIMITATION)
            return
        self.stream.begin()
        task = self._loop.create_task(self._perform(handler, context_id, command, data))
        self._performing.add(task)
        task.add_done_callback(self._performed)

    async def _perform(self, handler: RequestHandler, context_id: int, command: Command, data: bytes) -> None:
        response = await handler(self.contexts[context_id], command, data)
        async with self._line:
            if not self.layer.can_send:
                return  # the peer is gone; what it told us was taken in all the same
            self.send_command(context_id, response)
            self.stream.flush()
            if not self.stream.writable:
                await self.stream.drained()

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        self.stream.end()
        self.surface(task)
        if not self.stream.connected:
            self._finished()

    def _finished(self) -> None:
        # What the peer told us is taken in without it; the books close after that.
        if not self._performing:
            super()._finished()


def _seen(waiting: asyncio.Future[Command]) -> None:
    """Mark a failure as looked at: whoever asked may have been cancelled before it came."""
    if not waiting.cancelled():
        waiting.exception()


async def open_asking(
    peer: Peer,
    contexts: Sequence[ProposedContext],
    *,
    calling_ae: AETitle,
    notices: Notices,
    timeouts: RequestorTimeouts | None = None,
    way: Way = None,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    user_identity: UserIdentity | None = None,
    on_request: RequestHandler | None = None,
    on_phase: OnPhase | None = None,
    limits: AskingLimits | None = None,
    kind: type[AskingAssociation] = AskingAssociation,
) -> AskingAssociation:
    """Dial `peer`, propose `contexts` and return the open association, or raise why there is none.

    As `requestor.open_association`. `roles` are ours on each abstract syntax, as (SCU, SCP): (False, True)
    where we are the SCP that reports an event (PS3.7 D.3.3.4). `on_request` performs what the peer asks of
    us; at most `limits.max_requests` calls of it are under way. `kind`: what the association can do.
    """
    timeouts = timeouts or RequestorTimeouts()
    association = kind(
        AssociateRequest(
            called_ae=peer.ae_title,
            calling_ae=peer.calling_ae or calling_ae,
            contexts=tuple(contexts),
            user_identity=user_identity,
            roles=roles or {},
        ),
        notices=notices,
        timeouts=timeouts,
        on_request=on_request,
        limits=limits or AskingLimits(),
    )
    await establish(association, peer, way=way, timeouts=timeouts, on_phase=on_phase)
    return association
