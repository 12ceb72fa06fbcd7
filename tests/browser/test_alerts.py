"""Alerts in a real browser: they come by themselves, and somebody says that they know."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.operator.client import ApiProblem, OperatorClient
from tests.browser.conftest import PageAs
from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot
from tests.support.full_spool import Row, fill
from tests.support.gateway_process import peer
from tests.support.ports import free_port

PHONE = {"width": 360, "height": 740}
COMES_WITHIN = 17_000  # milliseconds: the page looks every 15 seconds
HELD = "1 object for ARIA is held back: somebody has to decide about it."
NUMBER = 1  # the delivery that these tests hold

Told = queue.SimpleQueue[dict[str, Any]]


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[str, Told]]:
    """A web address that takes alerts, and what it was told."""
    told: Told = queue.SimpleQueue()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Takes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", told
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def box(browser: Browser, hook: tuple[str, Told], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box with one record for a centre that nobody answers for; only what is held is worth an alert."""
    folder = tmp_path_factory.mktemp("box")
    fill(folder / "state/spool", iter([Row(NUMBER, received_at=time.time() - 60)]))
    sections = {
        "alerts": {"link_down": 0, "clock_offset": 0, "disk_free": 0, "settle": 0},
        "alerts.webhook": {"url": hook[0]},
    }
    with Box(folder, peers=[peer("oncology", "ARIA", free_port())], sections=sections) as running:
        yield running


@pytest.fixture
def hold(box: Box) -> Iterator[Callable[[], None]]:
    """Hold the record; it is released after the test."""

    def act(action: str) -> None:
        with OperatorClient(box.socket) as client:
            client.act(NUMBER, action, reason="of a test")

    yield lambda: act("hold")
    with contextlib.suppress(ApiProblem):  # the test has released it
        act("release")


def mark(page: Page) -> Any:
    """The number beside Alerts in the menu."""
    return page.locator(".side.menu .mark .count")


def test_an_alert_comes_by_itself_and_somebody_knows(
    page_as: PageAs,
    box: Box,
    surfers: Callable[..., Surfer],
    hold: Callable[[], None],
    hook: tuple[str, Told],
) -> None:
    page, other = page_as("clinic", "/alerts"), surfers(box).sign_in("viewer", "/home")
    expect(page.get_by_text("There is no alert.")).to_be_visible()
    expect(mark(page)).to_have_count(0)
    hold()
    expect(page.locator(".alert strong")).to_have_text(HELD, timeout=COMES_WITHIN)
    assert hook[1].get(timeout=20)["what"] == HELD
    for each in (page, other):
        expect(mark(each)).to_contain_text("1", timeout=COMES_WITHIN)
    # Home says the same in the same words.
    expect(other.locator(".verdict")).to_contain_text(
        "1 treatment record is held back: somebody has to decide about it."
    )

    page.get_by_role("link", name=f"Look: {HELD}").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == f"I know of it: {HELD}"
    page.keyboard.press("Enter")
    expect(page.locator(".alert")).to_contain_text("Clara Clinic knows of it since")
    expect(page.get_by_role("button", name="I know of it")).to_have_count(0)
    for each in (page, other):
        expect(mark(each)).to_have_count(0)

    with OperatorClient(box.socket) as client:
        client.act(NUMBER, "release")
    expect(page.get_by_text("There is no alert.")).to_be_visible(timeout=COMES_WITHIN)
    page.get_by_role("link", name="Alerts that are over").click()
    over = page.locator("tbody tr").first
    expect(over).to_contain_text(HELD)
    expect(over).to_contain_text("Clara Clinic")


def test_a_test_message_arrives(page_as: PageAs, hook: tuple[str, Told]) -> None:
    expect(page_as("clinic", "/alerts").get_by_role("button", name="Send a test")).to_have_count(0)
    page = page_as("engineer", "/alerts")
    while not hook[1].empty():
        hook[1].get()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test message is on its way.")).to_be_visible()
    told = hook[1].get(timeout=20)
    assert (told["event"], told["gateway"]) == ("test", "clinic-07")


@pytest.mark.parametrize(
    ("name", "options"),
    [("", {}), ("-dark", {"color_scheme": "dark"}), ("-phone", {"viewport": PHONE})],
    ids=["light", "dark", "phone"],
)
def test_everybody_can_read_it(
    page_as: PageAs, hold: Callable[[], None], name: str, options: dict[str, Any]
) -> None:
    hold()
    page = page_as("engineer", "/alerts", **options)
    expect(page.locator(".alert strong")).to_have_text(HELD, timeout=COMES_WITHIN)
    expect(page.locator(".channels .badge")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    screenshot(page, f"alerts-one{name}")
    page.goto("/alerts/history")
    assert_accessible(page)
    assert_fits(page)
