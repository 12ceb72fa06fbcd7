"""Every route of the page against everybody who may come: the table of who gets through is one place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from gateway.admin.access.guard import _WITH_START_PASSWORD, FORM_COOKIE, SESSION_COOKIE
from gateway.admin.access.permissions import PERMISSIONS, Permission, Role
from gateway.admin.page import PLACES, Page, Route
from gateway.admin.pages import PAGES
from gateway.admin.visit import Visit
from tests.support.access_site import PASSWORD, AccessSite, access_site

OPEN = {
    ("GET", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/setup"),
    ("POST", "/setup"),
    ("GET", "/healthz"),
    ("POST", "/language"),
    ("POST", "/theme"),
    ("GET", "/static/{file}"),
}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[AccessSite]:
    async with access_site(tmp_path) as site:
        yield site


def routes(site: AccessSite) -> list[Route]:
    return [place.route for place in site.app[PLACES].values()]


def address(path: str) -> str:
    """A path that aiohttp's pattern takes."""

    def filled(match: re.Match[str]) -> str:
        pattern = match[2] or ""
        for value in ("4711", "a" * 16, "a" * 32, "a" * 64, pattern.partition("|")[0]):
            if re.fullmatch(pattern or ".*", value):
                return value
        raise AssertionError(f"what fits {path}?")

    return re.sub(r"\{([a-z_]+)(?::((?:[^{}]|\{[^{}]*\})*))?\}", filled, path)


async def test_no_other_route_is_open_to_strangers(site: AccessSite) -> None:
    assert {(route.method, route.path) for route in routes(site) if route.needs is None} == OPEN


async def test_a_stranger_gets_nowhere(site: AccessSite) -> None:
    await site.admin()
    stranger = site.browser()
    await stranger.get("/login")
    for route in routes(site):
        if route.needs is None:
            continue
        path = address(route.path)
        ask = stranger.get if route.method == "GET" else stranger.post
        document = await ask(path)
        accepted = document.headers.get("Location", "")
        assert (document.status, accepted.partition("?")[0]) == (303, "/login"), route
        assert document.raw == b""
        for headers in ({"HX-Request": "true"}, {"X-Automatic": "1"}, {"Accept": "text/event-stream"}):
            part = await stranger.get(path, **headers)
            assert part.status == 401, route
            assert part.headers["HX-Redirect"].partition("?")[0] == "/login"
            assert part.raw == b""


async def test_paths_that_do_not_exist_look_like_all_others_to_a_stranger(site: AccessSite) -> None:
    await site.admin()
    stranger = site.browser()
    assert (await stranger.get("/nothing/here")).headers["Location"] == "/login?to=/nothing/here"
    anna = site.browser()
    await anna.sign_in("Anna")
    assert (await anna.get("/nothing/here")).status == 404


async def test_before_set_up_everything_leads_to_it(site: AccessSite) -> None:
    stranger = site.browser()
    for path in ("/", "/users", "/login"):
        assert (await stranger.get(path)).headers["Location"].partition("?")[0] == "/setup"


def marked(pages: tuple[Page, ...], reached: list[tuple[str, str]]) -> tuple[Page, ...]:
    """The same pages, whose handlers only say that they were reached."""

    def note(route: Route) -> Route:
        async def handler(_visit: Visit) -> web.StreamResponse:
            reached.append((route.method, route.path))
            return web.Response(text="reached")

        return replace(route, handler=handler)

    return tuple(replace(page, routes=tuple(note(route) for route in page.routes)) for page in pages)


@pytest.mark.parametrize("role", Role)
async def test_every_route_lets_through_whom_its_permission_says(tmp_path: Path, role: Role) -> None:
    reached: list[tuple[str, str]] = []
    made_up = Page(
        "made-up", "x", "x", "/made-up",
        tuple(Route("GET", f"/made-up/{p}", _never, needs=p) for p in Permission)
        + tuple(Route("POST", f"/made-up/{p}", _never, needs=p) for p in Permission),
    )  # fmt: skip
    async with access_site(tmp_path, pages=marked((*PAGES, made_up), reached)) as site:
        browser = await site.person("Ben", role)
        await browser.get("/account/password")  # for the token
        for page in (*PAGES, made_up):
            for route in page.routes:
                if route.needs is None:
                    continue
                reached.clear()
                ask = browser.get if route.method == "GET" else browser.post
                document = await ask(address(route.path))
                if route.needs in PERMISSIONS[role]:
                    assert reached == [(route.method, route.path)], route
                else:
                    assert document.status == 403, route
                    assert reached == [], route


async def _never(_visit: Visit) -> web.StreamResponse:
    raise AssertionError


