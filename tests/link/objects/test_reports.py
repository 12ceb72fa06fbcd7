"""Reports: from the hub's journal to the site's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.link.objects.reports import Reports, ReportTaker
from gateway.link.values import Report, Stage
from gateway.model import DeliveryState, Priority
from gateway.notices import Notices
from gateway.spool import Accepted, Confirmed, Spool, Transfer
from gateway.spool import Stage as KeptStage
from tests.support.spooling import SMALL, a_receipt, an_instance, an_origin, content, store

HUB = b"h" * 16


@dataclass
class Ends:
    """A site and a hub that has accepted its one object."""

    site: Spool
    hub: Spool


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    site = Spool.open(tmp_path / "site", notices=Notices())
    hub = Spool.open(tmp_path / "hub", notices=Notices())
    await store(site, content(1, SMALL))
    (job,) = await site.claim("oncology", 1)
    transfer = Transfer("clinic-07", site.identity, job.delivery.number, job.object.digest)
    incoming = hub.receive(an_instance(), an_origin(), Priority.RECORD, ["ois"], transfer=transfer)
    incoming.write(content(1, SMALL))
    await incoming.commit()
    await site.settle([Accepted(job.delivery.number, replace(a_receipt(job), hub=True))])
    yield Ends(site, hub)
    await site.close()
    await hub.close()


async def carry(ends: Ends, after: int = 0) -> list[Report]:
    """Bring every report from the hub's book to the site's journal, and the acknowledgement back."""
    book, take = Reports(ends.hub), ReportTaker(ends.site, ends.site.identity, lambda: HUB)
    reports = list(await book.waiting("clinic-07", ends.site.identity, after, 10))
    for report in reports:
        await take(report)
        await book.acknowledged("clinic-07", ends.site.identity, report.seq)
    return reports


async def test_what_becomes_of_an_object_comes_back_to_its_site(ends: Ends) -> None:
    told: list[str] = []
    forget = Reports(ends.hub).on_news(told.append)
    (job,) = await ends.hub.claim("ois", 1)
    await ends.hub.settle([Accepted(job.delivery.number, a_receipt(job, 0xB000))])
    (report,) = await carry(ends)
    assert (report.stage, report.status, report.seq) == (Stage.STORED, 0xB000, 1)
    assert [receipt.hub for _, receipt in (await ends.site.show(1)).receipts] == [True, False]
    assert await carry(ends) == []
    assert await ends.site.reports_taken(HUB) == 1
    await ends.hub.settle([Confirmed(job.delivery.number, "committed")])
    (report,) = await carry(ends)
    assert (report.stage, report.seq) == (Stage.CONFIRMED, 2)
    assert (await ends.site.show(1)).delivery.state is DeliveryState.CONFIRMED
    assert told == ["clinic-07", "clinic-07"]
    forget()


def test_the_numbers_on_the_line_are_those_of_the_journal() -> None:
    assert {one.name: int(one) for one in Stage} == {one.name: int(one) for one in KeptStage}


async def test_a_report_about_another_spool_concerns_nobody(ends: Ends) -> None:
    (job,) = await ends.hub.claim("ois", 1)
    await ends.hub.settle([Accepted(job.delivery.number, a_receipt(job))])
    (report,) = await Reports(ends.hub).waiting("clinic-07", ends.site.identity, 0, 10)
    await ReportTaker(ends.site, bytes(16), lambda: HUB)(report)
    assert (await ends.site.show(1)).cause == "at-hub"
    assert await ends.site.reports_taken(HUB) == 0
