"""Pictures of every page, with something on it, into docs/screenshots (`make screenshots`)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from gateway.demo.synthetic import Manner, Treatment
from tests.support.box import Box
from tests.support.browsing import QUIET, Surfer, screenshot, wait_until
from tests.support.console import Console
from tests.support.gateway_process import peer
from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiver

pytestmark = pytest.mark.skipif(
    "GATEWAY_SCREENSHOTS" not in os.environ, reason="makes pictures, tests nothing: make screenshots"
)

LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def send(box: Box, called: str, *, patients: int, first: int = 1) -> int:
    """Send one fraction of so many patients, as a console does; return how many objects that were."""
    count = 0
    with Console(box.gateway.port, called) as console:
        for seed in range(first, first + patients):
            treatment = Treatment(seed)
            manner = Manner() if seed % 4 else Manner(ending="MACHINE")
            for thing in (
                treatment.make("rt-image", seed),
                treatment.make("beams-record", seed, manner=manner),
            ):
                assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
                count += 1
    return count


@pytest.fixture(scope="module")
def busy_box(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box after a morning: much has arrived at one centre, another is out of reach, a third refuses."""
    with receiver(ae_title="ARIA") as centre, receiver(ae_title="TRIAL") as trial:
        trial.mood("status 0xC000")
        peers = [
            peer("oncology", "ARIA", centre.port),
            peer("archive", "PACS", free_port()),
            peer("trial", "TRIAL", trial.port),
        ]
        routes = [
            {"called": "ARIA", "to": ["oncology"]},
            {"called": "PACS", "to": ["archive"]},
            {"called": "TRIAL", "to": ["trial"]},
        ]
        with Box(tmp_path_factory.mktemp("busy"), peers=peers, routes=routes) as box:
            _fill(box, trial)
            yield box


def _fill(box: Box, trial: Receiver) -> None:
    box.gateway.wait_delivered(send(box, "ARIA", patients=6), "oncology")
    send(box, "PACS", patients=3, first=20)
    send(box, "TRIAL", patients=1, first=40)
    box.gateway.wait("something is held", lambda: bool(box.gateway.deliveries(state="held")))


def menu(page: Page) -> list[tuple[str, str]]:
    links = page.locator(".side.menu a")
    paths = [str(links.nth(place).get_attribute("href")) for place in range(links.count())]
    return [(path.strip("/").replace("/", "-"), path) for path in paths]


LOOKS = {
    "": {"viewport": LAPTOP},
    "-dark": {"viewport": LAPTOP, "color_scheme": "dark"},
    "-phone": {"viewport": PHONE, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page(busy_box: Box, surfers: Callable[..., Surfer], look: str) -> None:
    page = surfers(busy_box, **LOOKS[look]).sign_in("admin", "/home")
    for name, path in menu(page):
        page.goto(path)
        settle(page)
        screenshot(page, name + look, whole=look != "-phone")


@pytest.mark.parametrize("lang", ["fr", "es", "pt"])
def test_home_in_every_language(busy_box: Box, surfers: Callable[..., Surfer], lang: str) -> None:
    page = surfers(busy_box, viewport=LAPTOP, locale=lang).sign_in("clinic", "/home")
    settle(page)
    screenshot(page, f"home-{lang}")


def test_the_story_of_an_object(busy_box: Box, surfers: Callable[..., Surfer]) -> None:
    number = busy_box.gateway.deliveries(state="held")[0]["number"]
    page = surfers(busy_box, viewport=LAPTOP).sign_in("engineer", f"/queue/{number}")
    settle(page)
    screenshot(page, "queue-story")


def test_the_way_in(busy_box: Box, surfers: Callable[..., Surfer], tmp_path: Path) -> None:
    page = surfers(busy_box, viewport=LAPTOP).page
    page.goto("/login")
    screenshot(page, "sign-in")
    with Box(tmp_path, accounts=False) as new:
        first = surfers(new, viewport=LAPTOP).page
        first.goto("/")
        first.wait_for_url("**/setup")
        screenshot(first, "first-start")


def test_what_is_stale(busy_box: Box, surfers: Callable[..., Surfer]) -> None:
    page = surfers(busy_box, viewport=LAPTOP).sign_in("clinic", "/home")
    settle(page)
    assert busy_box.page is not None
    busy_box.page.signal(signal.SIGSTOP)
    try:
        page.locator("#stale:visible").wait_for()
        screenshot(page, "home-connection-lost")
    finally:
        busy_box.page.signal(signal.SIGCONT)


def settle(page: Page) -> None:
    """Wait until what the page fetches for itself is there."""
    wait_until(page, QUIET)
    page.wait_for_timeout(500)  # curves are drawn after their data have come
