"""Step 8: the test run: clock, certificates, every centre, every console; and the console's own call."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

from aiohttp import web

import gateway.admin.pages.link as link_page
from gateway.admin import contacts, words
from gateway.admin.forms import Form
from gateway.admin.installing.answers import Centre, Console
from gateway.admin.installing.draft import Draft, Kind, Outcome, Result, ResultStep, Said
from gateway.admin.link import testing
from gateway.admin.page import N_
from gateway.admin.pages.install_steps.beginning import machine_report
from gateway.admin.pages.install_steps.place import HERE, Place, said, told
from gateway.errors import GatewayError
from gateway.operator.certificate_facts import Certificates
from gateway.operator.facts import EchoReport
from gateway.operator.sections.path_test import ObjectClass, PathReport, PathStep, PathTestWanted
from gateway.operator.sections.peers import CallerFacts, Callers

STEP: Final = f"{HERE}/test"
STORED: Final = ("rt-record", "rt-image")
_WAIT = 60.0  # seconds for the result of a storage commitment
_SOON = 30 * 86400.0
_DAY = 86400.0

_KIND = {"ok": "ok", "warning": "waiting", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Expected:
    """One test that belongs to this installation, and what came of it (None: not done since "Keep")."""

    kind: Kind
    subject: str
    title: str
    result: Result | None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a running test: a line of the list under a place, or a result."""

    place: str
    state: str
    title: str
    seconds: float | None = None
    words: str = ""
    step: PathStep | None = None
    result: Result | None = None


def expected(place: Place) -> list[Expected]:
    """Return every test that belongs to this installation, in order."""
    draft, text = place.draft, place.visit.text
    found: list[tuple[Kind, str, str]] = [("clock", "", text("Clock of this device"))]
    if any(centre.tls for centre in draft.answers.centres):
        found.append(("certificate", "", text("Certificates")))
    found += [
        ("path", one.name, text("Way to the centre %(name)s", name=one.ae_title))
        for one in draft.answers.centres
    ]
    for one in draft.answers.consoles:
        if one.host:
            found.append(("console-echo", one.ae_title, text("Console %(name)s answers", name=one.ae_title)))
        found.append(("console-call", one.ae_title, text("Console %(name)s calls", name=one.ae_title)))
    if not draft.answers.consoles:
        found.append(("console-call", "", text("A console calls")))
    return [Expected(kind, subject, title, _valid(draft, kind, subject)) for kind, subject, title in found]


def _valid(draft: Draft, kind: Kind, subject: str) -> Result | None:
    """Return a result that is about the configuration of now."""
    result = draft.result(kind, subject)
    return result if result is not None and result.at >= (draft.kept_at or 0.0) else None


# ---- showing ----------------------------------------------------------------------------------------------


async def show(place: Place) -> web.StreamResponse:
    """Show what was tested, and start the rest."""
    place = await _observe(place)
    return place.render("test", **await _values(place))


async def calls(place: Place) -> web.StreamResponse:
    """Show who calls, asked again and again while somebody waits for the console."""
    place = await _observe(place)
    return place.visit.render("install/calls.html", **await _values(place), place=place)


async def _values(place: Place) -> dict[str, Any]:
    tests = expected(place)
    now = time.time()
    callers = (await place.visit.gateway.get(Callers, "/v1/callers")).callers
    recent = [one for one in callers if one.last_at >= (place.draft.kept_at or 0.0)][:10]
    return {
        "tests": tests,
        "outcome_kind": _KIND,
        "told": lambda sentence: told(place.visit, sentence),
        "callers": [
            (one, contacts.refusal(place.visit, one, one.last_refusal) if one.last_refusal else None)
            for one in recent
        ],
        "waiting_for": [one for one in tests if one.kind == "console-call" and one.result is None],
        "addresses": [place.draft.answers.address],
        "called": place.draft.answers.called(),
        "classes": {key: testing.CLASSES[key] for key in STORED},
        "kept": place.visit.query_number("kept"),
        "on_trial": place.shown.state.trial is not None or place.shown.state.restarting,
        "now": now,
    }


async def _observe(place: Place) -> Place:
    """Note that a console has called: it is a fact, whoever looks."""
    callers = (await place.visit.gateway.get(Callers, "/v1/callers")).callers
    for one in expected(place):
        if one.kind != "console-call" or one.result is not None:
            continue
        call = _call_of(callers, one.subject, place.draft.kept_at or 0.0)
        if call is not None:
            result = Result(
                "console-call", one.subject, "ok",
                said(N_("It called from %(address)s, and was let in."), address=call.address),
                None, call.last_at, place.who,
            )  # fmt: skip
            place = await place.change(lambda draft, result=result: draft.with_result(result))  # type: ignore[misc]
    return await _mark(place)


