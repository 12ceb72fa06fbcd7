"""Step 9: the acceptance sheet, made of what is true now and kept as it was then."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiohttp import web

from gateway.admin.access.https import CertificateUnusable, of_page
from gateway.admin.certificate_words import grouped
from gateway.admin.installing.draft import Result, Said
from gateway.admin.installing.sheet import Sheet, SheetCertificate, SheetLine, SheetParty
from gateway.admin.page import N_
from gateway.admin.pages.install_steps.beginning import machine_report, zone
from gateway.admin.pages.install_steps.place import HERE, STEPS, Place, said, told
from gateway.admin.pages.install_steps.trying import Expected, expected
from gateway.admin.visit import Visit
from gateway.health.report import MachineReport
from gateway.operator.certificate_facts import Certificates, UsedFacts
from gateway.operator.configuration_facts import ConfigurationFacts
from gateway.operator.facts import Status

STEP: Final = f"{HERE}/sheet"

TITLES: Final = {
    "clock": N_("Clock of this device"),
    "certificate": N_("Certificates"),
    "path": N_("Way to the centre %(name)s"),
    "console-echo": N_("Console %(name)s answers"),
    "console-call": N_("Console %(name)s calls"),
}


async def show(place: Place) -> web.StreamResponse:
    """Show what is open, and the sheets there are."""
    report = await machine_report(place)
    return place.render(
        "sheet",
        points=[told(place.visit, one) for one in _points(place, report)],
        earlier=await place.room.sheets.earlier(),
    )


async def make(place: Place) -> web.StreamResponse:
    """Make a sheet of what is true now, and keep it."""
    sheet = await place.room.sheets.keep(await _sheet(place))
    await place.visit.audit(
        "acceptance_sheet", f"sheet={sheet.number}", f"points={len(sheet.points)} digest={sheet.digest[:16]}"
    )
    await place.done("sheet", "attention" if sheet.points else "done")
    return place.visit.redirect(f"{HERE}/sheets/{sheet.number}")


async def paper(visit: Visit) -> web.StreamResponse:
    """Show one sheet, to be printed."""
    sheet = await visit.services.installing.sheets.get(int(visit.path_value("number")))
    if sheet is None:
        raise web.HTTPNotFound
    return visit.render(
        "install/paper.html",
        sheet=sheet,
        grouped=grouped,
        told=lambda sentence: told(visit, sentence),
        title_of=lambda result: title_of(visit, result),
    )


def title_of(visit: Visit, result: Result) -> str:
    """Return what a test is called on the sheet."""
    if result.kind == "console-call" and not result.subject:
        return visit.text("A console calls")
    name = result.subject
    return (
        visit.text(TITLES[result.kind], name=name)
        if "%(name)s" in TITLES[result.kind]
        else visit.text(TITLES[result.kind])
    )


def _points(place: Place, report: MachineReport) -> list[Said]:
    """Return what is open, in words."""
    points: list[Said] = []
    if place.shown.state.trial is not None:
        points.append(Said(N_("The configuration is on trial: nobody has kept it yet.")))
    elif place.changed:
        points.append(Said(N_("Answers of the wizard have not been applied.")))
    if place.shown.edited:
        points.append(Said(N_("The files of the configuration were edited and are not in force yet.")))
    if not report.clock.trusted:
        points.append(Said(N_("The clock is not trusted: times on this sheet may be wrong.")))
    done = {mark.step for mark in place.draft.marks}
    points += [
        said(N_("The step “%(step)s” was not gone through."), step=title)
        for name, title in STEPS[:6]
        if name not in done
    ]
    points += [point for one in expected(place) if (point := _point(one)) is not None]
    if any(centre.tls is None for centre in place.current.centres):
        points.append(Said(N_("A centre is reached with plain DICOM, which is not encrypted.")))
    if not place.draft.answers.allow and not place.draft.answers.listener_tls:
        points.append(
            Said(N_("Every device on the treatment network may connect: no allowed network is named."))
        )
    return points


def _point(one: Expected) -> Said | None:
    if one.result is None:
        return said(N_("Not tested: %(test)s."), test=one.title)
    if one.result.outcome == "failed":
        return said(N_("The test failed: %(test)s."), test=one.title)
    if one.result.outcome == "warning" and one.kind != "clock":
        return said(N_("There is a remark on the test: %(test)s."), test=one.title)
    return None


async def _sheet(place: Place) -> Sheet:
    visit = place.visit
    report, known, status = await asyncio.gather(
        machine_report(place),
        _certificates(visit),
        visit.gateway.get(Status, "/v1/status"),
    )
    answers = place.current
    clock = report.clock.finding.words
    versions = report.versions
    return Sheet(
        at=time.time(),
        zone=zone(),
        who=place.who,
        site=place.draft.site,
        gateway=answers.gateway,
        ae_title=answers.ae_title,
        clock=said(clock.message, **{one.name: _plain(one.value) for one in clock.values}),
        clock_trusted=report.clock.trusted,
        versions=(
            SheetLine(N_("Gateway program"), status.version),
            SheetLine(N_("Admin page"), versions.gateway),
            SheetLine(N_("System"), f"{versions.system} ({versions.architecture})"),
            SheetLine(N_("Kernel"), versions.kernel),
            SheetLine(N_("Python"), versions.python),
            SheetLine(N_("OpenSSL"), versions.openssl),
            SheetLine(N_("Device"), f"{report.board.model} {report.board.serial}".strip() or "–"),
        ),
        configuration=_configuration(place.shown),
        page_fingerprint=await _fingerprint(visit),
        certificates=tuple(_certificate(used) for used in known if used.chain),
        addresses=tuple(
            SheetLine(f"{one.name} ({one.hardware_address})", ", ".join(one.addresses) or "–")
            for one in report.network.interfaces
            if one.addresses
        ),
        parties=_parties(place),
        results=tuple(one.result for one in expected(place) if one.result is not None),
        points=tuple(_points(place, report)),
    )


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


async def _certificates(visit: Visit) -> tuple[UsedFacts, ...]:
    return (await visit.gateway.get(Certificates, "/v1/certificates")).used


def _certificate(used: UsedFacts) -> SheetCertificate:
    first = used.chain[0]
    users = ", ".join(one.name for one in used.used_by)
    return SheetCertificate(users, first.subject, first.sha256, first.not_after)


def _configuration(shown: ConfigurationFacts) -> str:
    return f"{shown.state.version or '–'} / {shown.state.digest[:16]}"


async def _fingerprint(visit: Visit) -> str:
    try:
        return (await asyncio.to_thread(of_page, visit.settings)).fingerprint
    except CertificateUnusable as error:
        return str(error)[:200]


def _parties(place: Place) -> tuple[SheetParty, ...]:
    answers = place.current
    gateway = SheetParty(
        "gateway", answers.listener, answers.ae_title, answers.address, answers.port, answers.listener_tls
    )
    centres = [
        SheetParty(
            "centre", one.name, one.ae_title, one.host, one.port, one.tls is not None, ", ".join(one.called)
        )
        for one in answers.centres
    ]
    consoles = [
        SheetParty("console", one.name, one.ae_title, one.host, one.port, False) for one in answers.consoles
    ]
    return (gateway, *centres, *consoles)


async def forget(place: Place) -> web.StreamResponse:
    """Begin a new installation. Sheets stay; the configuration stays."""
    await place.room.drafts.forget()
    place.visit.notice("info", place.visit.text("The answers that were not applied are gone."))
    return place.visit.redirect(HERE)
