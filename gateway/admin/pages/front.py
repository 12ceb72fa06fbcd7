"""What belongs to every page and to none: the way in, the live stream, language and colours."""

from __future__ import annotations

from aiohttp import web

from gateway.admin.forms import Form
from gateway.admin.language import LANGUAGES
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Visit

_A_YEAR = 365 * 86400


async def enter(visit: Visit) -> web.StreamResponse:
    """Lead to the first page that this person may see."""
    for _, pages in visit.menu():
        return visit.redirect(pages[0].path)
    return visit.render("front/empty.html")


async def live(visit: Visit) -> web.StreamResponse:
    """Tell the browser what happens, for as long as the session holds."""
    return await visit.services.live.serve(visit.request, lambda: visit.services.access.still(visit.request))


async def now(visit: Visit) -> web.StreamResponse:
    """Say whether the gateway answers, to a browser that has no stream."""
    return web.json_response(await visit.services.live.now())


async def language(visit: Visit) -> web.StreamResponse:
    """Remember a language in this browser."""
    form = await visit.form()
    return _remember(visit, form, LANGUAGE_COOKIE, form.choice("language", LANGUAGES))


async def theme(visit: Visit) -> web.StreamResponse:
    """Remember light or dark in this browser."""
    form = await visit.form()
    return _remember(visit, form, THEME_COOKIE, form.choice("theme", THEMES))


def _remember(visit: Visit, form: Form, cookie: str, value: str) -> web.StreamResponse:
    back = form.text("back", max_length=500, required=False)
    if not back.startswith("/") or back.startswith(("//", "/\\")):
        back = "/"
    response = visit.redirect(back)
    response.set_cookie(
        cookie, value, max_age=_A_YEAR, path="/", secure=visit.request.secure, httponly=True, samesite="Lax"
    )
    return response


PAGE = Page(
    name="front",
    title=N_("Start"),
    icon="home",
    path="/",
    group="hidden",
    routes=(
        Route("GET", "/", enter),
        Route("GET", "/live", live),
        Route("GET", "/live/now", now),
        Route("POST", "/language", language, needs=None),
        Route("POST", "/theme", theme, needs=None),
    ),
)
