"""A console that hears everything: requests of any service, each message that comes back, byte for byte.

The same conversation run against a centre and through the gateway must be heard the same; `heard_alike`
leaves out what may differ (message IDs). Requests of the far end (C-STORE of a C-GET, N-EVENT-REPORT) are
answered as the test says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.dimse import CommandReceived, DataSetFragment
from gateway.dicom.events import DataReceived, Event
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest, ProposedContext
from tests.support.wire_peer import EXPLICIT, WirePeer

_PENDING = (0xFF00, 0xFF01)


@dataclass(frozen=True, slots=True)
class Heard:
    """One complete message."""

    context_id: int
    command: Command
    data: bytes

    @property
    def status(self) -> int | None:
        """The status of a response."""
        return self.command.status


@dataclass(frozen=True, slots=True)
class Ended:
    """The association ended instead: an A-ABORT, a release request, or (None) the end of the connection."""

    event: Event | None


Answers = Callable[[Heard], int]
"""The status for a request of the far end."""


class Broken(AssertionError):
    """The association ended where a message was due; carries what was heard before."""

    def __init__(self, heard: Sequence[Heard], ended: Ended) -> None:
        said = [(each.command.name, each.status) for each in heard]
        super().__init__(f"ended with {ended.event} after {said}")
        self.heard = list(heard)
        self.ended = ended


def proposals(
    *abstract_syntaxes: str, syntaxes: tuple[str, ...] = (EXPLICIT,)
) -> tuple[ProposedContext, ...]:
    """Presentation contexts 1, 3, 5 ... for these abstract syntaxes."""
    return tuple(ProposedContext(2 * n + 1, uid, syntaxes) for n, uid in enumerate(abstract_syntaxes))


def success(_: Heard) -> int:
    """Answer every request of the far end with success."""
    return 0x0000


class WireConsole(WirePeer):
    """One association; its contexts are found by abstract syntax."""

    answer: AssociateAccept
    _message = 0

    def context(self, abstract_syntax: str) -> int:
        """The ID of the accepted context for `abstract_syntax`."""
        for context in self.answer.contexts:
            if context.abstract_syntax == abstract_syntax and context.accepted:
                return context.context_id
        raise AssertionError(f"no context for {abstract_syntax}: {self.answer.contexts}")

    def results(self) -> dict[str, int]:
        """Abstract syntax -> result of its context (PS3.8 Table 9-18)."""
        return {context.abstract_syntax: context.result for context in self.answer.contexts}

    async def hear(self) -> Heard | Ended:
        """Return the next complete message, or how the association ended."""
        command: Command | None = None
        data = bytearray()
        while True:
            event = await self.event()
            if not isinstance(event, DataReceived):
                return Ended(event)
            message = self.messages.read(event)
            if isinstance(message, CommandReceived):
                command = message.command
                if not command.has_data_set:
                    return Heard(message.context_id, command, b"")
            elif isinstance(message, DataSetFragment):
                data += message.data
                if message.is_last:
                    assert command is not None
                    return Heard(message.context_id, command, bytes(data))

    def next_id(self) -> int:
        """A message ID of our own."""
        self._message += 1
        return self._message

    def say(self, abstract_syntax: str, command: Command, data: bytes = b"") -> int:
        """Send a request on the context of `abstract_syntax`; return its message ID."""
        context = self.context(abstract_syntax)
        number = command.message_id or self.next_id()
        self.send_command(context, replace(command, message_id=number, has_data_set=bool(data)))
        if data:
            self.send_data(context, data)
        return number

    async def until_answered(self, number: int, *, answers: Answers = success, more: int = 0) -> list[Heard]:
        """Hear everything up to the final response to `number`, and at least `more` requests of the far end.

        These are answered; an N-EVENT-REPORT may come before or after the response.
        """
        heard: list[Heard] = []
        answered = False
        asked = 0
        while not answered or asked < more:
            each = await self.hear()
            if isinstance(each, Ended):
                raise Broken(heard, each)
            heard.append(each)
            if each.command.is_response:
                assert each.command.message_id_responded_to == number, each
                answered = answered or each.status not in _PENDING
            else:
                asked += 1
                self.send_command(each.context_id, messages.response(each.command, answers(each)))
        return heard

    async def ask(
        self,
        abstract_syntax: str,
        command: Command,
        data: bytes = b"",
        *,
        answers: Answers = success,
        more: int = 0,
    ) -> list[Heard]:
        """`say`, then `until_answered`."""
        return await self.until_answered(self.say(abstract_syntax, command, data), answers=answers, more=more)

    def cancel(self, abstract_syntax: str, number: int) -> None:
        """C-CANCEL of request `number`."""
        self.send_command(self.context(abstract_syntax), messages.c_cancel_rq(number))


def heard_alike(heard: Sequence[Heard]) -> list[tuple[Command, bytes]]:
    """What must be the same on every way: commands without message IDs, and data sets; requests set apart.

    Requests of the far end come first: nothing fixes their place among the responses.
    """
    alike = [
        (replace(each.command, message_id=None, message_id_responded_to=None), each.data) for each in heard
    ]
    return sorted(alike, key=lambda pair: pair[0].is_response)


@asynccontextmanager
async def wire_console(
    port: int,
    called: str,
    *abstract_syntaxes: str,
    calling: str = "LINAC1",
    syntaxes: tuple[str, ...] = (EXPLICIT,),
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    extended: Mapping[str, bytes] | None = None,
    release: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[WireConsole]:
    """Associate with 127.0.0.1:`port`, and release at the end unless told not to."""
    console = await WireConsole.connect(port, tls=tls)
    assert isinstance(console, WireConsole)
    try:
        asked = AssociateRequest(
            called,
            calling,
            proposals(*abstract_syntaxes, syntaxes=syntaxes),
            roles=roles or {},
            extended=extended or {},
        )
        answer = await console.associate(asked)
        assert isinstance(answer, AssociateAccept), answer
        console.answer = answer
        yield console
        if release:
            await console.release()
    finally:
        await console.close()


async def welcomed(port: int, called: str, *abstract_syntaxes: str, calling: str = "LINAC1") -> WireConsole:
    """Associate with a gateway that may still believe its far end to be down; ask until it lets us in."""
    async with asyncio.timeout(20):
        while True:
            console = await WireConsole.connect(port)
            assert isinstance(console, WireConsole)
            answer = await console.associate(AssociateRequest(called, calling, proposals(*abstract_syntaxes)))
            if isinstance(answer, AssociateAccept):
                console.answer = answer
                if all(context.accepted for context in answer.contexts):
                    return console
            await console.close()
            # Nothing tells when a far end that was down is tried again.
            await asyncio.sleep(0.05)


def n_request(
    field: CommandField, sop_class: str, instance: str | None, *, type_id: int | None = None
) -> Command:
    """A request of any normalized service (PS3.7 10.3), message ID and data set still to be filled in."""
    if field in (CommandField.N_CREATE_RQ, CommandField.N_EVENT_REPORT_RQ):
        return Command(
            command_field=field,
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid=instance,
            event_type_id=type_id,
        )
    return Command(
        command_field=field,
        requested_sop_class_uid=sop_class,
        requested_sop_instance_uid=instance,
        action_type_id=type_id,
    )
