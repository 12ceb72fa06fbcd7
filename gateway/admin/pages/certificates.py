"""Certificates: until when they are good, how to ask for one, and how to install what comes back."""

from __future__ import annotations

import io
import time
from typing import Any

import segno
from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.certificate_words import MAX_ANSWER, brought, grouped, life, remarks
from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.operator.certificate_facts import (
    AuthoritiesAnswer,
    CertificateAnswer,
    CertificateCheck,
    Certificates,
    CertificateWanted,
    IdentityFacts,
    VersionWanted,
)
from gateway.operator.client import ApiProblem

MOST_QR = 2953
"""Bytes in one QR code (version 40, level L). A request for RSA 3072 with twenty long names has more."""

_KEYS = (
    ("ecdsa-p256", N_("ECDSA P-256 (recommended: small, quick)")),
    ("rsa-3072", N_("RSA 3072 (for authorities that take nothing else)")),
)
_MAX_BODY = 128 * 1024
_BASE = "/certificates/{name:[a-z0-9][a-z0-9-]{0,31}}"


# ---- looking ----------------------------------------------------------------------------------------------


async def index(visit: Visit) -> web.StreamResponse:
    """Show every certificate there is."""
    return await _show_index(visit)


async def _show_index(
    visit: Visit, error: str = "", wrong: str = "", form: Form | None = None
) -> web.Response:
    known = await visit.gateway.get(Certificates, "/v1/certificates")
    return visit.render(
        "certificates/index.html",
        422 if error else 200,
        known=known,
        by_hand=[one for one in known.used if not one.managed],
        **tools(visit),
        **asking(visit, error, wrong, form, names=""),
    )


async def show(visit: Visit) -> web.StreamResponse:
    """Show one identity: what was asked for, what is installed, what to do next."""
    return await _show(visit)


async def _show(visit: Visit, status: int = 200, **more: Any) -> web.Response:
    name = visit.path_value("name")
    identity = await visit.gateway.get(IdentityFacts, f"/v1/certificates/{name}")
    names = identity.chain[0].names if identity.chain else ()
    values: dict[str, Any] = {
        "check": None,
        "checked": "",
        "text": "",
        "field_errors": {},
        **asking(visit, "", "", None, names="\n".join(names)),
        **more,
    }
    request = identity.request
    return visit.render(
        "certificates/show.html",
        status,
        identity=identity,
        qr_fits=request is not None and len(request.csr) <= MOST_QR,
        **tools(visit),
        **values,
    )


def tools(visit: Visit) -> dict[str, Any]:
    """What the templates call."""
    now = time.time()
    return {
        "grouped": grouped,
        "life": lambda certificate: life(visit, certificate, now),
        "remarks": lambda findings: remarks(visit, findings),
    }


def asking(visit: Visit, error: str, wrong: str, form: Form | None, *, names: str) -> dict[str, Any]:
    """What stands in the form for a new request."""

    def typed(field: str, otherwise: str = "") -> str:
        try:
            return form.text(field, max_length=6000, required=False, lines=True) if form else otherwise
        except FormError:
            return ""

    return {
        "keys": [(value, visit.text(words)) for value, words in _KEYS],
        "asked": {
            "name": typed("name"),
            "common_name": typed("common_name", visit.settings.gateway_name),
            "organization": typed("organization"),
            "names": typed("names", names),
            "key": typed("key", "ecdsa-p256"),
        },
        "ask_error": error,
        "ask_wrong": wrong,
    }


async def request_file(visit: Visit) -> web.StreamResponse:
    """Hand out a request as a file."""
    identity = await _identity(visit)
    if identity.request is None:
        raise web.HTTPNotFound
    name = f'attachment; filename="{identity.name}.csr"'
    return web.Response(
        text=identity.request.csr,
        content_type="application/pkcs10",
        headers={"Content-Disposition": name, "Cache-Control": "no-store"},
    )


async def request_picture(visit: Visit) -> web.StreamResponse:
    """Draw a request as a QR code, for a phone that has mail where this device has not."""
    identity = await _identity(visit)
    if identity.request is None or len(identity.request.csr) > MOST_QR:
        raise web.HTTPNotFound
    return web.Response(
        body=qr(identity.request.csr), content_type="image/svg+xml", headers={"Cache-Control": "no-store"}
    )


