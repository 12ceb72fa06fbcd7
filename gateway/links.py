"""What is shown and tested of the links, built together: path tests.

A part of the composition: app.py gives it what it needs, and gets the sections of the operator API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from ssl import SSLContext

from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.path_testing import OperatorPathTests
from gateway.operator.section import Section
from gateway.operator.sections.path_test import PathTestSection
from gateway.pathtest.book import Book
from gateway.pathtest.inbox import Inbox
from gateway.pathtest.tester import PathTester
from gateway.pathtest.walk import Way


class Links:
    """The links of one gateway, as people see and test them."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        own_ae: AETitle,
        notices: Notices,
        *,
        state_dir: Path,
        tls_for: Callable[[Peer], SSLContext | None],
        dialled: Callable[[str, str | None], None],
    ) -> None:
        """`peers` by name; `dialled` is told how each dial went (the reason of a failure, else None)."""
        self.inbox = Inbox()
        self._peers = peers
        self._state_dir = state_dir
        self._way = Way(own_ae, notices, tls_for, self.inbox, dialled)

    async def sections(self, undo: AsyncExitStack) -> list[Section]:
        """Build what the operator API shows; `undo` ends it."""
        book = await asyncio.to_thread(Book.load, self._state_dir, list(self._peers))
        tester = PathTester(self._peers, self._way, book)
        undo.push_async_callback(tester.close)
        return [PathTestSection(OperatorPathTests(tester))]
