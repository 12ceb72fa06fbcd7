"""The operator API: requests on the Unix socket to calls of Control, and back.

Start it with::

    server = OperatorServer(control, Path("/run/dicom-gateway/operator.sock"))
    await server.start()
    ...
    await server.close()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.operator import facts, unix_socket
from gateway.operator.answering import answer, checked_reason, problem, read_body
from gateway.operator.answering import who as asking
from gateway.operator.control import (
    Action,
    Busy,
    Control,
    Cut,
    NoSuchStep,
    NotAnObject,
    NotFound,
    NotPossible,
    StepNotPossible,
)
from gateway.operator.dispatch import Dispatcher
from gateway.operator.events import EventHub, EventLimits
from gateway.operator.http import HttpLimits, HttpServer, Request, Response
from gateway.operator.openapi import document
from gateway.operator.routes import DEFAULT_PAGE, DICOM, ROUTES
from gateway.operator.section import Section


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
        sections: Sequence[Section] = (),
        mode: int = unix_socket.DEFAULT_MODE,
        group: str | None = None,
        limits: ApiLimits | None = None,
        http_limits: HttpLimits | None = None,
        event_limits: EventLimits | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`sections`: the parts that stand by themselves, beyond what `control` offers."""
        self.path = path
        self._mode = mode
        self._group = group
        self.events = EventHub(control.notices, wall_clock, event_limits)
        core = Handlers(control, self.events, limits or ApiLimits())
        dispatcher = Dispatcher([core, *sections], control.notices)
        self._http = HttpServer(dispatcher.dispatch, error_page, http_limits)

    async def start(self) -> None:
        """Bind the socket and answer. Raises unix_socket.SocketUnavailable, with what to do about it."""
        sock = unix_socket.bind(self.path, mode=self._mode, group=self._group)
        await self._http.start(sock)

    async def close(self) -> None:
        """Stop answering, end every connection, remove the socket file."""
        unix_socket.unbind(self.path)
        await self._http.close()


def error_page(status: int, words: str) -> Response:
    """Return the answer to what is not acceptable HTTP."""
    return problem(status, words)


class Handlers(Section):
    """Deliveries, destinations and peers: one method for each operation of the route table, by its name."""

    routes = ROUTES
    problems = (
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
    )

    def __init__(self, control: Control, events: EventHub, limits: ApiLimits) -> None:
        self._control = control
        self._events = events
        self._limits = limits

    async def status(self, _request: Request) -> Response:
        return answer(await self._control.status())

    async def deliveries(
        self,
        _request: Request,
        order: str = "oldest",
        after: int | None = None,
        before: int | None = None,
        limit: int = DEFAULT_PAGE,
        count: int = 0,
        **wanted: Any,
    ) -> Response:
        if after is not None and before is not None:
            raise ValueError("after and before: one of the two is expected")
        cut = Cut(order == "newest", after, before, limit, count)
        return answer(await self._control.deliveries(facts.DeliveryFilter(**wanted), cut))

    async def story(self, _request: Request, number: int) -> Response:
        return answer(await self._control.story(number))

    async def retry(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "retry", "")

    async def release(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "release", "")

    async def hold(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "hold", await self._reason(request))

    async def discard(self, request: Request, number: int) -> Response:
        return await self._act(request, number, "discard", await self._reason(request))

    async def retry_held(self, request: Request) -> Response:
        wanted = await read_body(request, facts.HeldFilter, optional=True)
        count = await self._control.retry_held(
            destination=wanted.destination, cause=wanted.cause, who=await asking(request)
        )
        return answer(facts.Retried(count))

    async def commitments(
        self, _request: Request, before: int | None = None, limit: int = DEFAULT_PAGE
    ) -> Response:
        return answer(await self._control.commitments(before=before, limit=limit))

    async def steps(
        self,
        _request: Request,
        state: facts.StepStateName | None = None,
        destination: str | None = None,
        after: int | None = None,
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        return answer(
            await self._control.steps(state=state, destination=destination, after=after, limit=limit)
        )

    async def retry_step(self, request: Request, number: int) -> Response:
        who = await asking(request)
        return answer(await self._control.act_on_step(number, "retry", reason="", who=who))

    async def discard_step(self, request: Request, number: int) -> Response:
        reason, who = await self._reason(request), await asking(request)
        return answer(await self._control.act_on_step(number, "discard", reason=reason, who=who))

    async def export(self, _request: Request, number: int) -> Response:
        stream = await self._control.export(number)
        name = f'attachment; filename="object-{stream.object_number}.dcm"'
        return Response(200, DICOM, stream.chunks, stream.length, {"Content-Disposition": name})

    async def pause(self, request: Request, name: str) -> Response:
        return answer(await self._control.pause(name, who=await asking(request)))

    async def resume(self, request: Request, name: str) -> Response:
        return answer(await self._control.resume(name, who=await asking(request)))

    async def kick(self, request: Request, name: str) -> Response:
        return answer(await self._control.kick(name, who=await asking(request)))

    async def echo(self, request: Request, name: str) -> Response:
        return answer(await self._control.echo(name))

    async def send(self, request: Request, name: str) -> Response:
        length = request.content_length
        if length is None:
            return problem(411, "the length of the file must be announced")
        if length > self._limits.max_sent_bytes:
            return problem(413, f"a file may have {self._limits.max_sent_bytes} bytes at most")
        return answer(await self._control.send(name, length, request.chunks()))

    async def associations(self, _request: Request) -> Response:
        return answer(facts.Associations(self._control.associations()))

    async def events(self, _request: Request) -> Response:
        return Response(200, "text/event-stream", self._events.stream())

    async def openapi(self, _request: Request) -> Response:
        return answer(document())

    async def metrics(self, _request: Request) -> Response:
        return Response(200, "text/plain; version=0.0.4; charset=utf-8", await self._control.metrics())

    async def _act(self, request: Request, number: int, action: Action, reason: str) -> Response:
        return answer(await self._control.act(number, action, reason=reason, who=await asking(request)))

    async def _reason(self, request: Request) -> str:
        said = (await read_body(request, facts.Reason)).reason
        request.note = reason = checked_reason(said, self._limits.max_reason)
        return reason
