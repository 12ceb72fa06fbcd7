"""A peer with its hands on every byte: our own upper layer over a bare TCP or TLS connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.dimse import CommandReceived, MessageReader, fragments
from gateway.dicom.events import AssociateAccepted, AssociateRejected, DataReceived, Event
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest, ProposedContext
from gateway.dicom.upper_layer import Role, UpperLayer

VERIFICATION = "1.2.840.10008.1.1"
RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"
BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"

CONTEXTS = (
    ProposedContext(1, VERIFICATION, (IMPLICIT,)),
    ProposedContext(3, RT_IMAGE, (IMPLICIT, EXPLICIT)),
    ProposedContext(5, BEAMS_RECORD, (EXPLICIT,)),
)


def request(
    called: str = "ARIA",
    calling: str = "LINAC1",
    contexts: Sequence[ProposedContext] = CONTEXTS,
    *,
    window: tuple[int, int] | None = None,
) -> AssociateRequest:
    """Return an A-ASSOCIATE-RQ with the usual contexts."""
    return AssociateRequest(called, calling, tuple(contexts), async_window=window)


class WirePeer:
    """An SCU that does nothing by itself; every wait has a limit."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.layer = UpperLayer(Role.REQUESTOR)
        self.reader = reader
        self.writer = writer
        self.messages = MessageReader()
        self._events: list[Event] = []

    @classmethod
    async def connect(
        cls, port: int, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
    ) -> WirePeer:
        """Connect to 127.0.0.1:`port`."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        name = "127.0.0.1" if tls else None
        return cls(*await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name, limit=4096))

    def write(self, data: bytes) -> None:
        """Queue raw bytes."""
        self.writer.write(data)

    def flush(self) -> None:
        """Queue what the upper layer has to say."""
        for part in self.layer.output():
            self.writer.write(bytes(part))

    async def event(self) -> Event | None:
        """Return the next event, None at the end of the stream."""
        async with asyncio.timeout(10):
            while not self._events:
                data = await self.reader.read(4096)
                if not data:
                    return None
                self._events += self.layer.receive(data)
        return self._events.pop(0)

    async def ended(self) -> bytes:
        """Wait for the end of the stream and return what came before it, unread."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def associate(self, asked: AssociateRequest) -> AssociateAccept | AssociateRejected:
        """Ask for an association and return the answer."""
        self.layer.associate(asked)
        self.layer.connected()
        self.flush()
        event = await self.event()
        if isinstance(event, AssociateRejected):
            return event
        assert isinstance(event, AssociateAccepted), event
        return event.answer

    def send_command(self, context_id: int, command: Command) -> None:
        """Queue a command set."""
        for fragment, last in fragments(command.encode(), self.layer.max_fragment):
            self.layer.send_pdv(context_id, True, last, fragment)
        self.flush()

    def send_data(self, context_id: int, data: bytes, *, last: bool = True) -> None:
        """Queue a data set, or a part of one."""
        for fragment, is_end in fragments(data, self.layer.max_fragment):
            self.layer.send_pdv(context_id, False, last and is_end, fragment)
            self.flush()

    def send_store(
        self,
        data: bytes,
        *,
        message_id: int = 1,
        context_id: int = 3,
        sop_class: str = RT_IMAGE,
        instance: str = "1.2.3.4",
    ) -> None:
        """Queue a C-STORE-RQ with its data set."""
        self.send_command(context_id, messages.c_store_rq(message_id, sop_class, instance))
        self.send_data(context_id, data)

    async def response(self) -> Command:
        """Return the next complete command the peer sends."""
        while True:
            event = await self.event()
            assert isinstance(event, DataReceived), event
            message = self.messages.read(event)
            if isinstance(message, CommandReceived):
                return message.command

    async def store(self, data: bytes = b"pixels", **about: object) -> Command:
        """Send one object and return the response."""
        self.send_store(data, **about)  # type: ignore[arg-type]  # passed through
        return await self.response()

    async def echo(self, message_id: int = 7) -> Command:
        """C-ECHO on context 1."""
        self.send_command(1, messages.c_echo_rq(message_id))
        return await self.response()

    async def release(self) -> Event | None:
        """Release, close, and return what the answer was."""
        self.layer.release()
        self.flush()
        event = await self.event()
        await self.close()
        return event

    async def close(self) -> None:
        """Close the connection."""
        self.writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def wire_peer(
    port: int, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[WirePeer]:
    """Connect, and close at the end."""
    peer = await WirePeer.connect(port, tls=tls, receive_buffer=receive_buffer)
    try:
        yield peer
    finally:
        await peer.close()
