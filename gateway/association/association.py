"""What both sides of an association share: who it is with, what it carried, and how it ended."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.association.stream import Expired, Stream, StreamLimits
from gateway.association.tcp_info import measured
from gateway.association.tls import words_for
from gateway.dicom.command import Command
from gateway.dicom.dimse import MessageReader, fragments
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from gateway.dicom.events import (
    Aborted,
    CommandReceived,
    ConnectionLost,
    DataReceived,
    DataSetFragment,
    Event,
)
from gateway.dicom.limits import MessageLimits, UpperLayerLimits
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, ProposedContext
from gateway.dicom.pdu import Buffer
from gateway.dicom.state_table import Role
from gateway.dicom.status import Category, category
from gateway.dicom.upper_layer import UpperLayer
from gateway.notices import AssociationClosed, AssociationNegotiated, AssociationOpened, Notice, Notices
from gateway.traffic import Traffic

RELEASED = "released"
ABORTED = "aborted"
LOST = "lost"
TIMEOUT = "timeout"
VIOLATION = "violation"  # aborted by us, because the peer broke the protocol
REFUSED = "refused"  # never opened

_BROKEN = "aborted here, because the peer broke the protocol"

_MAX_IN_LINE = 64
"""Messages that wait for one that is being passed through, before no more is read from the peer."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How an association ended."""

    outcome: str  # "released", "aborted", "lost", "timeout", "violation", or "refused" when it never opened
    reason: str  # in words


