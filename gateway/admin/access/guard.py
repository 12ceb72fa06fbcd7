"""The one place that decides who gets through: every request passes here before it meets a page.

In order: who is it (session), may they (Route.needs), is the form ours (origin and token). A route that the
application does not know is treated like one that needs somebody signed in, so that strangers learn nothing
of which paths there are.
"""

from __future__ import annotations

import hmac
import html
import re
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.admin.access.permissions import Permission
from gateway.admin.access.rooms import Rooms
from gateway.admin.access.safe_path import HOME, path_of, safe_path
from gateway.admin.access.sessions import Session, csrf_of, new_token
from gateway.admin.access.sign_in import who_of
from gateway.admin.access_port import admit
from gateway.admin.errors import AUTOMATIC
from gateway.admin.page import route_of

SESSION_COOKIE = "__Host-session"
FORM_COOKIE = "__Host-form"  # of who is not signed in: ties the sign-in form to the browser
KNOWN_COOKIE = "__Host-known"

CHANGE_PASSWORD = "/account/password"  # noqa: S105 - a path
_WITH_START_PASSWORD = (CHANGE_PASSWORD, "/logout", "/language", "/theme")

_SAFE = ("GET", "HEAD")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Guard:
    """Lets requests through, or not."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._let_through(request, handler)

        self.middleware = middleware

    def session(self, request: web.Request, *, active: bool) -> Session | None:
        """Return the session of a request. `active`: this request prolongs it."""
        token = request.cookies.get(SESSION_COOKIE, "")
        return self._rooms.sessions.find(token, active=active) if token else None

    async def _let_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        by_person = not request.headers.get(AUTOMATIC) and not _wants_events(request)
        session = self.session(request, active=by_person)
        form_token = given = ""
        if session is not None:
            csrf = csrf_of(request.cookies[SESSION_COOKIE])
            admit(request, session, csrf)
            await self._rooms.sessions.note(session)
        else:
            given = request.cookies.get(FORM_COOKIE, "")
            form_token = given if _TOKEN.fullmatch(given) else new_token()
            csrf = csrf_of(form_token)
            admit(request, None, csrf)
        route = route_of(request)
        needs = route.needs if route else Permission.SEE
        if needs is not None:
            if session is None:
                return self._ask_who(request)
            if session.must_change and request.path not in _WITH_START_PASSWORD:
                return _lead_to(request, CHANGE_PASSWORD)
            if not session.user.may(needs):
                await self._tell_refused(request, session, needs)
                raise web.HTTPForbidden
        if request.method not in _SAFE:
            await _check_form(request, csrf)
        response = await handler(request)
        new_browser = session is None and form_token != given
        if new_browser and response.content_type == "text/html" and not response.prepared:
            set_cookie(response, FORM_COOKIE, form_token)
        return response

    def _ask_who(self, request: web.Request) -> web.StreamResponse:
        door = "/setup" if self._rooms.store.first_start else "/login"
        if _is_part(request) or _wants_events(request):
            shown = path_of(request.headers.get("HX-Current-URL", ""), request.host)
            # Never the sign-in page itself: it would be put into a corner of the page that is shown.
            return web.Response(status=401, headers={"HX-Redirect": _with_way_back(door, shown)})
        if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "cross-site":
            return _come_again(request)
        if request.method in _SAFE:
            wanted = safe_path(request.path_qs)
        else:
            wanted = path_of(request.headers.get("Referer", ""), request.host)
        return web.Response(status=303, headers={"Location": _with_way_back(door, wanted)})

    async def _tell_refused(self, request: web.Request, session: Session, needs: Permission) -> None:
        if request.method in _SAFE:
            return  # a look at a page that the menu does not show: no act
        await self._rooms.trail.add(
            who_of(session), "refused", subject=request.path, outcome="refused",
            detail=f"needs the permission {needs}", address=request.remote or "",
        )  # fmt: skip


async def _check_form(request: web.Request, csrf: str) -> None:
    """Refuse a form that was not made by this page for this browser."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        raise web.HTTPForbidden
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise web.HTTPForbidden
    given = request.headers.get("X-CSRF-Token")
    if given is None:
        field = (await request.post()).get("csrf", "")
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode(), csrf.encode()):
        raise web.HTTPForbidden


def set_cookie(response: web.StreamResponse, name: str, value: str, max_age: int | None = None) -> None:
    """Set a cookie that scripts cannot read, only HTTPS carries, and no other site sends along."""
    response.set_cookie(name, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="Strict")


def clear_cookie(response: web.StreamResponse, name: str) -> None:
    """Take a cookie back."""
    response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")


def _is_part(request: web.Request) -> bool:
    return request.headers.get("HX-Request") == "true" or bool(request.headers.get(AUTOMATIC))


def _wants_events(request: web.Request) -> bool:
    return request.headers.get("Accept", "").startswith("text/event-stream")


def _with_way_back(door: str, wanted: str) -> str:
    return door if wanted == HOME else f"{door}?to={quote(wanted, safe='/')}"


def _come_again(request: web.Request) -> web.StreamResponse:
    """Have the browser ask once more, by itself.

    Somebody followed a link in an e-mail. With such a request a browser sends no strict cookie, so nobody can
    tell whether they are signed in; with the next one it does.
    """
    here = html.escape(safe_path(request.path_qs))
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={here}"><a href="{here}">{here}</a>'
    return web.Response(text=page, content_type="text/html")


def _lead_to(request: web.Request, path: str) -> web.StreamResponse:
    if _is_part(request) or _wants_events(request):
        return web.Response(status=401, headers={"HX-Redirect": path})
    return web.Response(status=303, headers={"Location": path})
