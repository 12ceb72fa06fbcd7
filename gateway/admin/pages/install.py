"""Install: from a device nobody knows to a printed acceptance sheet, step by step.

Nothing of a step touches the running gateway before "Apply". pages/install_steps has the steps,
admin/installing what they think with.
"""

from __future__ import annotations

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.page import N_, Handler, Page, Route
from gateway.admin.pages.install_steps import (
    acceptance,
    applying,
    beginning,
    certificates,
    parties,
    trying,
)
from gateway.admin.pages.install_steps import place as placing
from gateway.admin.pages.install_steps.place import HERE, Place, placed

_MAX_BODY = 128 * 1024  # bytes, with a certificate and its chain


async def overview(place: Place) -> web.StreamResponse:
    """What the wizard is for, how far it is, and the sheets there are."""
    return place.visit.render(
        "install/index.html",
        place=place,
        draft=place.draft,
        steps=place.steps(""),
        go_on=f"{HERE}/{place.first_open()}",
        begun=bool(place.draft.marks),
        earlier=await place.room.sheets.earlier(),
    )


def _get(path: str, handler: placing.Handler) -> Route:
    return Route("GET", f"{HERE}{path}", placed(handler), Permission.CONFIGURE)


def _post(path: str, handler: placing.Handler, **more: int) -> Route:
    return Route("POST", f"{HERE}{path}", placed(handler), Permission.CONFIGURE, **more)


def _plain(method: str, path: str, handler: Handler) -> Route:
    return Route("GET" if method == "GET" else "POST", f"{HERE}{path}", handler, Permission.CONFIGURE)


PAGE: Page = Page(
    name="install",
    title=N_("Install"),
    icon="install",
    path=HERE,
    needs=Permission.CONFIGURE,
    group="engineer",
    routes=(
        _get("", overview),
        _post("/forget", acceptance.forget),
        _get("/name", beginning.name),
        _post("/name", beginning.save_name),
        _get("/network", beginning.network),
        _post("/network", beginning.save_network),
        _post("/network/look", beginning.look_from_network),
        _get("/time", beginning.clock),
        _post("/time", beginning.save_clock),
        _get("/certificates", certificates.show),
        _post("/certificates", certificates.save),
        _post("/certificates/use", certificates.use),
        _post("/certificates/request", certificates.request),
        _post("/certificates/check", certificates.check, max_body=_MAX_BODY),
        _post("/certificates/answer", certificates.install, max_body=_MAX_BODY),
        _post("/certificates/authorities/check", certificates.check_authorities, max_body=_MAX_BODY),
        _post("/certificates/authorities", certificates.trust, max_body=_MAX_BODY),
        _get("/centre", parties.centres),
        _post("/centre", parties.save_centres),
        _post("/centre/save", parties.save_centre),
        _post("/centre/remove", parties.remove_centre),
        _post("/centre/look", parties.look_from_centre),
        _get("/console", parties.consoles),
        _post("/console", parties.save_consoles),
        _post("/console/save", parties.save_console),
        _post("/console/remove", parties.remove_console),
        _get("/review", applying.review),
        _post("/review", applying.go_on),
        _post("/apply", applying.apply),
        _post("/take-over", applying.take_over),
        _plain("GET", "/trial", applying.trial),
        _post("/keep", applying.keep),
        _plain("POST", "/back", applying.put_back),
        _get("/test", trying.show),
        _post("/test", trying.run),
        _get("/test/calls", trying.calls),
        _get("/sheet", acceptance.show),
        _post("/sheet", acceptance.make),
        _plain("GET", "/sheets/{number:\\d{1,9}}", acceptance.paper),
    ),
)
