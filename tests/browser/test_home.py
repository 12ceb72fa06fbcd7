"""Home in a real browser, on a real box with a real centre that goes away and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset

from gateway.demo.synthetic import Manner, SyntheticObject, make_record
from tests.browser.conftest import PageAs
from tests.support.box import Box
from tests.support.browsing import assert_accessible, assert_fits, screenshot
from tests.support.dcmtk import run_console
from tests.support.gateway_process import peer
from tests.support.receiver import Receiver
from tests.support.treatment_records import SMALL, changed, second_generation

NASTY = "<img src=x onerror=alert(1)>'\"&{{7*7}}"
Send = Callable[..., None]
SOON = 5_000  # milliseconds: what a person who looks at the page is promised


@pytest.fixture(scope="module")
def centre() -> Iterator[Receiver]:
    with Receiver(ae_title="ARIA") as running:
        yield running


@pytest.fixture(scope="module")
def box(browser: Browser, centre: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("box"), peers=[peer("centre", "ARIA", centre.port)]) as running:
        yield running


@pytest.fixture
def send(box: Box, tmp_path: Path) -> Send:
    """Send objects as a console would."""

    def sent(*things: SyntheticObject) -> None:
        files = [thing.write(tmp_path) for thing in things]
        ran = run_console("storescu", box.gateway.port, "CENTRE", files, options=["--required"])
        assert ran.code == 0, ran.output

    return sent


_sent = iter(range(1, 31))


def a_record(**more: object) -> SyntheticObject:
    """A record of a fraction that was not sent yet."""
    return make_record(fraction=next(_sent), sizes=SMALL, **more)  # type: ignore[arg-type]  # as make_record


def rows(page: Page) -> int:
    return page.locator("table.records tbody tr").count()


def test_the_answer_changes_while_one_looks(page_as: PageAs, box: Box, centre: Receiver, send: Send) -> None:
    page = page_as("clinic", "/home")
    verdict = page.locator("#now .verdict")
    expect(verdict).to_contain_text("No treatment record has come in today.")
    expect(page.locator("#records")).to_contain_text("No treatment record has come in today.")
    screenshot(page, "home-empty")
    page.evaluate("window.untouched = true")  # gone, had the page been loaded anew

    send(a_record(seed=1))
    expect(verdict).to_contain_text("The record of today has reached ARIA.", timeout=SOON)
    expect(page.locator("table.records tbody tr")).to_have_count(1, timeout=SOON)
    expect(page.locator(".ways")).to_contain_text("ARIA: sent", timeout=SOON)

    centre.stop()
    try:
        send(a_record(seed=2), a_record(seed=1, manner=Manner("MACHINE")))
        expect(verdict).to_contain_text("2 records are waiting: the link to ARIA", timeout=2 * SOON)
        expect(verdict).to_contain_text("Nothing is lost.")
        expect(page.locator(".centre h2")).to_contain_text("offline")
        expect(page.locator("table.records tbody tr")).to_have_count(3)
        expect(page.locator(".ways").first).to_contain_text("safe here, waiting")
        assert_accessible(page)
        screenshot(page, "home-link-down")
    finally:
        centre.start()
    expect(verdict).to_contain_text("All 3 records of today have reached ARIA.", timeout=4 * SOON)
    assert page.evaluate("window.untouched") is True
    screenshot(page, "home")


def test_a_name_is_revealed_and_hides_again(page_as: PageAs, send: Send) -> None:
    send(a_record(seed=9))
    page = page_as("clinic", "/home")
    page.clock.install()
    row = page.locator("table.records tbody tr").first
    name = row.get_by_text("TEST, Synthetic 09")
    expect(name).to_have_count(0)
    masked = row.locator(".patient").inner_text()
    assert masked.startswith("Patient ")
    row.get_by_role("button", name="Reveal").click()
    expect(name).to_be_visible()
    expect(row.get_by_text("ID SYN-000009")).to_be_visible()
    expect(row.get_by_role("button", name="Reveal")).to_be_hidden()

    # On paper it stays masked.
    page.emulate_media(media="print")
    expect(name).to_be_hidden()
    expect(row.locator(".masked")).to_be_visible()
    page.emulate_media(media="screen")

    # The list goes on, and the name stays as long as was promised.
    before = rows(page)
    send(a_record(seed=3))
    page.clock.run_for(1500)
    expect(page.locator("table.records tbody tr")).to_have_count(before + 1, timeout=2 * SOON)
    expect(page.get_by_text("TEST, Synthetic 09")).to_be_visible()
    page.clock.fast_forward(61_000)
    expect(page.get_by_text("TEST, Synthetic 09")).to_have_count(0)
    assert "Synthetic" not in page.content()
    revealed = page.locator("table.records tbody tr").nth(1)
    expect(revealed.locator(".patient")).to_have_text(masked)
    expect(revealed.get_by_role("button", name="Reveal")).to_be_visible()


def test_who_may_not_reveal_has_no_button(page_as: PageAs, send: Send) -> None:
    send(a_record(seed=4))
    page = page_as("viewer", "/home")
    expect(page.locator("table.records tbody tr").first).to_be_visible()
    expect(page.get_by_role("button", name="Reveal")).to_have_count(0)


def test_the_sheet_for_the_paper_chart(page_as: PageAs, send: Send, tmp_path: Path) -> None:
    send(a_record(seed=5, manner=Manner("OPERATOR")))
    page = page_as("clinic", "/home")
    page.get_by_role("link", name="Print").click()
    page.wait_for_url("**/print?*")
    sheet = page.locator("article.sheet")
    expect(sheet).to_contain_text("This is no confirmation of any treatment.")
    expect(sheet).not_to_contain_text("Synthetic")
    assert_accessible(page)
    page.get_by_role("button", name="Put the patients' names on it").click()
    expect(sheet).to_contain_text("TEST, Synthetic 05")
    expect(sheet).to_contain_text("Checked by (name, signature)")
    screenshot(page, "home-print")
    paper = page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
    assert paper.startswith(b"%PDF")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print this sheet")).to_be_hidden()
    expect(page.locator(".top")).to_be_hidden()
    expect(sheet).to_be_visible()


def test_hostile_words_stay_text(page_as: PageAs, send: Send) -> None:
    def nasty(record: Dataset) -> None:
        record.PatientName = record.PatientID = record.RTPlanLabel = record.RTPlanName = NASTY
        record.TreatmentMachineSequence[0].TreatmentMachineName = NASTY
        record.TreatmentSessionBeamSequence[0].BeamName = NASTY

    send(changed(nasty, fraction=next(_sent)))
    page = page_as("clinic", "/home")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    row = page.locator("table.records tbody tr").first
    expect(row.locator("[data-label=Plan]")).to_contain_text(NASTY)
    row.locator("summary").click()
    expect(row.locator(".beams li").first).to_contain_text(NASTY)
    row.get_by_role("button", name="Reveal").click()
    expect(row.locator(".revealed")).to_contain_text(NASTY)
    assert page.locator("main img").count() == 0
    page.goto("/print")
    page.get_by_role("button", name="Put the patients' names on it").click()
    expect(page.locator("article.sheet")).to_contain_text(NASTY)
    assert page.locator("article img").count() == 0


def test_a_simulation_is_marked(page_as: PageAs, send: Send) -> None:
    send(a_record(seed=6, manner=Manner(origin="SIMULATION")), second_generation(19, "MACHINE_QA"))
    page = page_as("clinic", "/home")
    expect(page.get_by_text("SIMULATION: no patient was treated")).to_be_visible()
    expect(page.get_by_text("MACHINE CHECK (QA): no patient was treated")).to_be_visible()


@pytest.mark.parametrize(
    "how",
    [{"viewport": {"width": 360, "height": 740}}, {"color_scheme": "dark"}],
    ids=["phone", "dark"],
)
def test_with_records_on_it_it_fits_and_is_accessible(
    page_as: PageAs, how: dict[str, object], request: pytest.FixtureRequest
) -> None:
    page = page_as("clinic", "/home", **how)
    expect(page.locator("table.records tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Reveal").first.click()
    expect(page.locator(".revealed").first).to_be_visible()
    page.locator(".beams summary").first.click()
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, f"home-{request.node.callspec.id}")


def test_the_keyboard_is_enough(page_as: PageAs) -> None:
    page = page_as("clinic", "/home")
    reveal = page.get_by_role("button", name="Reveal").first
    reveal.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".revealed").first).to_be_visible()


def test_without_scripts_everything_can_be_read(page_as: PageAs) -> None:
    page = page_as("clinic", "/home", java_script_enabled=False)
    expect(page.locator("table.records tbody tr").first).to_be_visible()
    page.locator("form.reveal button").first.click()
    expect(page.get_by_text("This page hides itself after")).to_be_visible()


def test_a_gateway_that_is_gone_is_said_with_what_was_known(page_as: PageAs, box: Box) -> None:
    page = page_as("clinic", "/home")
    expect(page.locator("#now .verdict")).to_contain_text("records of today")
    box.gateway.stop()
    try:
        expect(page.locator("#now .verdict")).to_contain_text(
            "The gateway program does not answer", timeout=4 * SOON
        )
        expect(page.locator("#now .verdict")).to_contain_text("This is how it was")
        screenshot(page, "home-gateway-gone")
    finally:
        box.gateway.start()
    expect(page.locator("#now .verdict")).to_contain_text("have reached ARIA", timeout=4 * SOON)
