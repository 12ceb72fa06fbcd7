"""What happens on an association that we opened: the Storage and Verification SCU."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from gateway.association.association import (
    ABORTED,
    LOST,
    REFUSED,
    RELEASED,
    TIMEOUT,
    VIOLATION,
    Association,
)
from gateway.association.errors import (
    AssociateRejectedError,
    AssociationAborted,
    AssociationLost,
    ConnectFailed,
    ProtocolViolation,
    ResponseTimeout,
)
from gateway.association.sources import DataSource
from gateway.association.stream import StreamLimits
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tls import words_for
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.events import (
    AssociateAccepted,
    AssociateRejected,
    CommandReceived,
    DataSetFragment,
    Event,
    ReleaseConfirmed,
    ReleaseRequested,
)
from gateway.dicom.negotiation import AssociateRequest
from gateway.dicom.sop_classes import VERIFICATION
from gateway.dicom.state_table import Role
from gateway.errors import LocalError, PeerError
from gateway.model import Instance
from gateway.notices import AssociationRefused, Notices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UNRECOGNIZED_OPERATION = 0x0211

_MAX_UNWELCOME = 16
"""Requests of the peer that are turned down before it is told to go: each answer is output that waits."""

_LOOKS = 8
"""Looks, within the patience for a response, whether the request has left: TCP does not tell by itself."""

_CHUNK = 128 * 1024
"""Bytes asked of a data source at a time: enough PDUs for one write to the socket."""

_UNSENT = 128 * 1024
"""Bytes that may wait in our buffer, and as many in the kernel's, for their turn on the wire.

