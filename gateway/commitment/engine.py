"""Storage commitment as a whole: a worker for each destination, one for the consoles, and the timekeeper."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping

from gateway.association.admission import NearSide
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.commitment.asker import Asker
from gateway.commitment.dialling import Dialler
from gateway.commitment.policy import CommitmentPolicy
from gateway.commitment.ports import CommitmentSpool
from gateway.commitment.querying import Querier, Verifier
from gateway.commitment.reporter import Reporter
from gateway.commitment.results import Results
from gateway.commitment.rounds import Rounds, Workshop, fresh_uid
from gateway.commitment.troubles import Troubles
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import AETitle, Peer
from gateway.notices import Alarm, CommitmentRequested, Notices
from gateway.spool.commitment_values import CommitmentRequest

_MOST_NAMED = 10_000
"""Instances in one result, at least: a batch may have been larger before a restart."""

OUTSTANDING = "commitment.outstanding"

_LONGEST_SLEEP = 3600.0
"""Seconds. What is due goes by the wall clock, and that may be put right while we sleep."""


class CommitmentEngine:
    """Asks destinations and reports to consoles, from what is in the spool."""

    def __init__(
        self,
        spool: CommitmentSpool,
        peers: Mapping[str, Peer],
        own_ae: AETitle,
        notices: Notices,
        policy: CommitmentPolicy | None = None,
        *,
        destinations: Collection[str] | None = None,
        way_to: Callable[[Peer], Way],
        reachable: Callable[[str], str | None] = lambda _peer: None,
        dialled: Callable[[str, str | None], None] = lambda _peer, _failure: None,
        timeouts: RequestorTimeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        new_uid: Callable[[], str] = fresh_uid,
    ) -> None:
        """`peers` by name, destinations and consoles; `destinations`: those objects go to (None: any peer).

        `reachable` says why a peer is not to be dialled now; `dialled` is told how each dial went (the reason
        of the failure, None for success). `clock` is monotonic and has the pace of the event loop's.
        """
        self._spool = spool
        self._notices = notices
        self._policy = policy = policy or CommitmentPolicy()
        self._wall_clock = wall_clock
        rng = rng or random.SystemRandom()
        self._replan = asyncio.Event()
        plan = self._replan.set
        dialler = Dialler(
            own_ae,
            notices,
            way_to,
            timeouts or RequestorTimeouts(),
            reachable,
            dialled,
            max(policy.batch, _MOST_NAMED),
        )
        troubles = Troubles(notices)
        comparing = {
            name
            for name, peer in peers.items()
            if peer.commitment in ("always", "on-request") and peer.compare != "never"
        }
        self._results = Results(
            spool,
            notices,
            most=max(policy.batch, _MOST_NAMED),
            on_known=self._known,
            compare=comparing,
        )
        shop = Workshop(spool, dialler, notices, troubles, policy, clock, wall_clock, rng, plan, new_uid)
        self._troubles = troubles
        self._workers: dict[str, list[Rounds]] = {}
        self._uncompared: list[str] = []  # peers whose word is enough
        self._askers: dict[str, Asker] = {}
        for name, peer in peers.items():
            if destinations is not None and name not in destinations:
                continue
            if peer.commitment == "query":
                self._workers[name] = [Querier(peer, shop)]
            elif peer.commitment != "never":
                self._askers[name] = Asker(peer, shop, self._results)
                self._workers[name] = [self._askers[name]]
            if name in comparing:
                self._workers[name].append(Verifier(peer, shop))
            else:
                self._uncompared.append(name)
        self._reporter = Reporter(
            spool,
            peers.values(),
            dialler,
            notices,
            troubles,
            policy,
            wall_clock=wall_clock,
            rng=rng,
            plan=plan,
        )
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    # --- running -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `close`, or until cancelled. An exception is a defect or a failed spool.

        The process has to end then: what is in the journal is taken up again at the next start.
        """
        self._running = asyncio.current_task()
        forget = self._spool.on_commitment(self._on_commitment)
        work = asyncio.create_task(self._work(), name="commitment: all workers")
        stop = asyncio.create_task(self._stop.wait(), name="commitment: stop")
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            forget()
            stop.cancel()
            work.cancel()
            await asyncio.wait((work, stop))
            if not work.cancelled():
                work.exception()  # seen: either it was raised above, or nobody waits for it any more
            self._running = None

    async def close(self) -> None:
        """End `run` in good order: within the release time-out of the associations that are open."""
        self._stop.set()
        if self._running is not None:
            await asyncio.wait((self._running,))

    async def _work(self) -> None:
        began = self._wall_clock()
        for name in self._workers:
            await self._spool.look_ups_interrupted(name, comparisons=name in self._askers)
        for name in self._uncompared:
            await self._spool.forget_comparisons(name)
        async with asyncio.TaskGroup() as group:
            for name, worker in self._all():
                group.create_task(worker.run(), name=f"commitment of {name}: {type(worker).__name__}")
            group.create_task(self._watch_outstanding(), name="commitment outstanding")
            group.create_task(self._reporter.run(), name="commitment reports")
            group.create_task(self._keep_time(began), name="commitment times")

    def _on_commitment(self) -> None:
        for _, worker in self._all():
            worker.wake()
        self._reporter.wake()
        self._replan.set()

    def _all(self) -> list[tuple[str, Rounds]]:
        return [(name, worker) for name, workers in self._workers.items() for worker in workers]

    # --- what others tell us -------------------------------------------------------------------------

    async def take_result(
        self, source: str, context: AcceptedContext, command: Command, data: bytes
    ) -> Command:
        """Apply an N-EVENT-REPORT that came on an association of `source` to us; return the response."""
        return await self._results.take(source, context, command, data)

    def taken(
        self,
        request: CommitmentRequest,
        number: int,
        *,
        again: bool,
        association: str,
        near: tuple[NearSide, AcceptedContext] | None,
    ) -> None:
        """See services/commitment.py, Desk: a console asked, and waits."""
        self._notices.publish(
            CommitmentRequested(
                association=association,
                address=request.address,
                calling_ae=request.calling_ae,
                called_ae=request.called_ae,
                number=number,
                instances=len(request.references),
                outcome="again" if again else "new",
                status=0x0000,
                reason="",
            )
        )
        if near is not None:
            self._reporter.remember(number, near)
        for name in request.destinations:
            if name in self._askers:
                self._askers[name].wake(at_once=True)
        self._reporter.wake()
        self._replan.set()

    def refused(self, association: str, address: str, calling_ae: str, status: int, reason: str) -> None:
        """See services/commitment.py, Desk."""
        self._notices.publish(
            CommitmentRequested(
                association=association,
                address=address,
                calling_ae=calling_ae,
                called_ae="",
                number=0,
                instances=0,
                outcome="refused",
                status=status,
                reason=reason,
            )
        )

    def peer_changed(self, name: str, up: bool, reason: str) -> None:
        """The way to a peer was found open, or broken: what was put off because of it may go on."""
        for worker in self._workers.get(name, ()) if up else ():
            worker.kick()

    def _known(self, transaction_uid: str) -> None:
        for asker in self._askers.values():
            asker.known(transaction_uid)

    # --- time ----------------------------------------------------------------------------------------

    async def _keep_time(self, woken: float) -> None:
        """Do what is due without an event, at the exact moment it is.

        What became due since everybody was last `woken` is due now, even if that is past already when we
        look: a worker may have looked just before that moment, and not look again by itself.
        """
        while True:
            self._replan.clear()
            due = await self._on_time(woken)
            left = None if due is None else min(max(due - self._wall_clock(), 0.0), _LONGEST_SLEEP)
            try:
                async with asyncio.timeout(left):
                    await self._replan.wait()
            except TimeoutError:
                woken = self._wall_clock()
                for _, worker in self._all():
                    worker.wake(at_once=True)
                self._reporter.wake()
            await asyncio.sleep(self._policy.replan)  # many events make one plan

    async def _on_time(self, woken: float) -> float | None:
        """Do what is due now; return the first moment (wall clock) after `woken` at which something is."""
        now = self._wall_clock()
        while overdue := await self._spool.overdue_asks(now):
            for destination in {ask.destination for ask in overdue}:
                asks = [ask for ask in overdue if ask.destination == destination]
                asker = self._askers.get(destination)
                wait = asker.unanswered(asks) if asker is not None else 0.0
                for ask in asks:
                    await self._spool.ask_put_off(ask.transaction_uid, now + wait, "no answer in time")
                if asker is not None:
                    asker.wake(at_once=True)
        oldest = await self._spool.oldest_open_commitment()
        if oldest is not None and oldest + self._policy.patience < now:
            await self._expire(now - self._policy.patience)
            oldest = await self._spool.oldest_open_commitment()
        # The clock may have been put back since.
        moments = [await self._spool.next_commitment_due(min(woken, now))]
        if oldest is not None:
            moments.append(oldest + self._policy.patience)
        return min((one for one in moments if one is not None), default=None)

    async def _watch_outstanding(self) -> None:
        """Tell of peers where what they accepted is not verified for long, although it should be."""
        watched = [name for name, worker in self._all() if worker.everything]
        while watched:
            for name in watched:
                await self._look_outstanding(name)
            await asyncio.sleep(self._policy.outstanding_every)

    async def _look_outstanding(self, name: str) -> None:
        since = await self._spool.unconfirmed_since(name)
        if since is None or self._wall_clock() - since <= self._policy.outstanding:
            self._troubles.over(name, OUTSTANDING)
            return
        self._troubles.alarm(
            name,
            OUTSTANDING,
            f"{name} accepted objects more than {self._policy.outstanding / 3600:.0f} h ago, and nothing "
            "proves yet that it keeps them: they are kept here too, and take room; look at its answers to "
            "storage commitment and queries, or change `commitment` or `compare` of the peer",
        )

    async def _expire(self, before: float) -> None:
        count = await self._spool.expire_commitments(before)
        if count:
            self._notices.publish(
                Alarm(
                    "commitment.no-result",
                    f"no destination gave a result in time for {count} objects that consoles asked about; "
                    "the consoles are told that it failed: look what keeps the objects, or the answers",
                )
            )
