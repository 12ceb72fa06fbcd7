"""Objects over the link to a hub: many at once, each to the hub's own word that it has it durably.

The link decides what leaves next, frame by frame; here only as much is taken from the queue as keeps it busy.
A connection that is cut is nobody's fault: what was under way is offered again, and the hub says how much it
has of it. So a cut is settled as something that never was an attempt, and costs an object nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from gateway.delivery.block_source import FileBlocks, InlineBlocks, Seeking
from gateway.delivery.classification import Cause, classify_status, failure
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt
from gateway.delivery.source import Damaged
from gateway.delivery.transports import Work
from gateway.errors import DeliveryFailure, LocalError, SpoolFailure
from gateway.link.ports import SiteLink
from gateway.link.values import INLINE, HubReceipt, HubRefusal, LinkDown, Offer, RefusalKind
from gateway.model import Peer, Receipt
from gateway.spool import Job

MAX_REMEMBERED: Final = 10_000
"""Deliveries that are known to have been offered: forgetting one costs a round trip's worth of bytes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """How much is offered to the hub without its word. More than the line holds, for it is compressed yet."""

    small_objects: int = 256
    """Objects up to 64 KiB (a number)."""
    small_bytes: int = 4 * 1024 * 1024
    """What they have together, in bytes."""
    large_objects: int = 16
    """Larger objects of one priority (a number): the link sends a few of them by turns, and the line must not
    run empty between the last byte of one and the word that lets the next one in."""


def claiming(policy: DeliveryPolicy) -> DeliveryPolicy:
    """The policy of a destination behind a link: as much is claimed ahead as its window takes."""
    return dataclasses.replace(policy, claim_objects=max(policy.claim_objects, 128))


