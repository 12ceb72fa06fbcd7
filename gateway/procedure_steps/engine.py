"""The queue of procedure steps: a line for every peer, and the way in for the service that takes steps."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom.command import Command
from gateway.errors import LocalError
from gateway.model import AETitle, Peer, Route
from gateway.notices import Notices
from gateway.procedure_steps.line import Line, Sending, StepJournal
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Sender
from gateway.routing import RoutingTable
from gateway.spool.step_values import Step, StepRow


class StepSpool(StepJournal, Protocol):
    """What the engine needs of the spool."""

    async def add_step(self, step: Step) -> StepRow:
        """Make a step durable. Raises NoRoom or SpoolFailure; nothing is kept then."""

    async def steps_open(self, sop_instance_uid: str, destination: str) -> int:
        """Count the unfinished steps of one procedure step."""

    def on_step(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback(destination)` when a step arrived or was released; the result ends that."""


class StepEngine:
    """Passes queued steps on. At least once: a step whose answer is lost is sent again (see decisions.py)."""

    def __init__(
        self,
        spool: StepSpool,
        peers: Mapping[str, Peer],
        own_ae: AETitle,
        notices: Notices,
        policy: StepPolicy | None = None,
        *,
        routing: RoutingTable | None = None,
        way_to: Callable[[Peer], Way] = lambda peer: None,
        timeouts: RequestorTimeouts | None = None,
        reachable: Callable[[str], str | None] = lambda name: None,
        report: Callable[[str, str | None], None] = lambda name, trouble: None,
        sender: Callable[[Peer], Sending] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        """`routing` says which steps go under `own_ae` (`calling_upstream`); without it, none do.

        `reachable(name)`: why a peer is not to be tried now; after it returned None, `report(name, trouble)`
        says how the try went, trouble None when the peer was there. `sender` is for tests.
        """
        self._spool = spool
        self._own_ae = own_ae
        self._policy = policy or StepPolicy()
        self._routing = routing
        self._first_own: int | None = None  # the first step that was added in this life
        timeouts = timeouts or RequestorTimeouts()

        def default_sender(peer: Peer) -> Sending:
            return Sender(peer, notices, self._policy, way_to=way_to, timeouts=timeouts)

        self._lines = {
            name: Line(
                name,
                spool,
                (sender or default_sender)(peer),
                notices,
                self._policy,
                title_of=self._title_of,
                from_before=self._from_before,
                reachable=reachable,
                report=report,
                clock=clock,
                wall_clock=wall_clock,
                rng=rng or random.SystemRandom(),
            )
            for name, peer in peers.items()
        }
        self._run: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Pass steps on until cancelled or closed. An exception is a defect or a failed spool."""
        self._run = asyncio.current_task()
        forget = self._spool.on_step(self._step_arrived)
        try:
            async with asyncio.TaskGroup() as group:
                for line in self._lines.values():
                    group.create_task(line.run(), name=f"steps to {line.name}")
                await self._closing.wait()  # also where there is nobody to pass anything on to
        finally:
            forget()
            self._run = None

    async def close(self) -> None:
        """End `run` gracefully, within the drain time and the release time-out of the associations."""
        run = self._run
        self._closing.set()
        for line in self._lines.values():
            line.stop()
        if run is not None:
            await asyncio.wait([run])

    def kick(self, destination: str) -> None:
        """Try `destination` now: somebody says that it can be reached again."""
        if destination in self._lines:
            self._lines[destination].kick()

    async def open_steps(self, sop_instance_uid: str, destination: str) -> int:
        """Count what is queued or held of one procedure step."""
        return await self._spool.steps_open(sop_instance_uid, destination)

    async def submit(self, step: Step) -> Command | None:
        """Make `step` durable, then wait a while for the destination's own answer.

        None: it is durable, and no answer came in time (or none can come now). A failure that is returned
        is the end of the step; the caller has to pass it on. Raises NoRoom or SpoolFailure when the step
        is not durable, SpoolFailure also when the journal fails before an answer is recorded.
        """
        line = self._lines.get(step.destination)
        if line is None:
            raise LocalError(f"there is no destination {step.destination!r}")
        with line.arrival(step.sop_instance_uid):
            row = await self._spool.add_step(step)
            if self._first_own is None or row.number < self._first_own:
                self._first_own = row.number
            wait = line.wait_for(row.number, step.sop_instance_uid)
        try:
            return await wait.outcome(self._policy.wait)
        finally:
            line.waits.close(row.number)

    def _from_before(self, number: int) -> bool:
        """An earlier life of the gateway may have sent this step, and died before the journal knew."""
        return self._first_own is None or number < self._first_own

    def _title_of(self, step: Step) -> AETitle:
        """The title that the destination sees; a `calling_ae` of the peer itself comes before it."""
        if self._routing is not None:
            route = self._routing.resolve(step.called_ae, step.calling_ae)
            if isinstance(route, Route) and route.calling_upstream == "gateway":
                return self._own_ae
        return AETitle(step.calling_ae)

    def _step_arrived(self, destination: str) -> None:
        if destination in self._lines:
            self._lines[destination].news()
