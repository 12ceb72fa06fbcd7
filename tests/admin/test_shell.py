"""The frame around every page."""

from __future__ import annotations

from tests.support.admin_site import site


async def test_the_way_in_leads_somewhere() -> None:
    async with site() as page:
        document = await page.get("/")
    assert document.status in (200, 303)


async def test_what_is_not_there_is_said_on_a_page() -> None:
    async with site() as page:
        document = await page.get("/nowhere")
    assert document.status == 404
    assert document.find("h1").text == "There is nothing here."
    assert document.headers["Content-Security-Policy"].startswith("default-src 'none'")
