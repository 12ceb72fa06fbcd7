"""The methods of the spool for treatment records as people look at them: by day."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.spool import record_queries
from gateway.spool.access import Access
from gateway.spool.record_queries import RecordRow, RecordStanding


class RecordMethods(Access):
    """Part of Spool; see there. Reading only."""

    async def records_between(self, since: float, until: float, limit: int) -> list[RecordStanding]:
        """Return up to `limit` records received from `since` to before `until`: the newest, newest first."""
        return await self._ask(lambda db: record_queries.records_between(db, since, until, limit))

    async def record_rows(self, numbers: Sequence[int]) -> list[RecordRow]:
        """Return treatment records by number, in this order, with when each delivery got how far."""
        return await self._ask(lambda db: record_queries.record_rows(db, numbers))
