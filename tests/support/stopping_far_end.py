"""A far end in a process of its own that stops at one step of a conversation, there to be killed or to hang.

The program says one JSON value per line: {"event": "ready"}, and {"event": "at", "step": ...} when it has
come to the step it was started for; from then on it neither reads nor writes. It serves C-ECHO, C-FIND (three
matches), C-GET (two objects), C-STORE and whatever else is asked, on every presentation context proposed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.dimse import CommandReceived, fragments
from gateway.dicom.events import DataReceived, ReleaseRequested
from gateway.dicom.messages import SubOperations
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer, negotiate
from tests.support.ports import free_port
from tests.support.processes import Program
from tests.support.wire_centre import WireCentre

CONNECTED = "connected"
REQUESTED = "the association has been asked for"
ACCEPTED = "the association stands"
COMMAND = "a command came, its data set not yet"
REQUEST = "a request came"
PENDING = "between pending responses"
RESPONSE_DATA = "in the data set of a response"
STORE_DATA = "in the data set of a sub-operation"
STORED = "between sub-operations"
ANSWERED = "the request has been answered"
RELEASING = "release has been asked for"
NEVER = "never"

MATCH = b"\x10\x00\x10\x00PN\x08\x00NO^BODY "
OBJECT = bytes(range(256)) * 256
MATCHES = 3
OBJECTS = ("2.25.601", "2.25.602")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"

_TAKE_ALL = AcceptorPolicy(
    choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]),
    roles=lambda _, as_scu, as_scp: (as_scu, as_scp),
)


class StoppingFarEnd:
    """The test's side."""

    def __init__(self, step: str = NEVER, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self.step = step
        self.program: Program | None = None

    def __enter__(self) -> StoppingFarEnd:
        self.program = Program(
            [sys.executable, "-m", "tests.support.stopping_far_end", str(self.port), self.step],
            cwd=Path(__file__).parents[2],
        )
        self.program.wait_line('"ready"')
        return self

    def wait_there(self) -> None:
        """Return once it has come to its step."""
        assert self.program is not None
        self.program.wait_line('"at"', timeout=10)

    def kill(self) -> None:
        """SIGKILL: the kernel closes its connections, nobody says goodbye."""
        assert self.program is not None
        self.program.kill()

    def __exit__(self, *_: object) -> None:
        self.kill()


def _say(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class _Conversation:
    """One association, up to the step."""

    def __init__(self, centre: WireCentre, stop_at: str) -> None:
        self._centre = centre
        self._stop_at = stop_at

    async def _at(self, step: str) -> None:
        if step == self._stop_at:
            await self._centre.writer.drain()
            _say("at", step=step)
            await asyncio.Event().wait()

    async def run(self) -> None:
        """Talk until the caller has released, or is gone."""
        await self._at(CONNECTED)
        asked = await self._centre.requested()
        await self._at(REQUESTED)
        answer = negotiate(asked, _TAKE_ALL)
        self._contexts = {context.abstract_syntax: context.context_id for context in answer.contexts}
        self._centre.layer.accept(answer)
        self._centre.flush()
        await self._at(ACCEPTED)
        command: Command | None = None
        while (event := await self._centre.event()) is not None:
            if isinstance(event, ReleaseRequested):
                await self._at(RELEASING)
                self._centre.layer.release_response()
                self._centre.flush()
                return
            if not isinstance(event, DataReceived):
                return
            message = self._centre.messages.read(event)
            if isinstance(message, CommandReceived):
                command = message.command
                await self._at(COMMAND)
                if command.has_data_set:
                    continue
            elif message is None or not message.is_last:
                continue
            assert command is not None
            await self._request(event.context_id, command)

    async def _request(self, context: int, command: Command) -> None:
        if command.is_response:
            return
        await self._at(REQUEST)
        match command.command_field:
            case CommandField.C_FIND_RQ:
                await self._matches(context, command)
            case CommandField.C_GET_RQ:
                await self._objects(context, command)
        self._centre.send(context, messages.response(command, 0x0000))
        await self._at(ANSWERED)

    async def _matches(self, context: int, command: Command) -> None:
        for number in range(MATCHES):
            self._centre.send(context, messages.c_find_rsp(command, 0xFF00, has_data_set=True))
            if number == 1:
                self._data(context, MATCH[:5], last=False)
                await self._at(RESPONSE_DATA)
                self._data(context, MATCH[5:])
            else:
                self._data(context, MATCH)
            if number == 1:
                await self._at(PENDING)

    async def _objects(self, context: int, command: Command) -> None:
        store = self._contexts[CT_IMAGE]
        for number, instance in enumerate(OBJECTS):
            self._centre.send(store, messages.c_store_rq(number + 1, CT_IMAGE, instance))
            self._data(store, OBJECT[:40_000], last=False)
            await self._at(STORE_DATA)
            self._data(store, OBJECT[40_000:])
            _, answer, _ = await self._centre.message()
            assert answer.command_field == CommandField.C_STORE_RSP
            await self._at(STORED)
            counters = SubOperations(len(OBJECTS) - number - 1, number + 1, 0, 0)
            self._centre.send(context, messages.c_get_rsp(command, 0xFF00, counters))

    def _data(self, context: int, data: bytes, *, last: bool = True) -> None:
        for fragment, is_end in fragments(data, self._centre.layer.max_fragment):
            self._centre.layer.send_pdv(context, False, last and is_end, fragment)
        self._centre.flush()


async def _serve(port: int, step: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Conversation(WireCentre(reader, writer), step).run()
        except (AssertionError, ConnectionError, TimeoutError):
            pass  # the caller has gone, as callers do in these tests
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    _say("ready")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