async def test_what_is_refused_is_told_to_the_audit(site: AccessSite) -> None:
    ben = await site.person("Ben", "viewer")
    await ben.get("/account")
    assert (await ben.post("/users", name="Mallory", role="admin")).status == 403
    assert ("Ben (viewer)", "refused", "/users", "refused") in site.told()
    assert site.access.rooms.users.find("Mallory") is None


FORMS = ["/account/password", "/users", "/logout", "/login", "/setup", "/theme"]


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_its_token_is_refused(site: AccessSite, path: str) -> None:
    anna = await site.admin()
    await anna.get("/account")
    other = site.browser()
    await other.get("/login")
    for token in ("", other.csrf, anna.csrf[:-1], anna.cookies[SESSION_COOKIE]):
        assert (await anna.send(path, {"csrf": token})).status == 403
    assert (await anna.send(path, {})).status == 403
    assert (await anna.send(path, {}, X_CSRF_Token=other.csrf)).status == 403
    assert (await anna.get("/users")).status == 200  # nobody was signed out


async def test_a_form_from_elsewhere_is_refused_even_with_its_token(site: AccessSite) -> None:
    anna = await site.admin()
    await anna.get("/account")
    fields = {"csrf": anna.csrf, "theme": "dark"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": site.base + ".evil.example"},
        {"Origin": site.base.replace("http:", "https:")},
    ):
        assert (await anna.send("/theme", fields, **headers)).status == 403, headers
    good = {"Sec-Fetch-Site": "same-origin", "Origin": site.base}
    assert (await anna.send("/theme", fields, **good)).status == 303
    assert (await anna.send("/theme", {"theme": "dark"}, X_CSRF_Token=anna.csrf, **good)).status == 303


async def test_the_sign_in_form_belongs_to_the_browser_too(site: AccessSite) -> None:
    await site.admin()
    victim, attacker = site.browser(), site.browser()
    await victim.get("/login")
    await attacker.get("/login")
    planted = await victim.send("/login", {"csrf": attacker.csrf, "name": "Anna", "password": PASSWORD})
    assert planted.status == 403
    assert SESSION_COOKIE not in victim.cookies


async def test_cookies_are_for_this_host_over_https_and_out_of_reach_of_scripts(site: AccessSite) -> None:
    anna = await site.admin()
    assert FORM_COOKIE not in anna.cookies
    for name, cookie in anna.raw_cookies.items():
        if name.startswith("__Host-"):
            assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= set(cookie.split("; ")), cookie
            assert "Domain" not in cookie
    assert {"__Host-session", "__Host-known", "__Host-form"} <= set(anna.raw_cookies)


async def test_what_the_page_asks_by_itself_does_not_keep_a_session_alive(site: AccessSite) -> None:
    anna = await site.admin()
    (session,) = site.access.rooms.sessions.of(1)
    session.seen -= 1000
    before = session.seen
    await anna.get("/account", X_Automatic="1")
    assert session.seen == before
    await anna.get("/account")
    assert session.seen > before


async def test_a_session_that_has_ended_is_none(site: AccessSite) -> None:
    anna = await site.admin()
    (session,) = site.access.rooms.sessions.of(1)
    session.seen -= 10**6
    assert (await anna.get("/account")).headers["Location"] == "/login?to=/account"


async def test_who_has_a_start_password_can_do_nothing_but_choose_another(site: AccessSite) -> None:
    await site.admin()
    rooms = site.access.rooms
    await rooms.users.add(
        "Ben", Role.ADMIN, await rooms.passwords.hash(PASSWORD), by="Anna", start_until=2.0**40
    )
    ben = site.browser()
    assert (await ben.sign_in("Ben", to="/users")).headers["Location"] == "/account/password"
    for route in routes(site):
        path = address(route.path)
        if route.needs is None or path in _WITH_START_PASSWORD:
            continue
        ask = ben.get if route.method == "GET" else ben.post
        assert (await ask(path)).headers["Location"] == "/account/password", route
    assert (await ben.get("/users", HX_Request="true")).headers["HX-Redirect"] == "/account/password"


async def test_who_follows_a_link_in_a_mail_is_asked_once_more_with_cookies(site: AccessSite) -> None:
    """A strict cookie does not come with the first request; the second one is the page's own."""
    await site.admin()
    first = await site.browser().get('/alerts?x="><script>', Sec_Fetch_Site="cross-site")
    assert first.status == 200
    assert "<script>" not in first.source
    assert first.find("meta")["http-equiv"] == "refresh"
    link = await site.browser().get("/alerts?x=1", Sec_Fetch_Site="cross-site")
    assert link.find("meta")["content"] == "0;url=/alerts?x=1"


async def test_the_health_check_tells_nothing(site: AccessSite) -> None:
    assert (await site.browser().get("/healthz")).raw == b"ok\n"
