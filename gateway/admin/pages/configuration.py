"""Configuration: what is in force in words, the files, and changes that are tried before they are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.candidates import (
    MAX_BYTES,
    MAX_FORM,
    Texts,
    differences,
    from_form,
    from_upload,
    zipped,
)
from gateway.admin.forms import FormError
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.operator import configuration_facts as facts
from gateway.operator.client import ApiProblem, DaemonUnreachable

_API = "/v1/configuration"
_WINDOW = 120.0  # seconds to confirm in
_HERE = "/configuration"
_PATIENCE = 20  # times that a gateway that is starting is asked again ...
_MOMENT = 0.5  # ... after so many seconds


# ---- what is in force --------------------------------------------------------------------------------------


async def overview(visit: Visit) -> web.StreamResponse:
    """The configuration in words, its files, and what is on trial."""
    try:
        shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    except DaemonUnreachable:
        # Most likely it is about to start with what somebody has just applied.
        return visit.render("configuration/waiting.html", state=None, was="waiting")
    if shown.state.restarting:  # it still answers, and will not in a moment
        return visit.render("configuration/waiting.html", state=shown.state, was=moment(shown.state))
    return visit.render(
        "configuration/index.html",
        shown=shown,
        state=shown.state,
        was=moment(shown.state),
        kept=_kept(visit, shown.state),
    )


def _kept(visit: Visit, state: facts.ConfigurationState) -> int | None:
    """Return the version that was kept just now, as long as that is so."""
    kept = visit.query_number("kept", low=1)
    return kept if kept == state.version and not state.trial else None


async def trial(visit: Visit) -> web.StreamResponse:
    """What is on trial, asked again and again; the whole page anew when that has changed."""
    try:
        state = await visit.gateway.get(facts.ConfigurationState, f"{_API}/state")
    except DaemonUnreachable:
        return web.Response(status=204)  # expected here: what is shown stays until it answers again
    if moment(state) != visit.query("was"):
        return web.Response(status=204, headers={"HX-Refresh": "true"})
    return visit.render("configuration/trial.html", state=state, was=moment(state))


def moment(state: facts.ConfigurationState) -> str:
    """Return a word that changes when the page has to be shown anew."""
    if state.restarting:
        return "waiting"
    return f"{'trial' if state.trial else 'version'}-{state.version}"


async def keep(visit: Visit) -> web.StreamResponse:
    """Keep what is on trial."""
    number = (await visit.form()).number("number", low=1, high=2**31)
    await confirm(visit.gateway, number)
    # In the address and not in the session: the page's process may be about to start anew.
    return visit.redirect(f"{_HERE}?kept={number}")


async def confirm(gateway: GatewayClient, number: int) -> None:
    """Keep version `number`. Raises ApiProblem, and DaemonUnreachable when the gateway stays away.

    Whoever is quick presses it while the gateway is still starting with the change: it is away for a moment
    then. Asking again is safe, the request names the version.
    """
    request = facts.ConfirmRequest(number)
    for _ in range(_PATIENCE):
        try:
            await gateway.post(facts.ConfigurationState, f"{_API}/confirm", request)
        except DaemonUnreachable:
            await asyncio.sleep(_MOMENT)
        else:
            return
    await gateway.post(facts.ConfigurationState, f"{_API}/confirm", request)


async def put_back(visit: Visit) -> web.StreamResponse:
    """End the trial: the former configuration comes back."""
    await visit.gateway.post(facts.ConfigurationState, f"{_API}/rollback", facts.RollbackRequest())
    return visit.redirect(_HERE)


# ---- changing it -------------------------------------------------------------------------------------------


async def edit(visit: Visit) -> web.StreamResponse:
    """The files, ready to be changed."""
    shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    report = None if not shown.problems else facts.ConfigurationReport(False, "", shown.problems, None, ())
    return await _editor(visit, shown, _texts(shown.files), shown.digest, report)


async def edit_again(visit: Visit) -> web.StreamResponse:
    """The same with what was typed: after "Check", or to add a file."""
    fields = await visit.request.post()
    shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    texts = from_form(fields)
    try:
        report = await _check(visit, texts)
    except ApiProblem as error:
        report = _said(error)
    return await _editor(visit, shown, texts, _based_on(fields), report)


async def _editor(
    visit: Visit,
    shown: facts.ConfigurationFacts,
    texts: Texts,
    based_on: str,
    report: facts.ConfigurationReport | None,
) -> web.StreamResponse:
    schema = await visit.gateway.get(facts.ConfigurationSchema, f"{_API}/schema")
    main = _title(shown.main)
    names = sorted(texts, key=lambda name: (name != main, name))
    return visit.render(
        "configuration/edit.html",
        shown=shown,
        state=shown.state,
        was=moment(shown.state),
        main=main,
        files=[(name, texts[name]) for name in names],
        based_on=based_on,
        report=report,
        schema=schema,
    )


async def check(visit: Visit) -> web.StreamResponse:
    """What is wrong with what is being typed."""
    try:
        report = await _check(visit, from_form(await visit.request.post()))
    except FormError as error:
        return visit.render("configuration/found.html", report=None, said=visit.form_error(error))
    except ApiProblem as error:
        if error.details.status == 503:  # others are being checked; the next key asks again
            return web.Response(status=204)
        report = _said(error)
    return visit.render("configuration/found.html", report=report, said="")


async def review(visit: Visit) -> web.StreamResponse:
    """What would change, before anything does."""
    fields = await visit.request.post()
    texts, why = from_form(fields), _why(fields)
    return await _review(visit, texts, _based_on(fields), why)


async def upload(visit: Visit) -> web.StreamResponse:
    """A file that somebody brought, shown as a change."""
    form = await visit.form()
    file = form.file("file")
    assert file is not None  # noqa: S101 - it is required
    shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    with contextlib.closing(file.content):
        content = file.read(MAX_BYTES)
    texts = await asyncio.to_thread(from_upload, file.name, content, _texts(shown.files), _title(shown.main))
    why = visit.text("uploaded from %(file)s", file="".join(c for c in file.name if c.isprintable())[:80])
    return await _review(visit, texts, shown.digest, why)


async def _review(
    visit: Visit, texts: Texts, based_on: str, why: str, *, refused: str = "", to: int | None = None
) -> web.StreamResponse:
    """`to`: the earlier version whose files these are."""
    shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    try:
        report = await _check(visit, texts)
    except ApiProblem as error:
        report = _said(error)
    changes = await asyncio.to_thread(differences, _texts(shown.files), texts)
    return visit.render(
        "configuration/review.html",
        422 if refused else 200,
        shown=shown,
        state=shown.state,
        was=moment(shown.state),
        changes=changes,
        files=sorted(texts.items()),
        based_on=based_on,
        why=why,
        report=report,
        refused=refused,
        to=to,
    )


async def apply(visit: Visit) -> web.StreamResponse:
    """Put a candidate in force on trial."""
    fields = await visit.request.post()
    texts, why, based_on = from_form(fields), _why(fields), _based_on(fields)
    wanted = facts.ApplyRequest(
        tuple(facts.ConfigurationFile(name, text) for name, text in texts.items()),
        based_on,
        why,
        _WINDOW,
        _acknowledged(fields),
    )
    try:
        await visit.gateway.post(facts.ConfigurationState, f"{_API}/apply", wanted)
    except ApiProblem as error:
        return await _review(visit, texts, based_on, why, refused=error.details.detail)
    return visit.redirect(_HERE)


# ---- history -----------------------------------------------------------------------------------------------


async def history(visit: Visit) -> web.StreamResponse:
    """Every version there was."""
    page = await visit.gateway.get(facts.ConfigurationHistory, f"{_API}/versions")
    state = await visit.gateway.get(facts.ConfigurationState, f"{_API}/state")
    return visit.render("configuration/history.html", versions=page.versions, state=state, was=moment(state))


async def version(visit: Visit) -> web.StreamResponse:
    """One version: its files, and what going back to it would change."""
    number = int(visit.path_value("number"))
    detail = await _version(visit, number)
    shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
    changes = await asyncio.to_thread(differences, _texts(shown.files), _texts(detail.files))
    return visit.render(
        "configuration/version.html",
        detail=detail,
        shown=shown,
        state=shown.state,
        was=moment(shown.state),
        changes=changes,
    )


async def compare(visit: Visit) -> web.StreamResponse:
    """How two versions differ."""
    numbers = [visit.query_number(name, low=1) for name in ("from", "to")]
    if None in numbers:
        raise FormError("from", N_("Please choose two versions."))
    before, after = [await _version(visit, number) for number in sorted(n for n in numbers if n is not None)]
    changes = await asyncio.to_thread(differences, _texts(before.files), _texts(after.files))
    return visit.render("configuration/compare.html", before=before, after=after, changes=changes)


async def go_back(visit: Visit) -> web.StreamResponse:
    """Put an earlier version in force, on trial."""
    number = int(visit.path_value("number"))
    fields = await visit.request.post()
    why = _why(fields)
    wanted = facts.RollbackRequest(number, why, _WINDOW, _acknowledged(fields))
    try:
        await visit.gateway.post(facts.ConfigurationState, f"{_API}/rollback", wanted)
    except ApiProblem as error:
        if error.details.status == 404:
            raise
        detail = await _version(visit, number)
        return await _review(visit, _texts(detail.files), "", why, refused=error.details.detail, to=number)
    return visit.redirect(_HERE)


async def download(visit: Visit) -> web.StreamResponse:
    """The files that are on the disk, or those of a version: one as it is, several as a ZIP."""
    number = visit.query_number("version", low=1)
    if number is None:
        shown = await visit.gateway.get(facts.ConfigurationFacts, _API)
        files, stem = shown.files, "configuration"
    else:
        files, stem = (await _version(visit, number)).files, f"configuration-version-{number}"
    await visit.audit("download_configuration", f"version={number}" if number else "")
    if len(files) == 1:
        body, kind, ending = files[0].text.encode(), "application/toml", "toml"
    else:
        body, kind, ending = await asyncio.to_thread(zipped, files), "application/zip", "zip"
    disposition = f'attachment; filename="{visit.settings.gateway_name}-{stem}.{ending}"'
    return web.Response(body=body, content_type=kind, headers={"Content-Disposition": disposition})


# ---- small things ------------------------------------------------------------------------------------------


async def _check(visit: Visit, texts: Texts) -> facts.ConfigurationReport:
    candidate = facts.ConfigurationCandidate(tuple(facts.ConfigurationFile(*item) for item in texts.items()))
    return await visit.gateway.post(facts.ConfigurationReport, f"{_API}/check", candidate)


async def _version(visit: Visit, number: int) -> facts.ConfigurationVersionDetail:
    return await visit.gateway.get(facts.ConfigurationVersionDetail, f"{_API}/versions/{number}")


def _said(error: ApiProblem) -> facts.ConfigurationReport:
    """Return what the gateway refused as the one problem there is."""
    words = facts.ConfigurationProblem("error", "", None, "", "", error.details.detail, "")
    return facts.ConfigurationReport(False, "", (words,), None, ())


def _texts(files: tuple[facts.ConfigurationFile, ...]) -> Texts:
    return {file.name: file.text for file in files}


def _title(path: str) -> str:
    """Return the name of a file without its folder."""
    return path.rsplit("/", 1)[-1]


def _why(fields: Mapping[str, Any]) -> str:
    why = str(fields.get("why", "")).strip()
    if len(why) > 300:
        raise FormError("why", N_("At most %(most)s characters are possible."), most=300)
    if not why.isprintable():
        raise FormError("why", N_("Please use printable characters only."))
    return why


def _based_on(fields: Mapping[str, Any]) -> str:
    return str(fields.get("based_on", ""))[:64]


def _acknowledged(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the hazards that were ticked: `meant.1` with the code as its value."""
    return tuple(str(value)[:80] for name, value in list(fields.items())[:1000] if name.startswith("meant."))


