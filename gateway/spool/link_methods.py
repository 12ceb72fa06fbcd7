"""The methods of the spool for the two ends of a link: a hub's books, and what a site is told of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.spool import arrivals, hub_news
from gateway.spool.access import Access
from gateway.spool.link_values import Arrived, StageReport, Transfer


class LinkMethods(Access):
    """Arrivals and reports."""

    identity: bytes
    """The name of this spool: 16 random bytes, the same for as long as it lives."""

    # at a hub

    async def arrived_before(self, transfer: Transfer) -> Arrived | None:
        """Find what `transfer` brought before; its site is told once more how it stands. Durable.

        None when it brought nothing, or when that was given up here since: then it has to come (again).
        """
        return await self._submit(partial(arrivals.again, transfer=transfer))

    async def reports_waiting(self, site: str, spool: bytes, after: int, most: int) -> list[StageReport]:
        """Return up to `most` reports that the site has not acknowledged, those after number `after`."""
        return await self._ask(lambda db: arrivals.waiting(db, site, spool, after, most))

    async def reports_acknowledged(self, site: str, spool: bytes, seq: int) -> None:
        """Record that the site has every report up to `seq`. Those that came later wait on."""
        await self._submit(partial(arrivals.acknowledged, site=site, spool=spool, seq=seq))

    def on_reports(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(site)` on the event loop when there is something new to tell that site.

        The returned function ends that.
        """
        return self._side.on_reports(callback)

    # at a site

    async def take_report(self, hub: bytes, report: StageReport) -> bool:
        """Apply what the hub with this identity reports; durable when it returns.

        False when it is about nothing that is here; there is nothing to be done about that.
        """
        return await self._submit(partial(hub_news.take, hub=hub, report=report))

    async def reports_taken(self, hub: bytes) -> int:
        """Return the number of the last report of this hub that was taken; 0: none."""
        return await self._submit(partial(hub_news.taken, hub=hub), durable=False)
