"""Peers of storage commitment whose every step the test decides: centres, consoles that listen, and ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.dicom import commitment, messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop
from gateway.dicom.dimse import CommandReceived, fragments
from gateway.dicom.events import DataReceived
from gateway.dicom.negotiation import AcceptorPolicy, AssociateRequest, ContextAnswer, ProposedContext
from gateway.spool.commitment_values import Reference
from tests.support.commitment_scene import OWN
from tests.support.committing import references
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre
from tests.support.wire_peer import EXPLICIT, WirePeer, wire_peer

SCP_OF_RESULTS = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _uid, as_scu, as_scp: (as_scu, as_scp),
)
"""A console that agrees to be the SCU of storage commitment."""


@dataclass
class Wired:
    """A listener whose connections the test scripts one by one; what is beyond the scripts is an error."""

    port: int
    scripts: list[Callable[[WireCentre], Awaitable[object]]]
    failures: list[BaseException] = field(default_factory=list)
    done: int = 0
    connections: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_done(self, count: int) -> None:
        """Wait until `count` scripts have come to their end; a failed one is raised."""
        async with asyncio.timeout(10):
            while self.done < count and not self.failures:
                self._news.clear()
                await self._news.wait()
        if self.failures:
            raise self.failures[0]


@asynccontextmanager
async def wired(
    *scripts: Callable[[WireCentre], Awaitable[object]], port: int | None = None, repeat: bool = False
) -> AsyncIterator[Wired]:
    """Listen; the first connection runs the first script, and so on; with `repeat` the last one for ever."""
    port = port or free_port()
    wire = Wired(port, list(scripts))
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = wire.connections
        wire.connections += 1
        try:
            if number >= len(wire.scripts) and not repeat:
                return
            await wire.scripts[min(number, len(wire.scripts) - 1)](WireCentre(reader, writer))
        except Exception as error:  # noqa: BLE001 - raised in the test
            wire.failures.append(error)
        finally:
            writer.transport.abort()
            wire.done += 1
            wire._news.set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield wire
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if wire.failures:
        raise wire.failures[0]


def sops(*references: Reference) -> tuple[Sop, ...]:
    """References as the messages have them."""
    return tuple(Sop(one.sop_class_uid, one.sop_instance_uid) for one in references)


async def asked(peer: WireCentre) -> tuple[int, Command, commitment.Action]:
    """Return the next N-ACTION."""
    context_id, command, data = await peer.message()
    assert command.command_field == CommandField.N_ACTION_RQ, command
    commitment.check_action(command)
    syntax = peer.layer.contexts[context_id].transfer_syntax
    return context_id, command, commitment.read_action(data, syntax, 10_000)


def say(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    """Queue a message with a data set."""
    peer.send(context_id, command)
    for fragment, last in fragments(data, peer.layer.max_fragment):
        peer.layer.send_pdv(context_id, False, last, fragment)
    peer.flush()


async def report(peer: WireCentre, context_id: int, result: Result, message_id: int = 77) -> int | None:
    """Send an N-EVENT-REPORT and return the status of its answer."""
    syntax = peer.layer.contexts[context_id].transfer_syntax
    say(
        peer,
        context_id,
        commitment.event_rq(message_id, result),
        commitment.event_information(result, syntax),
    )
    _, answer, _ = await peer.message()
    assert answer.command_field == CommandField.N_EVENT_REPORT_RSP
    assert answer.message_id_responded_to == message_id
    return answer.status


async def told(peer: WireCentre, status: int = 0x0000) -> Result:
    """Return the next N-EVENT-REPORT, answered with `status`."""
    context_id, command, data = await peer.message()
    assert command.command_field == CommandField.N_EVENT_REPORT_RQ, command
    commitment.check_event(command)
    syntax = peer.layer.contexts[context_id].transfer_syntax
    result = commitment.read_event(data, syntax, 10_000)
    assert command.event_type_id == (2 if result.failed else 1)
    peer.answer(context_id, command, status)
    return result


def commits(failed: Sequence[tuple[Reference, int]] = (), *, times: int = 1) -> Callable[[WireCentre], Any]:
    """A centre that answers `times` asks on the same association."""

    async def script(peer: WireCentre) -> None:
        await peer.accept()
        for _ in range(times):
            context_id, command, action = await asked(peer)
            peer.answer(context_id, command)
            reasons = {Sop(one.sop_class_uid, one.sop_instance_uid): reason for one, reason in failed}
            good = tuple(one for one in action.references if one not in reasons)
            here = tuple((one, reasons[one]) for one in action.references if one in reasons)
            assert await report(peer, context_id, Result(action.transaction_uid, good, here)) == 0x0000
        await peer.finish()

    return script


def listens(results: list[Result], status: int = 0x0000, count: int = 1) -> Callable[[WireCentre], Any]:
    """A console that takes `count` reports on one association."""

    async def script(peer: WireCentre) -> None:
        request = await peer.accept(SCP_OF_RESULTS)
        assert request.roles == {PUSH_MODEL: (False, True)}
        assert request.calling_ae.strip() == "ARIA"  # the title that the console called
        for _ in range(count):
            result = await told(peer, status)
            results.append(result)
        await peer.finish()

    return script


# --- consoles that ask -----------------------------------------------------------------------------------


def request(
    called: str = "ARIA", calling: str = "LINAC1", abstract: Sequence[str] = (PUSH_MODEL,), **more: Any
) -> AssociateRequest:
    """An A-ASSOCIATE-RQ with these contexts, numbered 1, 3, ..."""
    contexts = tuple(ProposedContext(2 * index + 1, uid, (EXPLICIT,)) for index, uid in enumerate(abstract))
    return AssociateRequest(called, calling, contexts, **more)


async def console_asks(peer: WirePeer, uid: str, *numbers: int, message_id: int = 1) -> int | None:
    """N-ACTION about these objects; return the status."""
    peer.send_command(1, commitment.action_rq(message_id))
    peer.send_data(1, commitment.action_information(uid, sops(*references(*numbers)), EXPLICIT))
    return (await peer.response()).status


async def ask_for(port: int, uid: str, *numbers: int, **how: Any) -> int | None:
    """N-ACTION on an association of its own, released at once."""
    async with wire_peer(port) as peer:
        answer = await peer.associate(request(**how))
        assert answer.accepted_contexts()  # type: ignore[union-attr]
        status = await console_asks(peer, uid, *numbers)
        await peer.release()
    return status


async def next_message(peer: WirePeer) -> tuple[Command, bytes]:
    """Return the next message of the gateway with its data set."""
    command: Command | None = None
    data = b""
    while True:
        event = await peer.event()
        assert isinstance(event, DataReceived), event
        message = peer.messages.read(event)
        if isinstance(message, CommandReceived):
            command = message.command
            if not command.has_data_set:
                return command, b""
        elif message is not None:
            data += bytes(message.data)
            if message.is_last:
                assert command is not None
                return command, data


async def told_here(peer: WirePeer, status: int = 0x0000) -> Result:
    """Take an N-EVENT-REPORT on our own association, and answer it."""
    event, data = await next_message(peer)
    assert event.command_field == CommandField.N_EVENT_REPORT_RQ
    peer.send_command(1, messages.n_event_report_rsp(event, status))
    return commitment.read_event(data, EXPLICIT, 10_000)


async def centre_reports(
    port: int, result: Result, *, roles: dict[str, tuple[bool, bool]] | None = None, called: str = OWN
) -> int | None:
    """Report to the gateway on an association that the centre opens; return the status of the answer."""
    if roles is None:
        roles = {PUSH_MODEL: (False, True)}
    async with wire_peer(port) as peer:
        answer = await peer.associate(request(called, "ARIA", roles=roles))
        contexts = answer.accepted_contexts()  # type: ignore[union-attr]
        assert 1 in contexts, answer
        peer.send_command(1, commitment.event_rq(5, result))
        peer.send_data(1, commitment.event_information(result, EXPLICIT))
        status = (await peer.response()).status
        await peer.release()
    return status
