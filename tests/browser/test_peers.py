"""Consoles and centres in a browser, with DCMTK and pynetdicom as consoles and DCMTK as a centre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    BasicFilmSession,
    ModalityWorklistInformationFind,
    Verification,
)

from tests.browser.conftest import PageAs
from tests.support import objects
from tests.support.box import Box
from tests.support.browsing import assert_accessible, assert_fits, screenshot
from tests.support.dcmtk import StoreScp, run_console
from tests.support.forking import kill_with_children
from tests.support.gateway_process import peer
from tests.support.ports import free_port

pytestmark = pytest.mark.peers
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreScp]:
    running = StoreScp(tmp_path_factory.mktemp("centre"), ae_title="ARIA", options=("--fork",)).start()
    yield running
    assert running.program is not None
    kill_with_children(running.program)


@pytest.fixture(scope="module")
def box(browser: Browser, centre: StoreScp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A gateway between consoles and two centres, of which one does not answer."""
    port = free_port()
    listener = {"name": "console", "address": "127.0.0.1", "port": port, "allow": ["127.0.0.1/32"]}
    with Box(
        tmp_path_factory.mktemp("box"),
        peers=[peer("oncology", "ARIA", centre.port), peer("archive", "PACS", free_port())],
        routes=[
            {"called": "ARIA", "to": ["oncology"]},
            {"called": "PACS", "to": ["archive"], "calling": ["LINAC1"]},
        ],
        listeners=[listener],
    ) as running:
        running.gateway.port = port
        yield running


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small treatment record as a file."""
    path = tmp_path_factory.mktemp("record") / "record.dcm"
    content = objects.small_object("1.2.840.10008.5.1.4.1.1.481.4", "1.2.826.0.1.3680043.8.498.1", b"x" * 500)
    path.write_bytes(content)
    return path


def test_a_console_appears_by_itself_and_its_open_association_is_live(
    box: Box, page_as: PageAs, record: Path
) -> None:
    page = page_as("engineer", "/peers")
    expect(page.locator("#consoles")).to_contain_text("No console has called yet")
    assert run_console("echoscu", box.gateway.port, "CLINIC07", [], calling="LINAC1").code == 0
    expect(page.locator("#consoles tbody tr")).to_contain_text("LINAC1")
    assert run_console("storescu", box.gateway.port, "ARIA", [record], calling="LINAC2").code == 0
    expect(
        page.locator("#consoles tbody tr", has_text="LINAC2").locator("[data-label=Objects]")
    ).to_have_text("1")

    entity = AE("LINAC3")
    entity.add_requested_context(Verification)
    entity.add_requested_context(BasicFilmSession)
    entity.add_requested_context(ModalityWorklistInformationFind)
    association = entity.associate("127.0.0.1", box.gateway.port, ae_title="ARIA")
    try:
        assert association.is_established
        live = page.locator("#live tbody tr", has_text="LINAC3 → ARIA")
        expect(live.filter(has_text="in, through console")).to_have_count(1)
        expect(live.filter(has_text="out, to oncology")).to_have_count(1)  # what it asks is passed through
        expect(page.locator("#consoles tbody tr", has_text="LINAC3")).to_contain_text("1 association is open")
        expect(page.locator("svg.wide")).to_contain_text("LINAC3")
        assert_accessible(page)
        screenshot(page, "peers")
    finally:
        association.release()
    expect(page.locator("#live tbody tr", has_text="in, through console")).to_have_count(0)


def test_what_a_console_did_not_get_is_told_in_words(page_as: PageAs) -> None:
    """Of the console in the test before: the centre is a storescp, which knows no worklist and no films."""
    page = page_as("clinic", "/peers")
    page.get_by_role("link", name="LINAC3").click()
    expect(page.locator("h1")).to_have_text("LINAC3")
    refused = page.locator("#refused tbody tr")
    expect(refused.filter(has_text="Modality Worklist")).to_have_count(1)
    expect(refused.filter(has_text="Basic Film Session")).to_contain_text("not supported")
    assert_accessible(page)
    screenshot(page, "peers-console")


def test_who_is_turned_away_appears_with_what_to_do(box: Box, page_as: PageAs) -> None:
    page = page_as("engineer", "/peers")
    assert run_console("echoscu", box.gateway.port, "ARIAA", [], calling="NEWLINAC").code != 0
    assert run_console("echoscu", box.gateway.port, "PACS", [], calling="OTHER").code != 0
    page.reload()
    stranger = page.locator("#turned-away tbody tr", has_text="NEWLINAC")
    expect(stranger).to_contain_text("It called the AE title ARIAA, and nothing here has this title.")
    expect(stranger).to_contain_text("Correct the called AE title on the console")
    other = page.locator("#turned-away tbody tr", has_text="OTHER")
    expect(other).to_contain_text("Its AE title OTHER may not call PACS.")


def test_a_centre_is_tested_step_by_step_and_the_result_stays(box: Box, page_as: PageAs) -> None:
    page = page_as("engineer", "/peers")
    good = page.locator(".centre", has=page.get_by_role("link", name="oncology"))
    good.get_by_role("button", name="Test").click()
    expect(good.locator(".result")).to_contain_text("oncology answers")
    expect(good.locator("ol.steps li")).to_have_count(4)
    bad = page.locator(".centre", has=page.get_by_role("link", name="archive"))
    bad.get_by_role("button", name="Test").click()
    expect(bad.locator(".result")).to_contain_text("archive does not answer as it should")
    expect(bad.locator(".result")).to_contain_text("firewalls on the way let TCP port")
    # What comes live (the association of another console) leaves the results where they are.
    assert run_console("echoscu", box.gateway.port, "CLINIC07", [], calling="LINAC9").code == 0
    expect(page.locator("#consoles tbody tr", has_text="LINAC9")).to_have_count(1)
    expect(good.locator(".result")).to_contain_text("oncology answers")
    expect(bad.locator(".badge").first).to_contain_text("does not answer")
    assert_accessible(page)
    screenshot(page, "peers-tested")
    page.get_by_role("link", name="archive").first.click()
    expect(page.locator("h1")).to_have_text("archive")
    expect(page.locator(".notice.attention")).to_contain_text("It was not reached over the network.")
    page.get_by_role("button", name="Test now").click()
    expect(page.locator("#tested")).to_contain_text("archive does not answer as it should")
    assert_accessible(page)
    screenshot(page, "peers-centre")


def test_the_clinic_may_look_and_not_test(page_as: PageAs) -> None:
    page = page_as("clinic", "/peers")
    expect(page.locator("#centres")).to_contain_text("oncology")
    expect(page.get_by_role("button", name="Test")).to_have_count(0)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_it_fits_a_phone(page_as: PageAs, lang: str) -> None:
    page = page_as("engineer", "/peers", viewport=PHONE, locale=lang)
    expect(page.locator("svg.tall")).to_be_visible()
    expect(page.locator("svg.wide")).to_be_hidden()
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, f"peers-phone-{lang}")
    page.goto("/peers/centre/oncology")
    assert_fits(page)
    screenshot(page, f"peers-centre-phone-{lang}")


def test_it_is_readable_in_the_dark(page_as: PageAs) -> None:
    page = page_as("engineer", "/peers", color_scheme="dark")
    assert_accessible(page)
    screenshot(page, "peers-dark")


def test_it_works_without_scripts(page_as: PageAs) -> None:
    page = page_as("engineer", "/peers", java_script_enabled=False)
    page.locator(".centre", has_text="oncology").get_by_role("button", name="Test").click()
    expect(page.locator("#tested")).to_contain_text("oncology answers")
