"""Step 7: the whole in words and as a difference; apply, keep, put back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from gateway.admin.candidates import differences
from gateway.admin.installing.answers import Answers
from gateway.admin.installing.writing import candidate
from gateway.admin.page import N_
from gateway.admin.pages.configuration import confirm, moment
from gateway.admin.pages.install_steps.place import API, HERE, STEPS, Place
from gateway.admin.visit import Visit
from gateway.config.editing import NotEditable
from gateway.operator import configuration_facts as facts
from gateway.operator.client import ApiProblem, DaemonUnreachable

WINDOW: Final = 120.0
"""Seconds in which the engineer keeps what was applied; then the former configuration comes back."""

STEP: Final = f"{HERE}/review"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem of the candidate, and the step where it is mended."""

    problem: facts.ConfigurationProblem
    step: str  # empty: none of the wizard's
    title: str


async def review(place: Place) -> web.StreamResponse:
    """Show what would change."""
    return await _review(place)


async def _review(place: Place, status: int = 200, *, refused: str = "", error: str = "") -> web.Response:
    before = {file.name: file.text for file in place.shown.files}
    report: facts.ConfigurationReport | None = None
    texts = before
    try:
        texts = await _candidate(place)
        report = await _check(place.visit, texts)
    except NotEditable as failure:
        error = str(failure)
    except ApiProblem as failure:
        error = failure.details.detail
    changes = await asyncio.to_thread(differences, before, texts)
    answers = place.draft.answers
    return place.render(
        "review",
        status,
        changes=changes,
        report=report,
        troubles=_troubles(report.problems, answers) if report else [],
        refused=refused,
        error=error,
        called=answers.called(),
        window=WINDOW,
        missing=[title for name, title in STEPS[:6] if place.draft.mark(name) is None],
    )


async def _candidate(place: Place) -> dict[str, str]:
    before = {file.name: file.text for file in place.shown.files}
    main = place.shown.main.rsplit("/", 1)[-1]
    return await asyncio.to_thread(candidate, before, place.current, place.draft.answers, main)


async def _check(visit: Visit, texts: dict[str, str]) -> facts.ConfigurationReport:
    files = tuple(facts.ConfigurationFile(*item) for item in texts.items())
    return await visit.gateway.post(
        facts.ConfigurationReport, f"{API}/check", facts.ConfigurationCandidate(files)
    )


def _troubles(problems: Iterable[facts.ConfigurationProblem], answers: Answers) -> list[Trouble]:
    titles = dict(STEPS)
    found = [(problem, step_of(problem.key, answers)) for problem in problems]
    return [Trouble(problem, step, titles.get(step, "")) for problem, step in found]


def step_of(key: str, answers: Answers) -> str:
    """Return the step where a key of the configuration is answered; empty: in none."""
    section = key.split("[", 1)[0].split(".", 1)[0]
    if section == "peer":
        if ".tls" in key:
            return "certificates"
        name = key.partition("[")[2].partition("]")[0]
        return "console" if any(one.name == name for one in answers.consoles) else "centre"
    return {"gateway": "name", "listener": "network", "route": "centre"}.get(section, "")


async def apply(place: Place) -> web.StreamResponse:
    """Put the answers in force on trial."""
    form = await place.visit.form()
    if form.text("based_on", max_length=64) != place.shown.digest:
        words = N_("The configuration has been changed meanwhile. Look at what would change now.")
        return await _review(place, 422, refused=place.visit.text(words))
    try:
        texts = await _candidate(place)
    except NotEditable as failure:
        return await _review(place, 422, refused=str(failure))
    wanted = facts.ApplyRequest(
        tuple(facts.ConfigurationFile(name, text) for name, text in texts.items()),
        place.shown.digest,
        place.visit.text("set up with the install wizard"),
        float(form.number("window", low=5, high=3600, default=int(WINDOW))),
        tuple(str(code)[:80] for code in form.all("meant", most=50)),
    )
    try:
        await place.visit.gateway.post(facts.ConfigurationState, f"{API}/apply", wanted)
    except ApiProblem as error:
        return await _review(place, 422, refused=error.details.detail)
    return place.visit.redirect(STEP)


async def trial(visit: Visit) -> web.StreamResponse:
    """What is on trial, asked again and again; the whole page anew when that has changed."""
    try:
        state = await visit.gateway.get(facts.ConfigurationState, f"{API}/state")
    except DaemonUnreachable:
        return web.Response(status=204)  # expected here: what is shown stays until it answers again
    if moment(state) != visit.query("was"):
        return web.Response(status=204, headers={"HX-Refresh": "true"})
    return visit.render("configuration/trial.html", state=state, was=moment(state), trial_base=HERE)


async def keep(place: Place) -> web.StreamResponse:
    """Keep what is on trial, and go on with the test run."""
    number = (await place.visit.form()).number("number", low=1, high=2**31)
    await confirm(place.visit.gateway, number)
    kept = await place.change(lambda draft: replace(draft, kept_at=time.time()).unmarked("test", "sheet"))
    kept = await kept.done("review")
    # Not as a notice of the session: the page may be about to start anew with the new configuration.
    return kept.visit.redirect(f"{HERE}/test?kept={number}")


async def put_back(visit: Visit) -> web.StreamResponse:
    """End the trial: the former configuration comes back."""
    await visit.gateway.post(facts.ConfigurationState, f"{API}/rollback", facts.RollbackRequest())
    return visit.redirect(STEP)


async def go_on(place: Place) -> web.StreamResponse:
    """Nothing has to be changed: on to the test run."""
    if place.changed or place.shown.state.trial is not None:
        return place.visit.redirect(STEP)
    return (await place.done("review")).next("review")


async def take_over(place: Place) -> web.StreamResponse:
    """Begin again with the configuration of now, which somebody else has changed."""
    await place.change(
        lambda draft: replace(
            draft, base=place.shown.digest, base_answers=place.current, answers=place.current
        ).unmarked("review", "test", "sheet")
    )
    return place.visit.redirect(STEP)
