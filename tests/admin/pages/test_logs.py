from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.admin.diagnosis import Diagnosis
from gateway.admin.diagnosis.journal import Journal, JournalPage, NoJournal
from gateway.admin.visit import SERVICES
from gateway.logs.ring import LogRing, RingLimits
from gateway.operator.sections.logs import LogLine, LogsSection
from tests.support.admin_site import Site, site

LOG = logging.Logger("gateway.test", logging.DEBUG)
HOSTILE = '<script>alert("x")</script>'


@dataclass
class FakeJournal(Journal):
    pages: list[JournalPage | NoJournal] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)

    async def page(self, **wanted: object) -> JournalPage:  # type: ignore[override]  # noted, whatever it is
        self.asked.append(wanted)
        answer = self.pages.pop(0)
        if isinstance(answer, NoJournal):
            raise answer
        return answer


@pytest.fixture
def ring() -> LogRing:
    ring = LogRing(RingLimits(lines=500))
    LOG.handlers[:] = [ring]
    return ring


@pytest.fixture
async def page(ring: LogRing) -> AsyncIterator[Site]:
    async with site(sections=[LogsSection(ring)]) as page:
        yield page


def events(document: object) -> list[str]:
    return [line.find("strong").text for line in document.all("li.log-line")]  # type: ignore[attr-defined]


async def test_the_last_lines_with_level_in_words(page: Site) -> None:
    LOG.info("object stored", extra={"fields": (("object", 17), ("association", "a1b2"))})
    LOG.warning("refused")
    LOG.error("it broke %s", HOSTILE)
    LOG.debug("not shown at first")
    document = await page.get("/logs")
    assert events(document) == ["object stored", "refused", f"it broke {HOSTILE}"]
    assert [line.find(".log-level").text for line in document.all("li.log-line")] == [
        "info",
        "warning",
        "error",
    ]
    assert HOSTILE not in document.source
    assert "not shown at first" in (await page.get("/logs?level=debug")).source
    assert events(await page.get("/logs?level=error")) == [f"it broke {HOSTILE}"]


async def test_from_one_object_to_its_lines(page: Site) -> None:
    for number in (17, 18):
        LOG.info("object stored", extra={"fields": (("object", number),)})
    document = await page.get("/logs")
    link = document.all("li.log-line")[0].find("a")
    assert events(await page.get(link["href"])) == ["object stored"]
    assert document.find("#log")["hx-trigger"] == "sse:log"


async def test_what_is_new_comes_alone(page: Site) -> None:
    LOG.info("old")
    document = await page.get("/logs")
    log = document.find("#log")
    LOG.info("new")
    fragment = await page.get(f"{log['data-url']}&after={log['data-next']}", fragment=True)
    assert events(fragment) == ["new"]
    assert fragment.headers["X-More"] == "0"
    assert fragment.headers["X-Restarted"] == "0"
    again = await page.get(f"{log['data-url']}&after={fragment.headers['X-Next']}", fragment=True)
    assert events(again) == []


async def test_older_lines_and_then_the_journal(page: Site) -> None:
    for number in range(450):
        LOG.info("e%d", number)
    document = await page.get("/logs")
    assert events(document)[0] == "e250"
    document = await page.get(document.find("a[rel=prev]")["href"])
    assert (events(document)[0], events(document)[-1]) == ("e50", "e249")
    assert "hx-trigger" not in document.find("#log").attributes
    document = await page.get(document.find("a[rel=prev]")["href"])
    assert events(document)[0] == "e0"
    assert "journal=" in document.find("a[rel=prev]")["href"]


def with_journal(page: Site, *answers: JournalPage | NoJournal) -> FakeJournal:
    journal = FakeJournal(list(answers))
    services = page.app[SERVICES]
    object.__setattr__(services, "diagnosis", Diagnosis(journal=journal))
    return journal


async def test_lines_before_this_start_come_from_the_journal(page: Site) -> None:
    line = LogLine(0, 1_764_000_000.0, "warning", "gateway", f"from before {HOSTILE}")
    journal = with_journal(page, JournalPage((line,), "s=1;i=9"), JournalPage((), ""))
    document = await page.get("/logs?level=warning&q=x&journal=1764000000.5")
    assert events(document) == [f"from before {HOSTILE}"]
    assert "older than the last start" in document.source
    assert journal.asked[0] == {"level": "warning", "text": "x", "before": 1764000000.5, "limit": 200}
    await page.get(document.find("a[rel=prev]")["href"])
    assert journal.asked[1]["cursor"] == "s=1;i=9"


async def test_a_journal_that_cannot_be_read_says_why(page: Site) -> None:
    with_journal(page, NoJournal("Permission denied"))
    document = await page.get("/logs?journal=start")
    assert document.status == 200
    assert "Permission denied" in document.find("main").text


async def test_without_the_gateway_the_journal_is_shown() -> None:
    async with site(serve_gateway=False) as page:
        line = LogLine(0, 1_764_000_000.0, "info", "gateway", "last words")
        with_journal(page, JournalPage((line,), ""))
        document = await page.get("/logs")
    assert document.status == 200
    assert events(document) == ["last words"]
    assert "does not answer" in document.all(".notice")[0].text


async def test_download_has_everything_that_is_kept(page: Site) -> None:
    for number in range(480):
        LOG.info("e%d", number, extra={"fields": (("reason", 'with "quotes"'),)})
    document = await page.get("/logs/download?level=info")
    lines = document.raw.decode().splitlines()
    assert len(lines) == 480
    assert lines[0].endswith(r'Z INFO    e0 reason="with \"quotes\""')
    assert "attachment" in document.headers["Content-Disposition"]
    assert page.access.audited == [("download", "log", "level=info", "done")]  # type: ignore[attr-defined]
    assert len((await page.get("/logs/download?q=e479")).raw.splitlines()) == 1


async def test_a_download_without_the_gateway_is_a_page_that_says_so() -> None:
    async with site(serve_gateway=False) as page:
        document = await page.get("/logs/download")
    assert document.status == 502
    assert "attachment" not in document.headers.get("Content-Disposition", "")


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("clinic", 403), ("engineer", 200), ("admin", 200)]
)
async def test_who_may(ring: LogRing, role: str, status: int) -> None:
    async with site(sections=[LogsSection(ring)], role=role) as page:
        for path in ("/logs", "/logs/new", "/logs/download", "/system", "/support"):
            assert (await page.get(path)).status == status, path


@pytest.mark.parametrize("query", ["level=loud", "before=x", "q=%00", "journal=%0a--file", "after=1-x"])
async def test_nonsense_in_the_address_is_no_defect(page: Site, query: str) -> None:
    with_journal(page, NoJournal("no"))
    assert (await page.get(f"/logs?{query}")).status in (200, 400, 422)