def qr(text: str) -> bytes:
    """Return `text` as a QR code in SVG. Level L: a screen is clean, and larger modules are read better."""
    drawn = io.BytesIO()
    segno.make(text.encode(), error="l", mode="byte", micro=False, boost_error=False).save(
        drawn, kind="svg", border=4, xmldecl=False, dark="#000", light="#fff", omitsize=True
    )
    return drawn.getvalue()


async def _identity(visit: Visit) -> IdentityFacts:
    return await visit.gateway.get(IdentityFacts, f"/v1/certificates/{visit.path_value('name')}")


# ---- asking -----------------------------------------------------------------------------------------------


async def create(visit: Visit) -> web.StreamResponse:
    """Make a key and a request under a new name."""
    form = await visit.form()
    try:
        name = form.text("name", max_length=32)
        await make_request(visit, form, name)
    except FormError as error:
        return await _show_index(visit, visit.form_error(error), error.field, form)
    except ApiProblem as problem:
        if problem.details.status not in (409, 422):
            raise
        return await _show_index(visit, problem.details.detail, "", form)
    return visit.redirect(f"/certificates/{name}")


async def ask(visit: Visit) -> web.StreamResponse:
    """Make a key and a request for the successor of a certificate."""
    form = await visit.form()
    name = visit.path_value("name")
    try:
        await make_request(visit, form, name)
    except FormError as error:
        values = asking(visit, visit.form_error(error), error.field, form, names="")
        return await _show(visit, 422, **values)
    except ApiProblem as problem:
        if problem.details.status not in (409, 422):
            raise
        return await _show(visit, 422, **asking(visit, problem.details.detail, "", form, names=""))
    return visit.redirect(f"/certificates/{name}")


async def make_request(visit: Visit, form: Form, name: str) -> None:
    wanted = CertificateWanted(
        common_name=form.text("common_name", max_length=64),
        names=tuple(
            form.text("names", max_length=6000, required=False, lines=True).replace(",", " ").split()
        ),
        organization=form.text("organization", max_length=64, required=False),
        key="rsa-3072" if form.choice("key", ("ecdsa-p256", "rsa-3072")) == "rsa-3072" else "ecdsa-p256",
    )
    # A name that is no part of a path of the API has to be refused here.
    if not name.replace("-", "").isalnum() or not name.isascii() or name != name.lower() or name[0] == "-":
        raise FormError("name", N_("Small letters, digits and hyphens only, please."))
    await visit.gateway.post(IdentityFacts, f"/v1/certificates/{name}/request", wanted)
    visit.notice("ok", visit.text("The key and the request were made. The key stays on this device."))


async def discard(visit: Visit) -> web.StreamResponse:
    """Forget a request."""
    name = visit.path_value("name")
    await visit.gateway.post(IdentityFacts, f"/v1/certificates/{name}/discard-request")
    visit.notice(
        "info", visit.text("The request and its key are gone. An answer to it is of no use any more.")
    )
    return visit.redirect(f"/certificates/{name}")


# ---- installing -------------------------------------------------------------------------------------------


async def check(visit: Visit) -> web.StreamResponse:
    """Say what installing would do."""
    return await _answer(visit, "check", "certificate", install=False)


async def install(visit: Visit) -> web.StreamResponse:
    """Install what the authority answered."""
    return await _answer(visit, "check", "certificate", install=True)


async def check_authorities(visit: Visit) -> web.StreamResponse:
    """Say what trusting these would do."""
    return await _answer(visit, "check-authorities", "authorities", install=False)


async def trust(visit: Visit) -> web.StreamResponse:
    """Trust these authorities."""
    return await _answer(visit, "check-authorities", "authorities", install=True)


