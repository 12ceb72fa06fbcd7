"""The WebSocket of the link, without its socket: messages in, bytes out, and the other way round (RFC 6455).

Why a WebSocket at all: port 443 and an HTTP upgrade pass the proxies and firewalls of hospitals.

The client does not wait for the answer to its upgrade request: its first messages follow right behind it.
That saves a round trip on every connect, 0.6 s by satellite. A hub reads them when it has accepted. Whoever
answers otherwise does not get to see anything it could have used: the messages are masked, and TLS has
shown before that the other end is the hub.

Split at the blank line that ends the HTTP head, so that wsproto's handshake sees nothing but heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
)
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from gateway.errors import PeerError

PATH: Final = "/link"
SUBPROTOCOL: Final = "dicom-gateway-link"
_END_OF_HEAD: Final = b"\r\n\r\n"
_WORDS: Final = 300


class WebSocketBroken(PeerError):
    """The other end does not speak our WebSocket, refused the upgrade, or broke a limit."""


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """What the other end may make us hold."""

    head: int = 8 * 1024  # bytes of its HTTP head
    message: int = 64 * 1024  # bytes of one message
    refusal: int = 1024  # bytes of the text of a refusal


class WebSocketEnd:
    """One end. `host` makes it the client's: the name for the Host header."""

    def __init__(self, limits: WebSocketLimits, *, host: str | None = None) -> None:
        self.open = False  # the upgrade is over
        self.closed = False  # the other end has closed the WebSocket
        self.deny = ""  # why the upgrade is refused, whoever asks for it (server)
        self._limits = limits
        self._host = host
        client = host is not None
        self._head: bytearray | None = bytearray()
        self._handshake = H11Handshake(ConnectionType.CLIENT if client else ConnectionType.SERVER)
        self._frames = Connection(ConnectionType.CLIENT if client else ConnectionType.SERVER)
        self._message: bytearray | None = None
        self._out: list[bytes] = []

    def request(self) -> None:
        """Ask for the upgrade (client). Messages may follow at once."""
        if self._host is None:
            raise RuntimeError("only the client asks")
        self._out.append(
            self._handshake.send(Request(host=self._host, target=PATH, subprotocols=[SUBPROTOCOL]))
        )

    def send(self, message: bytes | bytearray | memoryview) -> None:
        """Send one message; nothing happens once either end has closed the WebSocket."""
        if self._frames.state is not ConnectionState.OPEN:
            return
        self._out.append(bytes(self._frames.send(BytesMessage(data=bytes(message)))))

    def close(self, words: str = "") -> None:
        """Close the WebSocket, once everything before has left."""
        if self._frames.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            self._out.append(
                bytes(self._frames.send(CloseConnection(CloseReason.NORMAL_CLOSURE, words[:100] or None)))
            )

    def output(self) -> bytes:
        """Return, once, the bytes that are to leave."""
        out, self._out = b"".join(self._out), []
        return out

    def received(self, data: bytes) -> list[bytes]:
        """Take bytes and return the messages they complete. Raises WebSocketBroken."""
        if self._head is not None:
            rest = self._take_head(data)
            if rest is None:
                return []
            data = rest
        return self._take_frames(data) if data and not self.closed else []

    def refuse(self, status: int, words: str) -> None:
        """Answer, in place of the upgrade, with an HTTP error and a sentence (server)."""
        text = words.encode()[: self._limits.refusal]
        self._out.append(_refusal(status, text))

    # --- the HTTP head -------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> bytes | None:
        """Take bytes of the head; returns what follows it, None while it is not complete."""
        head = self._head
        if head is None:
            raise RuntimeError("the head is over")
        # The blank line may begin in what came before.
        begin = max(0, len(head) - len(_END_OF_HEAD) + 1)
        head += data
        end = head.find(_END_OF_HEAD, begin)
        if end < 0 or end > self._limits.head:
            if len(head) > self._limits.head:
                raise WebSocketBroken("what came in place of an HTTP head is too long to be one")
            return None
        end += len(_END_OF_HEAD)
        rest = bytes(head[end:])
        try:
            self._handshake.receive_data(bytes(head[:end]))
            events = list(self._handshake.events())
        except (RemoteProtocolError, ValueError) as error:
            if self._host is None:
                self.refuse(400, "This port speaks the gateway link, over a WebSocket.")
            raise WebSocketBroken(f"no upgrade to a WebSocket: {_printable(str(error))}") from error
        self._head = None
        event = events[0] if events else None
        if self._host is None:
            self._answer(event)
        else:
            self._judge(event, rest)
        self.open = True
        return rest

    def _answer(self, event: object) -> None:
        """Accept the upgrade (server)."""
        if self.deny:
            self.refuse(403, self.deny)
            raise WebSocketBroken(self.deny)
        if not isinstance(event, Request) or SUBPROTOCOL not in event.subprotocols or event.target != PATH:
            self.refuse(404, "This port speaks the gateway link, and nothing else.")
            raise WebSocketBroken("the upgrade asked for is not to the gateway link")
        self._out.append(self._handshake.send(AcceptConnection(subprotocol=SUBPROTOCOL)))

    def _judge(self, event: object, rest: bytes) -> None:
        """See what the server answered (client)."""
        if isinstance(event, AcceptConnection) and event.subprotocol == SUBPROTOCOL:
            return
        if isinstance(event, RejectConnection):
            words = _printable(rest[: self._limits.refusal].decode("utf-8", "replace"))
            raise WebSocketBroken(f"the hub refused the connection ({event.status_code}): {words}")
        raise WebSocketBroken("what answers there is no hub of the gateway link")

    # --- frames --------------------------------------------------------------------------------------

    def _take_frames(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        try:
            self._frames.receive_data(data)
            for event in self._frames.events():
                if isinstance(event, BytesMessage):
                    self._take_piece(event, messages)
                elif isinstance(event, Ping):
                    self._out.append(bytes(self._frames.send(event.response())))
                elif isinstance(event, CloseConnection):
                    self._take_close(event)
                elif not isinstance(event, Pong):
                    raise WebSocketBroken("a text message, where there are binary ones only")
        except (LocalProtocolError, RemoteProtocolError) as error:
            raise WebSocketBroken(f"not a WebSocket any more: {_printable(str(error))}") from error
        return messages

    def _take_piece(self, event: BytesMessage, messages: list[bytes]) -> None:
        held = len(self._message or b"")
        if held + len(event.data) > self._limits.message:
            raise WebSocketBroken(f"a message of more than {self._limits.message} bytes")
        if event.message_finished and self._message is None:
            messages.append(bytes(event.data))
            return
        self._message = (self._message or bytearray()) + event.data
        if event.message_finished:
            messages.append(bytes(self._message))
            self._message = None

    def _take_close(self, event: CloseConnection) -> None:
        self.closed = True
        # wsproto tells of broken frames in the same way, with a code that says so.
        broken = event.code not in (CloseReason.NORMAL_CLOSURE, CloseReason.GOING_AWAY, 1005)
        if self._frames.state is ConnectionState.REMOTE_CLOSING:
            self._out.append(bytes(self._frames.send(event.response())))
        if broken:
            raise WebSocketBroken(
                f"the WebSocket was closed ({event.code}): {_printable(str(event.reason or ''))}"
            )


def _refusal(status: int, text: bytes) -> bytes:
    reason = {400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 503: b"Service Unavailable"}
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
    ) % (status, reason.get(status, b"Refused"), len(text), text)


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text[:_WORDS]).strip()
