"""The frame in a real browser: staleness, the menu, the keyboard, light and dark, the way in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PageAs
from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, wait_until

PHONE = {"width": 360, "height": 740}
SAID_WITHIN = 8_000 + 1_500  # milliseconds: the promise, and the second between two looks of the page


@pytest.fixture
def own_box(browser: Browser, tmp_path: Path) -> Iterator[Box]:
    """A box of this test alone, to be broken."""
    with Box(tmp_path) as running:
        yield running


def test_a_page_process_that_is_gone_is_said_and_noticed_when_it_is_back(
    own_box: Box, surfers: Callable[..., Surfer]
) -> None:
    page = surfers(own_box).sign_in("clinic", "/home")
    banner = page.locator("#stale")
    expect(banner).to_be_hidden()
    own_box.kill_page()
    expect(banner).to_contain_text("Connection to the device lost", timeout=SAID_WITHIN)
    expect(banner).to_contain_text("What you see is from")
    expect(page.locator("html")).to_have_class("is-stale")
    assert_accessible(page)
    own_box.start_page()
    expect(banner).to_be_hidden(timeout=20_000)


def test_a_gateway_that_is_gone_is_said_and_noticed_when_it_is_back(
    own_box: Box, surfers: Callable[..., Surfer]
) -> None:
    page = surfers(own_box).sign_in("clinic", "/home")
    banner = page.locator("#stale")
    expect(banner).to_be_hidden()
    own_box.gateway.kill()
    expect(banner).to_contain_text("The gateway program does not answer", timeout=SAID_WITHIN)
    answer = page.goto("/queue")
    assert answer is not None
    assert answer.status == 502
    expect(page.locator("h1")).to_have_text("The gateway program does not answer.")
    assert_accessible(page)
    own_box.gateway.start()
    page.goto("/home")
    expect(page.locator("#stale")).to_be_hidden(timeout=SAID_WITHIN)


def test_a_gateway_that_hangs_is_said(own_box: Box, surfers: Callable[..., Surfer]) -> None:
    import os
    import signal

    page = surfers(own_box).sign_in("clinic", "/home")
    expect(page.locator("#stale")).to_be_hidden()
    os.kill(own_box.gateway.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#stale")).to_contain_text("does not answer", timeout=SAID_WITHIN + 3_000)
    finally:
        os.kill(own_box.gateway.pid, signal.SIGCONT)
    expect(page.locator("#stale")).to_be_hidden(timeout=SAID_WITHIN)


def test_somebody_who_was_signed_out_elsewhere_is_told(own_box: Box, surfers: Callable[..., Surfer]) -> None:
    surfer = surfers(own_box)
    page = surfer.sign_in("clinic", "/home")
    other = surfer.context.new_page()
    other.goto("/home")
    other.locator("#account summary").click()
    other.locator("#account button").click()
    expect(page.locator("#stale")).to_contain_text("signed out", timeout=20_000)


def test_a_new_configuration_of_the_page_interrupts_nobody(
    own_box: Box, surfers: Callable[..., Surfer]
) -> None:
    import signal

    page = surfers(own_box).sign_in("clinic", "/home")
    assert own_box.page is not None
    seen = own_box.page.line_count()
    own_box.page.signal(signal.SIGHUP)
    answer = page.goto("/home")  # still signed in
    own_box.page.wait_line("is ready on", after=seen, timeout=60)
    assert answer is not None
    assert answer.status == 200
    assert page.url.endswith("/home")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_menu_of_a_phone_opens_and_leads_on(page_as: PageAs, scripts: bool) -> None:
    page = page_as("admin", "/home", viewport=PHONE, java_script_enabled=scripts)
    entry = page.locator(".bottom .menu a[href='/users']")
    expect(entry).to_be_hidden()
    page.locator(".bottom summary").click()
    expect(entry).to_be_visible()
    entry.click()
    page.wait_for_url("**/users")
    expect(page.locator(".bottom .menu")).to_be_hidden()


def test_escape_closes_a_menu_and_gives_the_focus_back(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    page.locator("#languages summary").click()
    expect(page.locator("#languages form")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#languages form")).to_be_hidden()
    expect(page.locator("#languages summary")).to_be_focused()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page_as: PageAs) -> None:
    page = page_as("admin", "/home")
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    wanted = page.locator(
        "a[href]:visible, button:visible:not([disabled]), summary:visible, input:visible, "
        "[tabindex='0']:visible"
    ).count()
    reached: set[str] = set()
    for _ in range(wanted + 10):
        reached.add(_focused(page))
        page.keyboard.press("Tab")
    assert len(reached - {""}) >= wanted
    assert "outline:none" not in reached


def _focused(page: Page) -> str:
    """Return which element has the focus, or that one cannot see it."""
    where: str = page.evaluate(
        """() => {
          const at = document.activeElement;
          if (!at || at === document.body) return "";
          if (getComputedStyle(at).outlineStyle === "none") return "outline:none";
          at.dataset.place ||= String(Math.random());
          return at.dataset.place;
        }"""
    )
    return where


def test_the_skip_link_leads_to_the_content(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.parametrize(("scheme", "chosen"), [("light", "dark"), ("dark", "light")])
def test_a_choice_of_colours_wins_over_the_device(page_as: PageAs, scheme: str, chosen: str) -> None:
    page = page_as("viewer", "/home", color_scheme=scheme)

    def ground() -> int:
        """How light the page is, 0 to 255."""
        return int(
            page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        )

    assert (ground() > 128) == (scheme == "light")
    while page.locator("html").get_attribute("data-theme") != chosen:
        page.locator("form.themes button").click()
        page.wait_for_load_state()
    assert (ground() > 128) == (chosen == "light")


def test_times_stay_true(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    page.evaluate(
        """() => {
          const span = document.createElement("span");
          span.id = "probe";
          span.dataset.ago = String(Date.now() / 1000 - 7200);
          span.textContent = "(some time ago)";
          document.querySelector("main").append(span);
        }"""
    )
    expect(page.locator("#probe")).to_have_text("(2 hours ago)")


def test_what_was_to_come_is_now(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    page.evaluate(
        """() => {
          const span = document.createElement("span");
          span.id = "probe";
          span.dataset.due = String(Date.now() / 1000 + 4);
          document.querySelector("main").append(span);
        }"""
    )
    expect(page.locator("#probe")).to_have_text(re.compile(r"^in \d seconds?$"))
    expect(page.locator("#probe")).to_have_text("now")


def test_a_hidden_tab_gives_its_connection_back(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    wait_until(page, "source !== null")
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", {value: true, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    assert page.evaluate("source") is None
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", {value: false, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    wait_until(page, "source !== null && source.readyState === 1")


def test_a_page_is_quick(page_as: PageAs) -> None:
    page = page_as("viewer", "/home")
    began = time.monotonic()
    page.goto("/home")
    page.locator("h1").wait_for()
    assert time.monotonic() - began < 3.0


def test_foreign_code_does_not_run_and_is_noticed(box: Box, surfers: Callable[..., Surfer]) -> None:
    """What proves that the other tests would notice a page that breaks its own rules."""
    surfer = surfers(box)
    page = surfer.sign_in("viewer", "/home")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'taken over'";
          document.body.append(script);
          document.querySelector("h1").setAttribute("onclick", "document.title = 'taken over'");
        }"""
    )
    page.evaluate("document.querySelector('h1').click()")
    assert page.title() != "taken over"
    assert any("Content Security Policy" in complaint for complaint in surfer.complaints)
    surfer.complaints.clear()
