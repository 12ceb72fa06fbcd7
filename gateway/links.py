"""What is shown and tested of the links, built together: their history, the watch, and path tests.

A part of the composition: app.py gives it what it needs, and gets the sections of the operator API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.association import way as dial
from gateway.delivery.engine import DeliveryEngine
from gateway.errands import Errands
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.link_view import LinkView
from gateway.operator.path_testing import OperatorPathTests
from gateway.operator.section import Section
from gateway.operator.sections.path_test import PathTestSection
from gateway.operator.sections.trends import TrendsSection
from gateway.pathtest.book import Book
from gateway.pathtest.inbox import Inbox
from gateway.pathtest.tester import PathTester
from gateway.pathtest.walk import Way
from gateway.reachability import Leave, Reachabilities
from gateway.shaping.allowance import BudgetPlan
from gateway.spool import Spool
from gateway.trends.probe import Probe
from gateway.trends.recorder import Recorder
from gateway.trends.watch import Probing, Watch


class Links:
    """The links of one gateway, as people see and test them."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        destinations: Sequence[str],
        own_ae: AETitle,
        notices: Notices,
        *,
        state_dir: Path,
        spool: Spool,
        engine: DeliveryEngine,
        reachabilities: Reachabilities,
        way_to: Callable[[Peer], dial.Way],
        plan: BudgetPlan,
        errands: Errands,
    ) -> None:
        """`peers` by name, consoles too; `destinations` are those that objects are delivered to."""
        self.inbox = Inbox()
        self._peers = peers
        self._destinations = destinations
        self._own_ae = own_ae
        self._notices = notices
        self._state_dir = state_dir
        self._spool = spool
        self._engine = engine
        self._reachabilities = reachabilities
        self._way_to = way_to
        self._plan = plan
        self._errands = errands

    async def sections(self, undo: AsyncExitStack) -> list[Section]:
        """Build what the operator API shows, and begin to record; `undo` ends it."""
        recorder = Recorder(
            self._peers, self._notices, self._reachabilities, self._engine.status, self._state_dir / "trends"
        )
        await recorder.start()
        undo.push_async_callback(recorder.close)
        watch = Watch(self._probes)
        undo.push_async_callback(watch.close)
        undo.callback(self._spool.on_work(watch.make_room))
        undo.callback(self._errands.subscribe(watch.make_room))
        view = LinkView(
            self._peers,
            self._destinations,
            recorder,
            watch,
            self._reachabilities,
            self._engine.status,
            self._plan,
        )
        book = await asyncio.to_thread(Book.load, self._state_dir, list(self._peers))
        dialled = Leave(self._reachabilities, time.monotonic).tell
        way = Way(self._own_ae, self._notices, self._way_to, self.inbox, dialled)
        tester = PathTester(self._peers, way, book, errands=self._errands)
        undo.push_async_callback(tester.close)
        return [TrendsSection(view), PathTestSection(OperatorPathTests(tester))]

    def _probes(self) -> dict[str, Probing]:
        return {name: self._probe(self._peers[name]) for name in self._destinations}

    def _probe(self, peer: Peer) -> Probe:
        def busy() -> bool:
            if self._errands.at(peer.name):
                return True
            status = next(one for one in self._engine.status() if one.name == peer.name)
            return bool(status.in_flight or status.claimed or status.associations)

        return Probe(
            peer,
            calling_ae=peer.calling_ae or self._own_ae,
            notices=self._notices,
            reachability=self._reachabilities.of(peer.name),
            way_to=self._way_to,
            busy=busy,
            on_answer=self._engine.answered,
            on_dead=self._engine.unreachable,
            clock=time.monotonic,
        )
