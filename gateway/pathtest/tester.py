"""Runs path tests: who may run one when, the steps as they come, and the report in the end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errands import Errands
from gateway.errors import LocalError
from gateway.model import Peer
from gateway.pathtest.book import Book
from gateway.pathtest.objects import CLASSES, SyntheticCourse
from gateway.pathtest.steps import Report, Step, Wanted
from gateway.pathtest.walk import Walk, Way, latest

MAX_WAIT: Final = 300.0
"""Seconds that a test may wait for the result of a storage commitment."""


class NoSuchPeer(LocalError):
    """There is no such peer in the configuration."""


class AlreadyTesting(LocalError):
    """This peer is being tested already, or too many others are."""


@dataclass(frozen=True, slots=True)
class PathTestLimits:
    """What may go on at the same time."""

    running: int = 2  # tests, of different peers


class PathTester:
    """The path tests of one gateway. Belongs to one event loop."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        way: Way,
        book: Book,
        limits: PathTestLimits | None = None,
        *,
        errands: Errands | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`peers` by name."""
        self._peers = peers
        self._way = way
        self._book = book
        self._limits = limits or PathTestLimits()
        self._errands = errands or Errands()
        self._wall_clock = wall_clock
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, peer: str, wanted: Wanted, who: str) -> AsyncGenerator[Step | Report, None]:
        """Begin a test; what it gives is every step as it begins and ends, and the report at last.

        A listener that goes away (`aclose`) ends the test; its association is aborted. Raises NoSuchPeer,
        AlreadyTesting, and ValueError for what is not to be wanted.
        """
        found = self._peer(peer)
        _check(wanted)
        if peer in self._running:
            raise AlreadyTesting(f"peer {peer} is being tested already")
        if len(self._running) >= self._limits.running:
            raise AlreadyTesting(f"{self._limits.running} peers are being tested already")
        steps: asyncio.Queue[Step | None] = asyncio.Queue()  # bounded: a test has some thirty steps
        now = self._wall_clock()
        course = SyntheticCourse(now)
        walk = Walk(found, wanted, course, self._way, steps.put_nowait)
        task = asyncio.get_running_loop().create_task(self._run(peer, walk), name=f"path test of {peer}")
        self._running[peer] = task
        task.add_done_callback(lambda _: self._over(peer, steps))
        head = Report(
            id=secrets.token_hex(8),
            peer=peer,
            ae_title=found.ae_title,
            host=found.host,
            port=found.port,
            tls=found.tls is not None or bool(found.via),
            calling_ae=found.calling_ae or self._way.calling_ae,
            who=who,
            started_at=now,
            seconds=0.0,
            ok=False,
            patient_id=course.patient_id if wanted.store else "",
            steps=(),
        )
        return self._listen(head, task, steps)

    async def _run(self, peer: str, walk: Walk) -> None:
        with self._errands.to(peer):
            await walk.run()

    def reports(self, peer: str) -> tuple[Report, ...]:
        """Return the last reports of a peer, the newest first. Raises NoSuchPeer."""
        self._peer(peer)
        return self._book.of(peer)

    async def close(self) -> None:
        """End every test that is running."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(
        self, head: Report, task: asyncio.Task[None], steps: asyncio.Queue[Step | None]
    ) -> AsyncGenerator[Step | Report, None]:
        began = self._way.clock()
        told: list[Step] = []
        try:
            while (step := await steps.get()) is not None:
                told = latest(told, step)
                yield step
            await task  # a defect is raised here
            report = _finished(head, told, self._way.clock() - began)
            await self._book.add(report)
            yield report
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))

    def _over(self, peer: str, steps: asyncio.Queue[Step | None]) -> None:
        del self._running[peer]
        steps.put_nowait(None)

    def _peer(self, name: str) -> Peer:
        found = self._peers.get(name)
        if found is None:
            raise NoSuchPeer(f"there is no peer {name!r} in the configuration")
        return found


def _check(wanted: Wanted) -> None:
    for key in wanted.store:
        if key not in CLASSES:
            raise ValueError(f"store: one of {', '.join(CLASSES)} is expected")
    if len(set(wanted.store)) != len(wanted.store):
        raise ValueError("store: a class is named twice")
    if wanted.commitment and not wanted.store:
        raise ValueError("commitment: what is not stored cannot be committed; name a class to store")
    if not 1 <= wanted.commitment_wait <= MAX_WAIT:
        raise ValueError(f"commitment_wait: 1 to {MAX_WAIT:g} seconds are allowed")


def _finished(head: Report, steps: list[Step], seconds: float) -> Report:
    return Report(
        id=head.id,
        peer=head.peer,
        ae_title=head.ae_title,
        host=head.host,
        port=head.port,
        tls=head.tls,
        calling_ae=head.calling_ae,
        who=head.who,
        started_at=head.started_at,
        seconds=seconds,
        ok=bool(steps) and all(step.outcome in ("ok", "warning") for step in steps),
        patient_id=head.patient_id,
        steps=tuple(steps),
    )
