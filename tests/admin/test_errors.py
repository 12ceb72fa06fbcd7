"""What a person sees when something is not possible."""

from __future__ import annotations

import logging

import pytest

from gateway.admin.access.permissions import Permission
from gateway.admin.errors import AUTOMATIC
from gateway.admin.forms import FormError
from gateway.admin.headers import HEADERS
from gateway.admin.page import Page, Route
from gateway.admin.visit import Visit
from gateway.operator import facts
from tests.support.admin_site import Site, site

SECRET = "Doe^Jane"  # noqa: S105 - a name that must not be told


async def _status(visit: Visit) -> object:
    await visit.gateway.get(facts.Status, "/v1/status")
    return visit.redirect("/")


async def _story(visit: Visit) -> object:
    return await visit.gateway.get(facts.Story, "/v1/deliveries/999")


async def _fails(_visit: Visit) -> object:
    raise KeyError(SECRET)


async def _typed(_visit: Visit) -> object:
    raise FormError("reason", "At most %(most)s characters are possible.", most=7)


PROBE = Page(
    "probe",
    "Probe",
    "home",
    "/probe",
    (
        Route("GET", "/probe", _status),  # type: ignore[arg-type]
        Route("POST", "/probe", _status),  # type: ignore[arg-type]
        Route("GET", "/probe/story", _story),  # type: ignore[arg-type]
        Route("GET", "/probe/fails/{name}", _fails),  # type: ignore[arg-type]
        Route("GET", "/probe/typed", _typed),  # type: ignore[arg-type]
        Route("GET", "/probe/users", _status, needs=Permission.USERS),  # type: ignore[arg-type]
    ),
)


def probe(**options: object) -> object:
    return site(pages=[PROBE], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nowhere", 404, "There is nothing here."),
        ("/probe/story", 404, "There is nothing here."),
        ("/probe/fails/x", 500, "This page has failed."),
        ("/probe/typed", 422, "Something in the form is not acceptable."),
        ("/probe/users", 403, "You may not do this."),
    ],
)
async def test_every_trouble_is_a_page_with_a_way_on(path: str, status: int, title: str) -> None:
    async with site(pages=[PROBE]) as page:
        document = await page.get(path)
        assert document.status == status
        assert document.find("h1").text == title
        assert document.all("p.next")
        assert document.find("main").all("a.button")[0]["href"] == "/"
        assert {name: document.headers[name] for name in HEADERS} == HEADERS


async def test_the_gateways_own_words_are_shown() -> None:
    async with site(pages=[PROBE]) as page:
        document = await page.get("/probe/story")
        assert "there is no delivery 999" in document.find("main").text
        assert "dicom-gateway status" in document.find("p.next").text


async def test_a_wrong_method_says_which_ones_there_are() -> None:
    async with site(pages=[PROBE]) as page:
        document = await page.post("/probe/typed")
        assert document.status == 405
        assert "GET" in document.headers["Allow"]
        assert document.find("h1").text == "This cannot be done this way."


async def test_a_gateway_that_does_not_answer_is_said_on_every_page() -> None:
    async with site(pages=[PROBE], serve_gateway=False) as page:
        document = await page.get("/probe")
        assert document.status == 502
        assert document.find("h1").text == "The gateway program does not answer."
        assert "safe on the disk" in document.find("main").text
        assert document.all("nav.side")  # the way to other pages is there


async def test_a_part_of_a_page_gets_a_box_in_the_page() -> None:
    async with site(pages=[PROBE], serve_gateway=False) as page:
        document = await page.get("/probe", fragment=True)
        assert document.status == 502
        assert document.headers["HX-Retarget"] == "#problems"
        assert not document.all("html")
        assert "does not answer" in document.text


async def test_what_the_page_asks_by_itself_leaves_the_screen_as_it_is() -> None:
    async with site(pages=[PROBE], serve_gateway=False) as page:
        document = await page.get("/probe", fragment=True, **{AUTOMATIC: "1"})
        assert (document.status, document.raw) == (502, b"")
        assert document.headers["HX-Reswap"] == "none"


async def test_a_defect_is_logged_without_values(caplog: pytest.LogCaptureFixture) -> None:
    async with site(pages=[PROBE]) as page:
        with caplog.at_level(logging.ERROR, logger="gateway.admin"):
            document = await page.get(f"/probe/fails/{SECRET}?name={SECRET}")
        assert document.status == 500
        assert SECRET not in document.find("main").text
    (record,) = caplog.records
    said = logging.Formatter().format(record)
    assert "KeyError" in said
    assert "/probe/fails/{name}" in said
    assert "_fails" in said
    assert SECRET not in said
    assert "Doe" not in said


async def test_a_page_that_cannot_be_rendered_at_all_is_still_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with site(pages=[PROBE]) as page:
        monkeypatch.setattr("gateway.admin.visit.Visit.menu", _broken)
        document = await page.get("/nowhere")
    assert document.status == 500
    assert "DICOM traffic is not affected" in document.raw.decode()


def _broken(_visit: Visit) -> object:
    raise ValueError(SECRET)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/probe", "/static/x/app.css", "/live/now"])
async def test_every_answer_has_the_headers_of_safety(path: str) -> None:
    async with site() as page:
        document = await page.get(path)
        assert {name: document.headers[name] for name in HEADERS} == HEADERS
        assert document.headers["Cache-Control"] == "no-store"
        assert "unsafe" not in document.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in document.headers


async def test_no_template_has_what_the_policy_forbids() -> None:
    import re

    from gateway.admin.templating import FOLDER

    for path in FOLDER.rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", text), path


async def _page(page: Site, path: str) -> str:
    return (await page.get(path)).source


@pytest.mark.parametrize("path", ["/nowhere?x=%3Cscript%3E", "/%3Cscript%3Ealert(1)%3C/script%3E"])
async def test_what_the_address_says_stays_text(path: str) -> None:
    async with site() as page:
        assert "<script>" not in await _page(page, path)
