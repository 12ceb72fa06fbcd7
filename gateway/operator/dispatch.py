"""From a request to the section that answers it, and from errors to problem details. The audit is told."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import LocalError, PeerError
from gateway.notices import Notices, OperatorActed
from gateway.operator.answering import problem, who
from gateway.operator.http import BadRequest, Request, Response
from gateway.operator.routes import Match, Parameter, match, parse
from gateway.operator.section import Section
from gateway.operator.words import printable

_OTHERWISE: tuple[tuple[type[Exception], int, str], ...] = (
    (PeerError, 502, "`dicom-gateway echo PEER` shows where the way to the peer ends."),
    (LocalError, 500, "The gateway's log has the details."),
)


class Dispatcher:
    """Answers requests from the sections' route tables."""

    def __init__(self, sections: Sequence[Section], notices: Notices) -> None:
        self._notices = notices
        self._section_of = {route.operation: section for section in sections for route in section.routes}
        self._routes = tuple(route for section in sections for route in section.routes)

    async def dispatch(self, request: Request) -> Response:
        """Answer one request. What was done, or tried, in somebody's name is published as OperatorActed."""
        found = match(request.method, request.path, self._routes)
        if not isinstance(found, Match):
            if found:
                return problem(
                    405, f"{request.method} is not possible here", headers={"Allow": ", ".join(found)}
                )
            return problem(404, "there is nothing at this path")
        audited = found.route.audited and found.route.method != "GET"
        outcome = "it failed"
        try:
            response, outcome = await self._answer(request, found)
        except BadRequest as error:
            outcome = str(error)
            raise
        finally:
            if audited:
                await self._tell(request, found, outcome)
        return response

    async def _answer(self, request: Request, found: Match) -> tuple[Response, str]:
        """Return the response, and the outcome in words."""
        section = self._section_of[found.route.operation]
        try:
            values = _values(found, request)
            response: Response = await getattr(section, found.route.operation)(request, **values)
        except ValueError as error:
            return problem(400, str(error)), str(error)
        except (LocalError, PeerError) as error:
            for kind, status, next_step in (*section.problems, *_OTHERWISE):
                if isinstance(error, kind):
                    return problem(status, str(error), next_step), str(error)
            raise
        return response, "done" if response.status < 400 else f"refused ({response.status})"

    async def _tell(self, request: Request, found: Match, outcome: str) -> None:
        try:
            name = await who(request)
        except (ValueError, BadRequest):
            name = "somebody"
        # From the path, so anything at all may be in it.
        subject = ", ".join(f"{key}={printable(value[:64])}" for key, value in found.values.items())
        self._notices.publish(OperatorActed(name, found.route.operation, subject, outcome, request.note))


def _values(found: Match, request: Request) -> dict[str, int | str]:
    known: dict[str, Parameter] = {p.name: p for p in found.route.parameters}
    unknown = [name for name in request.query if name not in known or known[name].where != "query"]
    if unknown:
        raise ValueError(f"unknown query field {unknown[0][:40]!r}")
    texts = {**request.query, **found.values}
    return {name: parse(known[name], text) for name, text in texts.items()}
