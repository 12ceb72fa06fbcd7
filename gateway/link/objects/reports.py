"""What became of objects after the hub had them: its book at the hub, and its reader at a site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.link.values import Report, Stage
from gateway.spool import Stage as KeptStage
from gateway.spool import StageReport


class Book(Protocol):
    """What is needed of the hub's spool."""

    async def reports_waiting(self, site: str, spool: bytes, after: int, most: int) -> list[StageReport]: ...

    async def reports_acknowledged(self, site: str, spool: bytes, seq: int) -> None: ...

    def on_reports(self, callback: Callable[[str], None]) -> Callable[[], None]: ...


class Reports:
    """The reports of all sites, durable until acknowledged. See gateway.link.ports.ReportBook."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def waiting(self, site: str, spool: bytes, after: int, most: int) -> Sequence[Report]:
        """See ReportBook. The numbers grow; a report that was replaced by a newer one leaves a gap."""
        found = await self._book.reports_waiting(site, spool, after, most)
        return [
            Report(
                one.seq, one.spool, one.delivery, one.digest, Stage(one.stage), one.status, one.words, one.at
            )
            for one in found
        ]

    async def acknowledged(self, site: str, spool: bytes, seq: int) -> None:
        """See ReportBook."""
        await self._book.reports_acknowledged(site, spool, seq)

    def on_news(self, tell: Callable[[str], None]) -> Callable[[], None]:
        """See ReportBook."""
        return self._book.on_reports(tell)


class Taking(Protocol):
    """What is needed of the site's spool."""

    async def take_report(self, hub: bytes, report: StageReport) -> bool: ...


class ReportTaker:
    """Takes what the hub reports into the site's journal. For SiteLink.on_report."""

    def __init__(self, spool: Taking, own: bytes, hub: Callable[[], bytes]) -> None:
        """`own`: the identity of this spool; `hub` gives that of the hub's, as its hello says."""
        self._spool = spool
        self._own = own
        self._hub = hub

    async def __call__(self, report: Report) -> None:
        """Durable when it returns. What is about another spool than ours concerns nobody any more."""
        if report.spool != self._own:
            return
        kept = StageReport(
            report.seq,
            report.spool,
            report.delivery,
            report.digest,
            KeptStage(report.stage),
            report.status,
            report.words,
            report.at,
        )
        await self._spool.take_report(self._hub(), kept)
