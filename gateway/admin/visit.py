"""One request of one person: what a page's handler works with."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gateway import __version__
from gateway.admin.access.permissions import User
from gateway.admin.access_port import csrf_of, session_of
from gateway.admin.forms import Form, FormError
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.language import LANGUAGES, choose
from gateway.admin.page import N_, Page, place_of
from gateway.admin.services import Services
from gateway.admin.settings import AdminSettings
from gateway.admin.templating import Reader

LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("auto", "light", "dark")

MAX_QUERY = 200  # characters of one value in an address
MAX_NOTICES = 5

SERVICES: web.AppKey[Services] = web.AppKey("services", Services)

_GROUPS = (
    ("daily", N_("Every day")),
    ("engineer", N_("Installation and service")),
    ("system", N_("System")),
)


class NotSignedIn(RuntimeError):
    """A handler that serves everybody asked who is there: a defect of the page."""


class Visit:
    """Everything a handler needs. Made anew for every request."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.services: Services = request.app[SERVICES]
        self.session = session_of(request)
        self.lang = choose(
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("Accept-Language", ""),
            self.settings.language,
        )
        self._catalogue = self.services.languages.catalogue(self.lang)

    @property
    def settings(self) -> AdminSettings:
        """What the page is set to."""
        return self.services.settings

    @property
    def user(self) -> User:
        """Who is signed in. NotSignedIn on a route that needs nobody, when nobody is."""
        if self.session is None:
            raise NotSignedIn
        return self.session.user

    @property
    def gateway(self) -> GatewayClient:
        """The operator API, in the name of who is signed in."""
        if self.session is None:
            return self.services.gateway
        return self.services.gateway.as_user(f"{self.user.name} ({self.user.role})")

    @property
    def is_fragment(self) -> bool:
        """True when htmx asks for a part of a page, not for a whole one."""
        return (
            self.request.headers.get("HX-Request") == "true"
            and self.request.headers.get("HX-History-Restore-Request") != "true"
            and self.request.headers.get("HX-Boosted") != "true"
        )

    def text(self, message: str, **values: object) -> str:
        """Return `message` in the reader's language, with its placeholders filled."""
        translated = self._catalogue.gettext(message)
        return translated % values if values else translated

    def ntext(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the form for `count`, with `%(count)s` and other placeholders filled."""
        return self._catalogue.ngettext(one, many, count) % {"count": count, **values}

    async def form(self) -> Form:
        """Return what was sent with the request. Its size is bounded by Route.max_body."""
        if self.request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
            return Form({})
        return Form(await self.request.post())

    def query(self, name: str, default: str = "") -> str:
        """Return a value from the address, cut to a sensible length; without what cannot be printed."""
        value = self.request.query.get(name, default)[:MAX_QUERY]
        return value if value.isprintable() else default

    def query_number(
        self, name: str, default: int | None = None, *, low: int = 0, high: int = 2**63 - 1
    ) -> int | None:
        """Return a whole number from the address; `default` when it is none or out of bounds."""
        value = self.query(name)
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            return default
        return int(value) if low <= int(value) <= high else default

    def path_value(self, name: str) -> str:
        """Return a part of the path that the route names."""
        return self.request.match_info[name]

    def render(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """Return a page, or a part of one when the template extends nothing."""
        reader = Reader(self.lang, self._catalogue, csrf_of(self.request))
        notices: list[tuple[str, str]] = []
        if self.session is not None and not self.is_fragment:
            notices, self.session.notices[:] = self.session.notices[:], []
        frame = self._about(notices)  # base.html uses this one: a page may use the names for something else
        body = self.services.templates.render(template, reader, {**frame, **values, "frame": frame})
        response = web.Response(text=body, status=status, content_type="text/html", charset="utf-8")
        response.enable_compression()
        return response

    def redirect(self, path: str) -> web.Response:
        """Send the browser to a path of this page."""
        if not path.startswith("/") or path.startswith(("//", "/\\")):
            raise ValueError("a redirect leads to a path of this page")
        path = quote(path, safe="/?&=#%:~!$'()*+,;@.-_")
        if self.request.headers.get("HX-Request") == "true":
            return web.Response(status=204, headers={"HX-Redirect": path})
        return web.Response(status=303, headers={"Location": path})

    def notice(self, level: str, text: str) -> None:
        """Show `text` once, on the next whole page. `level`: ok, info, waiting or attention."""
        if self.session is not None:
            self.session.notices.append((level, text))
            del self.session.notices[:-MAX_NOTICES]

    async def audit(self, what: str, subject: str = "", detail: str = "", outcome: str = "done") -> None:
        """Put an entry into the gateway's audit trail. No patient data in any of it."""
        await self.services.access.audit(self.request, what, subject, detail, outcome)

    def form_error(self, error: FormError) -> str:
        """Return what is wrong with a field, in the reader's language."""
        return self.text(error.message, **error.values)

    def menu(self) -> list[tuple[str, list[Page]]]:
        """Return the pages this person may see, by group."""
        if self.session is None or self.session.must_change:
            return []
        user = self.session.user
        shown = [page for page in self.services.pages if page.needs is None or user.may(page.needs)]
        groups = [(title, [page for page in shown if page.group == name]) for name, title in _GROUPS]
        return [(title, pages) for title, pages in groups if pages]

    def _about(self, notices: list[tuple[str, str]]) -> dict[str, Any]:
        place = place_of(self.request)
        theme = self.request.cookies.get(THEME_COOKIE, "auto")
        return {
            "visit": self,
            "user": self.session.user if self.session else None,
            "page": place.page if place else None,
            "menu": self.menu(),
            "notices": notices,
            "alerts": self.services.alerts.unknown,
            "gateway_name": self.settings.gateway_name,
            "version": __version__,
            "now": time.time(),
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "here": self.request.path_qs[:500],
            "is_fragment": self.is_fragment,
        }
