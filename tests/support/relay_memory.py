"""A relay in memory: real associations and a real session between a console and a centre that a test plays.

No sockets and no time of its own, so that a playbook says "send this, expect that" and hours pass at once.
The context IDs of the two sides differ on purpose.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from gateway.association.acceptor import AcceptorLimits, InboundAssociation
from gateway.association.admission import RELAYED, Admission, Caller, Relay, Relayed
from gateway.association.association import Closed
from gateway.association.far import FarAssociation
from gateway.association.stream import Stream, StreamLimits
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.dimse import CommandReceived, DataSetFragment, MessageReader, fragments
from gateway.dicom.events import Aborted, AssociateRequested, DataReceived, Event, ReleaseRequested
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    ContextAnswer,
    ProposedContext,
    Rejection,
    negotiate,
)
from gateway.dicom.upper_layer import Role, UpperLayer
from gateway.model import AETitle, Route
from gateway.relay.far_end import FarEnd
from gateway.relay.inspection import Inspector
from gateway.relay.moves import Moves
from gateway.relay.patience import RelayTimeouts
from gateway.relay.profile import Profile
from gateway.relay.session import RelaySession, SessionLimits
from tests.support.loop_clock import FastLoop, run_fast, turns
from tests.support.notice_log import NoticeLog

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
STORED = "1.2.840.10008.5.1.4.1.1.481.4"  # served here, on its own context
IMPLICIT = "1.2.840.10008.1.2"

CLASSES = (FIND, MOVE, GET, RT_PLAN, UPS_PUSH)
NEAR_IDS = {FIND: 1, MOVE: 3, GET: 5, RT_PLAN: 7, UPS_PUSH: 9, STORED: 11}
FAR_IDS = {FIND: 9, MOVE: 7, GET: 5, RT_PLAN: 3, UPS_PUSH: 1}
ROUTE = Route(called=AETitle("ARIA"), to=("oncology",))
TIMEOUTS = RelayTimeouts(connect=5, response=60, between=30, release=5, stall=60, idle=3600)


@dataclass(frozen=True, slots=True)
class Heard:
    """One complete message, by the abstract syntax of its context."""

    sop_class: str
    command: Command
    data: bytes = b""

    @property
    def about(self) -> tuple[str, int | None, int | None]:
        """Name, message ID (its own, or the one it answers) and status."""
        command = self.command
        number = command.message_id_responded_to if command.is_response else command.message_id
        return command.name, number, command.status


class _NoSocket:
    family = socket.AF_UNIX

    def fileno(self) -> int:
        return -1


class _Wire(asyncio.Transport):
    """Carries bytes between a stream and a `Peer` in the same call."""

    def __init__(self, stream: Stream, peer: Peer) -> None:
        super().__init__({"peername": ("192.0.2.7", 104), "socket": _NoSocket()})
        self._stream = stream
        self._peer = peer
        self._paused = False
        self._waiting = bytearray()  # from the peer
        self._unread = bytearray()  # to the peer, which does not read
        self._most = 0
        self._ending = False
        self.gone = False

    # --- for the stream ------------------------------------------------------------------------------

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._most = high or 0

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def is_closing(self) -> bool:
        return self._ending

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.gone
        self._unread += data
        self.push()

    def push(self) -> None:
        """Give the peer what it reads."""
        if not self._peer.deaf and self._unread:
            data, self._unread = bytes(self._unread), bytearray()
            self._peer.take(data)
            self._stream.resume_writing()
        elif len(self._unread) > self._most and self._stream.writable:
            self._stream.pause_writing()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        asyncio.get_running_loop().call_soon(self._pull)

    def close(self) -> None:
        if not self._ending:
            self._ending = True
            if not self._unread:
                asyncio.get_running_loop().call_soon(self.lose, None)

    def abort(self) -> None:
        self._ending = True
        asyncio.get_running_loop().call_soon(self.lose, None)

    def lose(self, error: Exception | None) -> None:
        """The connection is over."""
        if not self.gone:
            self.gone = self._ending = True
            self._peer.closed = True
            self._stream.connection_lost(error)

    # --- for the peer --------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while the stream does not read."""
        return self._paused

    def deliver(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._waiting += data
        self._pull()

    def _pull(self) -> None:
        while self._waiting and not self._paused and not self._ending:
            room = self._stream.get_buffer(-1)
            count = min(len(room), len(self._waiting))
            room[:count] = self._waiting[:count]
            del self._waiting[:count]
            self._stream.buffer_updated(count)

    def end_of_file(self) -> None:
        """The peer closed."""
        if not self._ending and not self._stream.eof_received():
            self.close()


class Peer:
    """What a test plays: a console or a centre, byte for byte, with our own upper layer."""

    def __init__(self, stream: Stream, role: Role, ids: dict[str, int]) -> None:
        self.layer = UpperLayer(role)
        self.wire = _Wire(stream, self)
        self.ids = ids
        self.classes = {number: uid for uid, number in ids.items()}
        self.deaf = False  # does not read; `listen` ends that
        self.closed = False
        self.held = False  # what it says waits, to come in one read
        self.events: list[Event] = []  # everything but data
        self._reader = MessageReader()
        self._open: dict[int, tuple[Command, bytearray]] = {}
        self._heard: list[Heard] = []
        self.order: list[tuple[int, bool]] = []  # context and "is command" of every fragment heard

    def take(self, data: bytes) -> None:
        """Bytes from the gateway."""
        if self.closed:
            return
        for event in self.layer.receive(data):
            if not isinstance(event, DataReceived):
                self.events.append(event)
                continue
            self.order.append((event.context_id, event.is_command))
            message = self._reader.read(event)
            if isinstance(message, CommandReceived):
                if message.command.has_data_set:
                    self._open[message.context_id] = (message.command, bytearray())
                else:
                    self._heard.append(Heard(self.classes[message.context_id], message.command))
            elif isinstance(message, DataSetFragment):
                command, so_far = self._open[message.context_id]
                so_far += message.data
                if message.is_last:
                    del self._open[message.context_id]
                    self._heard.append(Heard(self.classes[message.context_id], command, bytes(so_far)))
        if self.layer.close_wanted:
            asyncio.get_running_loop().call_soon(self.wire.end_of_file)

    @property
    def part_way(self) -> dict[str, int]:
        """Bytes heard so far of data sets that are not complete, by class."""
        return {self.classes[number]: len(data) for number, (_, data) in self._open.items()}

    def heard(self) -> list[Heard]:
        """What came since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def one(self) -> Heard:
        """The one message that came since the last call."""
        [heard] = self.heard()
        return heard

    def flush(self) -> None:
        """Send what the upper layer has to say."""
        if self.held or self.wire.gone:
            return
        self.wire.deliver(b"".join(bytes(part) for part in self.layer.output()))

    def say(self, sop_class: str, command: Command, data: bytes | None = None) -> Command:
        """Send a message; with `data` None the data set that it announces has yet to come."""
        context_id = self.ids[sop_class]
        if data is not None:
            command = replace(command, has_data_set=bool(data))
        for fragment, last in fragments(command.encode(), self.layer.max_fragment):
            self.layer.send_pdv(context_id, True, last, fragment)
        self.flush()
        if data:
            self.piece(sop_class, data, last=True)
        return command

    def piece(self, sop_class: str, data: bytes, *, last: bool = False) -> None:
        """Send a piece of a data set."""
        for fragment, is_end in fragments(data, self.layer.max_fragment):
            self.layer.send_pdv(self.ids[sop_class], False, last and is_end, fragment)
        self.flush()

    def answer(self, heard: Heard, status: int = 0, data: bytes = b"", **more: Any) -> Command:
        """Answer a request that was heard."""
        return self.say(heard.sop_class, messages.response(heard.command, status, **more), data)

    def find(self, number: int = 1, data: bytes = b"query") -> Command:
        """C-FIND-RQ."""
        return self.say(FIND, messages.c_find_rq(number, FIND), data)

    def action(self, number: int, data: bytes = b"completed") -> Command:
        """N-ACTION-RQ on a unified procedure step."""
        command = messages.n_action_rq(number, UPS_PUSH, "1.2.3", 1, has_data_set=bool(data))
        return self.say(UPS_PUSH, command, data)

    def event_report(self, number: int, data: bytes = b"event") -> Command:
        """N-EVENT-REPORT-RQ about a unified procedure step."""
        command = messages.n_event_report_rq(number, UPS_PUSH, "1.2.3", 1, has_data_set=bool(data))
        return self.say(UPS_PUSH, command, data)

    def release(self) -> None:
        """A-RELEASE-RQ."""
        self.layer.release()
        self.flush()

    def agree(self) -> None:
        """A-RELEASE-RP."""
        self.layer.release_response()
        self.flush()

    def abort(self) -> None:
        """A-ABORT, and close."""
        self.layer.abort()
        self.flush()
        self.wire.end_of_file()

    def fin(self) -> None:
        """Close the connection without a word."""
        self.wire.end_of_file()

    def rst(self) -> None:
        """Break the connection."""
        self.wire.lose(ConnectionResetError(104, "Connection reset by peer"))

    def listen(self) -> None:
        """Read again."""
        self.deaf = False
        self.wire.push()

    @property
    def was_aborted(self) -> bool:
        """True when an A-ABORT came."""
        return any(isinstance(event, Aborted) for event in self.events)

    @property
    def was_asked_to_release(self) -> bool:
        """True when an A-RELEASE-RQ came."""
        return any(isinstance(event, ReleaseRequested) for event in self.events)


class _Here:
    """The registry of this scene: one class is served here, the rest is relayed."""

    def __init__(self, answer: AssociateAccept, relay: Relay, performed: list[Command]) -> None:
        self.answer = answer
        self.relay = relay
        self._performed = performed

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        return cast("Admission", self)

    def perform(self, context: AcceptedContext, command: Command) -> Command | Relayed:
        if context.abstract_syntax != STORED:
            return RELAYED
        self._performed.append(command)
        return messages.response(command, 0x0000)


@dataclass
class Books:
    """What a session did with what it was lent."""

    done: list[bool] = field(default_factory=list)  # "fit to be used again", each time it gave one back
    lost: list[Closed] = field(default_factory=list)
    performed: list[Command] = field(default_factory=list)  # here
    errors: list[dict[str, Any]] = field(default_factory=list)  # what reached the loop's handler


class RelayScene:
    """A console, a centre and the relay between them. `near` and `far` are for the test to play."""

    def __init__(
        self,
        *,
        alone: bool = True,
        inspectors: Sequence[Inspector] = (),
        limits: SessionLimits | None = None,
        timeouts: RelayTimeouts = TIMEOUTS,
        moves: Moves | None = None,
        route: Route = ROUTE,
        calling: str = "LINAC1",
        calling_upstream: str = "LINAC1",
        stream_limits: StreamLimits | None = None,
        refused_near: frozenset[str] = frozenset(),
        syntax_near: str = IMPLICIT,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        self.loop = loop
        self.log = NoticeLog()
        self.books = Books()
        self.moves = moves if moves is not None else Moves()
        loop.set_exception_handler(lambda _, context: self.books.errors.append(context))
        asked = AssociateRequest(
            "CENTRE",
            calling_upstream,
            tuple(ProposedContext(FAR_IDS[uid], uid, (IMPLICIT,)) for uid in CLASSES),
            roles={RT_PLAN: (True, True)},
        )
        self.association: FarAssociation[Profile] = FarAssociation(
            asked,
            peer="oncology",
            profile=Profile("oncology", calling_upstream, ()),
            notices=self.log.notices,
            timeouts=RequestorTimeouts(response=60, release=5, stall=60, idle=3600),
        )
        self.far = Peer(self.association.stream, Role.ACCEPTOR, FAR_IDS)
        self._far_up()
        self.session = RelaySession(
            FarEnd(
                association=self.association,
                contexts={NEAR_IDS[uid]: FAR_IDS[uid] for uid in CLASSES},
                timeouts=timeouts,
                done=lambda _, reusable: self.books.done.append(reusable),
                lost=self.books.lost.append,
            ),
            route=route,
            calling_ae=calling,
            alone=alone,
            inspectors=inspectors,
            moves=self.moves,
            notices=self.log.notices,
            limits=limits,
        )
        classes = (*CLASSES, STORED)
        self._request = AssociateRequest(
            "ARIA",
            calling,
            tuple(ProposedContext(NEAR_IDS[uid], uid, (IMPLICIT, syntax_near)) for uid in classes),
            roles={RT_PLAN: (True, True)},
        )
        answer = negotiate(
            self._request,
            AcceptorPolicy(
                choose=lambda one: (
                    ContextAnswer.refuse()
                    if one.abstract_syntax in refused_near
                    else ContextAnswer.accept(syntax_near)
                ),
                roles=lambda _, scu, scp: (scu, scp),
            ),
        )
        self.inbound = InboundAssociation(
            listener="console",
            services=_Here(answer, self.session, self.books.performed),
            notices=self.log.notices,
            stream_limits=stream_limits or StreamLimits(),
            limits=AcceptorLimits(),
            upper_layer_limits=UpperLayerLimits(),
        )
        self.near = Peer(self.inbound.stream, Role.REQUESTOR, NEAR_IDS)

    def _far_up(self) -> None:
        far = self.far
        far.layer.connected()
        self.association.stream.connection_made(far.wire)
        [asked] = far.events
        assert isinstance(asked, AssociateRequested)
        far.layer.accept(
            negotiate(
                asked.request,
                AcceptorPolicy(
                    choose=lambda one: ContextAnswer.accept(one.transfer_syntaxes[0]),
                    roles=lambda _, scu, scp: (scu, scp),
                ),
            )
        )
        far.flush()
        far.events.clear()
        assert self.association.established

    async def open(self) -> RelayScene:
        """Let the console in."""
        self.inbound.stream.connection_made(self.near.wire)
        self.near.layer.associate(self._request)
        self.near.layer.connected()
        self.near.flush()
        await turns()
        assert self.inbound.established
        self.near.events.clear()
        return self

    async def end(self) -> None:
        """Both sides go; nothing may be left of the relay, and nothing may have gone wrong."""
        if not self.near.closed:
            self.near.fin()
        await turns()
        if not self.association.closed:  # it was given back
            assert self.books.done == [True]
            self.association.abort()
        self.far.listen()
        await turns()
        assert self.inbound.closed
        assert self.association.closed
        assert len(self.books.done) == 1
        assert len(self.moves) == 0
        assert self.association.stream.busy == 0
        assert not self.books.errors, self.books.errors


def play(
    act: Callable[[RelayScene], Coroutine[Any, Any, None]],
    *,
    make: Callable[[], RelayScene] = RelayScene,
) -> None:
    """Act in a scene of its own; at the end no task and no timer may be left."""

    async def run() -> None:
        scene = await make().open()
        await act(scene)
        await scene.end()
        assert len(asyncio.all_tasks()) == 1
        assert not (left := timers(scene.loop)), left

    run_fast(run())


def timers(loop: FastLoop) -> list[asyncio.TimerHandle]:
    """The timers that are set."""
    scheduled: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # there is no other way
    return [handle for handle in scheduled if not handle.cancelled()]
