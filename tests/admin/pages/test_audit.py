from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.audit.trail import AuditTrail
from gateway.audit.values import AuditEntry, AuditLimits
from gateway.operator.sections.audit import AuditSection
from tests.support.admin_site import Site, site
from tests.support.fake_control import FakeControl

HOSTILE = '<img src=x onerror="alert(1)">'
NOON = time.mktime((2026, 5, 17, 12, 0, 0, 0, 0, -1))
DAY = 86400.0


@pytest.fixture
async def trail(tmp_path: Path) -> AsyncIterator[AuditTrail]:
    trail = AuditTrail(tmp_path / "audit", AuditLimits(), FakeControl().notices)
    await trail.open()
    yield trail
    await trail.close()


@pytest.fixture
async def page(trail: AuditTrail) -> AsyncIterator[Site]:
    async with site(sections=[AuditSection(trail)]) as page:
        yield page


def whats(document: object) -> list[str]:
    return [row.all("td")[1].text for row in document.all("tbody tr")]  # type: ignore[attr-defined]


async def test_who_did_what(page: Site, trail: AuditTrail) -> None:
    await trail.add([AuditEntry(NOON, "Anna", "discard", "number=17", "there is none", HOSTILE, "192.0.2.7")])
    document = await page.get("/audit")
    assert whats(document) == ["discard", "start"]
    row = document.all("tbody tr")[0]
    for words in ("Anna", "192.0.2.7", "number=17", "not done", "there is none", HOSTILE):
        assert words in row.text
    assert HOSTILE not in document.source


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("who=bob", ["sign-in"]),
        ("what=retry", ["retry"]),
        ("q=NUMBER", ["retry"]),
        ("since=2026-05-17&until=2026-05-17", ["sign-in"]),
        ("since=2026-05-18&until=2026-05-18", ["retry"]),
        ("until=2026-05-16", []),
        ("since=nonsense&until=2026-99-99&q=number", ["retry"]),
    ],
)
async def test_filters(page: Site, trail: AuditTrail, query: str, expected: list[str]) -> None:
    await trail.add([AuditEntry(NOON, "bob", "sign-in"), AuditEntry(NOON + DAY, "anna", "retry", "number=1")])
    assert whats(await page.get(f"/audit?{query}")) == expected


async def test_a_filter_that_finds_nothing_offers_the_way_back(page: Site) -> None:
    document = await page.get("/audit?who=nobody")
    assert document.find(".empty a")["href"] == "/audit"


async def test_pages(page: Site, trail: AuditTrail) -> None:
    await trail.add([AuditEntry(NOON + n, "anna", "look", f"number={n}") for n in range(60)])
    first = await page.get("/audit?what=look")
    second = await page.get(first.find("a[rel=next]")["href"])
    assert (len(whats(first)), len(whats(second))) == (50, 10)
    assert second.find("a[rel=prev]")["href"] == "/audit?what=look"
    assert not second.all("a[rel=next]")


async def test_the_check(page: Site, trail: AuditTrail, tmp_path: Path) -> None:
    await trail.add([AuditEntry(NOON, "anna", "retry")])
    document = await page.get("/audit/verify")
    assert document.find(".notice")["class"] == "notice ok"
    digest = document.find("#newest-digest").text
    assert document.find("#newest-digest").text == (await trail.verify()).digest
    assert (await page.get(f"/audit/verify?digest={digest}")).all(".notice")
    assert (await page.get(f"/audit/verify?digest={'0' * 63}1")).all(".problem")
    (path,) = (tmp_path / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"anna", b"mona"))
    document = await page.get("/audit/verify")
    assert "entry 2" in document.find(".problem").text
    fragment = await page.get("/audit/verify", fragment=True)
    assert not fragment.all("h1")
    assert fragment.all(".problem")


async def test_the_table_for_a_spreadsheet(page: Site, trail: AuditTrail) -> None:
    await trail.add(
        [
            AuditEntry(NOON, "anna", "look", '=HYPERLINK("http://x")', "done", 'say "hi", bob'),
            *(AuditEntry(NOON, "anna", "look") for _ in range(1200)),
        ]
    )
    document = await page.get("/audit/audit.csv?what=look")
    assert document.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(document.raw.decode("utf-8-sig"))))
    assert len(rows) == 1201
    assert rows[-1]["subject"].startswith("'=HYPER")
    assert rows[-1]["detail"] == 'say "hi", bob'
    assert len(rows[0]["digest"]) == 64
    assert ("download", "audit trail", "", "done") in page.access.audited


async def test_an_empty_trail(page: Site) -> None:
    assert whats(await page.get("/audit")) == ["start"]


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("clinic", 403), ("engineer", 200), ("admin", 200)]
)
async def test_who_may(trail: AuditTrail, role: str, status: int) -> None:
    async with site(sections=[AuditSection(trail)], role=role) as page:
        for path in ("/audit", "/audit/verify", "/audit/audit.csv"):
            assert (await page.get(path)).status == status, path


async def test_without_the_gateway_it_says_so() -> None:
    async with site(serve_gateway=False) as page:
        assert (await page.get("/audit")).status == 502
