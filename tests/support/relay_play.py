"""A conversation through the relay that either side may break off at any step."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import ReleaseRequested
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer
from tests.support.relay_door import RelayDoor
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import Ended, Heard, WireConsole, wire_console
from tests.support.wire_peer import WirePeer

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
BOTH_ROLES = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _, scu, scp: (scu, scp),
)


def reset(peer: WireCentre | WirePeer) -> None:
    """RST, whatever waits to be sent."""
    sock = peer.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


def abort(peer: WireCentre | WirePeer) -> None:
    peer.layer.abort()
    peer.flush()


def release(peer: WireCentre | WirePeer) -> None:
    peer.layer.release()
    peer.flush()


def fin(peer: WireCentre | WirePeer) -> None:
    peer.writer.close()


def silence(peer: WireCentre | WirePeer) -> None:
    """The connection stands, and nobody is there."""


KILLS = {"RST": reset, "FIN": fin, "A-ABORT": abort, "A-RELEASE": release, "silence": silence}
Kill = Callable[[WireCentre | WirePeer], None]
STEPS = (
    "association",
    "request",
    "half a match",
    "a match",
    "sub-operation",
    "half a sub-operation",
    "event report",
    "half a request",
)


def part(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    """The beginning of a message whose end never comes."""
    peer.send(context_id, command)
    peer.layer.send_pdv(context_id, False, False, data)
    peer.flush()


class Play:
    """A centre that goes at one step of the conversation."""

    def __init__(self, step: str, kill: Kill) -> None:
        self.step = step
        self.kill = kill
        self.associations = 0
        self.admitted = asyncio.Event()  # the console has its association
        self.reached = asyncio.Event()  # the centre got to its step

    async def __call__(self, centre: WireCentre) -> None:
        asked = await centre.accept(BOTH_ROLES)
        self.associations += 1
        await self.admitted.wait()
        ids = {context.abstract_syntax: context.context_id for context in asked.contexts}
        if self.step == "half a request":
            await centre.event()
            await centre.event()
        elif self.step != "association":
            context_id, command, _ = await centre.message()
            match = messages.response(command, 0xFF00, has_data_set=True)
            store = messages.c_store_rq(1, RT_PLAN, "1.2.3")
            report = messages.n_event_report_rq(1, UPS_PUSH, "1.2.3", 1, has_data_set=False)
            if self.step == "half a match":
                part(centre, context_id, match, b"half")
            elif self.step == "a match":
                centre.send(context_id, match)
                centre.layer.send_pdv(context_id, False, True, b"match")
            elif self.step == "sub-operation":
                centre.send(ids[RT_PLAN], store)
                centre.layer.send_pdv(ids[RT_PLAN], False, True, b"plan")
            elif self.step == "half a sub-operation":
                part(centre, ids[RT_PLAN], store, b"half")
            elif self.step == "event report":
                centre.send(ids[UPS_PUSH], report)
        centre.flush()
        self.reached.set()
        self.kill(centre)
        await gone(centre)


async def gone(peer: WireCentre) -> None:
    """Wait for the end of the connection, agreeing to whatever ends it."""
    with contextlib.suppress(ConnectionError, OSError):
        while not peer.layer.close_wanted and not peer.writer.transport.is_closing():
            event = await peer.event()
            if event is None:
                return
            if isinstance(event, ReleaseRequested):
                peer.layer.release_response()
                peer.flush()


@contextlib.asynccontextmanager
async def console(door: RelayDoor, called: str = "THROUGH", *classes: str) -> AsyncIterator[WireConsole]:
    """A console that has associated, and hangs up at the end."""
    classes = classes or (FIND, GET, RT_PLAN, UPS_PUSH)
    async with wire_console(
        door.port, called, *classes, roles={RT_PLAN: (False, True)}, release=False
    ) as found:
        yield found


def begin(peer: WireConsole, step: str) -> int:
    """Say what the conversation up to `step` needs of the console; return the message ID."""
    sub_operation = "sub-operation" in step
    if step == "association":
        return 0
    if step == "half a request":
        number = peer.next_id()
        peer.send_command(peer.context(FIND), messages.c_find_rq(number, FIND))
        peer.layer.send_pdv(peer.context(FIND), False, False, b"half an identifier")
        peer.flush()
        return number
    wanted = GET if sub_operation else FIND
    make = messages.c_get_rq if sub_operation else messages.c_find_rq
    return peer.say(wanted, make(peer.next_id(), wanted), b"identifier")


async def end_of(peer: WireConsole) -> tuple[list[Heard], Ended]:
    """Everything that is heard until the end."""
    heard: list[Heard] = []
    while True:
        each = await peer.hear()
        if isinstance(each, Ended):
            return heard, each
        heard.append(each)
