"""The configuration in a browser: an error at its line, a difference, a trial kept, and one that is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def own_box(browser: Browser, tmp_path: Path) -> Iterator[Box]:
    """A box of this test alone: its configuration is changed."""
    with Box(tmp_path / "box") as running:
        yield running


@pytest.fixture
def page(own_box: Box, surfers: Callable[..., Surfer]) -> Page:
    return surfers(own_box).sign_in("engineer", "/configuration")


def on_a_phone(page: Page, name: str) -> None:
    """Look at the page as it is through a small window."""
    wide = page.viewport_size
    assert wide is not None
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert_fits(page)
    screenshot(page, name)
    page.set_viewport_size(wide)


def type_at_the_end(page: Page, text: str) -> None:
    """Write at the end of the main file, key by key."""
    area = page.locator("#text-1")
    area.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text)


def change(page: Page, text: str) -> None:
    """From the overview to a change that is being tried."""
    page.get_by_role("link", name="Edit", exact=True).click()
    type_at_the_end(page, text)
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_label("Why").fill("tried in a test")
    page.get_by_role("button", name="Apply and try it").click()


def test_from_a_mistake_to_a_change_that_is_kept(own_box: Box, page: Page) -> None:
    expect(page.get_by_role("heading", name="Who may call us")).to_be_visible()
    screenshot(page, "configuration/overview")
    page.get_by_role("link", name="Edit", exact=True).click()
    line = own_box.config.read_text().count("\n") + 1

    type_at_the_end(page, 'bogus = "x"')
    wrong = page.locator(".behind .error")
    expect(wrong).to_contain_text("there is no such key here")
    expect(wrong.locator(".no")).to_have_text(str(line))
    expect(page.locator("#found")).to_contain_text(f"line {line}")
    screenshot(page, "configuration/mistake")
    assert_accessible(page)
    page.locator("#found button.place").click()
    assert page.evaluate("document.activeElement.id") == "text-1"

    page.keyboard.press("Control+End")
    for _ in range(len('bogus = "x"')):
        page.keyboard.press("Backspace")
    page.keyboard.type("# a remark <b>&amp;</b>")
    expect(page.locator("#found")).to_contain_text("No problems found", timeout=15_000)
    expect(wrong).to_have_count(0)
    page.get_by_role("button", name="Show what would change").click()
    expect(page.locator("tr.add .text")).to_have_text("# a remark <b>&amp;</b>")
    screenshot(page, "configuration/review")
    assert_accessible(page)
    on_a_phone(page, "configuration/review-phone")

    page.get_by_label("Why").fill("a remark for those who come after")
    page.get_by_role("button", name="Apply and try it").click()
    trial = page.locator("#trial")
    expect(trial).to_contain_text("Keep this configuration?", timeout=30_000)
    shown = page.locator("[data-countdown]")
    expect(shown).to_have_text(re.compile(r"^(2:00|1:\d\d)$"))
    first = shown.inner_text()
    expect(shown).not_to_have_text(first, timeout=15_000)  # it runs, and downwards
    assert shown.inner_text() < first
    expect(page.locator("#stale")).to_be_hidden(timeout=15_000)
    screenshot(page, "configuration/trial")
    assert_accessible(page)
    on_a_phone(page, "configuration/trial-phone")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Version 2 stays in force.")).to_be_visible()
    assert own_box.config.read_text().endswith("# a remark <b>&amp;</b>\n")

    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row", name=re.compile("a remark for those"))).to_contain_text("in force")
    screenshot(page, "configuration/history")
    assert_accessible(page)
    page.get_by_role("button", name="Compare the two").click()
    expect(page.locator("tr.add")).to_have_count(1)


def test_a_change_that_nobody_keeps_comes_back_by_itself(own_box: Box, page: Page) -> None:
    before = own_box.config.read_text()
    with own_box.gateway.client() as client:
        shown = client._ask("GET", "/v1/configuration")
        wanted = {
            "files": [{"name": shown["files"][0]["name"], "text": before + "\n# nobody looks\n"}],
            "based_on": shown["digest"],
            "why": "",
            "confirm_within": 6.0,
        }
        client._ask("POST", "/v1/configuration/apply", wanted)
    page.reload()
    trial = page.locator("#trial")
    expect(trial).to_contain_text("Keep this configuration?", timeout=30_000)
    expect(trial).to_contain_text("The last change was put back", timeout=40_000)
    expect(trial).to_contain_text("nobody confirmed it within 6 s")
    screenshot(page, "configuration/returned")
    assert own_box.config.read_text() == before


def test_a_change_is_taken_back_with_one_press(own_box: Box, page: Page) -> None:
    before = own_box.config.read_text()
    change(page, "# not like this")
    page.get_by_role("button", name="Put the previous one back").click(timeout=30_000)
    expect(page.locator("#trial")).to_contain_text("The last change was put back", timeout=30_000)
    assert own_box.config.read_text() == before


def test_a_page_that_is_left_with_changes_asks(own_box: Box, page: Page) -> None:
    page.get_by_role("link", name="Edit", exact=True).click()
    type_at_the_end(page, "# half a thought")
    asked: list[str] = []

    def dismiss(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]  # a Playwright Dialog
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", dismiss)
    page.evaluate("location.assign('/configuration')")
    expect(page.locator("#text-1")).to_be_visible()
    page.wait_for_timeout(0)
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_screen_fits_and_can_be_read(
    box: Box, surfers: Callable[..., Surfer], colours: str, size: str
) -> None:
    more = {"viewport": PHONE} if size == "phone" else {}
    page = surfers(box, color_scheme=colours, **more).sign_in("engineer")
    for path in ("", "/edit", "/history", "/versions/1"):
        page.goto(f"/configuration{path}")
        expect(page.locator("h1")).to_be_visible()
        assert_fits(page)
        assert_accessible(page)
        screenshot(page, f"configuration/{size}-{colours}{path.replace('/', '-')}")


def test_the_keyboard_alone_will_do(own_box: Box, page: Page) -> None:
    page.goto("/configuration/edit")
    page.locator("#text-1").focus()
    page.keyboard.press("Control+End")
    page.keyboard.type("# by keyboard")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Show what would change":
            break
    page.keyboard.press("Enter")
    expect(page.locator("tr.add .text")).to_have_text("# by keyboard")


def test_without_scripts_a_button_checks(own_box: Box, surfers: Callable[..., Surfer]) -> None:
    page = surfers(own_box, java_script_enabled=False).sign_in("engineer", "/configuration/edit")
    page.locator("#text-1").fill(own_box.config.read_text() + "bogus = 1\n")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#found")).to_contain_text("there is no such key here")
    expect(page.locator("#text-1")).to_have_value(re.compile("bogus"))
    page.locator("#text-1").fill(own_box.config.read_text() + "# fine\n")
    page.get_by_role("button", name="Show what would change").click()
    page.get_by_role("button", name="Apply and try it").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Version 2 stays in force.")).to_be_visible()
