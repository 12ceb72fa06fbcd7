"""What is shown and tested of the links, built together: their history, the watch, and path tests.

A part of the composition: app.py gives it what it needs, and gets the sections of the operator API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from gateway.association import way as dial
from gateway.delivery.engine import DeliveryEngine
from gateway.errands import Errands
from gateway.link_state import LinkMeasures, Measured, Sites, SiteStatus
from gateway.manners import Manners
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.link_view import LOSS_MINUTES, LinkView, together
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
from gateway.shaping.schedule import Schedule
from gateway.shaping.shaper import Shaper
from gateway.spool import Spool
from gateway.trends.probe import Probe, ProbeLimits
from gateway.trends.recorder import Recorder
from gateway.trends.watch import Probing, Watch

METERED: Final = ProbeLimits(attentive=180.0, later=60.0)
"""How a peer is asked whose data is paid by the byte: whoever looks sees a cut at once, for three minutes;
on a screen that shows the page all day, within a minute.

With TLS, TCP and IP a question and its answer are some 600 bytes: below 1 MB in a day of watching.
"""


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
        schedule: Schedule,
        shaper: Shaper,
        shaped: Collection[str],
        errands: Errands,
        linked: Measured | None = None,
        sites: Sites | None = None,
    ) -> None:
        """`peers` by name, consoles too; `destinations` are those that objects are delivered to.

        `shaper` has the `schedule` of the line that the peers `shaped` are behind. `linked` tells what was
        measured of a link, by the name that peers are `via`; `sites` how the sites of a hub stand.
        """
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
        self._schedule = schedule
        self._shaper = shaper
        self._shaped = frozenset(shaped)
        self._errands = errands
        self._linked = linked
        self._sites = sites
        self._recorder: Recorder | None = None

    async def sections(self, undo: AsyncExitStack) -> list[Section]:
        """Build what the operator API shows, and begin to record; `undo` ends it."""
        recorder = Recorder(
            self._peers, self._notices, self._reachabilities, self._engine.status, self._state_dir / "trends"
        )
        await recorder.start()
        undo.push_async_callback(recorder.close)
        self._recorder = recorder
        manners = Manners(
            self._destinations,
            self._engine.hold_back,
            self._days,
            plan=self._plan,
            schedule=self._schedule,
            shaped=self._shaped,
        )
        manners.start()
        undo.callback(manners.close)
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

    def measures(self, peer: str) -> LinkMeasures | None:
        """What was measured of the way to `peer`: of the link that it is behind, or of its connections."""
        known = self._peers.get(peer)
        name = known.via if known is not None and known.via else peer
        told = self._linked(name) if self._linked is not None else None
        history = self._recorder.history(name) if self._recorder is not None else None
        if history is None:
            return told
        counted = LinkMeasures(loss=history.loss(LOSS_MINUTES), retransmitted=history.retransmitted)
        return counted if told is None else told.over(counted)

    def rate_cap(self, peer: str) -> int | None:
        """Bytes per second that the schedule allows on the way to `peer` now; None for no cap."""
        return self._shaper.rate(time.monotonic()) if peer in self._shaped else None

    def sites(self) -> Sequence[SiteStatus]:
        """The sites of a hub, in the order of the configuration."""
        return () if self._sites is None else self._sites()

    def _days(self, names: Collection[str]) -> dict[str, tuple[int, int]]:
        found = [] if self._recorder is None else self._recorder.all()
        return together([history for history in found if history.peer in names])

    def _probes(self) -> dict[str, Probing]:
        # How a link stands its own signs of life say; what is behind it is the hub's to deliver to.
        names = (name for name in self._destinations if not self._peers[name].via)
        return {name: self._probe(self._peers[name]) for name in names}

    def _probe(self, peer: Peer) -> Probe:
        def busy() -> bool:
            if self._errands.at(peer.name):
                return True
            status = next(one for one in self._engine.status() if one.name == peer.name)
            return bool(status.in_flight or status.claimed or status.associations)

        # A look at the page must not eat up what is paid by the byte.
        metered = self._plan.monthly is not None and (
            peer.name in self._plan.counted or peer.via in self._plan.counted
        )
        return Probe(
            peer,
            limits=METERED if metered else None,
            calling_ae=peer.calling_ae or self._own_ae,
            notices=self._notices,
            reachability=self._reachabilities.of(peer.name),
            way_to=self._way_to,
            busy=busy,
            on_answer=self._engine.answered,
            on_dead=self._engine.unreachable,
            clock=time.monotonic,
        )
