"""Link: the ways to the centres, now and over a day or a month; the month's data; path tests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import quote

import aiohttp
from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.forms import Form, FormError
from gateway.admin.link import charts, spending, strip, testing
from gateway.admin.link import waiting as waiting_bar
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.operator import codec
from gateway.operator.client import ApiProblem
from gateway.operator.facts import Status
from gateway.operator.sections.path_test import (
    ObjectClass,
    PathLine,
    PathReport,
    PathReports,
    PathStep,
    PathTestWanted,
)
from gateway.operator.sections.trends import Budget, LinkFacts, Links, Trend, TrendSpan, WatchLease

_SHOWN_STATE = {"up": "online", "degraded": "degraded", "down": "offline", "unknown": "unknown"}
JSON_LINES = "application/x-ndjson"
_MAX_LINE = 256 * 1024  # bytes of one line of a running test
_WAIT = 60.0  # seconds for the result of a storage commitment
_TEST_LIMIT = aiohttp.ClientTimeout(total=600, sock_read=330)  # seconds; the daemon bounds each step


# ---- the ways, now ----------------------------------------------------------------------------------------


async def index(visit: Visit) -> web.StreamResponse:
    """All links, each with its last 24 hours, and the month's data."""
    now = await _now(visit)
    budget = await visit.gateway.get(Budget, "/v1/budget")
    return visit.render("link/index.html", **now, **await _strips(visit, now["links"]), **_spent(budget))


async def now(visit: Visit) -> web.StreamResponse:
    """How the links are, to be fetched anew every few seconds; that is what keeps them watched."""
    return visit.render("link/now.html", **await _now(visit))


async def strips(visit: Visit) -> web.StreamResponse:
    """The last 24 hours of each link."""
    links = await visit.gateway.get(Links, "/v1/links")
    return visit.render("link/strips.html", **await _strips(visit, links))


async def _now(visit: Visit) -> dict[str, Any]:
    await visit.gateway.post(WatchLease, "/v1/links/watch")
    links, status = await asyncio.gather(
        visit.gateway.get(Links, "/v1/links"), visit.gateway.get(Status, "/v1/status")
    )
    waiting = {one.name: one for one in status.destinations}
    return {
        "links": links,
        "shown_state": _SHOWN_STATE,
        "waiting": waiting,
        "bar_of": waiting_bar.parts,
        "bar_size": (waiting_bar.WIDTH, waiting_bar.HEIGHT),
        "sites": status.sites,
    }


async def _strips(visit: Visit, links: Links) -> dict[str, Any]:
    titles = {link.name: link.ae_title for link in links.links if link.destination}
    trends = await asyncio.gather(*(_trend(visit, name, "day") for name in titles))
    drawn = [(trend, strip.strip_of(trend)) for trend in trends]
    return {"drawn": drawn, "titles": titles, "strip_size": (strip.WIDTH, strip.HEIGHT)}


def _spent(budget: Budget) -> dict[str, Any]:
    return {
        "budget": budget,
        "picture": spending.picture(budget),
        "picture_size": (spending.WIDTH, spending.HEIGHT),
        "start_at": _midnight(budget.start),
        "end_at": _midnight(budget.end),
        "period_days": [(_midnight(one.start), one) for one in reversed(budget.periods)],
    }


def _midnight(day: str) -> float:
    return time.mktime(time.strptime(day, "%Y-%m-%d"))


# ---- one way, over time -----------------------------------------------------------------------------------


async def peer(visit: Visit) -> web.StreamResponse:
    """One link over a day or a month."""
    return visit.render("link/peer.html", **await _one(visit))


async def peer_now(visit: Visit) -> web.StreamResponse:
    """The same without its frame: state, strip and outages."""
    return visit.render("link/history.html", **await _one(visit))


async def data(visit: Visit) -> web.StreamResponse:
    """What the charts draw."""
    trend = await _trend(visit, visit.path_value("name"), _span(visit))
    offset = float(time.localtime(trend.end).tm_gmtoff)
    body = charts.columns(trend, visit.text, offset)
    response = web.json_response(body)
    response.enable_compression()
    return response


async def _one(visit: Visit) -> dict[str, Any]:
    name, span = visit.path_value("name"), _span(visit)
    now = await _now(visit)
    link = next((one for one in now["links"].links if one.name == name), None)
    if link is None:
        raise web.HTTPNotFound
    trend = await _trend(visit, name, span)
    return {
        **now,
        "link": link,
        "span": span,
        "trend": trend,
        "strip": strip.strip_of(trend),
        "strip_size": (strip.WIDTH, strip.HEIGHT),
        "outages": strip.outages(trend.changes, trend.start),
        "rows": charts.rows(trend),
    }


async def _trend(visit: Visit, name: str, span: TrendSpan) -> Trend:
    return await visit.gateway.get(Trend, f"/v1/trends/{quote(name, safe='')}", span=span)


def _span(visit: Visit) -> TrendSpan:
    return "month" if visit.query("span") == "month" else "day"


# ---- path tests -------------------------------------------------------------------------------------------


async def test_form(visit: Visit) -> web.StreamResponse:
    """The choice of what is tested, and what was tested before."""
    return await _form(visit, visit.query("peer"))


