"""The page's client of the operator API: asynchronous, over the daemon's Unix socket.

Every failure is one of two, as in gateway.operator.client: DaemonUnreachable (no answer at all) or ApiProblem
(an answer that says what is wrong, and what to do next).
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway.operator import codec, facts
from gateway.operator.answering import WHO_HEADER
from gateway.operator.client import ApiProblem, DaemonUnreachable

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 120.0  # seconds; an echo through every phase's own timeout takes less
MAX_CONNECTIONS = 16  # to the daemon, which serves a bounded number of callers
MAX_ANSWER = 16 * 2**20  # bytes of one JSON answer


class GatewayClient:
    """Asks the daemon on `socket`, in the name of `who` (empty: in nobody's but the process's)."""

    def __init__(self, socket: Path, *, timeout: float = ANSWER_TIMEOUT, who: str = "") -> None:
        self.socket = socket
        self._timeout = timeout
        self._who = who
        self._shared: list[aiohttp.ClientSession] = []  # shared by all clients made with as_user

    def as_user(self, who: str) -> GatewayClient:
        """Return a client that acts in the name of `who`, over the same connections."""
        other = GatewayClient(self.socket, timeout=self._timeout, who=who)
        other._shared = self._shared
        return other

    async def close(self) -> None:
        """End the connections; the next request opens others."""
        while self._shared:
            await self._shared.pop().close()

    async def get(self, kind: type[codec.T], path: str, **query: str | float | None) -> codec.T:
        """Return the facts at `path`. Query values that are None are left out."""
        return await self._ask(kind, "GET", path, query=query)

    async def post(self, kind: type[codec.T], path: str, body: object | None = None) -> codec.T:
        """Do what `path` says, with the facts `body`; return the facts that come of it."""
        return await self._ask(kind, "POST", path, body=body)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | float | None] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own bounds, one per phase
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request and yield the answer when its header is good, for bodies too big to hold.

        A connection that breaks while the block reads the body is DaemonUnreachable too.
        """
        sent = dict(headers or {})
        if self._who:
            sent[WHO_HEADER] = quote(self._who)
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        bounds = timeout or aiohttp.ClientTimeout(total=self._timeout, connect=CONNECT_TIMEOUT)
        try:
            async with self._session().request(
                method, f"http://gateway{path}", params=given, data=body, headers=sent, timeout=bounds
            ) as response:
                if response.status != 200:
                    raise await _problem(response)
                yield response
        except TimeoutError as error:
            raise DaemonUnreachable(f"the gateway on {self.socket} does not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DaemonUnreachable(self._words(error)) from error

    async def events(self) -> AsyncGenerator[tuple[str, codec.Json], None]:
        """Yield (kind, data) of every event from now on, until the daemon ends."""
        bounds = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT, sock_read=60)
        async with self.stream("GET", "/v1/events", timeout=bounds) as response:
            kind = ""
            async for raw in response.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))

    async def _ask(
        self,
        kind: type[codec.T],
        method: str,
        path: str,
        *,
        query: Mapping[str, str | float | None] | None = None,
        body: object | None = None,
    ) -> codec.T:
        # As a file: aiohttp warns of more than a megabyte of bytes, which may hold the loop up.
        raw = None if body is None else io.BytesIO(json.dumps(codec.encode(body)).encode())
        headers = {"Accept": "application/json"}
        if raw is not None:
            headers["Content-Type"] = "application/json"
        async with self.stream(method, path, query=query, body=raw, headers=headers) as response:
            try:
                return codec.decode(kind, json.loads(await _bounded(response)))
            except ValueError as error:
                raise DaemonUnreachable(
                    f"the gateway on {self.socket} answered something strange: {error}"
                ) from error

    def _session(self) -> aiohttp.ClientSession:
        if not self._shared or self._shared[0].closed:
            connector = aiohttp.UnixConnector(str(self.socket), limit=MAX_CONNECTIONS)
            self._shared[:] = [aiohttp.ClientSession(connector=connector, auto_decompress=False)]
        return self._shared[0]

    def _words(self, error: Exception) -> str:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(cause, FileNotFoundError):
            return f"no gateway is running: there is no socket {self.socket}"
        if isinstance(cause, ConnectionRefusedError):
            return f"no gateway is running: nobody answers on the socket {self.socket}"
        if isinstance(cause, PermissionError):
            return f"the page may not use the socket {self.socket}: it is for its owner and its group"
        if isinstance(cause, asyncio.TimeoutError):
            return f"the gateway on {self.socket} does not answer in time"
        return f"the connection to the gateway on {self.socket} broke: {error or type(error).__name__}"


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ValueError(f"more than {MAX_ANSWER} bytes")
    return bytes(body)


async def _problem(response: aiohttp.ClientResponse) -> ApiProblem:
    reason = response.reason or "the gateway refused"
    try:
        details = codec.decode(facts.ProblemDetails, json.loads(await _bounded(response)))
    except ValueError:
        details = facts.ProblemDetails("about:blank", reason, response.status, reason, "")
    return ApiProblem(details)
