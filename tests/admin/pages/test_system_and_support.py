from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.diagnosis import Diagnosis
from gateway.admin.diagnosis.machine import MachineWatch
from gateway.admin.visit import SERVICES
from gateway.health import report
from gateway.health.machine import Machine
from gateway.health.time_sources import KernelClock
from gateway.logs.ring import LogRing
from gateway.operator.sections.logs import LogsSection
from gateway.operator.sections.store_check import StoreCheckSection
from gateway.operator.store_view import StoreView
from gateway.spool.scrub_values import PassReport
from tests.support.admin_site import Document, Site, site
from tests.support.machine_tree import CHRONY, make
from tests.support.store_checks import IDLE, FakeScrub

IN_STEP = KernelClock(True, 0.02, 0.0)


def on(page: Site, machine: Machine) -> None:
    """Let the page read this machine."""
    watch = MachineWatch(lambda folders: report.read(folders, machine, lambda: IN_STEP))
    object.__setattr__(page.app[SERVICES], "diagnosis", Diagnosis(machine=watch))


@pytest.fixture
async def page() -> AsyncIterator[Site]:
    async with site() as page:
        yield page


def main(document: Document) -> str:
    return document.find("main").text


async def test_a_good_machine(page: Site, tmp_path: Path) -> None:
    on(page, make(tmp_path, commands={"chronyc": CHRONY}))
    document = await page.get("/system")
    assert document.find(".verdict")["class"] == "verdict ok"
    assert "The machine is in order." in document.find(".verdict").text
    for words in (
        "Raspberry Pi Compute Module 4", "192.0.2.1", "48.7", "eMMC", "BJTD4R", "05/2024", "1,000 Mbit/s",
        "Debian GNU/Linux 12", "At most 20% of the life", "kept for treatment records",
    ):  # fmt: skip
        assert words in main(document), words
    assert document.all(".bar rect")


async def test_what_needs_a_look_is_told_first(page: Site, tmp_path: Path) -> None:
    changes = {"/sys/class/thermal/thermal_zone0/temp": "91000", "/sys/fs/ext4/mmcblk0p2/errors_count": "2"}
    on(page, make(tmp_path, changes, {"chronyc": CHRONY}))
    document = await page.get("/system/now", fragment=True)
    told = document.find(".verdict").text
    assert "2 things need a look" in told
    assert "Temperature: The processor is hot: 91 °C." in told
    assert "errors" in told
    assert "Free the air slots" in document.source
    assert document.find("#system-now")["hx-trigger"] == "every 10s"


async def test_another_language(page: Site, tmp_path: Path) -> None:
    on(page, make(tmp_path, commands={"chronyc": CHRONY}))
    document = await page.get("/system", Accept_Language="fr")
    assert document.status == 200
    assert "48,7 °C" in main(document)


async def test_an_empty_machine_is_a_page_too(page: Site, tmp_path: Path) -> None:
    on(page, Machine(tmp_path, lambda _: None))
    document = await page.get("/system")
    assert document.status == 200
    assert "cannot be read" in main(document)


