"""One HTTP/1.1 connection that we opened: h11 speaks, asyncio carries, one request at a time.

Everything is bounded and timed. The clock of an answer runs from when the peer's TCP has all of the request;
while a request is still leaving, only a peer that takes nothing at all is given up.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import re
import socket
import ssl
import struct
import termios
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import h11

from gateway import __version__
from gateway.association import tcp_info, tuning
from gateway.association.errors import ConnectFailed
from gateway.association.tcp_info import TcpInfo
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tls import words_for
from gateway.errors import LocalError, PeerError
from gateway.model import WebTarget

_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*\"?([0-9]{1,6})")

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer that are read: some hundred bytes for each instance of a request."""

_MAX_HEADER = 32 * 1024
_MAX_SECRET = 8 * 1024
_UNSENT = 64 * 1024
_READ = 64 * 1024
_LOOKS = 8  # within the patience for an answer: whether the request has left

Headers = Sequence[tuple[str, str]]


class Gone(PeerError):
    """The connection went away before the answer was complete."""


class NoAnswer(PeerError):
    """The whole request has left, and no answer came in time."""


class BadAnswer(PeerError):
    """What came is not HTTP, or more than we read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    body: bytes


class WebConnection:
    """A connection to the server of `target`. Made by `open_connection`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        timeouts: RequestorTimeouts,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._timeouts = timeouts
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER)
        self._clock = asyncio.get_running_loop().time
        self._closed = False
        self.used = False  # an answer has come: the server may close it at any moment (RFC 9112 9.5)
        self._keep: float | None = None  # seconds without a request after which the server closes it
        self._idle_since = self._clock()
        sock = writer.get_extra_info("socket")
        self._socket: socket.socket = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        writer.transport.set_write_buffer_limits(_UNSENT)

    @property
    def usable(self) -> bool:
        """False once it is over, or the server has closed it, or is about to.

        What the server promises counts from its answer to the arrival of our request: half of it is ours.
        """
        if self._keep is not None and self._clock() - self._idle_since > self._keep / 2:
            return False
        idle = self._h11.our_state is h11.IDLE
        return not self._closed and idle and not self._reader.at_eof() and not self._writer.is_closing()

    async def release(self) -> None:
        """Close it; there is nobody to be polite to."""
        self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._closed = True
        self._writer.transport.abort()

    async def ask(
        self,
        method: str,
        path: str,
        headers: Headers,
        length: int = 0,
        body: AsyncGenerator[bytes | memoryview, None] | None = None,
    ) -> Answer:
        """Send a request with `length` bytes of `body`, and return the answer to it.

        An answer that comes early ends the sending, and the connection. Raises Gone, NoAnswer or BadAnswer,
        and whatever `body` raises; then the connection is over.
        """
        request = h11.Request(
            method=method,
            target=path,
            headers=[
                ("Host", self._host),
                ("User-Agent", f"dicom-gateway/{__version__}"),
                *headers,
                *([("Content-Length", str(length))] if body is not None else []),
            ],
        )
        self._write(self._h11.send(request))
        answering = asyncio.create_task(self._answer(), name="answer")
        try:
            if body is not None:
                async for piece in body:
                    self._write(self._h11.send(h11.Data(data=bytes(piece))))
                    await self._room(answering)
                    if answering.done():
                        self.abort()
                        return answering.result()
            self._write(self._h11.send(h11.EndOfMessage()))
            answer = await self._patiently(answering)
        except BaseException:
            self.abort()
            answering.cancel()
            await asyncio.wait([answering])
            if not answering.cancelled():
                answering.exception()
            raise
        self.used = True
        self._idle_since = self._clock()
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.abort()
        return answer

    def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)

    async def _room(self, answering: asyncio.Task[Answer]) -> None:
        """Wait until more may be written, or an answer is there. Raises Gone."""
        while self._writer.transport.get_write_buffer_size() > _UNSENT and not answering.done():
            before = self.backlog()
            draining = asyncio.create_task(self._drain())
            try:
                await asyncio.wait(
                    (draining, answering), timeout=self._timeouts.stall, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                draining.cancel()
            if not draining.done() and not answering.done() and self.backlog() >= before:
                raise Gone(f"nothing we sent was taken for {self._timeouts.stall:g} s")

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            return  # who reads the answer learns of it, too

    async def _patiently(self, answering: asyncio.Task[Answer]) -> Answer:
        patience = self._timeouts.response
        backlog, since = self.backlog(), self._clock()
        while not answering.done():
            left = patience / _LOOKS if backlog else since + patience - self._clock()
            await asyncio.wait((answering,), timeout=left)
            before, backlog = backlog, self.backlog()
            if backlog < before:
                since = self._clock()
            elif answering.done() or self._clock() - since < patience:
                continue
            elif backlog:
                raise Gone(f"nothing we sent was taken for {patience:g} s")
            else:
                raise NoAnswer(f"no answer within {patience:g} s")
        return answering.result()

    async def _answer(self) -> Answer:
        status = 0
        body = bytearray()
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                if self._reader.at_eof():
                    raise Gone("the connection ended before the answer was complete") from error
                raise BadAnswer(f"what came is not HTTP: {error}") from error
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Response):
                status = event.status_code
                self._keep = _keep_alive(event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER:
                    raise BadAnswer(f"the answer is longer than {MAX_ANSWER} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return Answer(status, bytes(body))
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise Gone("the connection ended before an answer came")

    async def _more(self) -> None:
        try:
            data = await self._reader.read(_READ)
        except OSError as error:
            why = words_for(error) if isinstance(error, ssl.SSLError) else error.strerror
            raise Gone(f"the connection broke: {why or type(error).__name__}") from error
        self._h11.receive_data(data)

    # --- for whoever looks after the line ------------------------------------------------------------

    def backlog(self) -> int:
        """Bytes written by us and not yet acknowledged by the peer's TCP."""
        if self._writer.transport.is_closing() or self._socket.fileno() < 0:
            return 0
        waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return self._writer.transport.get_write_buffer_size() + int(struct.unpack("i", waiting)[0])

    def tcp_info(self) -> TcpInfo | None:
        """What the kernel knows of the connection."""
        return tcp_info.read(self._socket)

    def use_congestion_control(self, name: str) -> bool:
        """Exchange TCP's congestion control; False when the kernel does not let us."""
        return tuning.use_congestion_control(self._socket, name)


def _keep_alive(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return how many seconds the server keeps the connection, if it says so (RFC 2068 19.7.1.1)."""
    for name, value in headers:
        found = _TIMEOUT.search(value) if name == b"keep-alive" else None
        if found is not None:
            return float(found[1])
    return None


async def open_connection(target: WebTarget, timeouts: RequestorTimeouts) -> WebConnection:
    """Connect to the server of `target`. Raises ConnectFailed with the phase it got to."""
    url = urlsplit(target.url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    context = None
    if url.scheme == "https":
        try:
            context = await asyncio.to_thread(_context, target)
        except OSError as error:  # ssl.SSLError is one
            raise ConnectFailed("tls", f"the files for TLS cannot be used: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeouts.connect + (timeouts.tls if context else 0.0)):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                ssl=context,
                limit=_READ,
                **({"ssl_handshake_timeout": timeouts.tls} if context else {}),
            )
    except TimeoutError as error:
        raise ConnectFailed("tcp", f"no answer from {host} port {port} in time") from error
    except ssl.SSLError as error:
        raise ConnectFailed("tls", words_for(error)) from error
    except socket.gaierror as error:
        raise ConnectFailed("resolve", f"the name {host} cannot be resolved: {error.strerror}") from error
    except OSError as error:
        if context is not None and isinstance(error, ConnectionError) and not error.errno:
            raise ConnectFailed("tls", words_for(error)) from error  # asyncio's own deadline for handshakes
        why = error.strerror or str(error)
        raise ConnectFailed("tcp", f"cannot reach {host} port {port}: {why}") from error
    return WebConnection(reader, writer, url.netloc.rpartition("@")[2], timeouts)


def _context(target: WebTarget) -> ssl.SSLContext:
    """Read afresh for each connection: a certificate that is replaced holds from the next one on."""
    context = ssl.create_default_context(cafile=target.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.certificate is not None:
        context.load_cert_chain(target.certificate, target.key)
    return context


def authorization(target: WebTarget) -> Headers:
    """Return the header that says who we are (RFC 7617, RFC 6750); none when nothing is configured.

    Blocking: the secret is read each time, so that one that is renewed holds at once. Raises LocalError that
    tells nothing of what is in the file.
    """
    if target.secret is None:
        return ()
    try:
        with Path(target.secret).open("rb") as file:
            secret = file.read(_MAX_SECRET + 1).strip()
    except OSError as error:
        raise LocalError(f"cannot read {target.secret}: {error.strerror}") from error
    if not secret or len(secret) > _MAX_SECRET or (target.user is None and not _is_token(secret)):
        raise LocalError(f"{target.secret} does not hold what can be sent as a secret")
    if target.user is None:
        return (("Authorization", f"Bearer {secret.decode('ascii')}"),)
    pair = base64.b64encode(target.user.encode("utf-8") + b":" + secret).decode("ascii")
    return (("Authorization", f"Basic {pair}"),)


def _is_token(secret: bytes) -> bool:
    return all(0x21 <= byte <= 0x7E for byte in secret)
