"""The operator API: requests on the Unix socket to calls of Control, and back.

Start it with::

    server = OperatorServer(control, Path("/run/dicom-gateway/operator.sock"))
    await server.start()
    ...
    await server.close()
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gateway.errors import LocalError, PeerError
from gateway.operator import codec, facts, unix_socket
from gateway.operator.control import (
    Action,
    Busy,
    Control,
    NoSuchStep,
    NotAnObject,
    NotFound,
    NotPossible,
    StepNotPossible,
)
from gateway.operator.events import EventHub, EventLimits
from gateway.operator.http import BadRequest, HttpLimits, HttpServer, Request, Response
from gateway.operator.openapi import document
from gateway.operator.routes import DEFAULT_PAGE, DICOM, Match, Parameter, match, parse
from gateway.operator.words import printable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """What one request may ask for."""

    max_sent_bytes: int = 16 * 2**30  # one file through `send`; the spool's own limit for an object
    max_reason: int = 500  # characters


class OperatorServer:
    """The operator API on a Unix socket, for as long as the daemon runs."""

    def __init__(
        self,
        control: Control,
        path: Path,
        *,
        mode: int = unix_socket.DEFAULT_MODE,
        group: str | None = None,
        limits: ApiLimits | None = None,
        http_limits: HttpLimits | None = None,
        event_limits: EventLimits | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._mode = mode
        self._group = group
        self.events = EventHub(control.notices, wall_clock, event_limits)
        handlers = Handlers(control, self.events, limits or ApiLimits())
        self._http = HttpServer(handlers.dispatch, error_page, http_limits)

    async def start(self) -> None:
        """Bind the socket and answer. Raises unix_socket.SocketUnavailable, with what to do about it."""
        sock = unix_socket.bind(self.path, mode=self._mode, group=self._group)
        await self._http.start(sock)

    async def close(self) -> None:
        """Stop answering, end every connection, remove the socket file."""
        unix_socket.unbind(self.path)
        await self._http.close()


_STATUS_OF: tuple[tuple[type[Exception], int, str], ...] = (
    (NoSuchStep, 404, "`dicom-gateway steps list` names them."),
    (StepNotPossible, 409, "`dicom-gateway steps list` says in which state it is."),
    (
        NotFound,
        404,
        "`dicom-gateway status` names the destinations, `dicom-gateway queue list` the deliveries.",
    ),
    (NotPossible, 409, "`dicom-gateway queue show NUMBER` says what is possible now."),
    (NotAnObject, 422, "Check the file, for instance with dcmdump."),
    (Busy, 503, "Try again in a moment."),
    (PeerError, 502, "`dicom-gateway echo PEER` shows where the way to the peer ends."),
    (LocalError, 500, "The gateway's log has the details."),
)

_NEXT_STEP = {
    400: "See /v1/openapi.json for what is allowed.",
    404: "See /v1/openapi.json for the paths there are.",
    405: "See /v1/openapi.json for what is allowed.",
    408: "Send the request again.",
    411: "Send a Content-Length header.",
    413: "Send less.",
    431: "Send less.",
    500: "The gateway's log has the details; please report this.",
    503: "Try again in a moment.",
}


def problem(status: int, detail: str, next_step: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return an error as RFC 9457 problem details."""
    body = facts.ProblemDetails(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        next_step=next_step or _NEXT_STEP.get(status, ""),
    )
    return _json(body, status, "application/problem+json", headers)


def error_page(status: int, words: str) -> Response:
    """Return the answer to what is not acceptable HTTP."""
    return problem(status, words)


