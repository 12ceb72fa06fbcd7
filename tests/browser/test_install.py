"""The install wizard in a browser: from a device that knows nobody to a printed sheet; DCMTK at both ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.model import TlsMaterial
from tests.support import objects
from tests.support.box import Box
from tests.support.browsing import Surfer, assert_accessible, assert_fits, screenshot
from tests.support.dcmtk import StoreScp, run_console
from tests.support.forking import kill_with_children
from tests.support.openssl_ca import OpenSslAuthority
from tests.support.ports import free_port

pytestmark = pytest.mark.peers
PHONE = {"width": 360, "height": 740}
STEPS = ("name", "network", "time", "certificates", "centre", "console", "review", "test", "sheet")
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"


def fresh(directory: Path) -> Box:
    """A box as it leaves the factory: it has a name, and knows nobody."""
    box = Box(directory, peers=[])
    box.config.write_text(f"""\
# Made at the factory.
[gateway]
name = "new-gateway"  # to be changed
ae_title = "GATEWAY"
state_dir = "{box.state}"

[operator]
socket = "{box.socket}"

[admin]
address = "127.0.0.1"
port = {box.page_port}
state_dir = "{box.page_state}"
""")
    return box


@pytest.fixture
def new_box(browser: Browser, tmp_path: Path) -> Iterator[Box]:
    with fresh(tmp_path / "box") as running:
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path / "ca")


@pytest.fixture
def centre(tmp_path: Path, authority: OpenSslAuthority) -> Iterator[StoreScp]:
    """A centre that takes TLS only, with a certificate of the authority that signs our request too."""
    certificate, key = authority.issue(tmp_path, "centre")
    material = TlsMaterial(certificate=certificate, key=key, ca=authority.folder / "ca.pem")
    running = StoreScp(tmp_path / "centre", tls=material, ae_title="ARIA", options=("--fork",)).start()
    yield running
    assert running.program is not None
    kill_with_children(running.program)


def go_on(page: Page, within: str = "main") -> None:
    page.locator(within).get_by_role("button", name="Next").click()


def at(page: Page, step: str) -> None:
    """Wait for a step, and look at it."""
    expect(page.locator("h1")).to_contain_text(f"Step {STEPS.index(step) + 1} of 9")
    assert_accessible(page)


def name_it(page: Page) -> None:
    at(page, "name")
    page.get_by_label("Name of this gateway").fill("clinic-07")
    page.get_by_label("Its own AE title").fill("CLINIC07")
    page.get_by_label("Clinic and place").fill("Example Clinic\nBunker 2")
    go_on(page)


def give_it_an_address(page: Page, port: int) -> None:
    at(page, "network")
    page.locator('input[name=address][value="127.0.0.1"]').check()
    page.get_by_label("Port", exact=True).fill(str(port))
    page.get_by_label("Networks that may connect").fill("127.0.0.1/32")
    go_on(page)


def vouch_for_the_clock(page: Page) -> None:
    at(page, "time")
    vouch = page.get_by_label("I have compared")
    if vouch.count():
        go_on(page)  # without vouching
        expect(page.locator("#compared-error")).to_be_visible()
        vouch.check()
    go_on(page)


def add_centre(page: Page, port: int, security: str) -> None:
    page.get_by_label("Short name").fill("oncology")
    page.get_by_label("AE title of the centre").fill("ARIA")
    page.get_by_label("Host name or address").fill("localhost")
    page.get_by_label("Port").fill(str(port))
    page.get_by_label("Security").select_option(security)
    page.get_by_role("button", name="Keep this centre").click()
    expect(page.locator("#centres")).to_contain_text("oncology")


def add_console(page: Page) -> None:
    page.get_by_label("AE title of the console").fill("LINAC1")
    page.get_by_role("button", name="Keep this console").click()
    expect(page.locator("#consoles")).to_contain_text("LINAC1")
    go_on(page, "#callers")


def test_from_nothing_to_a_printed_sheet(
    new_box: Box,
    centre: StoreScp,
    authority: OpenSslAuthority,
    surfers: Callable[..., Surfer],
    tmp_path: Path,
) -> None:
    before = new_box.config.read_text()
    page = surfers(new_box).sign_in("engineer", "/install")
    assert_accessible(page)
    page.get_by_role("link", name="Begin").click()
    name_it(page)
    port = free_port()
    give_it_an_address(page, port)
    vouch_for_the_clock(page)

    at(page, "certificates")
    page.get_by_label("Host names and addresses of this device").fill("localhost\n127.0.0.1")
    page.get_by_role("button", name="Make key and request").click()
    request = page.locator("#csr").inner_text()
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    expect(page.locator("img[alt*='QR code']")).to_be_visible()
    page.locator("img[alt*='QR code']").evaluate("image => image.decode()")  # rejects when it is broken
    screenshot(page, "install/certificates")
    answer = page.locator("#certificate-form")
    answer.locator("textarea").fill(request)  # the wrong thing first
    answer.get_by_role("button", name="Install").click()
    expect(page.locator("#certificate-checked")).to_contain_text("This is the request itself")
    page.locator("#certificate-form textarea").fill(authority.sign(request) + authority.pem)
    page.get_by_label("Trust the root authority").check()
    page.locator("#certificate-form").get_by_role("button", name="Install").click()
    expect(page.locator("#current")).to_contain_text("CN=clinic-07")
    go_on(page, "#security")

    at(page, "centre")
    add_centre(page, centre.port, "with-clinic-07")
    page.get_by_role("button", name="Look whether the centres are found").click()
    expect(page.locator(".looked")).to_contain_text("the port takes connections")
    go_on(page)

    # The power goes; the page comes back with everything that was typed.
    new_box.kill_page()
    new_box.start_page()
    page.goto("/install")
    expect(page.locator(".way-through li.done")).to_have_count(
        4 + page.locator("li.done >> text=Time").count()
    )
    page.get_by_role("link", name="Go on").click()
    page.goto("/install/console")
    at(page, "console")
    expect(page.locator(".plate")).to_contain_text("ARIA")
    expect(page.locator(".plate")).to_contain_text(str(port))
    add_console(page)

    at(page, "review")
    assert new_box.config.read_text() == before  # nothing has been touched
    expect(page.locator("#words")).to_contain_text("Only LINAC1 may send there.")
    page.get_by_text("Line by line").click()
    expect(page.locator("tr.add .text").filter(has_text="oncology").first).to_be_visible()
    screenshot(page, "install/review")
    page.get_by_role("button", name="Apply and try it").click()
    expect(page.locator("#trial")).to_contain_text("Keep this configuration?", timeout=40_000)
    expect(page.locator("[data-countdown]")).to_have_text(re.compile(r"^(2:00|1:\d\d)$"))
    assert_accessible(page)
    page.get_by_role("button", name="Keep it").click()

    at(page, "test")
    page.get_by_label("RT Beams Treatment Record").check()
    page.get_by_role("button", name="Start the test run").click()
    expect(page.locator("#test-end")).to_contain_text("Console LINAC1 calls", timeout=60_000)
    expect(page.locator("#live-steps")).to_contain_text("Storage of RT Beams Treatment Record")
    assert len(centre.received()) == 1
    assert run_console("echoscu", port, "CLINIC07", [], calling="LINAC1").code == 0
    expect(page.locator("#calls")).to_contain_text("Every console has called", timeout=15_000)
    page.get_by_role("link", name="Show the results").click()
    results = page.locator("#results li", has=page.locator("h3"))
    expect(results.filter(has_text="Way to the centre ARIA")).to_contain_text("passed")
    expect(results.filter(has_text="Console LINAC1 calls")).to_contain_text("It called from 127.0.0.1")
    assert_accessible(page)
    screenshot(page, "install/test")

    page.get_by_role("link", name="On to the acceptance sheet").click()
    at(page, "sheet")
    page.get_by_role("button", name="Make the acceptance sheet").click()
    sheet = page.locator(".paper-sheet")
    expect(sheet).to_contain_text("No. 1")
    for words in ("Bunker 2", "clinic-07", "CLINIC07", "CN=clinic-07", "Emil Engineer", "Way to the centre"):
        expect(sheet).to_contain_text(words)
    fingerprint = page.locator(".prints dd").first.inner_text()
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", fingerprint)
    assert_accessible(page)
    screenshot(page, "install/sheet")
    page.emulate_media(media="print")
    expect(page.locator(".side")).to_be_hidden()
    page.set_viewport_size({"width": 720, "height": 1000})  # A4 without its margins
    assert_fits(page)
    screenshot(page, "install/sheet-print")
    assert page.locator("article").evaluate("each => getComputedStyle(each).color") == "rgb(17, 17, 17)"
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="screen")

    # What was installed works: a record goes from the console through the gateway to the centre.
    record = tmp_path / "record.dcm"
    record.write_bytes(objects.small_object(RECORD, "1.2.826.0.1.3680043.8.498.1", b"x" * 500))
    assert run_console("storescu", port, "ARIA", [record], calling="LINAC1").code == 0
    new_box.gateway.wait("the record at the centre", lambda: len(centre.received()) == 2)
    refused = run_console("storescu", port, "ARIA", [record], calling="OTHER")
    assert refused.code != 0
    assert "# Made at the factory." in new_box.config.read_text()
    assert "# to be changed" in new_box.config.read_text()


def press_through(page: Page, answers: dict[str, str], button: str) -> None:
    """Fill fields and press a button with Tab, keys and Enter alone."""
    left = dict(answers)
    for _ in range(120):
        page.keyboard.press("Tab")
        what = page.evaluate(
            "(() => { const one = document.activeElement; return [one.id || '', one.innerText || '',"
            " one.tagName, one.closest('main') !== null]; })()"
        )
        if what[0] in left:
            page.keyboard.press("Control+A")
            page.keyboard.type(left.pop(what[0]))
        elif what[2] == "BUTTON" and what[1].strip() == button and what[3] and not left:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"never came to {left or button}")


def test_with_the_keyboard_alone_and_put_back_when_nobody_keeps_it(
    new_box: Box, surfers: Callable[..., Surfer]
) -> None:
    before = new_box.config.read_text()
    page = surfers(new_box).sign_in("engineer", "/install/name")
    answers = {"gateway": "clinic-08", "ae_title": "CLINIC08", "site": "A clinic"}
    press_through(page, answers, "Next")
    expect(page.locator("h1")).to_contain_text("Step 2 of 9")
    page.goto("/install/review")
    # Two minutes are too long for a test: the same form, with a shorter wait.
    page.locator("#apply input[name=window]").evaluate("each => { each.value = '8'; }")
    press_through(page, {}, "Apply and try it for two minutes")
    expect(page.locator("#trial")).to_contain_text("Keep this configuration?", timeout=40_000)
    assert 'name = "clinic-08"' in new_box.config.read_text()
    expect(page.locator("#trial")).to_contain_text("The last change was put back", timeout=60_000)
    assert new_box.config.read_text() == before
    # The answers are still there, and can be applied again, and put back by hand.
    expect(page.locator("#words")).to_contain_text("clinic-08")
    page.get_by_role("button", name="Apply and try it").click()
    page.get_by_role("button", name="Put the previous one back").click(timeout=40_000)
    expect(page.locator("#trial")).to_contain_text("The last change was put back", timeout=40_000)
    assert new_box.config.read_text() == before


@pytest.mark.parametrize("how", ["light", "dark", "phone", "phone-fr", "phone-es", "no-script"])
def test_every_step_can_be_read_and_fits(box: Box, surfers: Callable[..., Surfer], how: str) -> None:
    """On a box that is configured already: its answers are filled in."""
    options = {
        "dark": {"color_scheme": "dark"},
        "phone": {"viewport": PHONE},
        "phone-fr": {"viewport": PHONE, "locale": "fr"},
        "phone-es": {"viewport": PHONE, "locale": "es"},
        "no-script": {"java_script_enabled": False},
    }.get(how, {})
    page = surfers(box, **options).sign_in("engineer", "/install")
    for step in STEPS:
        page.goto(f"/install/{step}")
        expect(page.locator("h1")).to_contain_text(re.compile(rf"\b{STEPS.index(step) + 1}\b.*\b9\b"))
        if how != "no-script":
            assert_fits(page)
            assert_accessible(page)
        screenshot(page, f"install/{step}-{how}")
    page.goto("/install/centre")
    expect(page.locator("#centres")).to_contain_text("ARIA")