async def _answer(visit: Visit, checking: str, what: str, *, install: bool) -> web.Response:
    """Check what was brought, and install it when that was asked for and nothing stands in the way."""
    form, name = await visit.form(), visit.path_value("name")
    try:
        text, binary = brought(form)
    except FormError as error:
        errors = {f"{what}-{error.field}": visit.form_error(error)}
        if visit.is_fragment:
            return visit.render("certificates/checked.html", 422, **_checked(visit, None, what, errors))
        return await _show(visit, 422, field_errors=errors)
    given: CertificateAnswer | AuthoritiesAnswer
    if what == "certificate":
        given = CertificateAnswer(text, binary, form.flag("trust_root"))
    else:
        given = AuthoritiesAnswer(text, binary, form.flag("add"))
    path = f"/v1/certificates/{name}"
    found = await visit.gateway.post(CertificateCheck, f"{path}/{checking}", given)
    if install and found.ok:
        doing = "install" if what == "certificate" else "authorities"
        await visit.gateway.post(CertificateCheck, f"{path}/{doing}", given)
        visit.notice("ok", visit.text(DONE[what]))
        return visit.redirect(f"/certificates/{name}")
    if visit.is_fragment:
        return visit.render("certificates/checked.html", **_checked(visit, found, what, {}))
    return await _show(visit, 422 if install else 200, check=found, checked=what, text=text)


DONE = {
    "certificate": N_("Installed. New connections use it from now on; open ones go on undisturbed."),
    "authorities": N_("These authorities are trusted from now on, for new connections."),
}


def _checked(
    visit: Visit, found: CertificateCheck | None, what: str, errors: dict[str, str]
) -> dict[str, Any]:
    return {"check": found, "checked": what, "field_errors": errors, **tools(visit)}


async def activate(visit: Visit) -> web.StreamResponse:
    """Go back to another version."""
    form, name = await visit.form(), visit.path_value("name")
    number = form.number("version", low=1, high=10**9)
    await visit.gateway.post(IdentityFacts, f"/v1/certificates/{name}/activate", VersionWanted(number))
    visit.notice(
        "ok", visit.text("Version %(number)s is in use from now on, for new connections.", number=number)
    )
    return visit.redirect(f"/certificates/{name}")


async def remove(visit: Visit) -> web.StreamResponse:
    """Remove an identity that nothing uses, once its name was typed."""
    form, name = await visit.form(), visit.path_value("name")
    if form.text("word", max_length=40, required=False) != name:
        errors = {"word": visit.text("Please type %(word)s exactly.", word=name)}
        return await _show(visit, 422, field_errors=errors)
    await visit.gateway.post(Certificates, f"/v1/certificates/{name}/remove")
    visit.notice("info", visit.text("%(name)s is removed, with its keys.", name=name))
    return visit.redirect("/certificates")


_CONFIGURE = Permission.CONFIGURE

PAGE = Page(
    name="certificates",
    title=N_("Certificates"),
    icon="certificate",
    path="/certificates",
    group="engineer",
    needs=_CONFIGURE,
    routes=(
        Route("GET", "/certificates", index, needs=_CONFIGURE),
        Route("POST", "/certificates", create, needs=_CONFIGURE),
        Route("GET", _BASE, show, needs=_CONFIGURE),
        Route("GET", _BASE + "/request.csr", request_file, needs=_CONFIGURE),
        Route("GET", _BASE + "/request.svg", request_picture, needs=_CONFIGURE),
        Route("POST", _BASE + "/request", ask, needs=_CONFIGURE),
        Route("POST", _BASE + "/discard", discard, needs=_CONFIGURE),
        Route("POST", _BASE + "/check", check, needs=_CONFIGURE, max_body=_MAX_BODY),
        Route("POST", _BASE + "/install", install, needs=_CONFIGURE, max_body=_MAX_BODY),
        Route("POST", _BASE + "/authorities/check", check_authorities, needs=_CONFIGURE, max_body=_MAX_BODY),
        Route("POST", _BASE + "/authorities", trust, needs=_CONFIGURE, max_body=_MAX_BODY),
        Route("POST", _BASE + "/activate", activate, needs=_CONFIGURE),
        Route("POST", _BASE + "/remove", remove, needs=_CONFIGURE),
    ),
)

__all__ = ["MAX_ANSWER", "PAGE", "asking", "make_request", "qr", "tools"]
