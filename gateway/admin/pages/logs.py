"""The page Logs: what the gateway wrote, as it writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.diagnosis.journal import JournalPage, NoJournal
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.operator.client import DaemonUnreachable
from gateway.operator.sections.logs import LogLine, LogPage

_LINES = 200  # on one page
_NEW = 200  # that come at once while the page is open
_DOWNLOADED = 1000  # asked for at a time
_MOST_DOWNLOADED = 25_000  # more than the gateway keeps at most

LEVELS = ("debug", "info", "warning", "error")

_LINKED = frozenset(("association", "far", "object", "delivery", "transaction", "step"))
"""Fields whose value leads to the other lines about the same thing."""


async def overview(visit: Visit) -> web.StreamResponse:
    """The last lines, or older ones: from the gateway's memory, or from the journal before its start."""
    level, text = _wanted(visit)
    values: dict[str, Any] = {
        "level": level,
        "q": text,
        "levels": LEVELS,
        "linked": _LINKED,
        "is_live": False,
    }
    cursor = visit.query("journal")
    trouble = ""
    if not cursor:
        try:
            page = await visit.gateway.get(
                LogPage,
                "/v1/logs",
                level=level,
                q=text or None,
                before=visit.query("before") or None,
                limit=_LINES,
            )
        except DaemonUnreachable as error:
            trouble = str(error)
        else:
            older = _address("/logs", level, text, before=page.previous) if page.previous else ""
            if not older:
                before = page.oldest_at
                older = _address("/logs", level, text, journal="start" if before is None else f"{before:.3f}")
            return visit.render(
                "logs/index.html", lines=page.lines, next=page.next, older=older, source="gateway",
                newest=not visit.query("before"), trouble="", **values,
            )  # fmt: skip
    try:
        found = await _from_journal(visit, level, text, cursor)
    except NoJournal as error:
        return visit.render(
            "logs/index.html", lines=(), next="", older="", source="none", newest=False,
            trouble=trouble or str(error), **values,
        )  # fmt: skip
    older = _address("/logs", level, text, journal=found.previous) if found.previous else ""
    return visit.render(
        "logs/index.html", lines=found.lines, next="", older=older, source="journal", newest=False,
        trouble=trouble, **values,
    )  # fmt: skip


async def new_lines(visit: Visit) -> web.StreamResponse:
    """The lines after a place: what logs.js puts below those it has."""
    level, text = _wanted(visit)
    page = await visit.gateway.get(
        LogPage, "/v1/logs", level=level, q=text or None, after=visit.query("after") or None, limit=_NEW
    )
    response = visit.render("logs/lines.html", lines=page.lines, linked=_LINKED, level=level, is_live=True)
    response.headers["X-Next"] = page.next
    response.headers["X-More"] = "1" if page.more else "0"
    response.headers["X-Lost"] = str(page.lost)
    response.headers["X-Restarted"] = "1" if page.restarted else "0"
    return response


async def download(visit: Visit) -> web.StreamResponse:
    """Everything the gateway keeps that matches, as text, the oldest first."""
    level, text = _wanted(visit)
    pages = _all(visit, level, text)
    first = await anext(pages)  # before anything is answered: a failure is a page, not half a file
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{visit.settings.gateway_name}-log.txt"',
        }
    )
    await visit.audit("download", "log", detail=f"level={level}")
    await response.prepare(visit.request)
    await response.write(_as_text(first))
    async for page in pages:
        await response.write(_as_text(page))
    await response.write_eof()
    return response


async def _all(visit: Visit, level: str, text: str) -> AsyncIterator[LogPage]:
    # The place before all places: whatever start it is of, everything since then comes.
    place, count = "0-0", 0
    while count < _MOST_DOWNLOADED:
        page = await visit.gateway.get(
            LogPage, "/v1/logs", level=level, q=text or None, after=place, limit=_DOWNLOADED
        )
        yield page
        place, count = page.next, count + len(page.lines)
        if not page.more:
            return


async def _from_journal(visit: Visit, level: str, text: str, cursor: str) -> JournalPage:
    journal = visit.services.diagnosis.journal
    if cursor in ("", "start"):
        return await journal.page(level=level, text=text, limit=_LINES)
    try:
        before: float | None = float(cursor)
    except ValueError:
        before = None
    if before is not None:
        return await journal.page(level=level, text=text, before=before, limit=_LINES)
    return await journal.page(level=level, text=text, cursor=cursor, limit=_LINES)


def _wanted(visit: Visit) -> tuple[str, str]:
    level = visit.query("level", "info")
    return level if level in LEVELS else "info", visit.query("q")[:100].strip()


def _address(path: str, level: str, text: str, **more: str) -> str:
    return f"{path}?{urlencode({'level': level, **({'q': text} if text else {}), **more})}"


def _as_text(page: LogPage) -> bytes:
    return "".join(f"{text_of(line)}\n" for line in page.lines).encode()


def text_of(line: LogLine) -> str:
    """Return a line as it stands in a log file; times in UTC, as there."""
    moment = datetime.fromtimestamp(line.at, UTC)
    fields = "".join(f" {one.name}={_quoted(one.value)}" for one in line.fields)
    head = (
        f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z {line.level.upper():<7} {line.event}"
    )
    return "\n".join([head + fields, *(f"    | {one}" for one in line.traceback)])


def _quoted(text: str) -> str:
    if text and not any(c in text for c in ' "=\\'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


PAGE = Page(
    name="logs",
    title=N_("Log"),
    icon="log",
    path="/logs",
    group="engineer",
    needs=Permission.DIAGNOSE,
    routes=(
        Route("GET", "/logs", overview, Permission.DIAGNOSE),
        Route("GET", "/logs/new", new_lines, Permission.DIAGNOSE),
        Route("GET", "/logs/download", download, Permission.DIAGNOSE),
    ),
)
