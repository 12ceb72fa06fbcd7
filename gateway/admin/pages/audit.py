"""The page Audit: who did what, and whether the trail is whole."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.audit.values import AuditPage, AuditRecord, AuditVerdict

_ENTRIES = 50  # on one page
_DOWNLOADED = 1000  # asked for at a time
_MOST_DOWNLOADED = 100_000
_COLUMNS = ("number", "time", "recorded", "who", "what", "subject", "outcome", "detail", "address", "digest")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, as the form has it."""

    who: str
    what: str
    q: str
    since: str
    until: str

    def asked(self) -> dict[str, str | int | None]:
        """Return it as the operator API takes it. Days are those of this machine's zone."""
        until = _day(self.until)
        return {
            "who": self.who or None,
            "what": self.what or None,
            "q": self.q or None,
            "since": _epoch(_day(self.since)),
            "until": None if until is None else (_epoch(until + timedelta(days=1)) or 1) - 1,
        }

    def address(self, path: str, **more: str) -> str:
        """Return an address with the same filters."""
        fields = {"who": self.who, "what": self.what, "q": self.q, "since": self.since, "until": self.until}
        given = {name: value for name, value in {**fields, **more}.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def any(self) -> bool:
        """True when something is filtered."""
        return self.address("") != ""


async def overview(visit: Visit) -> web.StreamResponse:
    """Entries, the newest first."""
    wanted = _wanted(visit)
    before = visit.query_number("before", low=1)
    page = await visit.gateway.get(AuditPage, "/v1/audit", **wanted.asked(), before=before, limit=_ENTRIES)
    return visit.render(
        "audit/index.html",
        found=page.entries,
        wanted=wanted,
        first=before is None,
        first_href=wanted.address("/audit"),
        next_href=wanted.address("/audit", before=str(page.next)) if page.next is not None else "",
        csv_href=wanted.address("/audit/audit.csv"),
        examined=page.examined,
        verdict=None,
    )


async def verify(visit: Visit) -> web.StreamResponse:
    """Follow the chain of digests, and say what came of it."""
    noted = visit.query("digest").strip()[:64]
    verdict = await visit.gateway.get(AuditVerdict, "/v1/audit/verify", digest=noted or None)
    template = "audit/verdict.html" if visit.is_fragment else "audit/verify.html"
    return visit.render(template, verdict=verdict, noted=noted)


async def download(visit: Visit) -> web.StreamResponse:
    """What was filtered as a table for a spreadsheet, the newest first."""
    pages = _all(visit, _wanted(visit))
    first = await anext(pages)  # before anything is answered: a failure is a page, not half a file
    name = f"{visit.settings.gateway_name}-audit-{time.strftime('%Y%m%d')}.csv"
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    await visit.audit("download", "audit trail")
    await response.prepare(visit.request)
    await response.write("\ufeff".encode() + _rows([_COLUMNS]))
    await response.write(_rows([_row(one) for one in first.entries]))
    async for page in pages:
        await response.write(_rows([_row(one) for one in page.entries]))
    await response.write_eof()
    return response


async def _all(visit: Visit, wanted: Wanted) -> AsyncIterator[AuditPage]:
    before: int | None = None
    count = 0
    while count < _MOST_DOWNLOADED:
        page = await visit.gateway.get(
            AuditPage, "/v1/audit", **wanted.asked(), before=before, limit=_DOWNLOADED
        )
        yield page
        before, count = page.next, count + len(page.entries)
        if before is None:
            return


def _wanted(visit: Visit) -> Wanted:
    return Wanted(
        visit.query("who")[:80].strip(),
        visit.query("what")[:64].strip(),
        visit.query("q")[:100].strip(),
        visit.query("since") if _day(visit.query("since")) else "",
        visit.query("until") if _day(visit.query("until")) else "",
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _epoch(day: date | None) -> int | None:
    """Return the beginning of a day in this machine's zone; None for none, or before 1970."""
    if day is None or not 1970 < day.year < 9999:
        return None
    return max(int(datetime(day.year, day.month, day.day).astimezone().timestamp()), 0)


def _row(one: AuditRecord) -> tuple[str, ...]:
    return (
        str(one.number), _iso(one.at), _iso(one.recorded_at), one.who, one.what, one.subject, one.outcome,
        one.detail, one.address, one.digest,
    )  # fmt: skip


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rows(rows: list[tuple[str, ...]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([[_cell(text) for text in row] for row in rows])
    return buffer.getvalue().encode()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


PAGE = Page(
    name="audit",
    title=N_("Audit"),
    icon="audit",
    path="/audit",
    group="system",
    needs=Permission.AUDIT,
    routes=(
        Route("GET", "/audit", overview, Permission.AUDIT),
        Route("GET", "/audit/verify", verify, Permission.AUDIT),
        Route("GET", "/audit/audit.csv", download, Permission.AUDIT),
    ),
)
