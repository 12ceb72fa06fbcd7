"""A console and a centre that say anything at any time, and what must hold of the relay between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.association.stream import StreamLimits
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.events import ReleaseConfirmed
from gateway.errors import PeerError
from gateway.relay.ledger import Side
from gateway.relay.session import SessionLimits
from tests.support.loop_clock import run_fast, turns
from tests.support.relay_guard import Guard
from tests.support.relay_memory import (
    CLASSES,
    NEAR_IDS,
    STORED,
    UPS_PUSH,
    Heard,
    Peer,
    RelayScene,
    timers,
)

KINDS = (
    CommandField.C_FIND_RQ,
    CommandField.C_GET_RQ,
    CommandField.C_MOVE_RQ,
    CommandField.C_STORE_RQ,
    CommandField.C_ECHO_RQ,
    CommandField.N_ACTION_RQ,
    CommandField.N_EVENT_REPORT_RQ,
    0x0042,
)
STATUSES = (0x0000, 0xFF00, 0xFF01, 0xB000, 0xC000, 0xFE00)
OURS = "9.9.9"  # the instance of what the gateway itself asks


@dataclass(frozen=True)
class Ask:
    """A request; with `size` bytes of data set, all of it or only its beginning."""

    near: bool
    sop_class: int
    kind: int
    number: int
    size: int
    whole: bool = True
    rude: bool = False  # also in the middle of another data set


@dataclass(frozen=True)
class More:
    """Another piece of a data set that has begun."""

    near: bool
    sop_class: int
    size: int
    last: bool


@dataclass(frozen=True)
class Answer:
    """A response to one of the requests heard."""

    near: bool
    which: int
    status: int
    size: int
    whole: bool = True


@dataclass(frozen=True)
class Lie:
    """A response to nothing, or to something else."""

    near: bool
    sop_class: int
    kind: int
    number: int
    status: int


@dataclass(frozen=True)
class Cancel:
    """C-CANCEL."""

    near: bool
    sop_class: int
    number: int


@dataclass(frozen=True)
class Raw:
    """Bytes that are no message, or no PDU."""

    near: bool
    data: bytes


@dataclass(frozen=True)
class Stray:
    """A fragment out of place."""

    near: bool
    sop_class: int
    is_command: bool


@dataclass(frozen=True)
class End:
    """One side goes."""

    near: bool
    way: str


@dataclass(frozen=True)
class Deaf:
    """One side reads no more, or again."""

    near: bool
    deaf: bool


@dataclass(frozen=True)
class Together:
    """What one side says until `together` is False again comes in one read."""

    near: bool
    together: bool


@dataclass(frozen=True)
class Pass:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class Look:
    """The guard comes to its verdict, on all that wait and until the next one."""

    verdict: int | None


@dataclass(frozen=True)
class Own:
    """The gateway asks the console something itself."""


Step = Ask | More | Answer | Lie | Cancel | Raw | Stray | End | Deaf | Together | Pass | Look | Own

ENDS = {"release": Peer.release, "abort": Peer.abort, "rst": Peer.rst, "fin": Peer.fin}


@dataclass
class Sayings:
    """What one side said and heard."""

    peer: Peer
    classes: tuple[str, ...]
    open: dict[str, tuple[Command, bytearray]] = field(default_factory=dict)  # data sets that have begun
    said: Counter[tuple[str, int, bool, bytes]] = field(default_factory=Counter)  # complete ones
    unanswered: list[Heard] = field(default_factory=list)
    begun: Counter[int] = field(default_factory=Counter)  # requests by message ID
    complete: Counter[int] = field(default_factory=Counter)
    finals: Counter[int] = field(default_factory=Counter)
    heard: Counter[tuple[str, int, bool, bytes]] = field(default_factory=Counter)

    @property
    def can_say(self) -> bool:
        return self.peer.layer.can_send and not self.peer.closed

    def say(self, sop_class: str, command: Command, data: bytes, whole: bool) -> None:
        if command.has_data_set:
            self.open[sop_class] = (command, bytearray())
        if not command.is_response and command.command_field != CommandField.C_CANCEL_RQ:
            self.begun[command.message_id or 0] += 1
        self.peer.say(sop_class, command)
        if command.has_data_set:
            self.more(sop_class, data, whole)
        else:
            self._said(sop_class, command, b"")

    def more(self, sop_class: str, data: bytes, last: bool) -> None:
        if sop_class not in self.open or not self.can_say:
            return
        command, so_far = self.open[sop_class]
        so_far += data
        if last:
            del self.open[sop_class]
        self.peer.piece(sop_class, data, last=last)
        if last:
            self._said(sop_class, command, bytes(so_far))

    def _said(self, sop_class: str, command: Command, data: bytes) -> None:
        self.said[sop_class, command.command_field, command.is_response, data] += 1
        if not command.is_response and command.command_field != CommandField.C_CANCEL_RQ:
            self.complete[command.message_id or 0] += 1

    def listen(self) -> None:
        """Take in what came."""
        for each in self.peer.heard():
            command = each.command
            if command.is_response:
                if command.status not in (0xFF00, 0xFF01):
                    self.finals[command.message_id_responded_to or 0] += 1
            elif command.command_field != CommandField.C_CANCEL_RQ:
                self.unanswered.append(each)
            if each.data:
                self.heard[each.sop_class, command.command_field, command.is_response, each.data] += 1


class Chaos:
    """One conversation."""

    def __init__(self, scene: RelayScene, guard: Guard | None) -> None:
        self.scene = scene
        self.guard = guard
        self.near = Sayings(scene.near, (*CLASSES, STORED))
        self.far = Sayings(scene.far, CLASSES)
        self.own: list[asyncio.Task[Command]] = []
        self._payloads = 0

    def payload(self, size: int) -> bytes:
        """Bytes that nobody else says."""
        self._payloads += 1
        return self._payloads.to_bytes(4, "big") * (size // 4) + bytes([self._payloads % 251]) * (size % 4)

    async def step(self, step: Step) -> None:
        """Do it, if it can be done."""
        side = self.near if getattr(step, "near", False) else self.far
        with contextlib.suppress(LocalProtocolError):  # what the test peer's own upper layer does not send
            match step:
                case Pass(seconds):
                    await asyncio.sleep(seconds)
                case Look(verdict):
                    await self._look(verdict)
                case Own():
                    self._own()
                case Deaf(_, deaf):
                    side.peer.deaf = deaf
                    if not deaf and not side.peer.closed:
                        side.peer.listen()
                case Together(_, together):
                    if not side.peer.wire.gone:
                        side.peer.held = together
                        side.peer.flush()
                case _ if side.can_say:
                    self._say(side, step)
        await turns(3)
        self.near.listen()
        self.far.listen()

    def _say(self, side: Sayings, step: Step) -> None:
        peer = side.peer
        match step:
            case Ask(_, index, kind, number, size, whole, rude):
                sop_class = side.classes[index % len(side.classes)]
                if rude or sop_class not in side.open:
                    command = Command(command_field=kind, message_id=number, has_data_set=size > 0)
                    if kind == CommandField.C_STORE_RQ:
                        command = replace(command, move_originator_ae="LINAC1", move_originator_message_id=1)
                    side.say(sop_class, command, self.payload(size), whole)
            case More(_, index, size, last):
                side.more(side.classes[index % len(side.classes)], self.payload(size), last)
            case Answer(_, which, status, size, whole) if side.unanswered:
                which %= len(side.unanswered)
                heard = side.unanswered[which]
                if heard.sop_class not in side.open:
                    if status not in (0xFF00, 0xFF01):
                        del side.unanswered[which]
                    answer = messages.response(heard.command, status, has_data_set=size > 0)
                    side.say(heard.sop_class, answer, self.payload(size), whole)
            case Lie(_, index, kind, number, status):
                lie = Command(command_field=kind | 0x8000, message_id_responded_to=number, status=status)
                peer.say(side.classes[index % len(side.classes)], lie)
            case Cancel(_, index, number):
                sop_class = side.classes[index % len(side.classes)]
                if sop_class not in side.open:
                    peer.say(sop_class, messages.c_cancel_rq(number))
            case Raw(_, data):
                peer.wire.deliver(data)
            case Stray(_, index, is_command):
                sop_class = side.classes[index % len(side.classes)]
                if sop_class in side.open and not is_command:
                    side.more(sop_class, b"stray", last=True)  # then it is in place
                else:
                    peer.layer.send_pdv(peer.ids[sop_class], is_command, True, b"stray")
                    peer.flush()
            case End(_, way):
                ENDS[way](peer)

    async def _look(self, verdict: int | None) -> None:
        if self.guard is not None:
            self.guard.verdict = verdict
            if self.guard.gate is not None:
                self.guard.gate.set()
            await turns(5)
            self.guard.gate = asyncio.Event()

    def _own(self) -> None:
        def report(number: int) -> Command:
            return messages.n_event_report_rq(number, UPS_PUSH, OURS, 1, has_data_set=False)

        if len(self.own) < 3:
            asking = self.scene.inbound.ask(NEAR_IDS[UPS_PUSH], report)
            self.own.append(asyncio.get_running_loop().create_task(asking))

    async def oblige(self) -> None:
        """Both sides finish what they began and answer what they were asked."""
        for _ in range(10):
            for side in (self.near, self.far):
                for sop_class in tuple(side.open):
                    side.more(sop_class, b"", last=True)
                await turns(3)
                side.listen()
                asked, side.unanswered = side.unanswered, []
                for heard in asked:
                    if side.can_say:
                        side.say(heard.sop_class, messages.response(heard.command, 0x0000), b"", whole=True)
                await turns(3)

    async def settle(self, obliging: bool) -> None:
        """Let everything that is under way come to its end, by itself or by its time."""
        for side in (self.near, self.far):
            side.peer.held = False
            if not side.peer.closed:
                side.peer.flush()
                side.peer.listen()
        await self._look(None)
        if self.guard is not None:
            self.guard.gate = None
        if obliging:
            await self.oblige()
        for _ in range(4):
            await asyncio.sleep(70)
            self.near.listen()
            self.far.listen()

    def check(self) -> None:
        """What must hold, however the two behaved."""
        scene = self.scene
        assert not scene.books.errors, scene.books.errors
        assert len(scene.books.done) <= 1
        for number, finals in self.near.finals.items():
            assert finals <= self.near.begun[number]
        released = any(isinstance(event, ReleaseConfirmed) for event in scene.near.events)
        if scene.inbound.established or released:
            for number, complete in self.near.complete.items():
                assert self.near.finals[number] >= complete, number
            assert released or self.near.finals == self.near.begun or self.near.open
        for listener, talker in ((self.near, self.far), (self.far, self.near)):
            assert not listener.heard - talker.said, listener.heard - talker.said
        if scene.inbound.established:
            assert not any(exchange.complete for exchange in scene.session._passage.ledger.open(Side.NEAR))
            assert not scene.session._passage._answer_after or self.near.open
            # Only its own incomplete requests and what it owes the far end may be left.
            assert scene.association.established or scene.session._passage.ledger.empty


async def _play(steps: Sequence[Step], alone: bool, guarded: bool, tight: bool, obliging: bool) -> None:
    guard = Guard(gate=asyncio.Event()) if guarded else None
    scene = RelayScene(
        alone=alone,
        inspectors=[guard] if guard else [],
        limits=SessionLimits(max_exchanges=3, max_inspected=60) if tight else None,
        stream_limits=StreamLimits(max_output=500) if tight else None,
    )
    await scene.open()
    chaos = Chaos(scene, guard)
    for step in steps:
        await chaos.step(step)
    await chaos.settle(obliging)
    chaos.check()
    for task in chaos.own:
        with contextlib.suppress(PeerError):
            await task
    await scene.end()
    assert len(asyncio.all_tasks()) == 1
    left = timers(scene.loop)
    assert not left, left


def play(steps: Sequence[Step], *, alone: bool, guarded: bool, tight: bool, obliging: bool) -> None:
    """Run one conversation to its end, in its own time, and check what must hold."""
    run_fast(_play(steps, alone, guarded, tight, obliging))
