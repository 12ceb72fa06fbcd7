"""HTTP/1.1 for the operator API: h11 parses, asyncio carries, everything is bounded and timed.

Why not a web framework: the daemon must idle below 60 MiB on small boards, and this costs 0.4 MiB where
aiohttp costs 11 (docs/decisions). It serves a local socket, a few callers at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import h11

from gateway.errors import GatewayError

_log = logging.getLogger(__name__)

_READ = 65536


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one caller, and all of them together, may take. Times in seconds."""

    max_connections: int = 32
    max_header_bytes: int = 16384
    max_body_bytes: int = 65536  # of a body that is read whole; streamed bodies have their own limit
    max_query_fields: int = 16
    request_timeout: float = 10.0  # from the first byte of a request to the end of its header
    idle_timeout: float = 60.0  # between requests on one connection
    body_timeout: float = 30.0  # for the next piece of a body
    write_timeout: float = 30.0  # for the caller to take what was written
    close_grace: float = 2.0  # for answers under way when the server closes


class BadRequest(Exception):
    """The caller sent something that is not acceptable HTTP; answered with `status` and closed."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(slots=True)
class Request:
    """One request. The body is read by `read` or `chunks`, once."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case; of a repeated field the last counts
    socket: socket.socket | None
    limits: HttpLimits
    _chunks: AsyncIterator[bytes]
    note: str = ""  # what the handler wants in the audit trail besides what and who; no patient data

    @property
    def content_length(self) -> int | None:
        """The announced length of the body; None when it is sent in chunks or there is none."""
        value = self.headers.get("content-length")
        return int(value) if value is not None else None  # h11 has checked that it is a number

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it arrives. BadRequest when it stops arriving."""
        return self._chunks

    async def read(self, limit: int | None = None) -> bytes:
        """Return the whole body. BadRequest 413 when it is longer than `limit` (`limits.max_body_bytes`)."""
        limit = self.limits.max_body_bytes if limit is None else limit
        body = bytearray()
        async for chunk in self._chunks:
            body += chunk
            if len(body) > limit:
                raise BadRequest(413, f"the body is longer than {limit} bytes")
        return bytes(body)


@dataclass(slots=True)
class Response:
    """An answer: bytes at once, or a stream (of known length or in chunks)."""

    status: int
    content_type: str
    body: bytes | AsyncIterator[bytes] = b""
    length: int | None = None  # of a stream, when known
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]
ErrorPage = Callable[[int, str], Response]


class HttpServer:
    """Serves `handler` on a bound socket. `error_page` shapes what HTTP itself refuses."""

    def __init__(self, handler: Handler, error_page: ErrorPage, limits: HttpLimits | None = None) -> None:
        self._handler = handler
        self._error_page = error_page
        self.limits = limits or HttpLimits()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()  # those with a request that is not yet answered

    async def start(self, sock: socket.socket) -> None:
        """Listen on `sock`, which is already bound."""
        self._server = await asyncio.start_server(self._connected, sock=sock, limit=_READ)

    async def close(self) -> None:
        """Stop listening, let answers under way leave, and end every connection. Streams are cut at once."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks - self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering, timeout=self.limits.close_grace)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._answering.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer, self.limits)
        try:
            if len(self._tasks) > self.limits.max_connections:
                await connection.respond(self._error_page(503, "too many connections; try again soon"))
                return
            while await self._serve_one(connection) and (self._server is None or self._server.is_serving()):
                pass
        except (ConnectionError, TimeoutError) as error:
            _log.debug("operator connection ended: %s", error)
        except GatewayError as error:  # in the middle of a stream: too late for another answer
            _log.error("an answer to an operator ended early: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve_one(self, connection: _Connection) -> bool:
        """Answer one request; say whether another may follow on this connection."""
        try:
            request = await connection.request()
            if request is None:
                return False
            self._mark(answering=True)
            response = await self._handler(request)
        except BadRequest as error:
            response = self._error_page(error.status, str(error))
        except Exception:  # noqa: BLE001 - logged below, with its traceback
            # A side room: a bug here is logged and answered, and must never stop the DICOM side.
            _log.exception("the operator API failed on a request")
            response = self._error_page(500, "the gateway failed on this request; its log says why")
        if not isinstance(response.body, bytes):
            self._mark(answering=False)  # a stream may have no end
        await connection.respond(response)
        self._mark(answering=False)
        return connection.next_cycle()

    def _mark(self, *, answering: bool) -> None:
        task = asyncio.current_task()
        if answering and task is not None:
            self._answering.add(task)
        else:
            self._answering.discard(task)


class _Connection:
    """One connection: h11's state machine and the stream it speaks over."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: HttpLimits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_header_bytes)
        self._method = b""

    async def request(self) -> Request | None:
        """Return the next request; None when the caller has gone, or stays silent for too long."""
        try:
            if not self._h11.trailing_data[0]:
                async with asyncio.timeout(self._limits.idle_timeout):
                    if not await self._feed():
                        return None
            async with asyncio.timeout(self._limits.request_timeout):
                event = await self._next_event()
        except TimeoutError:
            return None
        if not isinstance(event, h11.Request):
            return None
        request = self._parse(event)
        if "transfer-encoding" not in request.headers and not request.content_length:
            await self._next_event()  # the end of a message without a body is there already
        return request

    def _parse(self, event: h11.Request) -> Request:
        self._method = event.method
        header = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
        if header > self._limits.max_header_bytes:  # h11 bounds only what has not arrived whole
            raise BadRequest(431, f"the header is longer than {self._limits.max_header_bytes} bytes")
        target = event.target.decode("ascii")
        path, _, query = target.partition("?")
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=self._limits.max_query_fields)
        except ValueError as error:
            raise BadRequest(400, "too many fields in the query") from error
        return Request(
            method=event.method.decode("ascii"),
            path=unquote(path, errors="replace"),
            query=dict(fields),
            headers={name.decode("ascii"): value.decode("latin-1") for name, value in event.headers},
            socket=self._writer.get_extra_info("socket"),
            limits=self._limits,
            _chunks=self._body(),
        )

    async def _body(self) -> AsyncIterator[bytes]:
        while self._h11.their_state is not h11.DONE:  # a message without a body has ended with its header
            if self._h11.they_are_waiting_for_100_continue:
                await self._write(self._h11.send(h11.InformationalResponse(status_code=100, headers=[])))
            try:
                async with asyncio.timeout(self._limits.body_timeout):
                    event = await self._next_event()
            except TimeoutError:
                raise BadRequest(408, "the body stopped arriving") from None
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)

    async def respond(self, response: Response) -> None:
        """Write `response`; a stream piece by piece, no faster than the caller takes it."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return  # the caller is gone, or broke the protocol beyond an answer
        headers = [("Content-Type", response.content_type), ("Cache-Control", "no-store")]
        headers += list(response.headers.items())
        body = response.body
        length = len(body) if isinstance(body, bytes) else response.length
        if length is not None:
            headers.append(("Content-Length", str(length)))
        if self._h11.their_state in (h11.SEND_BODY, h11.ERROR):
            headers.append(("Connection", "close"))  # the rest of its body is not waited for
        reason = HTTPStatus(response.status).phrase
        await self._write(
            self._h11.send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        )
        try:
            if self._method != b"HEAD":
                if isinstance(body, bytes):
                    await self._write(self._h11.send(h11.Data(data=body)))
                else:
                    async for chunk in body:
                        await self._write(self._h11.send(h11.Data(data=chunk)))
            await self._write(self._h11.send(h11.EndOfMessage()))
        finally:
            if not isinstance(body, bytes):
                await _finish(body)

    def next_cycle(self) -> bool:
        """Get ready for another request; False when this connection is at its end."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        return False

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise BadRequest(error.error_status_hint, f"not HTTP as understood here: {error}") from error
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]  # NEED_DATA is excluded, mypy cannot see it
            await self._feed()

    async def _feed(self) -> bool:
        data = await self._reader.read(_READ)
        self._h11.receive_data(data)
        return bool(data)

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.write_timeout):
                await self._writer.drain()


async def _finish(body: AsyncIterator[bytes]) -> None:
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