def _call_of(callers: tuple[CallerFacts, ...], title: str, since: float) -> CallerFacts | None:
    """Return the caller with that AE title (any, when it is empty) that was let in since then."""
    return next(
        (
            one
            for one in callers
            if one.known and one.last_at >= since and (not title or one.calling_ae == title)
        ),
        None,
    )


async def _mark(place: Place) -> Place:
    """Mark the step by what was tested."""
    results = [one.result for one in expected(place)]
    if not any(results):
        return place
    whole = all(result is not None and result.outcome != "failed" for result in results)
    mark = place.draft.mark("test")
    state = "done" if whole else "attention"
    if mark is not None and mark.state == state:
        return place
    return await place.done("test", "done" if whole else "attention")


# ---- running ----------------------------------------------------------------------------------------------


async def run(place: Place) -> web.StreamResponse:
    """Run every test that this device can run by itself. With a script, each step is shown as it comes."""
    if place.shown.state.trial is not None or place.changed:
        # What is tested has to be what stays.
        return place.visit.redirect(f"{HERE}/review")
    wanted = _wanted(await place.visit.form())
    if place.visit.request.headers.get("Accept") == link_page.JSON_LINES:
        return await _live(place, wanted)
    async with aclosing(_run(place, wanted)) as parts:
        async for part in parts:
            await _record(place, part)
    await _mark(await _fresh(place))
    return place.visit.redirect(STEP)


def _wanted(form: Form) -> PathTestWanted:
    ticked = tuple(key for key in STORED if form.flag(f"store-{key}"))
    return PathTestWanted(
        cast(tuple[ObjectClass, ...], ticked), form.flag("commitment") and bool(ticked), _WAIT
    )


async def _fresh(place: Place) -> Place:
    return await place.change(lambda draft: draft)


async def _record(place: Place, part: Part) -> None:
    result = part.result
    if result is not None:
        await place.change(lambda draft: draft.with_result(result))


async def _live(place: Place, wanted: PathTestWanted) -> web.StreamResponse:
    visit = place.visit
    response = web.StreamResponse(headers={"Content-Type": link_page.JSON_LINES, "Cache-Control": "no-store"})
    await response.prepare(visit.request)
    async with aclosing(_run(place, wanted)) as parts:
        async for part in parts:
            await _record(place, part)
            if part.place:
                await response.write(link_page.json_line({"place": part.place, "html": _html(place, part)}))
    place = await _mark(await _fresh(place))
    open_tests = [one for one in expected(place) if one.result is None or one.result.outcome == "failed"]
    html = (visit.render("install/ended.html", left=open_tests).text or "").strip()
    await response.write(link_page.json_line({"report": STEP, "html": html}))
    return response


def _html(place: Place, part: Part) -> str:
    if part.step is not None:
        values = {**link_page.words(), "place": lambda _: part.place}
        rendered = place.visit.render("link/step.html", step=part.step, **values)
    else:
        rendered = place.visit.render("install/part.html", part=part)
    return (rendered.text or "").strip()


async def _run(place: Place, wanted: PathTestWanted) -> AsyncGenerator[Part, None]:
    yield await _clock(place)
    if any(centre.tls for centre in place.draft.answers.centres):
        yield await _certificates(place)
    for number, centre in enumerate(place.draft.answers.centres):
        async with aclosing(_path(place, number, centre, wanted)) as parts:
            async for part in parts:
                yield part
    for number, console in enumerate(place.draft.answers.consoles):
        if console.host:
            yield await _console(place, number, console)


def _part(place: Place, where: str, title: str, result: Result) -> Part:
    state = _KIND[result.outcome]
    return Part(where, state, title, result.seconds, told(place.visit, result.said), result=result)


async def _clock(place: Place) -> Part:
    clock = (await machine_report(place)).clock
    sentence = clock.finding.words
    values = {value.name: _shown(place, value.value, value.kind) for value in sentence.values}
    outcome: Outcome = "ok" if clock.trusted else "warning"
    result = Result("clock", "", outcome, said(sentence.message, **values), None, time.time(), place.who)
    return _part(place, "clock", place.visit.text("Clock of this device"), result)


def _shown(place: Place, value: str | float, kind: str) -> str:
    if isinstance(value, str):
        return value
    if kind == "span":
        return words.span(place.visit.lang, value)
    return words.when(place.visit.lang, value) if kind == "when" else words.number(place.visit.lang, value, 2)