async def start_test(visit: Visit) -> web.StreamResponse:
    """Run a test. A script gets every step as it comes, a browser without one the report in the end."""
    form = await visit.form()
    links = await visit.gateway.get(Links, "/v1/links")
    try:
        name = form.choice("peer", tuple(link.name for link in links.links))
        wanted = _wanted(form)
    except FormError as error:
        return await _form(visit, visit.query("peer"), error=error)
    lines = run_test(visit, name, wanted)
    if visit.request.headers.get("Accept") == JSON_LINES:
        return await _live(visit, lines)
    report = None
    async with aclosing(lines):
        async for line in lines:
            report = line.report or report
    if report is None:
        raise web.HTTPBadGateway
    return visit.redirect(_report_path(report))


async def report(visit: Visit) -> web.StreamResponse:
    """One report, to be read and printed."""
    name = visit.path_value("name")
    reports = await visit.gateway.get(PathReports, f"/v1/peers/{quote(name, safe='')}/tests")
    found = testing.find(reports.reports, visit.path_value("report"))
    if found is None:
        raise web.HTTPNotFound
    return visit.render("link/report.html", report=found, **words())


def _wanted(form: Form) -> PathTestWanted:
    ticked = tuple(key for key in testing.CLASSES if form.flag(f"store-{key}"))
    commitment = form.flag("commitment")
    if commitment and not ticked:
        raise FormError("commitment", N_("Choose at least one class to store first."))
    return PathTestWanted(cast(tuple[ObjectClass, ...], ticked), commitment, _WAIT)


async def _form(visit: Visit, chosen: str, error: FormError | None = None) -> web.StreamResponse:
    links = await visit.gateway.get(Links, "/v1/links")
    return visit.render(
        "link/test.html",
        status=422 if error else 200,
        peers=links.links,
        chosen=chosen if any(link.name == chosen for link in links.links) else "",
        error=visit.form_error(error) if error else "",
        earlier=await _earlier(visit, links.links),
        **words(),
    )


async def _earlier(visit: Visit, links: tuple[LinkFacts, ...]) -> list[PathReport]:
    """Return the last reports of all peers, the newest first."""

    async def of(name: str) -> tuple[PathReport, ...]:
        return (await visit.gateway.get(PathReports, f"/v1/peers/{quote(name, safe='')}/tests")).reports

    found = await asyncio.gather(*(of(link.name) for link in links))
    return sorted((one for reports in found for one in reports), key=lambda one: -one.started_at)[:20]


async def run_test(visit: Visit, name: str, wanted: PathTestWanted) -> AsyncGenerator[PathLine, None]:
    """Start a test and yield its lines. ApiProblem; DaemonUnreachable."""
    body = json.dumps(codec.encode(wanted)).encode()
    headers = {"Content-Type": "application/json"}
    path = f"/v1/peers/{quote(name, safe='')}/test"
    async with visit.gateway.stream(
        "POST", path, body=body, headers=headers, timeout=_TEST_LIMIT
    ) as response:
        pending = b""
        async for chunk in response.content.iter_any():
            *whole, pending = (pending + chunk).split(b"\n")
            if len(pending) > _MAX_LINE:
                raise web.HTTPBadGateway
            for line in whole:
                yield codec.decode(PathLine, json.loads(line))


async def _live(visit: Visit, lines: AsyncGenerator[PathLine, None]) -> web.StreamResponse:
    """Hand each step on as HTML, in JSON lines. What goes wrong before the first is an ordinary answer."""
    async with aclosing(lines):
        first = await anext(lines)  # raises what the gateway refuses
        response = web.StreamResponse(headers={"Content-Type": JSON_LINES, "Cache-Control": "no-store"})
        await response.prepare(visit.request)
        await response.write(_line(visit, first))
        try:
            async for line in lines:
                await response.write(_line(visit, line))
        except ApiProblem as error:
            await response.write(json_line({"problem": error.details.detail}))
    return response


def _line(visit: Visit, line: PathLine) -> bytes:
    if line.report is not None:
        return json_line(
            {"report": _report_path(line.report), "html": _part(visit, "end", report=line.report)}
        )
    step = cast(PathStep, line.step)
    return json_line({"place": testing.place(step), "html": _part(visit, "step", step=step)})


def _part(visit: Visit, name: str, **values: Any) -> str:
    rendered = visit.render(f"link/{name}.html", **values, **words())
    return (rendered.text or "").strip()


def json_line(value: dict[str, str]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _report_path(report: PathReport) -> str:
    return f"/link/report/{quote(report.peer, safe='')}/{report.id}"


def words() -> dict[str, Any]:
    return {
        "classes": testing.CLASSES,
        "step_words": testing.STEPS,
        "detail_words": testing.DETAILS,
        "step_kind": testing.KIND,
        "place": testing.place,
    }


_NAME = "{name:[^/]{1,64}}"

PAGE = Page(
    name="link",
    title=N_("Link"),
    icon="link",
    path="/link",
    routes=(
        Route("GET", "/link", index),
        Route("GET", "/link/now", now),
        Route("GET", "/link/strips", strips),
        Route("GET", f"/link/peer/{_NAME}", peer),
        Route("GET", f"/link/peer/{_NAME}/now", peer_now),
        Route("GET", f"/link/peer/{_NAME}/data", data),
        Route("GET", "/link/test", test_form, Permission.TEST),
        Route("POST", "/link/test", start_test, Permission.TEST),
        Route("GET", f"/link/report/{_NAME}/{{report:[0-9a-f]{{1,32}}}}", report, Permission.TEST),
    ),
)
