"""What every page of the menu has to be, whoever looks at it: sound, accessible, and fit for a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PageAs
from tests.support.browsing import assert_accessible, assert_fits

PHONE = {"width": 360, "height": 740}
FINGER = 43.5  # pixels: 44, less what rounding takes
ROLES = ("viewer", "clinic", "engineer", "admin")


def on_every_page(page: Page, check: Callable[[Page, str], None]) -> None:
    """Do `check` on each page that the menu leads to; fail at the end, with what is wrong on all of them."""
    links = page.locator(".side.menu a")
    paths = [str(links.nth(place).get_attribute("href")) for place in range(links.count())]
    assert paths
    wrong: list[str] = []
    for path in paths:
        answer = page.goto(path)
        if answer is None or answer.status != 200:
            wrong.append(f"{path}: {answer and answer.status}")
            continue
        try:
            check(page, path)
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_and_is_accessible(page_as: PageAs, role: str) -> None:
    def check(page: Page, path: str) -> None:
        assert page.locator("h1").count() == 1, "not one h1"
        assert page.locator(".side [aria-current=page]").get_attribute("href") == path, "not in the menu"
        assert_accessible(page)

    on_every_page(page_as(role), check)


@pytest.mark.parametrize("how", [{"color_scheme": "dark"}, {"viewport": PHONE}], ids=["dark", "phone"])
def test_every_page_is_accessible_otherwise(page_as: PageAs, how: dict[str, object]) -> None:
    on_every_page(page_as("admin", **how), lambda page, _: assert_accessible(page))


@pytest.mark.parametrize("lang", ["en", "fr", "es", "pt"])
def test_every_page_fits_a_phone(page_as: PageAs, lang: str) -> None:
    def check(page: Page, _: str) -> None:
        assert page.locator("html").get_attribute("lang") == lang
        assert_fits(page)
        for button in page.locator("button:visible, a.button:visible, summary:visible").all():
            box = button.bounding_box()
            if box is not None and "inline" not in (button.get_attribute("class") or ""):
                assert box["height"] >= FINGER, f"too small for a finger: {button.inner_text()!r}"

    on_every_page(page_as("admin", viewport=PHONE, locale=lang), check)


def test_every_page_works_as_html_alone(page_as: PageAs) -> None:
    def check(page: Page, _: str) -> None:
        assert page.locator("main h1").inner_text()

    on_every_page(page_as("admin", java_script_enabled=False), check)
