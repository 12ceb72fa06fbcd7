"""Step 4: with which certificate this device shows who it is, or that it does without.

Making a key and a request, and installing what comes back, makes files only: nothing uses them before the
configuration that names them is applied.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

import gateway.admin.pages.certificates as page
from gateway.admin.certificate_words import brought
from gateway.admin.forms import Form, FormError
from gateway.admin.installing.answers import Answers
from gateway.admin.page import N_
from gateway.admin.pages.install_steps.beginning import choices
from gateway.admin.pages.install_steps.place import HERE, Place
from gateway.operator.certificate_facts import (
    AuthoritiesAnswer,
    CertificateAnswer,
    CertificateCheck,
    Certificates,
    IdentityFacts,
)
from gateway.operator.client import ApiProblem

STEP: Final = f"{HERE}/certificates"
_PLAIN_NAMES = re.compile(r"[^a-z0-9]+")


async def show(place: Place) -> web.StreamResponse:
    """Show what there is and what is next."""
    return await _show(place)


async def _show(place: Place, status: int = 200, **more: Any) -> web.Response:
    visit = place.visit
    known = await visit.gateway.get(Certificates, "/v1/certificates")
    identity = chosen(place, known)
    names = [one.address for one in await choices(place) if one.kind != "loopback"]
    values: dict[str, Any] = {
        "check": None,
        "checked": "",
        "text": "",
        "field_errors": {},
        **page.asking(visit, "", "", None, names="\n".join(names)),
        **more,
    }
    if not values["asked"]["name"]:
        values["asked"]["name"] = short_name(place.draft.answers)
        values["asked"]["common_name"] = place.draft.answers.gateway[:64]
    request = identity.request if identity else None
    return place.render(
        "certificates",
        status,
        known=known,
        identity=identity,
        request=request,
        qr_fits=request is not None and len(request.csr) <= page.MOST_QR,
        **page.tools(visit),
        **values,
    )


def chosen(place: Place, known: Certificates) -> IdentityFacts | None:
    """Return the certificate that this installation uses: the one named, or the only one there is."""
    found = next((one for one in known.identities if one.name == place.draft.identity), None)
    if found is None and len(known.identities) == 1:
        return known.identities[0]
    return found


def short_name(answers: Answers) -> str:
    """Return a name for key and certificate, made of the gateway's own."""
    return _PLAIN_NAMES.sub("-", answers.gateway.lower()).strip("-")[:32].strip("-") or "gateway"


async def save(place: Place) -> web.StreamResponse:
    """Take the choice between certificates and plain DICOM."""
    form = await place.visit.form()
    try:
        security = form.choice("security", ("tls", "plain"))
    except FormError:
        return await _show(place, 422, errors={"security": place.visit.text("Please choose one of these.")})
    known = await place.visit.gateway.get(Certificates, "/v1/certificates")
    identity = chosen(place, known)
    if security == "plain":
        place = await place.change(lambda draft: replace(draft, security="plain"))
        return (await place.done("certificates")).next("certificates")
    name = identity.name if identity else ""
    ready = identity is not None and bool(identity.chain) and bool(identity.authorities)
    place = await place.change(lambda draft: replace(draft, security="tls", identity=name))
    place = await place.done("certificates", "done" if ready else "attention")
    if identity is None:
        return place.visit.redirect(STEP)
    return place.next("certificates")


async def use(place: Place) -> web.StreamResponse:
    """Use another of the certificates that are here."""
    form = await place.visit.form()
    known = await place.visit.gateway.get(Certificates, "/v1/certificates")
    name = form.choice("identity", tuple(one.name for one in known.identities))
    await place.change(lambda draft: replace(draft, security="tls", identity=name))
    return place.visit.redirect(STEP)


async def request(place: Place) -> web.StreamResponse:
    """Make a key and a request."""
    visit = place.visit
    form = await visit.form()
    try:
        name = form.text("name", max_length=32)
        await page.make_request(visit, form, name)
    except FormError as error:
        return await _show(
            place, 422, **page.asking(visit, visit.form_error(error), error.field, form, names="")
        )
    except ApiProblem as problem:
        if problem.details.status not in (409, 422):
            raise
        return await _show(place, 422, **page.asking(visit, problem.details.detail, "", form, names=""))
    place = await place.change(lambda draft: replace(draft, security="tls", identity=name))
    await place.done("certificates", "attention")
    return visit.redirect(f"{STEP}#request")


async def check(place: Place) -> web.StreamResponse:
    """Say what installing would do."""
    return await _answer(place, "certificate", install=False)


async def install(place: Place) -> web.StreamResponse:
    """Install what the authority answered."""
    return await _answer(place, "certificate", install=True)


async def check_authorities(place: Place) -> web.StreamResponse:
    """Say what trusting these would do."""
    return await _answer(place, "authorities", install=False)


async def trust(place: Place) -> web.StreamResponse:
    """Trust these authorities."""
    return await _answer(place, "authorities", install=True)


def _given(form: Form, what: str) -> CertificateAnswer | AuthoritiesAnswer:
    text, binary = brought(form)
    if what == "certificate":
        return CertificateAnswer(text, binary, form.flag("trust_root"))
    return AuthoritiesAnswer(text, binary, form.flag("add"))


async def _answer(place: Place, what: str, *, install: bool) -> web.Response:
    visit, form = place.visit, await place.visit.form()
    known = await visit.gateway.get(Certificates, "/v1/certificates")
    identity = chosen(place, known)
    if identity is None:
        raise FormError("text", N_("Make a request first."))
    try:
        given = _given(form, what)
    except FormError as error:
        errors = {f"{what}-{error.field}": visit.form_error(error)}
        if visit.is_fragment:
            return _checked(place, None, what, errors, 422)
        return await _show(place, 422, field_errors=errors)
    path = f"/v1/certificates/{identity.name}"
    checking, doing = ("check", "install") if what == "certificate" else ("check-authorities", "authorities")
    found = await visit.gateway.post(CertificateCheck, f"{path}/{checking}", given)
    if install and found.ok:
        await visit.gateway.post(CertificateCheck, f"{path}/{doing}", given)
        visit.notice("ok", visit.text(page.DONE[what]))
        return visit.redirect(STEP)
    if visit.is_fragment:
        return _checked(place, found, what, {}, 200)
    return await _show(place, 422 if install else 200, check=found, checked=what, text=given.text)


def _checked(
    place: Place, found: CertificateCheck | None, what: str, errors: dict[str, str], status: int
) -> web.Response:
    return place.visit.render(
        "certificates/checked.html",
        status,
        check=found,
        checked=what,
        field_errors=errors,
        **page.tools(place.visit),
    )
