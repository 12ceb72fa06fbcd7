"""A centre with its hands on every byte: a coroutine of the test talks to whoever connects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.dimse import CommandReceived, DataSetFragment, MessageReader, fragments
from gateway.dicom.events import AssociateRequested, DataReceived, Event, ReleaseRequested
from gateway.dicom.negotiation import AcceptorPolicy, AssociateRequest, ContextAnswer, negotiate
from gateway.dicom.upper_layer import Role, UpperLayer

TAKE_FIRST = AcceptorPolicy(choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]))


class WireCentre:
    """One connection as its acceptor; every wait has a limit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.layer = UpperLayer(Role.ACCEPTOR)
        self.layer.connected()
        self.messages = MessageReader()
        self._events: list[Event] = []

    def flush(self) -> None:
        """Queue what the upper layer has to say."""
        for part in self.layer.output():
            self.writer.write(bytes(part))

    async def event(self) -> Event | None:
        """Return the next event, None at the end of the stream. Its data is valid until the next call.

        A gateway that gives up hangs up at once: a reset is an end, too.
        """
        async with asyncio.timeout(10):
            while not self._events:
                room = self.layer.buffer()
                try:
                    data = await self.reader.read(len(room))
                except ConnectionResetError:
                    data = b""
                if not data:
                    return None
                room[: len(data)] = data
                self._events += self.layer.received(len(data))
                self.flush()
        return self._events.pop(0)

    async def requested(self) -> AssociateRequest:
        """Return the A-ASSOCIATE-RQ."""
        event = await self.event()
        assert isinstance(event, AssociateRequested), event
        return event.request

    async def accept(self, policy: AcceptorPolicy = TAKE_FIRST) -> AssociateRequest:
        """Take the A-ASSOCIATE-RQ and accept it."""
        asked = await self.requested()
        self.layer.accept(negotiate(asked, policy))
        self.flush()
        return asked

    async def more(self) -> bool:
        """Wait for what comes next; tell whether it belongs to a message, and not to the end."""
        event = await self.event()
        if event is not None:
            self._events.insert(0, event)
        return isinstance(event, DataReceived)

    async def message(self) -> tuple[int, Command, bytes]:
        """Return the next complete message: context, command, data set."""
        command: Command | None = None
        data = bytearray()
        while True:
            event = await self.event()
            assert isinstance(event, DataReceived), event
            message = self.messages.read(event)
            if isinstance(message, CommandReceived):
                command = message.command
                if not command.has_data_set:
                    return message.context_id, command, b""
            elif isinstance(message, DataSetFragment):
                data += message.data
                if message.is_last:
                    assert command is not None
                    return message.context_id, command, bytes(data)

    def answer(self, context_id: int, command: Command, status: int = 0x0000) -> None:
        """Queue the response."""
        self.send(context_id, messages.response(command, status))

    def send(self, context_id: int, command: Command) -> None:
        """Queue any command."""
        for fragment, last in fragments(command.encode(), self.layer.max_fragment):
            self.layer.send_pdv(context_id, True, last, fragment)
        self.flush()

    async def finish(self) -> None:
        """Agree to a release, then wait for the end; close after an abort."""
        while not self.layer.close_wanted and (event := await self.event()) is not None:
            if isinstance(event, ReleaseRequested):
                self.layer.release_response()
                self.flush()


@asynccontextmanager
async def wire_centre(
    script: Callable[[WireCentre], Awaitable[object]], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen on a free port and run `script` for each connection; its failure is the test's failure."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(WireCentre(reader, writer))
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in running:
            if not task.done():
                await asyncio.wait([task], timeout=1)
                task.cancel()
        for result in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