async def _certificates(place: Place) -> Part:
    """Look at every certificate that the configuration uses: until when, and what is wrong."""
    known = await place.visit.gateway.get(Certificates, "/v1/certificates")
    now = time.time()
    steps: list[ResultStep] = []
    worst: Outcome = "ok"
    for used in known.used:
        wrong = [one.words for one in used.findings if one.level == "error"]
        ends = used.chain[0].not_after if used.chain else None
        outcome: Outcome = "ok"
        if wrong or ends is None or ends < now:
            outcome = "failed"
        elif ends < now + _SOON or used.findings:
            outcome = "warning"
        worst = max(worst, outcome, key=("ok", "warning", "failed").index)
        users = ", ".join(one.name for one in used.used_by)
        until = words.when(place.visit.lang, ends)
        text = place.visit.text("valid until %(when)s", when=until) if ends is not None else ""
        steps.append(ResultStep(users, outcome, 0.0, " ".join([text, *wrong])))
    sentences = {
        "ok": N_("All certificates in use are valid for more than a month."),
        "warning": N_("The certificates can be used, and something is worth a look."),
        "failed": N_("A certificate in use is not valid."),
    }
    if not known.used:
        worst = "failed"
    sentence = Said(sentences[worst])
    result = Result("certificate", "", worst, sentence, None, time.time(), place.who, (), tuple(steps))
    return _part(place, "certificates", place.visit.text("Certificates"), result)


async def _path(
    place: Place, number: int, centre: Centre, wanted: PathTestWanted
) -> AsyncGenerator[Part, None]:
    title = place.visit.text("Way to the centre %(name)s", name=centre.ae_title)
    where = f"centre-{number}"
    yield Part(where, "running", title)
    report: PathReport | None = None
    trouble = ""
    started = time.time()
    try:
        async with aclosing(link_page.run_test(place.visit, centre.name, wanted)) as lines:
            async for line in lines:
                report = line.report or report
                if line.step is not None:
                    yield Part(f"{where}-{testing.place(line.step)}", "", "", step=line.step)
    except GatewayError as error:
        trouble = str(error)
    result = path_result(place, centre, report, trouble, started)
    yield _part(place, where, title, result)


def path_result(
    place: Place, centre: Centre, report: PathReport | None, trouble: str, started: float
) -> Result:
    """Return what is kept of a path test."""
    if report is None:
        sentence = said(N_("It could not be tested: %(reason)s"), reason=trouble[:300] or "?")
        return Result("path", centre.name, "failed", sentence, None, started, place.who)
    steps = tuple(
        ResultStep(
            _step_title(place, one),
            one.outcome,
            one.seconds,
            one.words[:400],
            one.next_step[:400],
        )
        for one in report.steps
    )
    remarks = any(one.outcome == "warning" for one in report.steps)
    outcome: Outcome = "failed" if not report.ok else "warning" if remarks else "ok"
    sentences = {
        "ok": N_("The way is open, as far as it was tested."),
        "warning": N_("The way is open, with a remark."),
        "failed": N_("The way is not open."),
    }
    stored = tuple(one.subject for one in report.steps if one.step == "store" and one.outcome == "ok")
    return Result(
        "path", centre.name, outcome, Said(sentences[outcome]), report.seconds, report.started_at, place.who,
        stored, steps,
    )  # fmt: skip


def _step_title(place: Place, step: PathStep) -> str:
    title = place.visit.text(testing.STEPS.get(step.step, step.step))
    return f"{title}: {place.visit.text(testing.CLASSES[step.subject])}" if step.subject else title


async def _console(place: Place, number: int, console: Console) -> Part:
    title = place.visit.text("Console %(name)s answers", name=console.ae_title)
    started, clock = time.time(), time.monotonic()
    path = f"/v1/peers/{quote(console.name, safe='')}/echo"
    steps: tuple[ResultStep, ...] = ()
    try:
        report = await place.visit.gateway.post(EchoReport, path)
    except GatewayError as error:
        sentence = said(N_("It could not be tested: %(reason)s"), reason=str(error)[:300])
        result = Result("console-echo", console.ae_title, "failed", sentence, None, started, place.who)
        return _part(place, f"console-{number}", title, result)
    steps = tuple(
        ResultStep(
            place.visit.text(contacts.STEPS.get(one.step, one.step)),
            "ok" if one.ok else "failed",
            one.seconds,
            one.words[:400],
        )
        for one in report.steps
    )
    if report.ok:
        sentence = Said(N_("It answers a C-ECHO."))
    else:
        sentence = said(
            N_("It does not answer a C-ECHO: %(reason)s"), reason=(steps[-1].words if steps else "")[:300]
        )
    result = Result(
        "console-echo", console.ae_title, "ok" if report.ok else "failed", sentence,
        time.monotonic() - clock, started, place.who, (), steps,
    )  # fmt: skip
    return _part(place, f"console-{number}", title, result)