class Association(ABC):
    """One association over one stream; `acceptor` and `requestor` say what happens on it.

    Belongs to the event loop it was made in; nothing here is for other threads.
    """

    def __init__(
        self,
        role: Role,
        *,
        notices: Notices,
        stream_limits: StreamLimits,
        upper_layer_limits: UpperLayerLimits | None = None,
        message_limits: MessageLimits | None = None,
    ) -> None:
        """Prepare an association; it begins when its `stream` is connected."""
        self.id = secrets.token_hex(4)
        self.inbound = role is Role.ACCEPTOR
        self.listener = ""  # that it came through
        self.peer = ""  # name of the peer we dialled
        self.calling_ae = ""
        self.called_ae = ""
        self.contexts: Mapping[int, AcceptedContext] = {}
        self.peer_max_pdu = 0
        self.async_window = (1, 1)  # operations the requestor may (invoke, perform) at a time; 0 no limit
        self.objects = 0
        self.failures = 0
        self.layer = UpperLayer(role, upper_layer_limits or UpperLayerLimits())
        self.stream = Stream(self.layer, self, stream_limits)
        self._notices = notices
        self._reader = MessageReader(message_limits or MessageLimits())
        self._loop = asyncio.get_running_loop()
        self._opened_at: float | None = None
        self._ended: Closed | None = None
        self._last_traffic: Traffic | None = None
        self._closed: asyncio.Future[Closed] = self._loop.create_future()
        self._streaming: set[int] = set()  # contexts on which a message is sent piece by piece at present
        self._in_line: deque[tuple[int, Command, bytes]] = deque()  # whole messages that wait for those

    # --- facts ---------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self.stream.address

    @property
    def tls(self) -> str:
        """Protocol and cipher, as "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty for plain TCP."""
        return self.stream.tls

    @property
    def established(self) -> bool:
        """True once the association was opened, until it begins to end."""
        return self._opened_at is not None and self._ended is None

    @property
    def closed(self) -> bool:
        """True once the association is over and nothing of it is left."""
        return self._closed.done()

    @property
    def seconds(self) -> float:
        """How long the association has been open."""
        return 0.0 if self._opened_at is None else self._loop.time() - self._opened_at

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes received and sent so far."""
        return self.stream.bytes_in, self.stream.bytes_out

    def measure(self) -> Traffic:
        """Return what it has carried so far; once it has begun to end, what it carried until then."""
        tcp = self.stream.tcp_info()
        if tcp is None and self._last_traffic is not None:
            return self._last_traffic
        return measured(self.stream.bytes_in, self.stream.bytes_out, tcp)

    async def wait_closed(self) -> Closed:
        """Wait until the transport is gone and every operation has come to its end."""
        return await asyncio.shield(self._closed)

    # --- ending --------------------------------------------------------------------------------------

    def abort(self, reason: str = "aborted here") -> None:
        """Send A-ABORT (service-user) and close; harmless when the association is over."""
        self._stop(ABORTED, reason)

    def expire(self, reason: str) -> None:
        """Abort because the peer took too long; `reason` in words."""
        self._stop(TIMEOUT, reason, source=2)

    def surface(self, task: asyncio.Task[Any]) -> None:
        """Let an unexpected exception of a task out into the event loop, and end this association.

        The loop's handler tells of it, and knows by the protocol that one association is hurt and no other.
        """
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

    def tell(self, notice: Notice) -> None:
        """Publish what happened to this association."""
        self._notices.publish(notice)

    def message_id_for(self, wanted: int) -> int:
        """Return `wanted` where it is free, else another message ID for a request to this peer."""
        return wanted

    def _stop(self, outcome: str, reason: str, *, source: int = 0, diagnostic: int = 0) -> None:
        """End the association with an A-ABORT of ours."""
        self._end(outcome, reason)
        try:
            self.layer.abort(source, diagnostic)
        except LocalProtocolError:
            # Nothing to abort in this state (before A-ASSOCIATE-RQ, or already closing): just hang up.
            self.stream.close()
        self.stream.flush()

    def _end(self, outcome: str, reason: str) -> None:
        """Note how the association ended; the first cause is the one that counts."""
        if self._ended is None:
            self._last_traffic = self.measure()
            self._ended = Closed(outcome, reason)
            self._on_ending()
            self.stream.wake_writers()

    @abstractmethod
    def _on_ending(self) -> None:
        """The association just began to end: whoever waits for the peer must be told."""

    def _finished(self) -> None:
        """The stream is gone and nothing is in progress any more: close the books."""
        if self._closed.done():
            return
        ended = self._ended or Closed(LOST, "the connection ended")
        if self._opened_at is not None:
            self._notices.publish(
                AssociationClosed(
                    association=self.id,
                    inbound=self.inbound,
                    address=self.address,
                    calling_ae=self.calling_ae,
                    called_ae=self.called_ae,
                    outcome=ABORTED if ended.outcome == VIOLATION else ended.outcome,
                    reason=ended.reason,
                    objects=self.objects,
                    failures=self.failures,
                    bytes_in=self.stream.bytes_in,
                    bytes_out=self.stream.bytes_out,
                    seconds=self.seconds,
                )
            )
            self._notices.open_associations.pop(self.id, None)
        self._closed.set_result(ended)

    # --- opening -------------------------------------------------------------------------------------

    def _open(
        self,
        answer: AssociateAccept,
        peer_max_pdu: int,
        proposed: Sequence[ProposedContext],
        implementation: tuple[str, str],
    ) -> None:
        """`implementation`: class UID and version name of the other side."""
        self.contexts = answer.accepted_contexts()
        self.peer_max_pdu = peer_max_pdu
        self.async_window = answer.async_window or (1, 1)
        self._opened_at = self._loop.time()
        self._notices.open_associations[self.id] = self
        self._notices.publish(
            AssociationNegotiated(
                association=self.id,
                inbound=self.inbound,
                listener=self.listener,
                peer=self.peer,
                address=self.address,
                calling_ae=self.calling_ae,
                called_ae=self.called_ae,
                proposed=proposed,
                answered=answer.contexts,
                max_pdu_length=peer_max_pdu,
                async_window=self.async_window,
                implementation_class_uid=implementation[0],
                implementation_version=implementation[1],
            )
        )
        self._notices.publish(
            AssociationOpened(
                association=self.id,
                inbound=self.inbound,
                address=self.address,
                calling_ae=self.calling_ae,
                called_ae=self.called_ae,
                tls=self.tls,
                accepted=len(self.contexts),
                refused=len(answer.contexts) - len(self.contexts),
            )
        )

    # --- what the stream tells us --------------------------------------------------------------------

    def on_events(self, events: Sequence[Event]) -> None:
        """Take events of the upper layer in order; data first, because that is what there is most of."""
        for event in events:
            if type(event) is DataReceived:
                if self._ended is None and not self._take_data(event):
                    return
            elif type(event) is Aborted:
                if event.by_peer:
                    self._end(ABORTED, event.words)
                    self.stream.kill()  # nobody wants what is still to be written
                else:
                    self._end(VIOLATION, f"{_BROKEN}: {event.words}")
            elif type(event) is not ConnectionLost:  # of that, `on_lost` knows more
                self._on_control(event)

    def _take_data(self, event: DataReceived) -> bool:
        """Hand one PDV on; False when that ended the association and the rest is not to be looked at."""
        try:
            message = self._reader.read(event)
        except PeerProtocolError as error:
            self._stop(
                VIOLATION, f"{_BROKEN}: {error}", source=2 if error.reason else 0, diagnostic=error.reason
            )
            return False
        if type(message) is DataSetFragment:
            self._on_fragment(message)
        elif type(message) is CommandReceived:
            self._on_command(message)
        return self._ended is None

    @abstractmethod
    def _on_control(self, event: Event) -> None:
        """A-ASSOCIATE and A-RELEASE, which differ by role."""

    @abstractmethod
    def _on_command(self, message: CommandReceived) -> None:
        """A complete command set arrived."""

    @abstractmethod
    def _on_fragment(self, message: DataSetFragment) -> None:
        """A piece of a data set arrived."""

    def on_expired(self, deadline: Expired) -> None:
        """A deadline passed: say so to the peer, and end."""
        if deadline is Expired.ARTIM:
            self._end(TIMEOUT, deadline.value)  # the upper layer ends it itself (AA-2)
        elif deadline is Expired.WRITE:
            self._end(TIMEOUT, deadline.value)  # the stream ends it: an A-ABORT could not get through
        else:
            self._stop(TIMEOUT, deadline.value, source=2)

    def on_lost(self, error: Exception | None) -> None:
        """The transport is gone."""
        if isinstance(error, ssl.SSLError):
            self._end(LOST, words_for(error))
        elif error is not None:
            self._end(
                LOST, f"the connection broke: {getattr(error, 'strerror', None) or type(error).__name__}"
            )
        elif self._opened_at is not None:
            self._end(LOST, "the peer closed the connection without releasing the association")
        else:
            self._end(LOST, "the peer closed the connection before there was an association")
        self._finished()

    # --- sending -------------------------------------------------------------------------------------

    def send_command(self, context_id: int, command: Command, data: bytes = b"") -> None:
        """Queue a whole message, with its data set when it announces one; the caller flushes.

        It never goes between the pieces of a message that is passed through: PS3.8 allows that on another
        context, and toolkits that consoles are built on do not understand it.
        """
        if self._streaming:
            self._in_line.append((context_id, command, data))
            if len(self._in_line) >= _MAX_IN_LINE:
                self.stream.hold_reading("line")
        else:
            self._put(context_id, command, data)

    def _put(self, context_id: int, command: Command, data: bytes) -> None:
        self._put_command(context_id, command)
        if command.has_data_set and data:
            for fragment, is_last in fragments(data, self.layer.max_fragment):
                self.layer.send_pdv(context_id, False, is_last, fragment)

    def _put_command(self, context_id: int, command: Command) -> None:
        for fragment, is_last in fragments(command.encode(), self.layer.max_fragment):
            self.layer.send_pdv(context_id, True, is_last, fragment)

    def stream_command(self, context_id: int, command: Command) -> None:
        """Queue a command of a message that is passed through; its data set follows by `stream_data`.

        Nothing is sent when the association is over. The caller flushes the stream.
        """
        if not self.layer.can_send:
            return
        self._put_command(context_id, command)
        if command.has_data_set:
            self._streaming.add(context_id)

    def stream_data(self, context_id: int, data: Buffer, is_last: bool) -> None:
        """Queue a piece of that data set, in as many fragments as this peer's PDU length needs.

        `data` is not copied: the caller flushes before its memory is used again.
        """
        if not self.layer.can_send:
            return
        for fragment, is_end in fragments(data, self.layer.max_fragment):
            self.layer.send_pdv(context_id, False, is_last and is_end, fragment)
        if is_last:
            self._streaming.discard(context_id)
            while self._in_line and not self._streaming:
                self._put(*self._in_line.popleft())
            self.stream.resume_reading("line")

    @property
    def streaming(self) -> bool:
        """True while a message that is passed through has begun to be sent and is not complete."""
        return bool(self._streaming)

    def count(self, response: Command) -> None:
        """Note how one C-STORE ended."""
        if category(response.status or 0) in (Category.SUCCESS, Category.WARNING):
            self.objects += 1
        else:
            self.failures += 1