What waits there can be overtaken by nothing; a link of 1 Mbit/s needs a second for that much.
"""


_FAULTS: Mapping[str, type[PeerError]] = {
    ABORTED: AssociationAborted,
    LOST: AssociationLost,
    RELEASED: AssociationLost,
    TIMEOUT: ResponseTimeout,
    VIOLATION: ProtocolViolation,
}


class RequestorAssociation(Association):
    """One association in which we are the requestor. Made by `open_association`."""

    def __init__(
        self,
        request: AssociateRequest,
        *,
        notices: Notices,
        timeouts: RequestorTimeouts,
        max_outstanding: int,
    ) -> None:
        """Prepare the association that `request` asks for; `stream` is then to be connected."""
        super().__init__(
            Role.REQUESTOR,
            notices=notices,
            stream_limits=StreamLimits(
                artim=timeouts.release,
                pdu_timeout=timeouts.response,
                idle_timeout=timeouts.idle,
                write_timeout=timeouts.stall,
                max_output=_UNSENT,
            ),
        )
        self._proposed = request.contexts
        self.calling_ae = request.calling_ae
        self.called_ae = request.called_ae
        self.max_outstanding = 1
        self.implementation = ""  # class UID of the peer's, once it has answered; some leave it out
        self.opening: asyncio.Future[None] = self._loop.create_future()
        self.opening.add_done_callback(_seen)
        self.idle_since = self._loop.time()
        self._timeouts = timeouts
        self._wanted_outstanding = max_outstanding
        self._window = asyncio.Semaphore(1)
        self._line = asyncio.Lock()  # one message at a time is being written
        self._pending: dict[int, asyncio.Future[Command]] = {}
        self._last_message_id = 0
        self._responses = 0  # responses
        self._turned_down = 0
        self._unwelcome: dict[int, Command] = {}  # by context: a request of the peer whose data set is coming
        self.layer.associate(request)

    # --- what can be asked ---------------------------------------------------------------------------

    def context_for(self, sop_class_uid: str, transfer_syntax_uid: str) -> int | None:
        """Return the accepted context for objects of this class in this syntax; None when there is none."""
        for context_id, context in self.contexts.items():
            if (
                context.abstract_syntax == sop_class_uid
                and context.transfer_syntax == transfer_syntax_uid
                and context.as_scu
            ):
                return context_id
        return None

    async def c_store(
        self,
        context_id: int,
        instance: Instance,
        data: DataSource,
        *,
        priority: int = 0,
        originator: tuple[str, int] | None = None,
    ) -> Command:
        """Send one object and return the peer's C-STORE-RSP, whatever its status (PS3.7 9.1.1).

        `priority` is the DIMSE one: 0 medium, 1 high, 2 low; `originator` the AE title and message ID of a
        C-MOVE that this is a sub-operation of. Calls may overlap: up to `max_outstanding` requests are then
        without a response, further ones wait their turn. A call that is cancelled, or whose source fails,
        after it began to send aborts the association: half a message cannot be taken back. Raises PeerError
        (a kind from `errors`) when there is no response.
        """
        if data.size <= 0:
            raise LocalError("there is no data set to send")
        async with self._operation() as message_id:
            request = messages.c_store_rq(
                message_id,
                instance.sop_class_uid,
                instance.sop_instance_uid,
                priority=priority,
                originator=originator,
            )
            response = await self._ask(context_id, request, data)
        self.count(response)
        return response

    async def c_echo(self, context_id: int | None = None) -> int:
        """Ask whether the peer is there and return its status, 0 for success (PS3.7 9.1.5).

        Raises LocalError when no Verification context was accepted, PeerError when there is no response.
        """
        if context_id is None:
            found = [key for key, context in self.contexts.items() if context.abstract_syntax == VERIFICATION]
            if not found:
                raise LocalError("the peer accepted no presentation context for Verification")
            context_id = found[0]
        async with self._operation() as message_id:
            response = await self._ask(context_id, messages.c_echo_rq(message_id), None)
        return int(response.status or 0)

    async def release(self) -> None:
        """Release the association and wait until it is closed. Never raises for what the peer does.

        Requests still without a response fail: wait for them first.
        """
        if self.established and not self._pending:
            self.layer.release()
            self.stream.flush()
        elif self.established:
            self.abort("closed here with requests still open")
        try:
            async with asyncio.timeout(self._timeouts.release):
                await self.wait_closed()
        except TimeoutError:
            self._stop(TIMEOUT, "the peer did not answer our release in time")
            self.stream.kill()
            await self.wait_closed()
        except asyncio.CancelledError:
            self.stream.kill()  # whoever gives up does not wait for the peer to hang up
            raise

    # --- one operation -------------------------------------------------------------------------------

    @asynccontextmanager
    async def _operation(self) -> AsyncIterator[int]:
        async with self._window:
            self._check()
            message_id = self._next_message_id()
            self.stream.begin()
            try:
                yield message_id
            finally:
                self.stream.end()
                self.idle_since = self._loop.time()

    async def _ask(self, context_id: int, request: Command, data: DataSource | None) -> Command:
        pending: asyncio.Future[Command] = self._loop.create_future()
        message_id = request.message_id or 0
        begun = False
        try:
            async with self._line:
                self._check()
                begun = True
                self._pending[message_id] = pending
                pending.add_done_callback(_seen)
                self.send_command(context_id, request)
                if data is None:
                    self.stream.flush()
                else:
                    await self._send_data(context_id, data)
            return await self._response(pending)
        except BaseException:
            self._pending.pop(message_id, None)
            if begun and self._ended is None:
                self.abort("aborted here: a request was given up half way")
            raise

    async def _send_data(self, context_id: int, data: DataSource) -> None:
        """Send a data set with flat memory: the source is read no faster than the peer takes it."""
        layer, stream = self.layer, self.stream
        room = layer.max_fragment
        left = data.size
        async with aclosing(data.chunks(_CHUNK)) as chunks:
            async for chunk in chunks:
                view = memoryview(chunk)
                left -= len(view)
                if left < 0:
                    raise LocalError("a data source gave more bytes than it announced")
                for start in range(0, len(view), room):
                    is_last = left == 0 and start + room >= len(view)
                    layer.send_pdv(context_id, False, is_last, view[start : start + room])
                stream.flush()
                if not stream.writable:
                    await stream.drained()
                self._check()
        if left:
            raise LocalError("a data source gave fewer bytes than it announced")

    async def _response(self, pending: asyncio.Future[Command]) -> Command:
        """Wait for a response; the clock runs from when the peer's TCP has all of the request.

        It begins anew with each response to another request: a peer that answers one after the other is at
        work, however many are before us.
        """
        stream, clock, patience = self.stream, self._loop.time, self._timeouts.response
        mark = stream.bytes_out
        taken, answered, since = mark - stream.backlog(), self._responses, clock()
        while not pending.done():
            left = since + patience - clock() if taken >= mark else patience / _LOOKS
            await asyncio.wait((pending,), timeout=left)
            before, taken = taken, stream.bytes_out - stream.backlog()
            if self._responses != answered or before < min(taken, mark):
                answered, since = self._responses, clock()
            elif clock() - since < patience or pending.done():
                continue
            elif taken < mark:
                self._stop(LOST, f"nothing we sent was taken for {patience:g} s")
            else:
                self._stop(TIMEOUT, f"no response within {patience:g} s")
        return pending.result()

    def _check(self) -> None:
        if self._ended is not None:
            raise self._fault()
        if not self.established:
            raise LocalError("the association is not open")

    def _fault(self) -> PeerError:
        ended = self._ended
        if ended is None:
            raise RuntimeError("nothing went wrong yet")
        return _FAULTS.get(ended.outcome, AssociationLost)(ended.reason)

    def _next_message_id(self) -> int:
        while True:
            self._last_message_id = self._last_message_id % 0xFFFF + 1
            if self._last_message_id not in self._pending:
                return self._last_message_id

    # --- what the peer says --------------------------------------------------------------------------

    def _on_control(self, event: Event) -> None:
        if isinstance(event, AssociateAccepted):
            answer = event.answer
            self.implementation = answer.implementation_class_uid
            self._open(
                answer,
                answer.max_pdu_length,
                self._proposed,
                (answer.implementation_class_uid, answer.implementation_version),
            )
            allowed = self.async_window[0] or self._wanted_outstanding
            self.max_outstanding = max(1, min(allowed, self._wanted_outstanding))
            self._window = asyncio.Semaphore(self.max_outstanding)
            self.idle_since = self._loop.time()
            self._settle_opening(None)
        elif isinstance(event, AssociateRejected):
            self._notices.publish(
                AssociationRefused(
                    association=self.id,
                    inbound=False,
                    address=self.address,
                    calling_ae=self.calling_ae,
                    called_ae=self.called_ae,
                    result=event.result,
                    source=event.source,
                    diagnostic=event.diagnostic,
                    reason=event.words,
                )
            )
            self._settle_opening(
                AssociateRejectedError(event.result, event.source, event.diagnostic, event.words)
            )
            self._end(REFUSED, event.words)
        elif isinstance(event, ReleaseRequested):
            # After its A-RELEASE-RQ the peer may send nothing more (PS3.8 7.2.1): no response will come.
            self._end(RELEASED, "released by the peer")
            if self.layer.can_answer_release:  # what came with the request may have ended it already
                self.layer.release_response()
            self.stream.flush()
        elif isinstance(event, ReleaseConfirmed):
            self._end(RELEASED, "released by us")

    def _on_command(self, message: CommandReceived) -> None:
        command = message.command
        if not command.is_response:
            # We offered no service on this association; say so and go on (PS3.7 annex C.5.18).
            if command.command_field == CommandField.C_CANCEL_RQ:
                return
            if command.has_data_set:
                self._unwelcome[message.context_id] = command
            else:
                self._turn_down(message.context_id, command)
            return
        pending = self._pending.pop(command.message_id_responded_to or 0, None)
        if pending is None:
            self._stop(VIOLATION, "aborted here: the peer sent a response to nothing we asked")
        else:
            self._responses += 1
            pending.set_result(command)

    def _on_fragment(self, message: DataSetFragment) -> None:
        if message.is_last and message.context_id in self._unwelcome:
            self._turn_down(message.context_id, self._unwelcome.pop(message.context_id))

    def _turn_down(self, context_id: int, command: Command, status: int = UNRECOGNIZED_OPERATION) -> None:
        self._turned_down += 1
        if self._turned_down > _MAX_UNWELCOME:
            self._stop(VIOLATION, "aborted here: the peer keeps asking for services that we do not offer")
            return
        if self.layer.can_send:
            self.send_command(context_id, messages.response(command, status))

    def _on_ending(self) -> None:
        self._settle_opening(self._fault())
        pendings, self._pending = self._pending, {}
        for pending in pendings.values():
            pending.set_exception(self._fault())

    def on_lost(self, error: Exception | None) -> None:
        """The transport is gone; while opening, a TLS alert explains it better than anything else."""
        if isinstance(error, ssl.SSLError):
            # With TLS 1.3 the peer judges our certificate after our side of the handshake is complete.
            self._settle_opening(ConnectFailed("tls", words_for(error)))
        super().on_lost(error)

    def _settle_opening(self, error: PeerError | None) -> None:
        if self.opening.done():
            return
        if error is None:
            self.opening.set_result(None)
        else:
            self.opening.set_exception(error)


def _seen(pending: asyncio.Future[Any]) -> None:
    """Mark a failure as looked at: who waits may have been cancelled, or learn of it in another way."""
    if not pending.cancelled():
        pending.exception()