async def test_hostile_names_stay_text(page: Site, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    changes = {"/proc/device-tree/model": hostile, "/proc/sys/kernel/hostname": hostile}
    on(page, make(tmp_path, changes))
    document = await page.get("/system")
    assert hostile in main(document)
    assert hostile not in document.source


async def test_without_the_gateway_the_machine_is_still_shown(tmp_path: Path) -> None:
    async with site(serve_gateway=False) as page:
        on(page, make(tmp_path))
        document = await page.get("/system")
    assert document.status == 200
    assert "192.0.2.1" in main(document)


@pytest.fixture
def scrub() -> FakeScrub:
    return FakeScrub()


@pytest.fixture
async def checked(scrub: FakeScrub) -> AsyncIterator[Site]:
    async with site(sections=[StoreCheckSection(StoreView(scrub, lambda: 5000.0))]) as page:
        yield page


async def test_a_store_that_was_not_checked_yet(checked: Site, tmp_path: Path) -> None:
    on(checked, make(tmp_path))
    card = (await checked.get("/system")).find("#store-check").text
    assert "was not read again yet" in card
    assert "Check everything now" in card


async def test_a_check_that_somebody_asks_for(checked: Site, scrub: FakeScrub, tmp_path: Path) -> None:
    on(checked, make(tmp_path))
    answer = await checked.post("/system/check-store")
    assert answer.status == 303
    assert scrub.requests == 1
    card = (await checked.get("/system")).find("#store-check")
    assert "Being read again" in card.text
    assert "Check everything now" not in card.text
    await checked.get("/system/now", fragment=True)
    card = (await checked.get("/system")).find("#store-check")
    assert "Everything is as it was received: 3 objects" in card.text


async def test_a_store_that_is_damaged(tmp_path: Path) -> None:
    last = PassReport("background", 1.0, 2.0, objects=9, damaged=1, missing=2, unreadable=1, journal_faults=1)
    scrub = FakeScrub(replace(IDLE, last=last))
    async with site(sections=[StoreCheckSection(StoreView(scrub, lambda: 5000.0))]) as page:
        on(page, make(tmp_path))
        for language, words in (
            (
                "en",
                (
                    "1 object is damaged on the disk",
                    "2 objects are missing",
                    "does not give 1 object back",
                    "dicom-gateway spool rebuild",
                ),
            ),
            ("fr", ("1 objet est endommagé sur le disque", "dicom-gateway spool rebuild")),
        ):
            card = (await page.get("/system", Accept_Language=language)).find("#store-check")
            assert all(one in card.text for one in words), card.text
            assert card.find("a")["href"] == "/queue/held"


async def test_this_very_machine(page: Site) -> None:
    document = await page.get("/system")
    assert document.status == 200
    assert "SQLite" in main(document)


async def made(page: Site) -> Document:
    answer = await page.post("/support")
    assert answer.status == 303
    return await page.get(answer.headers["Location"])


async def test_what_is_shown_is_exactly_what_is_downloaded(tmp_path: Path) -> None:
    ring = LogRing()
    log = logging.Logger("gateway.test")
    log.addHandler(ring)
    log.error("no <b>KOWALCZYK^JADWIGA</b> here")
    async with site(sections=[LogsSection(ring)]) as page:
        on(page, make(tmp_path))
        document = await made(page)
        parts = {one.find("code").text: one.find("pre") for one in document.all(".parts li")}
        link = document.find("a[download]")["href"]
        answer = await page.get(link)
    assert answer.headers["Content-Type"] == "application/zip"
    assert hashlib.sha256(answer.raw).hexdigest() == document.find(".digest").text
    with zipfile.ZipFile(io.BytesIO(answer.raw)) as archive:
        assert set(archive.namelist()) == set(parts)
        for name in archive.namelist():
            text = archive.read(name).decode()
            shown = parts[name].children[0]
            assert isinstance(shown, str)
            assert shown.lstrip("\n") == text.lstrip("\n"), name
            assert "KOWALCZYK" not in text
    assert "KOWALCZYK" not in document.source
    what = [entry[:2] for entry in page.access.audited]
    assert what == [("support-bundle", ""), ("download", "support bundle")]


async def test_a_bundle_is_made_without_the_gateway_too(tmp_path: Path) -> None:
    async with site(serve_gateway=False) as page:
        on(page, make(tmp_path))
        document = await made(page)
    assert "no gateway is running" in document.source
    assert "Raspberry Pi Compute Module" in document.source


async def test_a_bundle_that_is_gone_leads_back(page: Site) -> None:
    for path in ("/support/0123456789abcdef", "/support/0123456789abcdef/download"):
        answer = await page.get(path)
        assert (answer.status, answer.headers["Location"]) == (303, "/support")


@pytest.mark.parametrize("role", ["viewer", "clinic"])
async def test_making_one_needs_the_permission(role: str) -> None:
    async with site(role=role) as page:
        assert (await page.post("/support")).status == 403
        assert (await page.get("/support/0123456789abcdef/download")).status == 403


async def test_making_one_needs_the_form(page: Site) -> None:
    assert (await page.post_fields("/support", {})).status == 403
