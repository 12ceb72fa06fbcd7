"""Steps 5 and 6: the centres that get what consoles send, and the consoles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from aiohttp import web

from gateway.admin.forms import Form
from gateway.admin.installing.answers import (
    MAX_CENTRES,
    MAX_CONSOLES,
    MAX_TITLES,
    Answers,
    Callers,
    Centre,
    CommitmentPolicy,
    Console,
    Tls,
)
from gateway.admin.installing.machine import Reach
from gateway.admin.page import N_
from gateway.admin.pages.install_steps.beginning import as_typed, choices, look_for_centres
from gateway.admin.pages.install_steps.certificates import short_name
from gateway.admin.pages.install_steps.fields import Fields
from gateway.admin.pages.install_steps.place import HERE, Place
from gateway.config.checks import is_public
from gateway.operator.certificate_facts import CertificateFiles, Certificates

COMMITMENT: Final = (
    ("on-request", N_("ask for it when a console asks (usual)")),
    ("always", N_("ask for it for every object")),
    ("query", N_("the centre has none: look every object up there instead (C-FIND)")),
    ("never", N_("do without: what the centre accepts is not verified")),
)
_CENTRE_FIELDS = (
    "name", "ae_title", "host", "port", "called", "security", "server_name", "calling_ae", "commitment",
)  # fmt: skip
_CONSOLE_FIELDS = ("ae_title", "name", "host", "port")


# ---- 5: centres -------------------------------------------------------------------------------------------


async def centres(place: Place) -> web.StreamResponse:
    """Show the centres, and the form for one of them."""
    return await _centres(place)


async def _centres(
    place: Place,
    status: int = 200,
    *,
    given: dict[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    looked: Iterable[Reach] = (),
) -> web.Response:
    answers = place.draft.answers
    securities = await _securities(place)
    asked = place.visit.query("edit")
    edited = answers.centre(asked)
    new = place.visit.query("new") != "" or not answers.centres
    if given is None and edited is not None:
        given = _of_centre(edited, securities)
    elif given is None and new:
        given = _of_centre(None, securities) | {"security": _usual(place, securities)}
    return place.render(
        "centre",
        status,
        given=given,
        editing=asked if edited is not None else "",
        errors=errors or {},
        securities=[(value, words) for value, words, _ in securities],
        commitments=[(value, place.visit.text(words)) for value, words in COMMITMENT],
        commitment_words=dict(COMMITMENT),
        room_left=len(answers.centres) < MAX_CENTRES,
        looked=list(looked),
    )


async def _securities(place: Place) -> list[tuple[str, str, CertificateFiles | None]]:
    """Return the ways to secure a centre: (value, words, files)."""
    visit = place.visit
    known = await visit.gateway.get(Certificates, "/v1/certificates")
    found: list[tuple[str, str, CertificateFiles | None]] = [
        (f"with-{one.name}", visit.text("TLS with the certificate %(name)s", name=one.name), one.files)
        for one in known.identities
    ]
    managed = {one.files.certificate for one in known.identities}
    by_hand = {
        (one.tls.certificate, one.tls.key, one.tls.ca)
        for one in (*place.draft.answers.centres, *place.current.centres)
        if one.tls is not None and one.tls.certificate not in managed
    }
    for certificate, key, ca in sorted(by_hand):
        words = visit.text("TLS with the files of now (%(file)s)", file=certificate)
        found.append((f"files-{certificate}", words, CertificateFiles(certificate, key, ca)))
    return [*found, ("plain", visit.text("Plain DICOM, not encrypted"), None)]


def _usual(place: Place, securities: list[tuple[str, str, CertificateFiles | None]]) -> str:
    wanted = f"with-{place.draft.identity}" if place.draft.security == "tls" else "plain"
    return wanted if any(value == wanted for value, _, _ in securities) else "plain"


def _of_centre(
    centre: Centre | None, securities: list[tuple[str, str, CertificateFiles | None]]
) -> dict[str, Any]:
    if centre is None:
        return {**dict.fromkeys(_CENTRE_FIELDS, ""), "port": "104", "commitment": "on-request"}
    files = centre.tls and (centre.tls.certificate, centre.tls.key, centre.tls.ca)
    security = next(
        (value for value, _, one in securities if one and (one.certificate, one.key, one.ca) == files),
        "plain",
    )
    return {
        "name": centre.name,
        "ae_title": centre.ae_title,
        "host": centre.host,
        "port": str(centre.port),
        "called": ", ".join(centre.called),
        "security": security,
        "server_name": centre.tls.server_name if centre.tls else "",
        "calling_ae": centre.calling_ae,
        "commitment": centre.commitment,
    }


async def save_centre(place: Place) -> web.StreamResponse:
    """Take one centre, a new one or one that is there."""
    form = await place.visit.form()
    fields = Fields(place.visit, form)
    answers = place.draft.answers
    securities = await _securities(place)
    old = answers.centre(place.visit.query("edit"))
    name = old.name if old else fields.name("name")
    taken = {one.name for one in answers.centres} | {one.name for one in answers.consoles if one.name}
    if old is None and name in taken:
        fields.wrong("name", N_("This name is taken. Each centre and console needs one of its own."))
    if old is None and len(answers.centres) >= MAX_CENTRES:
        fields.wrong("name", N_("At most %(most)s are possible."), most=MAX_CENTRES)
    title = fields.title("ae_title")
    host, port = fields.host("host"), fields.number("port")
    called = fields.titles("called", MAX_TITLES)
    if not called and not (old is not None and not old.called):
        called = (title,) if title else ()
    calling = fields.title("calling_ae", required=False)
    security = fields.choice("security", tuple(value for value, _, _ in securities))
    server_name = fields.host("server_name", required=False)
    commitment = fields.choice("commitment", tuple(value for value, _ in COMMITMENT))
    files = next((one for value, _, one in securities if value == security), None)
    if security == "plain" and _is_public(host) and not (old and old.tls is None and old.host == host):
        fields.wrong(
            "security",
            N_("This address is on the public Internet: plain DICOM would show patients to everybody."),
        )
    _titles(place, fields, called)
    if fields.errors:
        given = {**as_typed(form, _CENTRE_FIELDS), **({"name": old.name} if old else {})}
        return await _centres(place, 422, given=given, errors=fields.errors)
    tls = Tls(files.certificate, files.key, files.ca, server_name) if files else None
    policy = cast(CommitmentPolicy, commitment)
    made = Centre(
        name, title, host, port, called, tls, "" if calling == answers.ae_title else calling, policy
    )

    def change(answers: Answers) -> Answers:
        others = tuple(made if one.name == name else one for one in answers.centres)
        return replace(answers, centres=others if made in others else (*others, made))

    await place.answer("centre", change)
    return place.visit.redirect(f"{HERE}/centre")


def _titles(place: Place, fields: Fields, called: Iterable[str]) -> None:
    """Titles by which consoles call a centre lead to nobody else."""
    for title in called:
        if title == place.draft.answers.ae_title:
            fields.wrong(
                "called",
                N_("%(title)s is the gateway's own AE title: a C-ECHO to it is answered here."),
                title=title,
            )
        if any(one.ae_title == title and one.down for one in place.draft.answers.consoles):
            fields.wrong("called", N_("%(title)s is the AE title of a console."), title=title)


def _is_public(host: str) -> bool:
    try:
        return bool(host) and is_public(host)
    except ValueError:
        return False  # a name: where it leads is not known here


async def remove_centre(place: Place) -> web.StreamResponse:
    """Take a centre out of the answers."""
    form = await place.visit.form()
    name = form.choice("name", tuple(one.name for one in place.draft.answers.centres))
    await place.answer(
        "centre",
        lambda answers: replace(answers, centres=tuple(one for one in answers.centres if one.name != name)),
    )
    return place.visit.redirect(f"{HERE}/centre")


async def look_from_centre(place: Place) -> web.StreamResponse:
    """Look whether the hosts of the centres are found, and take connections."""
    return await _centres(place, looked=await look_for_centres(place.draft.answers))


async def save_centres(place: Place) -> web.StreamResponse:
    """Go on, once there is a centre."""
    if not place.draft.answers.centres:
        words = place.visit.text("Name at least one centre: where what the console sends is to go.")
        return await _centres(place, 422, errors={"": words})
    return (await place.done("centre")).next("centre")


# ---- 6: consoles ------------------------------------------------------------------------------------------


async def consoles(place: Place) -> web.StreamResponse:
    """Show the consoles, what to type into them, and the form for one."""
    return await _consoles(place)


async def _consoles(
    place: Place,
    status: int = 200,
    *,
    given: dict[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> web.Response:
    answers = place.draft.answers
    asked = place.visit.query("edit")
    edited = answers.console(asked)
    if given is None and edited is not None:
        given = {
            "ae_title": edited.ae_title,
            "name": edited.name,
            "host": edited.host,
            "port": str(edited.port or 104),
            "down": bool(edited.host),
        }
    elif given is None and (place.visit.query("new") or not answers.consoles):
        given = {**dict.fromkeys(_CONSOLE_FIELDS, ""), "port": "104", "down": False}
    addresses = [answers.address]
    if answers.address in ("0.0.0.0", "::"):  # noqa: S104 - compared with
        addresses = [one.address for one in await choices(place) if one.kind == "private"]
    return place.render(
        "console",
        status,
        given=given,
        editing=asked if edited is not None else "",
        errors=errors or {},
        addresses=[one for one in addresses if one],
        called=answers.called(),
        room_left=len(answers.consoles) < MAX_CONSOLES,
    )


async def save_console(place: Place) -> web.StreamResponse:
    """Take one console."""
    form = await place.visit.form()
    fields = Fields(place.visit, form)
    answers = place.draft.answers
    old = answers.console(place.visit.query("edit"))
    title = fields.title("ae_title")
    down = fields.flag("down")
    others = tuple(one for one in answers.consoles if one is not old)
    if any(one.ae_title == title for one in others):
        fields.wrong("ae_title", N_("There is a console with this AE title already."))
    if old is None and len(answers.consoles) >= MAX_CONSOLES:
        fields.wrong("ae_title", N_("At most %(most)s are possible."), most=MAX_CONSOLES)
    name, host, port = "", "", 0
    if down:
        host, port = fields.host("host"), fields.number("port")
        name = fields.name("name") if form.text("name", required=False) else _name_of(title)
        if old is not None and old.host:
            name = old.name
        taken = {one.name for one in answers.centres} | {one.name for one in others if one.name}
        if name in taken:
            fields.wrong("name", N_("This name is taken. Each centre and console needs one of its own."))
        if title in answers.called():
            fields.wrong("ae_title", N_("Consoles call a centre by this title, so it cannot lead here too."))
        if title == answers.ae_title:
            fields.wrong("ae_title", N_("This is the gateway's own AE title."))
    if fields.errors:
        given = {**as_typed(form, _CONSOLE_FIELDS), "down": down}
        return await _consoles(place, 422, given=given, errors=fields.errors)
    # A console that was a peer without a route keeps being one.
    leads = old.down if old is not None and old.host else True
    made = Console(title, name, host, port, down and leads)

    def change(answers: Answers) -> Answers:
        kept = answers.consoles
        changed = tuple(made if one == old else one for one in kept) if old else (*kept, made)
        return replace(answers, consoles=changed)

    await place.answer("console", change)
    return place.visit.redirect(f"{HERE}/console")


def _name_of(title: str) -> str:
    """Return a name for a console, made of its AE title."""
    return short_name(Answers(gateway=title)) if title else ""


async def remove_console(place: Place) -> web.StreamResponse:
    """Take a console out of the answers."""
    form = await place.visit.form()
    title = form.choice("ae_title", tuple(one.ae_title for one in place.draft.answers.consoles))
    await place.answer(
        "console",
        lambda answers: replace(
            answers, consoles=tuple(one for one in answers.consoles if one.ae_title != title)
        ),
    )
    return place.visit.redirect(f"{HERE}/console")


async def save_consoles(place: Place) -> web.StreamResponse:
    """Take who may send, and go on."""
    form: Form = await place.visit.form()
    answers = place.draft.answers
    possible = ("listed", "everybody", *(("as-is",) if place.current.callers == "as-is" else ()))
    callers = form.choice("callers", possible)
    if callers == "listed" and not answers.consoles:
        words = place.visit.text("Name at least one console, or let every AE title send.")
        return await _consoles(place, 422, errors={"": words})
    done = await place.answer("console", lambda answers: replace(answers, callers=cast(Callers, callers)))
    return done.next("console")
