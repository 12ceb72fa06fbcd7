"""Store over the web: several objects in one HTTPS request, each answered for itself (STOW-RS, PS3.18 10.5).

A request costs a round trip however many objects it carries, so small ones go together, up to the target's
bounds; a request holds objects of one priority, and a record never waits for images in its own. What the
server says is taken object by object. When an answer tells nothing of an object, or a whole request fails,
its objects go back unblamed and come again one by one: then it is known whose fault it is.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.association.errors import ConnectFailed
from gateway.association.pool import AssociationPool
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tuning import Watch, WayThere
from gateway.delivery.classification import Cause, failure
from gateway.delivery.pacing import Paced
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt
from gateway.delivery.source import CheckedSource, Damaged, InlineSource, Reading
from gateway.delivery.transports import Work
from gateway.delivery.web.connection import (
    BadAnswer,
    Gone,
    Headers,
    NoAnswer,
    WebConnection,
    authorization,
    open_connection,
)
from gateway.delivery.web.multipart import TAIL, Part, closing, content_type, length_of
from gateway.delivery.web.outcomes import Stored, Verdict, of_object, of_request
from gateway.errors import DeliveryFailure, LocalError, SpoolFailure
from gateway.model import Peer, Priority, Receipt
from gateway.shaping.shaper import Shaper
from gateway.spool import Job

_ACCEPT = ("Accept", "application/dicom+json")
_PIECE = 64 * 1024
_MAX_ALONE = 256
"""Objects remembered that are to come alone; those that are forgotten come together again: no harm done."""


@dataclass(slots=True)
class _Item:
    """One object of a request."""

    job: Job
    part: Part
    source: CheckedSource | InlineSource | Paced
    started: float


class StowTransport:
    """The Transport (see transports/__init__.py) to one peer's DICOMweb server."""

    def __init__(
        self,
        peer: Peer,
        *,
        open_data: Callable[[int], Reading],
        executor: Executor,
        policy: DeliveryPolicy | None = None,
        timeouts: RequestorTimeouts | None = None,
        shaper: Shaper | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`peer` has a web target. Reads run on `executor`; `shaper` is the line's."""
        if peer.web is None:
            raise LocalError(f"peer {peer.name!r} has no web target")
        self._name = peer.name
        self._target = peer.web
        self._path = urlsplit(peer.web.url).path.rstrip("/") + "/studies"
        self._open_data = open_data
        self._executor = executor
        self._policy = policy or DeliveryPolicy()
        self._timeouts = timeouts or RequestorTimeouts()
        self._shaper = shaper
        self._clock = clock
        self._wall_clock = wall_clock
        self._alone: dict[int, None] = {}  # deliveries that are to come one by one, oldest first
        self._pool: AssociationPool[WebConnection] = AssociationPool(self._policy.idle_hold)
        self.way_there = WayThere()

    # --- the contract --------------------------------------------------------------------------------

    async def send(self, work: Work) -> None:
        """See Transport."""
        while work.first() is not None:
            connection = self._pool.take(lambda _: True)
            if connection is None:
                connection = await self._connect()
            watch = Watch(self.way_there, connection, self._clock)
            try:
                while connection.usable and work.first() is not None:
                    if batch := self._gather(work):
                        await self._request(connection, batch, work)
                        watch.look()
            except BaseException:
                connection.abort()
                raise
            self._pool.give_back(connection)

    async def probe(self) -> float | None:
        """TCP, TLS, and OPTIONS on the resource that objects go to (PS3.18 8.9). See Transport.

        A server that does not know that method is alive all the same.
        """
        connection = await self._connect()
        started = self._clock()
        try:
            answer = await connection.ask("OPTIONS", self._path, await self._headers())
        except (Gone, NoAnswer, BadAnswer) as error:
            raise failure(Cause.NO_ASSOCIATION, f"the destination does not answer: {error}") from error
        rtt = self._clock() - started
        self._pool.give_back(connection)
        if (verdict := of_request(answer.status, asking=True)) is not None:
            raise failure(verdict.cause, verdict.words)
        return rtt

    async def close(self) -> None:
        """See Transport."""
        await self._pool.close()

    # --- one connection ------------------------------------------------------------------------------

    async def _connect(self) -> WebConnection:
        try:
            return await open_connection(self._target, self._timeouts)
        except ConnectFailed as error:
            if error.phase == "tls":
                raise failure(Cause.TLS, f"TLS: {error.words}") from error
            raise failure(Cause.UNREACHABLE, error.words) from error

    async def _headers(self) -> Headers:
        try:
            who = await asyncio.get_running_loop().run_in_executor(
                self._executor, authorization, self._target
            )
        except LocalError as error:
            # As with a certificate that cannot be read: nothing can be sent until somebody looks.
            raise failure(Cause.TLS, str(error)) from error
        return (_ACCEPT, *who)

    # --- one request ---------------------------------------------------------------------------------

    def _gather(self, work: Work) -> list[Job]:
        """Take what goes into one request: of one priority, within the target's bounds, most urgent first."""
        batch: list[Job] = []
        size = 0
        while (job := work.first()) is not None and len(batch) < self._target.max_objects:
            alone = job.delivery.number in self._alone
            if batch and (
                alone
                or job.delivery.priority is not batch[0].delivery.priority
                or size + job.object.size > self._target.max_size
                or any(_same(job, other) for other in batch)  # the answer could not tell them apart
            ):
                break
            work.take()
            batch.append(job)
            size += job.object.size
            if alone:
                break
        return batch

    async def _request(self, connection: WebConnection, batch: list[Job], work: Work) -> None:
        """Send one request, and settle all of `batch`."""
        boundary = secrets.token_hex(20)
        items: list[_Item] = []
        for job in batch:
            try:
                source = self._source(job, work)
            except Damaged as error:
                work.settled(job, failure(Cause.DAMAGED, str(error)), 0.0)
            else:
                part = Part.of(job.object.instance, job.object.size, boundary)
                items.append(_Item(job, part, source, self._clock()))
        if not items:
            return
        try:
            outcomes = await self._exchange(connection, items, boundary)
        except DeliveryFailure as trouble:
            if trouble.link:
                self._settle(items, work, dict.fromkeys(range(len(items)), _again(trouble.reason)))
                raise
            outcomes = dict.fromkeys(range(len(items)), trouble)
        self._settle(items, work, outcomes)

    def _settle(self, items: list[_Item], work: Work, outcomes: dict[int, Receipt | DeliveryFailure]) -> None:
        now = self._clock()
        for index, item in enumerate(items):
            work.settled(item.job, outcomes[index], max(0.0, now - item.started))

    async def _exchange(
        self, connection: WebConnection, items: list[_Item], boundary: str
    ) -> dict[int, Receipt | DeliveryFailure]:
        """Return how each of `items` ended. A DeliveryFailure that is raised is that of all of them."""
        headers = (*await self._headers(), ("Content-Type", content_type(boundary)))
        length = length_of([item.part for item in items], boundary)
        reading: list[int] = []
        body = self._body(items, boundary, reading)
        used = connection.used
        try:
            async with aclosing(body):
                answer = await connection.ask("POST", self._path, headers, length, body)
        except (Damaged, LocalError) as error:
            # Half a request is on the wire: the others did not arrive, and are not to blame.
            outcomes: dict[int, Receipt | DeliveryFailure] = dict.fromkeys(
                range(len(items)), _again("the request was given up for another object's sake")
            )
            outcomes[reading[-1]] = failure(_our_trouble(error), str(error))
            return outcomes
        except Gone as error:
            if used:  # the server may have closed it before our request arrived; a new one will tell
                raise failure(Cause.STALE, f"the connection had ended: {error}") from error
            raise failure(Cause.LOST, str(error)) from error
        except (NoAnswer, BadAnswer) as error:
            cause = Cause.TIMEOUT if isinstance(error, NoAnswer) else Cause.VIOLATION
            if len(items) > 1:
                self._one_by_one(items)
                raise _again(str(error)) from error
            raise failure(cause, str(error)) from error
        if (verdict := of_request(answer.status)) is not None:
            raise failure(verdict.cause, verdict.words)
        found = of_object(answer.status, answer.body, [_uid(item) for item in items], self._policy)
        return {index: self._outcome(item, found[_uid(item)], items) for index, item in enumerate(items)}

    async def _body(
        self, items: list[_Item], boundary: str, reading: list[int]
    ) -> AsyncGenerator[bytes | memoryview, None]:
        """Yield the body; note in `reading` which of `items` is being read."""
        for index, item in enumerate(items):
            reading.append(index)
            item.started = self._clock()
            yield item.part.head
            async with aclosing(item.source.chunks(_PIECE)) as chunks:
                async for chunk in chunks:
                    yield chunk
            yield TAIL
        yield closing(boundary)

    def _outcome(
        self, item: _Item, found: Stored | Verdict | None, items: list[_Item]
    ) -> Receipt | DeliveryFailure:
        number = item.job.delivery.number
        if isinstance(found, Stored):
            self._alone.pop(number, None)
            return make_receipt(
                self._name,
                found.status,
                "",
                transfer_syntax_uid=item.job.object.instance.transfer_syntax_uid,
                digest=item.job.object.digest,
                at=self._wall_clock(),
            )
        if found is not None and (found.certain or len(items) == 1):
            self._alone.pop(number, None)
            return failure(found.cause, found.words, status=found.status)
        self._one_by_one([item])
        return _again("the destination told nothing of this object; it is sent alone")

    def _one_by_one(self, items: list[_Item]) -> None:
        for item in items:
            self._alone[item.job.delivery.number] = None
        while len(self._alone) > _MAX_ALONE:
            del self._alone[next(iter(self._alone))]

    def _source(self, job: Job, work: Work) -> CheckedSource | InlineSource | Paced:
        source: CheckedSource | InlineSource
        if job.data is not None:
            source = InlineSource(job.data, job.object.digest)
        else:
            reader = functools.partial(self._open_data, job.object.number)
            source = CheckedSource(job.object.size, job.object.digest, reader, self._executor)
        if self._shaper is None:
            return source

        def urgent() -> bool:
            following = work.first()
            return following is not None and following.delivery.priority is Priority.RECORD

        return Paced(source, self._shaper, job.delivery.priority, urgent=urgent, clock=self._clock)


def _same(one: Job, other: Job) -> bool:
    return one.object.instance.sop_instance_uid == other.object.instance.sop_instance_uid


def _uid(item: _Item) -> str:
    return item.job.object.instance.sop_instance_uid


def _again(words: str) -> DeliveryFailure:
    return failure(Cause.STALE, words)


def _our_trouble(error: LocalError) -> Cause:
    if isinstance(error, Damaged):
        return Cause.DAMAGED
    return Cause.UNREADABLE if isinstance(error, SpoolFailure) else Cause.LOCAL
