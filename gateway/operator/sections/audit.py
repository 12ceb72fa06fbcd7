"""Who did what: the audit trail, shown, added to by the page, and checked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Protocol

from gateway.audit.values import (
    MAX_BATCH,
    MAX_TEXT,
    AuditEntry,
    AuditPage,
    AuditUnavailable,
    AuditVerdict,
    Filter,
)
from gateway.operator import unix_socket
from gateway.operator.answering import answer, read_body
from gateway.operator.http import BadRequest, Request, Response
from gateway.operator.routes import DEFAULT_PAGE, MAX_PAGE, Parameter, Route
from gateway.operator.section import Section

_MAX_TIME = 2**40  # seconds since the epoch: far beyond any clock


@dataclass(frozen=True, slots=True)
class AuditBatch:
    """Entries of a program that acts for people: the page."""

    entries: Annotated[tuple[AuditEntry, ...], f"{MAX_BATCH} at most, the oldest first"]


@dataclass(frozen=True, slots=True)
class AuditTaken:
    """How many entries are durable now."""

    count: int


class Trail(Protocol):
    """What keeps the entries."""

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        """Return when `entries` are durable; AuditUnavailable when they cannot be."""

    async def page(self, wanted: Filter, *, before: int | None, limit: int) -> AuditPage:
        """Return entries, the newest first."""

    async def verify(self, noted: str = "") -> AuditVerdict:
        """Check that nothing was changed. `noted`: a digest that must be in the trail."""


_TIME = "seconds since the epoch"
_FILTERS = (
    Parameter("since", f"only what happened then or later, {_TIME}", "number", "query", _MAX_TIME, 0),
    Parameter("until", f"only what happened then or before, {_TIME}", "number", "query", _MAX_TIME, 0),
    Parameter("who", "only by whom: a part of the name", "name", "query", max_length=80),
    Parameter("what", "only this: the whole word", "name", "query", max_length=64),
    Parameter("q", "only with this text anywhere", "name", "query", max_length=100),
    Parameter("before", "only entries below this number (`next` of the page before)", "number", "query"),
    Parameter(
        "limit", f"how many at most ({DEFAULT_PAGE} unless given)", "number", "query", maximum=MAX_PAGE
    ),
)
_NOTED = Parameter("digest", "a digest noted earlier; it must be in the trail", "name", "query")


class AuditSection(Section):
    """Shows the trail, and takes what only the page knows."""

    # fmt: off
    routes: ClassVar = (
        Route("GET", "/v1/audit", "audit_entries", "Who did what, the newest first.",
              AuditPage, _FILTERS, errors=(503,)),
        Route("POST", "/v1/audit", "audit_add", "Add what a program did in the name of people.",
              AuditTaken, body=AuditBatch, errors=(413, 503), audited=False),
        Route("GET", "/v1/audit/verify", "audit_verify", "Check that the trail is whole.",
              AuditVerdict, (_NOTED,), errors=(503,)),
    )
    # fmt: on
    problems = ((AuditUnavailable, 503, "Keep the entries, make room on the disk, and send them again."),)

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def audit_entries(
        self,
        _request: Request,
        since: int | None = None,
        until: int | None = None,
        who: str = "",
        what: str = "",
        q: str = "",
        before: int | None = None,
        limit: int = DEFAULT_PAGE,
    ) -> Response:
        wanted = Filter(since, None if until is None else until + 0.999_999, who, what, q)
        return answer(await self._trail.page(wanted, before=before, limit=limit))

    async def audit_add(self, request: Request) -> Response:
        batch = await read_body(request, AuditBatch)
        if len(batch.entries) > MAX_BATCH:
            raise ValueError(f"entries: {MAX_BATCH} at a time at most")
        for entry in batch.entries:
            _check(entry)
        if request.socket is None:
            raise BadRequest(400, "the caller is gone")
        # What the kernel knows stands beside what the program says, as in answering.who.
        process = await asyncio.to_thread(unix_socket.caller(request.socket).name)
        entries = [replace(entry, who=f"{entry.who} by {process}") for entry in batch.entries]
        await self._trail.add(entries)
        return answer(AuditTaken(len(entries)))

    async def audit_verify(self, _request: Request, digest: str = "") -> Response:
        return answer(await self._trail.verify(digest))


def _check(entry: AuditEntry) -> None:
    if not 0 <= entry.at <= _MAX_TIME:  # refuses what is no number, too
        raise ValueError(f"at: {_TIME} are expected")
    for name in ("who", "what"):
        if not getattr(entry, name).strip():
            raise ValueError(f"{name}: is empty")
    for name, most in MAX_TEXT.items():
        if len(getattr(entry, name)) > most:
            raise ValueError(f"{name}: {most} characters at most")
