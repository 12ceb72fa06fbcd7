"""Link in a real browser: charts draw, a cut shows within five seconds, a test's steps appear one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot
from tests.support.commitment_centre import CommitmentCentre
from tests.support.gateway_process import peer
from tests.support.link_history import lay_down
from tests.support.ports import free_port
from tests.support.receiver import Receiver

Surf = Callable[..., Surfer]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    running = Receiver(ae_title="ARIA").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def centre() -> Iterator[CommitmentCentre]:
    with CommitmentCentre(how="never", ae_title="ARCHIVE") as running:
        yield running


@pytest.fixture(scope="module")
def box(
    browser: Browser, receiver: Receiver, centre: CommitmentCentre, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Box]:
    """A gateway with a month of history, a centre that can be ended, an archive that commits, and nobody."""
    folder = tmp_path_factory.mktemp("link")
    lay_down(folder / "state", "centre")
    peers = [
        peer("centre", "ARIA", receiver.port),
        peer("archive", "ARCHIVE", centre.port),
        peer("console", "LINAC1", free_port()),
    ]
    routes = [
        {"called": "CENTRE", "to": ["centre", "archive"]},
        {"called": "LINAC1", "to": ["console"], "mode": "relay"},
    ]
    with Box(folder, peers=peers, routes=routes, sections={"data_budget": {"monthly": "50 GB"}}) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {}),
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 360, "height": 740}}),
    ],
)
def test_every_screen_of_it(name: str, options: dict[str, object], box: Box, surfers: Surf) -> None:
    surfer = surfers(box, **options)
    page = surfer.sign_in("engineer", "/link")
    expect(page.locator("article.link").first).to_contain_text("online")
    assert_accessible(page)
    assert_fits(page)
    screenshot(page, f"link-{name}")
    for span in ("day", "month"):
        page.goto(f"/link/peer/centre?span={span}")
        page.wait_for_selector('#charts[data-drawn="3"]')
        assert page.locator("#charts canvas").count() == 3
        assert page.locator("figure.strip rect.down").count() >= 1
        page.locator("main details > summary").click()
        expect(page.locator("main details table")).to_be_visible()
        assert_accessible(page)
        assert_fits(page)
        page.locator("main details > summary").click()
        screenshot(page, f"link-{span}-{name}")
    page.goto("/link/peer/console")
    page.wait_for_selector("#charts[data-drawn]")
    assert_accessible(page)
    assert_fits(page)
    screenshot(page, f"link-nothing-yet-{name}")


def test_the_steps_of_a_test_appear_one_by_one_and_can_be_printed(
    box: Box, centre: CommitmentCentre, surfers: Surf
) -> None:
    surfer = surfers(box)
    page = surfer.sign_in("engineer", "/link/test?peer=archive")
    page.check("#store-rt-record")
    page.check("#store-rt-plan")
    page.check("#commitment")
    page.get_by_role("button", name="Start the test").click()
    # It is not over before the archive tells what became of the objects; what was done is there to be read.
    under_way = page.locator("#live-steps li.running")
    expect(under_way).to_contain_text("Result of storage commitment")
    assert page.locator("#live-steps li.ok").count() == 7
    expect(page.locator("#live-steps li.ok").last).to_contain_text("has taken the request")
    assert page.locator("#test-end").inner_text() == ""
    centre.gateway_port = box.gateway.port
    centre.report(centre.wait_asked(len(centre.asked)))
    expect(page.locator("#test-end")).to_contain_text("The way to ARCHIVE is open")
    expect(page.locator("#live-steps li").last).to_contain_text("on an association that it opened to us")
    assert page.locator("#live-steps li.ok").count() == 8
    assert_accessible(page)
    assert_fits(page)
    screenshot(page, "link-test")
    page.get_by_role("link", name="Report for printing").click()
    expect(page.locator("h1")).to_have_text("Test of ARCHIVE")
    assert_accessible(page)
    screenshot(page, "link-test-report")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.locator("ol.steps")).to_be_visible()


def test_a_test_that_fails_says_what_to_do(box: Box, surfers: Surf) -> None:
    surfer = surfers(box, viewport={"width": 360, "height": 740})
    page = surfer.sign_in("engineer", "/link/test?peer=console")
    page.get_by_role("button", name="Start the test").click()
    expect(page.locator("#test-end")).to_contain_text("something to be mended")
    failed = page.locator("#live-steps li.failed")
    expect(failed).to_contain_text("connection refused")
    expect(failed).to_contain_text("firewalls")
    assert_accessible(page)
    assert_fits(page)
    screenshot(page, "link-test-failed-phone")


def test_without_a_script_the_report_comes_in_the_end(box: Box, surfers: Surf) -> None:
    surfer = surfers(box, java_script_enabled=False)
    page = surfer.sign_in("engineer", "/link/test?peer=archive")
    page.get_by_role("button", name="Start the test").click()
    expect(page.locator("h1")).to_have_text("Test of ARCHIVE")


@pytest.mark.parametrize("path", ["/link", "/link/peer/centre"])
def test_a_cut_is_shown_within_five_seconds(
    path: str, box: Box, receiver: Receiver, surfers: Surf, tmp_path: Path
) -> None:
    surfer = surfers(box)
    page = surfer.sign_in("viewer", path)
    state = page.locator("article.link .stands, #link-history .stands").first
    expect(state).to_contain_text("online", timeout=30_000)
    receiver.stop()
    began = time.monotonic()
    try:
        expect(state).to_contain_text("offline", timeout=10_000)
        took = time.monotonic() - began
        assert took < 5
        expect(page.locator(".reason").first).to_contain_text("refused")
        if path == "/link":
            screenshot(page, "link-down")
    finally:
        receiver.start()
    expect(state).to_contain_text("online", timeout=30_000)
