"""Home: has everything reached the centre? And the records of a day, as they are seen here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web
from babel import dates

from gateway.admin import words
from gateway.admin.access.permissions import Permission
from gateway.admin.days import Day, day_of
from gateway.admin.glance import Known, glance
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.errors import GatewayError
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.facts import Status
from gateway.operator.sections.records import RecordFacts, RecordPage, RevealedPatient

PAGE_SIZE = 200
"""Records of one page of the table."""

PRINT_SIZE = 500
"""Records of one print-out."""

SAME_TIME = 60.0
"""Seconds: a record that came so soon after the time it states came at that time."""

REVEALED_SECONDS = 60
"""How long a revealed patient stays on the screen."""

_REVEALS_AT_ONCE = 4

_LAST: WeakKeyDictionary[web.Application, Known] = WeakKeyDictionary()
"""What the gateway said last, for when it does not answer."""


# ---- the answer, and what waits ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the gateway says now, or what it said last."""

    known: Known | None
    answering: bool


async def _ask(visit: Visit) -> _Answer:
    day = day_of("", time.time())
    try:
        status = await visit.gateway.get(Status, "/v1/status")
        page = await visit.gateway.get(RecordPage, "/v1/records", since=day.since, until=day.until, limit=1)
    except DaemonUnreachable:
        return _Answer(_LAST.get(visit.request.app), answering=False)
    known = Known(status, page.totals, time.time())
    _LAST[visit.request.app] = known
    return _Answer(known, answering=True)


async def home(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    answer = await _ask(visit)
    return visit.render("home/index.html", **_now(visit, answer), **await _day(visit, answer.answering))


async def now(visit: Visit) -> web.StreamResponse:
    """The sentence and the links, to be fetched anew whenever something happens."""
    return visit.render("home/now.html", **_now(visit, await _ask(visit)))


def _now(visit: Visit, answer: _Answer) -> dict[str, Any]:
    status = answer.known.status if answer.known else None
    return {
        "glance": glance(answer.known, time.time(), visit, answering=answer.answering),
        "centres": status.destinations if status else (),
        "known_at": answer.known.at if answer.known else None,
        "answering": answer.answering,
    }


# ---- the records of a day ---------------------------------------------------------------------------------


async def records(visit: Visit) -> web.StreamResponse:
    """The table, to be fetched anew whenever something happens."""
    try:
        return visit.render("home/records.html", **await _day(visit, answering=True))
    except DaemonUnreachable:
        # What is on the screen stays; the sentence above it says that nobody answers.
        return web.Response(status=204)


async def _day(visit: Visit, answering: bool) -> dict[str, Any]:
    day = day_of(visit.query("day"), time.time())
    before = visit.query_number("before", low=1)
    page = await _records(visit, day, before, PAGE_SIZE) if answering else None
    return {
        "day": day,
        "records": page,
        "before": before,
        "may_reveal": visit.user.may(Permission.REVEAL),
        "stated": {one.number: _stated(one, visit.lang) for one in page.records} if page else {},
        "zone": _zone(day),
        "titles": _titles(_LAST.get(visit.request.app)),
    }


def _titles(known: Known | None) -> dict[str, str]:
    """Return the AE titles of the destinations by name: the clinic knows its centre by that."""
    return {one.name: one.ae_title for one in known.status.destinations} if known else {}


async def _records(visit: Visit, day: Day, before: int | None, limit: int) -> RecordPage:
    return await visit.gateway.get(
        RecordPage, "/v1/records", since=day.since, until=day.until, before=before, limit=limit
    )


def _zone(day: Day) -> str:
    """Name the time zone of this machine as it is on that day."""
    return words.zone_name(datetime.fromtimestamp(day.noon).astimezone())


def _stated(record: RecordFacts, lang: str) -> str:
    """Return the time that the record states, when it is not the time it came; with its date, if need be.

    Most records state none with a zone; what they state is taken as local time then.
    """
    try:
        moment = datetime.fromisoformat(record.treated)
        came = datetime.fromtimestamp(record.received_at).astimezone()
        local = moment.astimezone()
    except (ValueError, OverflowError, OSError):
        return ""
    if abs((local - came).total_seconds()) < SAME_TIME:
        return ""
    day = "" if local.date() == came.date() else dates.format_date(local.date(), "medium", locale=lang)
    at = local.strftime("%H:%M") if "T" in record.treated else ""
    return ", ".join(part for part in (day, at) if part)


# ---- who it is --------------------------------------------------------------------------------------------


async def reveal(visit: Visit) -> web.StreamResponse:
    """Say who a record is of, for a minute."""
    number = int(visit.path_value("number"))
    patient = await visit.gateway.post(RevealedPatient, f"/v1/records/{number}/reveal")
    template = "home/patient.html" if visit.is_fragment else "home/revealed.html"
    return visit.render(
        template, patient=patient, masked=_group(visit), seconds=REVEALED_SECONDS, day=visit.query("day")
    )


def _group(visit: Visit) -> int | None:
    return visit.query_number("patient", low=1, high=100_000)


# ---- on paper ---------------------------------------------------------------------------------------------


async def sheet(visit: Visit) -> web.StreamResponse:
    """The records of a day for the paper chart, patients masked."""
    day = day_of(visit.query("day"), time.time())
    return await _print(visit, day, await _records(visit, day, None, PRINT_SIZE), None)


async def named_sheet(visit: Visit) -> web.StreamResponse:
    """The same with the patients, because somebody said so; the gateway notes each of them."""
    day = day_of(visit.query("day"), time.time())
    page = await _records(visit, day, None, PRINT_SIZE)
    return await _print(visit, day, page, await _reveal_all(visit, page.records))


async def _print(
    visit: Visit, day: Day, page: RecordPage, patients: Mapping[int, RevealedPatient] | None
) -> web.StreamResponse:
    """`patients`: those that were revealed; None when nobody asked for them."""
    status = await visit.gateway.get(Status, "/v1/status")
    known = Known(status, page.totals, time.time())
    return visit.render(
        "home/print.html",
        day=day,
        records=page,
        named=patients is not None,
        patients=patients or {},
        may_reveal=visit.user.may(Permission.REVEAL),
        stated={one.number: _stated(one, visit.lang) for one in page.records},
        glance=glance(known, known.at, visit) if day.is_today else None,
        zone=_zone(day),
        titles=_titles(known),
    )


async def _reveal_all(visit: Visit, wanted: Sequence[RecordFacts]) -> dict[int, RevealedPatient]:
    """Reveal record by record: each is one entry in the audit trail."""
    places = asyncio.Semaphore(_REVEALS_AT_ONCE)

    async def one(number: int) -> RevealedPatient | None:
        async with places:
            try:
                return await visit.gateway.post(RevealedPatient, f"/v1/records/{number}/reveal")
            except ApiProblem:
                return None  # delivered and gone meanwhile: the row says so

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {r.number: group.create_task(one(r.number)) for r in wanted if r.reading != "gone"}
    except* GatewayError as errors:
        raise errors.exceptions[0] from None
    return {number: told for number, task in tasks.items() if (told := task.result()) is not None}


_NUMBER = "{number:\\d{1,18}}"

PAGE = Page(
    name="home",
    title=N_("Home"),
    icon="home",
    path="/home",
    routes=(
        Route("GET", "/home", home),
        Route("GET", "/home/now", now),
        Route("GET", "/home/records", records),
        Route("POST", f"/home/records/{_NUMBER}/reveal", reveal, Permission.REVEAL),
        Route("GET", "/print", sheet),
        Route("POST", "/print", named_sheet, Permission.REVEAL),
    ),
)
