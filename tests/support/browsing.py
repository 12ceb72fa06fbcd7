"""A real browser in front of a real box: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from gateway.admin.access.permissions import Role
from tests.support.box import NAMES, PASSWORD, Box
from tests.support.npm_packages import install

_HOME = Path(__file__).parents[1] / "browser"
_SCREENSHOTS = "GATEWAY_SCREENSHOTS"  # where `make screenshots` wants them
PATIENCE = 20_000  # milliseconds for a page to show something

_SWITCHES = [
    "--no-sandbox",  # the tests run as root on small machines; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
# WCAG 2.2 AA, and what axe-core calls good practice.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def missing() -> str | None:
    """Say in words what is missing for a browser test; None: all is here."""
    if shutil.which("chromium") is None:
        return "not installed: chromium (sudo apt install chromium)"
    return install(_HOME)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, gone at the end."""
    program = shutil.which("chromium")
    assert program is not None, "call missing() first"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_SWITCHES, timeout=60_000)
        try:
            yield browser
        finally:
            browser.close()


class Surfer:
    """One person's browser. What its console complains of is collected in `complaints`."""

    def __init__(self, browser: Browser, box: Box, **options: Any) -> None:
        """Options are those of Playwright's new_context: viewport, color_scheme, locale ..."""
        options.setdefault("viewport", {"width": 1280, "height": 900})
        options.setdefault("locale", "en-GB")
        options.setdefault("timezone_id", "UTC")
        self.box = box
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(
            base_url=box.url, ignore_https_errors=True, **options
        )
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        # A status of 4xx is told by the page itself; a network that is gone is what some tests are about.
        expected = "Failed to load resource" in message.text or "net::ERR" in message.text
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def sign_in(self, role: str | Role, path: str = "/") -> Page:
        """Sign in through the form, and go to `path`."""
        self.page.goto("/login")
        self.page.fill("#name", NAMES[Role(role)])
        self.page.fill("#password", PASSWORD)
        self.page.press("#password", "Enter")
        self.page.wait_for_url(lambda url: "/login" not in url)
        if path != "/":
            self.page.goto(path)
        return self.page

    def close(self) -> None:
        """Close the browser's window; what its console complained of fails the test."""
        self.context.close()
        assert self.complaints == []


@cache
def _axe() -> str:
    return (_HOME / "node_modules/axe-core/axe.min.js").read_text()


QUIET = """!document.querySelector(".htmx-request") && document.getAnimations().every((each) =>
  each.playState !== "running" || each.effect.getComputedTiming().iterations === Infinity)"""
"""Nothing is being fetched and nothing moves: the colours are those that people read."""


def wait_until(page: Page, condition: str) -> None:
    """Wait until an expression of JavaScript holds in the page.

    Unlike Playwright's wait_for_function, this passes the page's own rules (CSP): those forbid eval, which
    that uses from its second look on.
    """
    held = page.evaluate(
        f"""patience => new Promise((done) => {{
          const end = performance.now() + patience;
          const look = () => {{
            if ({condition}) done(true);
            else if (performance.now() > end) done(false);
            else requestAnimationFrame(look);
          }};
          look();
        }})""",
        PATIENCE,
    )
    assert held, f"{page.url}: not within {PATIENCE} ms: {condition}"


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page once it is quiet, one line each."""
    wait_until(page, QUIET)
    # Not as a script element: the page's own rules (CSP) refuse what does not come from the device.
    page.evaluate(_axe())
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})",
        _RULES,
    )
    return [
        f"{one['id']}: {one['help']}: {' | '.join(node['html'][:160] for node in one['nodes'][:3])}"
        for one in found["violations"]
    ]


def assert_accessible(page: Page) -> None:
    """Fail, naming each, when axe-core finds something wrong."""
    found = violations(page)
    assert not found, "\n".join([page.url, *found])


def assert_fits(page: Page) -> None:
    """Fail when the page can be scrolled sideways, naming what is too wide."""
    wide = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("main *")]
            .filter((each) => each.getBoundingClientRect().right > width + 1)
            .map((each) => each.outerHTML.slice(0, 120)).slice(0, 5).concat(["(the page scrolls sideways)"]);
        }"""
    )
    assert not wide, "\n".join([page.url, *wide])


def screenshot(page: Page, name: str, *, whole: bool = True) -> Path | None:
    """Keep a picture of the page as `name`.png, where `make screenshots` wants it; else do nothing.

    `whole`: from top to bottom; otherwise what is seen without scrolling.
    """
    folder = os.environ.get(_SCREENSHOTS)
    if not folder:
        return None
    path = Path(folder) / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=whole, animations="disabled")
    return path


def required() -> None:
    """Skip the test, with the reason, where there is no browser; fail where everything must be there."""
    words = missing()
    if words is None:
        return
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(words, pytrace=False)
    pytest.skip(words)
