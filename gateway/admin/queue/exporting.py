"""Objects out of this gateway: one file, an encrypted archive for the browser, or one on a drive."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from gateway.admin.exports.archive import MAX_PASSPHRASE, check_passphrase
from gateway.admin.exports.drives import Drive
from gateway.admin.exports.jobs import MAX_OBJECTS, Collect, ExportBusy, Job
from gateway.admin.forms import Form, FormError
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.page import N_
from gateway.admin.queue.acting import Selection, back_of, read_selection
from gateway.admin.queue.filters import query_of
from gateway.admin.visit import Visit
from gateway.operator.facts import DeliveryFacts, DeliveryFilter, DeliveryPage

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
_PAGE = 1000


async def overview(visit: Visit) -> web.StreamResponse:
    """The exports of this person."""
    jobs = visit.services.exports.of(visit.user.name)
    return visit.render("queue/export.html", tab="export", jobs=jobs, problems=_problems(visit, jobs))


async def jobs(visit: Visit) -> web.StreamResponse:
    """The part that changes."""
    found = visit.services.exports.of(visit.user.name)
    return visit.render("queue/export_jobs.html", jobs=found, problems=_problems(visit, found))


def _problems(visit: Visit, found: list[Job]) -> dict[str, str]:
    return {job.id: visit.text(job.problem.message, **job.problem.values) for job in found if job.problem}


async def ask_export(
    visit: Visit, form: Form, selection: Selection, error: FormError | None = None
) -> web.StreamResponse:
    """Ask where to, and for a passphrase."""
    return visit.render(
        "queue/export_ask.html",
        status=422 if error else 200,
        tab="export",
        selection=selection,
        drives=await asyncio.to_thread(visit.services.exports.drives.list),
        suggestion=suggestion(),
        most=MAX_OBJECTS,
        max_passphrase=MAX_PASSPHRASE,
        back=back_of(form),
        field=error.field if error else "",
        error=visit.form_error(error) if error else "",
    )


def suggestion() -> str:
    """Return a passphrase that nobody guesses and anybody can type: 20 letters, 99 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


async def start(visit: Visit) -> web.StreamResponse:
    """Begin an export."""
    form = await visit.form()
    selection = await read_selection(visit, form, seen=True)
    exports = visit.services.exports
    try:
        passphrase = _passphrase(form)
        drive = await _drive(visit, form)
    except FormError as error:
        return await ask_export(visit, form, selection, error)
    where = (
        "as an encrypted archive, to a browser" if drive is None else "as an encrypted archive, to a drive"
    )
    who = visit.user.name

    async def ended(job: Job) -> None:
        done = f"{job.done} objects written, {len(job.missing)} without bytes"
        await visit.audit("export ended", f"export={job.name}", f"{where}; {done}", job.state)

    try:
        job = exports.start(
            visit.gateway, _collect(visit.gateway, selection), passphrase, who=who, drive=drive, ended=ended
        )
    except ExportBusy:
        visit.notice("attention", visit.text("Another export is under way. Wait until it is done."))
        return visit.redirect("/queue/export")
    subject = f"export={job.name}"
    await visit.audit("export", subject, f"{where}; {_what(selection)}")
    return visit.redirect("/queue/export")


async def _drive(visit: Visit, form: Form) -> Drive | None:
    target = form.text("target", max_length=64)
    if target == "browser":
        return None
    drive = await asyncio.to_thread(visit.services.exports.drives.find, target)
    if drive is None:
        raise FormError("target", N_("This drive is not there any more."))
    return drive


def _what(selection: Selection) -> str:
    """Say for the audit trail what was chosen: numbers and counts, never patients."""
    if selection.everything:
        given = ", ".join(f"{name}={value}" for name, value in selection.wanted.given.items() if name != "q")
        return f"{selection.count} deliveries that match ({given})"[:300]
    numbers = ", ".join(str(number) for number in selection.numbers[:20])
    more = ", ..." if len(selection.numbers) > 20 else ""
    return f"{selection.count} deliveries: {numbers}{more}"


def _passphrase(form: Form) -> str:
    passphrase = form.secret("passphrase", max_length=MAX_PASSPHRASE)
    wrong = check_passphrase(passphrase)
    if wrong is not None:
        raise FormError("passphrase", wrong)
    if form.secret("again", max_length=MAX_PASSPHRASE) != passphrase:
        raise FormError("again", N_("This is not the same passphrase."))
    return passphrase


def _collect(gateway: GatewayClient, selection: Selection) -> Collect:
    return lambda: _matching(gateway, selection) if selection.everything else _named(gateway, selection)


async def _named(gateway: GatewayClient, selection: Selection) -> AsyncIterator[DeliveryFacts]:
    for number in selection.numbers:
        page = await gateway.get(DeliveryPage, "/v1/deliveries", after=number - 1, limit=1)
        for row in page.deliveries:
            if row.number == number:
                yield row


async def _matching(gateway: GatewayClient, selection: Selection) -> AsyncIterator[DeliveryFacts]:
    wanted: DeliveryFilter = selection.wanted.facts(selection.up_to)
    after: int | None = 0
    while after is not None:
        page = await gateway.get(DeliveryPage, "/v1/deliveries", **query_of(wanted), after=after, limit=_PAGE)
        for row in page.deliveries:
            yield row
        after = page.next


async def cancel(visit: Visit) -> web.StreamResponse:
    """Stop an export, or remove what it made."""
    exports, job = visit.services.exports, _job(visit)
    if job.active:
        await exports.cancel(job)
        visit.notice("info", visit.text("The export is stopped. Nothing of it is left behind."))
    else:
        exports.remove(job)
    return visit.redirect("/queue/export")


async def file(visit: Visit) -> web.StreamResponse:
    """Hand an archive to the browser."""
    job = _job(visit)
    if job.state != "done" or job.drive is not None or job.path is None or not job.path.exists():
        raise web.HTTPNotFound
    await visit.audit("export fetched", f"export={job.name}")
    return web.FileResponse(
        job.path,
        headers={
            "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="{job.name}"',
        },
    )


def _job(visit: Visit) -> Job:
    job = visit.services.exports.find(visit.path_value("id"), visit.user.name)
    if job is None:
        raise web.HTTPNotFound
    return job


async def one(visit: Visit) -> web.StreamResponse:
    """Hand one object to the browser, as a DICOM file that is not encrypted."""
    number = int(visit.path_value("number"))
    path = f"/v1/deliveries/{number}/export"
    async with visit.gateway.stream("GET", path, timeout=_STREAM_TIMEOUT) as source:
        await visit.audit("export", f"delivery={number}", "one DICOM file, not encrypted, to a browser")
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/dicom",
                "Content-Length": source.headers["Content-Length"],
                "Content-Disposition": f'attachment; filename="delivery-{number}.dcm"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(visit.request)
        async for piece in source.content.iter_chunked(256 * 1024):
            await response.write(piece)
        await response.write_eof()
    return response
