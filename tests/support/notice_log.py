"""Notices as a test sees them: kept, counted, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.notices import Notice, Notices

N = TypeVar("N", bound=Notice)


class NoticeLog:
    """Subscribes to `notices`; `wait` returns the first notice of a kind, past or future."""

    def __init__(self) -> None:
        self.notices = Notices()
        self.all: list[Notice] = []
        self._news = asyncio.Event()
        self.notices.subscribe(self._take)

    def _take(self, notice: Notice) -> None:
        self.all.append(notice)
        self._news.set()

    def of(self, kind: type[N]) -> list[N]:
        """Return every notice of a kind so far."""
        return [notice for notice in self.all if isinstance(notice, kind)]

    async def wait(self, kind: type[N], matches: Callable[[N], bool] = lambda notice: True) -> N:
        """Return the first notice of `kind` that matches, waiting for it if need be."""
        return (await self.wait_count(kind, 1, matches))[0]

    async def wait_count(
        self,
        kind: type[N],
        count: int,
        matches: Callable[[N], bool] = lambda notice: True,
    ) -> list[N]:
        """Return the matching notices of `kind` as soon as there are `count` of them."""
        async with asyncio.timeout(10):
            while True:
                self._news.clear()
                found = [notice for notice in self.of(kind) if matches(notice)]
                if len(found) >= count:
                    return found
                await self._news.wait()
