"""Bounds on what a request brings along."""

from __future__ import annotations

import asyncio

import pytest

from gateway.admin import bodies
from gateway.admin.page import MAX_FORM, Page, Route
from gateway.admin.visit import Visit
from tests.support.admin_site import TOKEN, site


async def _take(visit: Visit) -> object:
    form = await visit.form()
    return visit.redirect(f"/taken/{len(form.text('text', max_length=10**7, required=False))}")


PAGES = [
    Page(
        "taking",
        "Taking",
        "home",
        "/take",
        (
            Route("POST", "/take", _take),  # type: ignore[arg-type]
            Route("POST", "/large", _take, max_body=1_000_000),  # type: ignore[arg-type]
        ),
    )
]


async def test_a_form_within_the_bounds_is_taken() -> None:
    async with site(pages=PAGES) as page:
        answer = await page.post("/take", text="x" * (MAX_FORM - 200))
        assert answer.headers["Location"] == f"/taken/{MAX_FORM - 200}"
        answer = await page.post("/large", text="x" * 900_000)
        assert answer.headers["Location"] == "/taken/900000"


@pytest.mark.parametrize(("path", "most"), [("/take", MAX_FORM), ("/large", 1_000_000), ("/none", MAX_FORM)])
async def test_too_much_is_refused_before_it_is_read(path: str, most: int) -> None:
    async with site(pages=PAGES) as page:
        answer = await page.post(path, text="x" * most)
        assert answer.status == 413
        assert answer.find("h1").text == "This is too much at once."


async def test_too_much_without_a_length_is_refused_too() -> None:
    async def pieces() -> object:
        yield f"csrf={TOKEN}&text=".encode()
        for _ in range(100):
            yield b"x" * 10_000

    async with site(pages=PAGES) as page:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        async with page.client.post("/take", data=pieces(), headers=headers) as answer:
            assert answer.status == 413


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.1)
    monkeypatch.setattr(bodies, "SLOWEST", 10**9)
    async with site(pages=PAGES) as page:
        port = page.client.make_url("/").port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 100\r\n\r\ncsrf="
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 408")
        writer.close()
