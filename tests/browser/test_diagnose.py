"""Log, audit, system and support in a real browser: an engineer finds out what is going on."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.admin.access.permissions import Role
from tests.browser.conftest import PageAs
from tests.support.box import NAMES, Box
from tests.support.browsing import assert_accessible, assert_fits, screenshot

PHONE = {"width": 360, "height": 740}
ECHOSCU = "/usr/bin/echoscu"


def call(box: Box, calling: str) -> None:
    """A console verifies the gateway: an association that leaves a line in the log."""
    subprocess.run(
        [ECHOSCU, "-aet", calling, "-aec", "CLINIC07", "127.0.0.1", str(box.gateway.port)],
        check=True,
        timeout=30,
        capture_output=True,
    )


def test_a_line_appears_as_it_is_written(box: Box, page_as: PageAs) -> None:
    page = page_as("engineer", "/logs")
    expect(page.locator("#log-state")).to_contain_text("Live")
    expect(page.locator("#log")).not_to_contain_text("LIVELINAC")
    call(box, "LIVELINAC")
    expect(page.locator("#log li", has_text="LIVELINAC").first).to_be_visible()
    screenshot(page, "logs")
    assert_accessible(page)


def test_pausing_keeps_the_page_still_and_going_on_catches_up(box: Box, page_as: PageAs) -> None:
    page = page_as("engineer", "/logs")
    page.click("#log-pause")
    expect(page.locator("#log-state")).to_contain_text("Paused")
    call(box, "PAUSEDLINAC")
    # Another window shows the line; the one that pauses does not.
    other = page_as("engineer", "/logs?q=PAUSEDLINAC")
    expect(other.locator("#log li", has_text="PAUSEDLINAC").first).to_be_visible()
    expect(page.locator("#log")).not_to_contain_text("PAUSEDLINAC")
    page.click("#log-pause")
    expect(page.locator("#log li", has_text="PAUSEDLINAC").first).to_be_visible()


def test_from_an_association_to_its_lines_alone(box: Box, page_as: PageAs) -> None:
    call(box, "FIRSTLINAC")
    call(box, "SECONDLINAC")
    page = page_as("engineer", "/logs")
    page.locator("#log li", has_text="SECONDLINAC").locator("a").last.click()
    expect(page.locator("#log")).to_contain_text("SECONDLINAC")
    expect(page.locator("#log")).not_to_contain_text("FIRSTLINAC")
    assert "association%3D" in page.url or "association=" in page.url


def test_a_level_is_chosen_without_a_button(page_as: PageAs) -> None:
    page = page_as("engineer", "/logs")
    page.select_option("#level", "error")
    page.wait_for_url(re.compile(r"level=error"))
    expect(page.locator("#log-empty")).to_be_visible()


def test_the_log_can_be_taken_along(box: Box, page_as: PageAs) -> None:
    call(box, "TAKENLINAC")
    page = page_as("engineer", "/logs")
    with page.expect_download() as begun:
        page.click("a[href^='/logs/download']")
    text = Path(begun.value.path()).read_text()
    assert "calling=TAKENLINAC" in text
    assert begun.value.suggested_filename == "clinic-07-log.txt"


def test_the_audit_trail_knows_who(box: Box, page_as: PageAs) -> None:
    subprocess.run(
        [sys.executable, "-m", "gateway.cli", "queue", "pause", "centre", "--socket", str(box.socket)],
        check=True,
        timeout=60,
        capture_output=True,
    )
    page = page_as("engineer", "/audit")
    row = page.locator("tbody tr", has_text="pause").first
    expect(row).to_contain_text("uid")
    expect(page.locator("tbody tr", has_text="sign-in").first).to_contain_text(NAMES[Role.ENGINEER])
    row.get_by_role("link", name="pause").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    screenshot(page, "audit")
    assert_accessible(page)
    page.goto("/audit/verify")
    expect(page.locator(".notice.ok")).to_contain_text("whole")


def test_the_machine_is_drawn_and_read_again(page_as: PageAs) -> None:
    page = page_as("engineer", "/system")
    expect(page.locator("svg.bar").first).to_be_visible()
    read_at = page.locator("#system-now > p").inner_text()
    expect(page.locator("#system-now > p")).not_to_have_text(read_at, timeout=30_000)
    screenshot(page, "system")
    assert_accessible(page)


def test_a_bundle_is_seen_before_it_is_downloaded(page_as: PageAs) -> None:
    page = page_as("engineer", "/support")
    screenshot(page, "support")
    page.click("main form button")
    page.wait_for_url(re.compile(r"/support/[0-9a-f]{16}$"))
    digest = page.locator(".digest").inner_text()
    log = page.locator(".parts li", has=page.locator("summary code", has_text="log.txt"))
    log.locator("summary").click()
    expect(log.locator("pre")).to_be_visible()
    shown = log.locator("pre").inner_text()
    screenshot(page, "support-bundle")
    assert_accessible(page)
    with page.expect_download() as begun:
        page.click("a[download]")
    content = Path(begun.value.path()).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("log.txt").decode().split() == shown.split()


@pytest.mark.parametrize("path", ["/logs", "/audit", "/system", "/support"])
def test_on_a_phone(box: Box, page_as: PageAs, path: str) -> None:
    call(box, "PHONELINAC")
    page: Page = page_as("engineer", path, viewport=PHONE)
    assert_fits(page)
    screenshot(page, f"phone{path.replace('/', '-')}")


@pytest.mark.parametrize("path", ["/logs", "/audit", "/system", "/support"])
def test_in_the_dark(page_as: PageAs, path: str) -> None:
    page = page_as("admin", path, color_scheme="dark")
    assert_accessible(page)
    screenshot(page, f"dark{path.replace('/', '-')}")


@pytest.mark.parametrize("path", ["/logs", "/audit", "/system", "/support"])
def test_the_clinic_does_not_see_them(page_as: PageAs, path: str) -> None:
    page = page_as("clinic", "/")
    assert page.locator(f".side.menu a[href='{path}']").count() == 0
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 403