_NUMBER = "{number:\\d{1,9}}"
_MAY = Permission.CONFIGURE

PAGE = Page(
    name="configuration",
    title=N_("Configuration"),
    icon="configuration",
    path=_HERE,
    needs=_MAY,
    group="engineer",
    routes=(
        Route("GET", _HERE, overview, _MAY),
        Route("GET", f"{_HERE}/trial", trial, _MAY),
        Route("POST", f"{_HERE}/keep", keep, _MAY),
        Route("POST", f"{_HERE}/back", put_back, _MAY),
        Route("GET", f"{_HERE}/edit", edit, _MAY),
        Route("POST", f"{_HERE}/edit", edit_again, _MAY, MAX_FORM),
        Route("POST", f"{_HERE}/check", check, _MAY, MAX_FORM),
        Route("POST", f"{_HERE}/review", review, _MAY, MAX_FORM),
        Route("POST", f"{_HERE}/upload", upload, _MAY, MAX_BYTES + 65536),
        Route("POST", f"{_HERE}/apply", apply, _MAY, MAX_FORM),
        Route("GET", f"{_HERE}/history", history, _MAY),
        Route("GET", f"{_HERE}/compare", compare, _MAY),
        Route("GET", f"{_HERE}/download", download, _MAY),
        Route("GET", f"{_HERE}/versions/{_NUMBER}", version, _MAY),
        Route("POST", f"{_HERE}/versions/{_NUMBER}/back", go_back, _MAY),
    ),
)
