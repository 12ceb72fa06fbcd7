"""The frame around every page: menu, messages, language and colours."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.page import Page, Route
from gateway.admin.visit import MAX_NOTICES, Visit
from tests.support.admin_site import site


async def _empty(visit: Visit) -> web.Response:
    return visit.render("front/empty.html")


async def _shadow(visit: Visit) -> web.Response:
    """A page that uses the names of the frame for something of its own."""
    return visit.render("front/empty.html", user=None, page=1, menu=(), now="x", theme=0, version=None)


async def _part(visit: Visit) -> web.Response:
    return visit.render("problem.html", trouble=_Trouble())


async def _say(visit: Visit) -> web.Response:
    for number in range(MAX_NOTICES + 3):
        visit.notice("ok", f"message <{number}>")
    return visit.redirect("/one")


async def _large(visit: Visit) -> web.Response:
    raise web.HTTPForbidden


class _Trouble:
    title, detail, next_step, said = "Part", "", "", ""


def pages(*needs: Permission) -> list[Page]:
    one = Page(
        "one",
        "One",
        "home",
        "/one",
        (
            Route("GET", "/one", _empty),
            Route("GET", "/one/shadow", _shadow),
            Route("GET", "/one/part", _part),
            Route("POST", "/one", _say),
            Route("POST", "/one/large", _large, max_body=10**6),
        ),
    )
    two = Page("two", "Two", "users", "/two", (Route("GET", "/two", _empty),), Permission.USERS, "system")
    hidden = Page("hidden", "Hidden", "users", "/hidden", (Route("GET", "/hidden", _empty),), group="hidden")
    from gateway.admin.pages import front

    return [front.PAGE, one, two, hidden]


async def test_the_way_in_leads_to_the_first_page_of_the_menu() -> None:
    async with site(pages=pages()) as page:
        answer = await page.get("/")
        assert (answer.status, answer.headers["Location"]) == (303, "/one")
    async with site(pages=pages()[:1]) as page:
        document = await page.get("/")
        assert "Your role shows no page" in document.text


@pytest.mark.parametrize(("role", "shown"), [("viewer", ["/one"]), ("admin", ["/one", "/two"])])
async def test_the_menu_has_what_this_person_may_see(role: str, shown: list[str]) -> None:
    async with site(pages=pages(), role=role) as page:
        document = await page.get("/one")
        for menu in ("nav.side", "nav.bottom div.menu"):
            assert [link["href"] for link in document.all(menu + " a")] == shown
        assert document.find("nav.side").find("[aria-current=page]")["href"] == "/one"


async def test_somebody_who_is_not_signed_in_sees_no_menu_and_no_stream() -> None:
    async with site(pages=pages(), role=None) as page:
        document = await page.get("/one")
        assert document.status == 401
        assert not document.all("nav")
        assert "data-live" not in document.find("body").attributes


async def test_somebody_with_a_start_password_sees_no_menu() -> None:
    async with site(pages=pages()) as page:
        assert page.access.session is not None
        page.access.session.must_change = True
        assert not (await page.get("/one")).all("nav")


async def test_a_page_may_use_the_names_of_the_frame() -> None:
    async with site(pages=pages()) as page:
        document = await page.get("/one/shadow")
        assert document.status == 200
        assert document.all("nav.side")


async def test_a_message_is_shown_once_on_the_next_whole_page() -> None:
    async with site(pages=pages()) as page:
        answer = await page.post("/one")
        assert answer.status == 303
        assert not (await page.get("/one/part", fragment=True)).all("p.notice")
        said = [notice.text for notice in (await page.get("/one")).all("p.notice")]
        assert said == [f"message <{number}>" for number in range(3, MAX_NOTICES + 3)]
        assert not (await page.get("/one")).all("p.notice")


async def test_a_redirect_of_a_part_moves_the_whole_page() -> None:
    async with site(pages=pages()) as page:
        answer = await page.post("/one", fragment=True)
        assert (answer.status, answer.headers["HX-Redirect"]) == (204, "/one")


async def test_the_error_page_of_a_large_form_is_still_of_this_person() -> None:
    async with site(pages=pages()) as page:
        document = await page.post("/one/large")
        assert document.status == 403
        assert document.all("nav.side")
        assert document.all("input[name=csrf]")[0]["value"]


@pytest.mark.parametrize(("theme", "following"), [("auto", "dark"), ("dark", "light"), ("light", "auto")])
async def test_colours_are_remembered(theme: str, following: str) -> None:
    async with site(pages=pages()) as page:
        answer = await page.post("/theme", theme=theme, back="/one")
        assert answer.status == 303
        document = await page.get("/one")
        assert document.find("html")["data-theme"] == theme
        assert document.find("form.themes").find("button")["value"] == following


async def test_a_strange_cookie_changes_nothing() -> None:
    async with site(pages=pages()) as page:
        document = await page.get("/one", Cookie='theme="><script>; language=../../etc')
        assert document.find("html")["data-theme"] == "auto"
        assert document.find("html")["lang"] == "en"


async def test_the_forms_of_the_frame_need_their_token() -> None:
    async with site(pages=pages()) as page:
        assert (await page.post_fields("/theme", {"theme": "dark"})).status == 403