class LinkTransport:
    """The Transport (see transports/__init__.py) to one destination of the hub."""

    def __init__(
        self,
        peer: Peer,
        link: SiteLink,
        *,
        open_data: Callable[[int], Seeking],
        executor: Executor,
        policy: DeliveryPolicy | None = None,
        window: Window | None = None,
        patience: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Reads run on `executor`. `patience`: seconds to wait for another connection after a cut."""
        self._peer = peer
        self._link = link
        self._open_data = open_data
        self._executor = executor
        self._policy = policy or DeliveryPolicy()
        self._window = window or Window()
        self._patience = patience
        self._clock = clock
        self._wall_clock = wall_clock
        self._small = [0, 0]  # objects and bytes without an answer
        self._large: Counter[int] = Counter()  # the same by priority
        self._room = asyncio.Event()  # replaced when it was set: somebody has had an answer
        self._offered: dict[int, None] = {}  # deliveries, the newest last

    # --- the contract --------------------------------------------------------------------------------

    async def send(self, work: Work) -> None:
        """See Transport."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while (job := work.first()) is not None or under_way:
                if job is not None and not self._link.up:
                    if under_way:
                        under_way = await _one_less(under_way)
                        continue
                    await self._wait_up()
                elif job is not None and self._fits(job):
                    work.take()
                    self._count(job, 1)
                    under_way.add(asyncio.create_task(self._carry(job, work)))
                    await asyncio.sleep(0)  # a record may have come meanwhile: it is offered before the rest
                else:
                    under_way = await self._something_changed(work, under_way)
        finally:
            for task in under_way:
                task.cancel()
            if under_way:
                await asyncio.wait(under_way)

    async def probe(self) -> float | None:
        """Whether there is a link is known without asking. See Transport."""
        if not self._link.up:
            raise self._no_link()
        return self._link.rtt

    async def close(self) -> None:
        """See Transport. The link itself is somebody else's."""

    # --- taking --------------------------------------------------------------------------------------

    def _fits(self, job: Job) -> bool:
        size, window = job.object.size, self._window
        if size > INLINE:
            return self._large[job.delivery.priority] < window.large_objects
        objects, total = self._small
        return objects < window.small_objects and total + size <= window.small_bytes

    def _count(self, job: Job, sign: int) -> None:
        size = job.object.size
        if size > INLINE:
            self._large[job.delivery.priority] += sign
        else:
            self._small[0] += sign
            self._small[1] += sign * size
        if sign < 0:
            self._room.set()
            self._room = asyncio.Event()

    async def _something_changed(
        self, work: Work, under_way: set[asyncio.Task[None]]
    ) -> set[asyncio.Task[None]]:
        """Wait for an answer, for room in the window that all lanes share, or for something new on offer."""
        hints = {asyncio.create_task(work.more()), asyncio.create_task(self._room.wait())}
        try:
            done, _ = await asyncio.wait(under_way | hints, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for hint in hints:
                hint.cancel()
        for task in done - hints:
            task.result()
        return under_way - done

    async def _wait_up(self) -> None:
        """Give a connection that was cut a moment to come back. Raises DeliveryFailure."""
        try:
            async with asyncio.timeout(self._patience):
                await self._link.wait_up()
        except TimeoutError:
            raise self._no_link() from None

    def _no_link(self) -> DeliveryFailure:
        return failure(Cause.UNREACHABLE, self._link.reason or "there is no link to the hub")

    # --- one object ----------------------------------------------------------------------------------

    async def _carry(self, job: Job, work: Work) -> None:
        """Bring one object to the hub and settle it."""
        started = self._clock()
        outcome: Receipt | DeliveryFailure
        try:
            outcome = await self._deliver(job)
        except DeliveryFailure as trouble:
            outcome = trouble
        finally:
            self._count(job, -1)
        work.settled(job, outcome, self._clock() - started)

    async def _deliver(self, job: Job) -> Receipt:
        number, stored = job.delivery.number, job.object
        try:
            source = self._source(job)
        except Damaged as error:
            raise failure(Cause.DAMAGED, str(error)) from error
        offer = Offer(
            delivery=number,
            priority=job.delivery.priority,
            size=stored.size,
            digest=stored.digest,
            instance=stored.instance,
            calling_ae=self._peer.calling_ae or stored.origin.calling_ae,
            called_ae=self._peer.ae_title,
            received_at=stored.received_at,
            # What was put back, or was under way when the process ended, says so.
            seen_before=number in self._offered or bool(job.delivery.reason) or job.delivery.attempts > 0,
        )
        self._remember(number)
        try:
            answer = await self._link.deliver(offer, source)
        except LinkDown as error:
            raise failure(Cause.STALE, f"the link was cut: {error}") from error
        except Damaged as error:
            raise failure(Cause.DAMAGED, str(error)) from error
        except LocalError as error:
            cause = Cause.UNREADABLE if isinstance(error, SpoolFailure) else Cause.LOCAL
            raise failure(cause, str(error)) from error
        finally:
            await source.close()
        if isinstance(answer, HubRefusal):
            raise self._refused(answer)
        self._offered.pop(number, None)
        return self._receipt(job, answer)

    def _source(self, job: Job) -> _Source:
        if job.data is not None:
            return InlineBlocks(job.data, job.object.digest)
        reader = functools.partial(self._open_data, job.object.number)
        return FileBlocks(job.object.size, job.object.digest, reader, self._executor)

    def _remember(self, number: int) -> None:
        self._offered[number] = None
        if len(self._offered) > MAX_REMEMBERED:
            del self._offered[next(iter(self._offered))]

    def _receipt(self, job: Job, answer: HubReceipt) -> Receipt:
        receipt = make_receipt(
            self._peer.name,
            0x0000,
            "the hub has had it before" if answer.already else "the hub has it",
            transfer_syntax_uid=job.object.instance.transfer_syntax_uid,
            digest=job.object.digest,
            at=self._wall_clock(),
        )
        return dataclasses.replace(receipt, hub=True)

    def _refused(self, answer: HubRefusal) -> DeliveryFailure:
        words = f"the hub does not take it: {answer.words}"
        if answer.kind is RefusalKind.CONFLICT:
            return failure(Cause.CONFLICT, words, status=answer.status)
        cause = classify_status(answer.status, self._policy).cause
        if answer.kind is RefusalKind.PERMANENT:
            return failure(Cause.REFUSED, words, status=answer.status)
        passing = (Cause.RESOURCES, Cause.PROCESSING)
        return failure(cause if cause in passing else Cause.PROCESSING, words, status=answer.status)


_Source = InlineBlocks | FileBlocks


async def _one_less(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left