def _json(
    body: object,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(
        status, content_type, json.dumps(codec.encode(body)).encode() + b"\n", headers=headers or {}
    )


class Handlers:
    """One method for each operation of the route table, by its name."""

    def __init__(self, control: Control, events: EventHub, limits: ApiLimits) -> None:
        self._control = control
        self._events = events
        self._limits = limits

    async def dispatch(self, request: Request) -> Response:
        """Answer one request."""
        found = match(request.method, request.path)
        if not isinstance(found, Match):
            if found:
                return problem(
                    405, f"{request.method} is not possible here", headers={"Allow": ", ".join(found)}
                )
            return problem(404, "there is nothing at this path")
        try:
            values = _values(found, request)
            answer: Response = await getattr(self, found.route.operation)(request, **values)
        except ValueError as error:
            return problem(400, str(error))
        except (LocalError, PeerError) as error:
            for kind, status, next_step in _STATUS_OF:
                if isinstance(error, kind):
                    return problem(status, str(error), next_step)
            raise
        return answer

    async def status(self, _request: Request) -> Response:
        return _json(await self._control.status())

    async def deliveries(
        self,
        _request: Request,
        state: facts.State | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        return _json(
            await self._control.deliveries(state=state, destination=destination, after=after, limit=limit)
        )

    async def story(self, _request: Request, number: int) -> Response:
        return _json(await self._control.story(number))

    async def retry(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "retry", "")

    async def release(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "release", "")

    async def hold(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "hold", await self._reason(request))

    async def discard(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "discard", await self._reason(request))

    async def retry_held(self, request: Request) -> Response:
        wanted = await _body(request, facts.HeldFilter, optional=True)
        count = await self._control.retry_held(
            destination=wanted.destination, cause=wanted.cause, who=await _who(request)
        )
        return _json(facts.Retried(count))

    async def commitments(
        self, _request: Request, before: int | None = None, limit: int = DEFAULT_PAGE
    ) -> Response:
        return _json(await self._control.commitments(before=before, limit=limit))

    async def steps(
        self,
        _request: Request,
        state: facts.StepStateName | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        return _json(
            await self._control.steps(state=state, destination=destination, after=after, limit=limit)
        )

    async def retry_step(self, request: Request, number: int) -> Response:
        who = await _who(request)
        return _json(await self._control.act_on_step(number, "retry", reason="", who=who))

    async def discard_step(self, request: Request, number: int) -> Response:
        reason, who = await self._reason(request), await _who(request)
        return _json(await self._control.act_on_step(number, "discard", reason=reason, who=who))

    async def export(self, _request: Request, number: int) -> Response:
        stream = await self._control.export(number)
        name = f'attachment; filename="object-{stream.object_number}.dcm"'
        return Response(200, DICOM, stream.chunks, stream.length, {"Content-Disposition": name})

    async def pause(self, request: Request, name: str) -> Response:
        return _json(await self._control.pause(name, who=await _who(request)))

    async def resume(self, request: Request, name: str) -> Response:
        return _json(await self._control.resume(name, who=await _who(request)))

    async def kick(self, request: Request, name: str) -> Response:
        return _json(await self._control.kick(name, who=await _who(request)))

    async def echo(self, request: Request, name: str) -> Response:
        _log.info("operator: %s verifies peer %s", await _who(request), printable(name))
        return _json(await self._control.echo(name))

    async def send(self, request: Request, name: str) -> Response:
        length = request.content_length
        if length is None:
            return problem(411, "the length of the file must be announced")
        if length > self._limits.max_sent_bytes:
            return problem(413, f"a file may have {self._limits.max_sent_bytes} bytes at most")
        who = await _who(request)
        _log.info("operator: %s sends a file of %d bytes to peer %s", who, length, printable(name))
        return _json(await self._control.send(name, length, request.chunks()))

    async def associations(self, _request: Request) -> Response:
        return _json(facts.Associations(self._control.associations()))

    async def events(self, _request: Request) -> Response:
        return Response(200, "text/event-stream", self._events.stream())

    async def openapi(self, _request: Request) -> Response:
        return _json(document())

    async def metrics(self, _request: Request) -> Response:
        return Response(200, "text/plain; version=0.0.4; charset=utf-8", await self._control.metrics())

    async def _act(self, request: Request, number: int, action: Action, reason: str) -> Response:
        return _json(await self._control.act(number, action, reason=reason, who=await _who(request)))

    async def _reason(self, request: Request) -> str:
        reason = (await _body(request, facts.Reason)).reason.strip()
        if not reason:
            raise ValueError("reason: say why, it is kept in the object's history")
        if len(reason) > self._limits.max_reason:
            raise ValueError(f"reason: {self._limits.max_reason} characters at most")
        if not reason.isprintable():
            raise ValueError("reason: one line of printable characters is expected")
        return reason


def _values(found: Match, request: Request) -> dict[str, int | str]:
    known: dict[str, Parameter] = {p.name: p for p in found.route.parameters}
    unknown = [name for name in request.query if name not in known or known[name].where != "query"]
    if unknown:
        raise ValueError(f"unknown query field {unknown[0][:40]!r}")
    texts = {**request.query, **found.values}
    return {name: parse(known[name], text) for name, text in texts.items()}


async def _body(request: Request, kind: type[codec.T], *, optional: bool = False) -> codec.T:
    raw = await request.read()
    if not raw and optional:
        return kind()
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    return codec.decode(kind, data, strict=True)


async def _who(request: Request) -> str:
    """Return who asks. Looking up a name may ask a directory server, so not on the event loop."""
    if request.socket is None:
        raise BadRequest(400, "the caller is gone")
    return await asyncio.to_thread(unix_socket.caller(request.socket).name)
