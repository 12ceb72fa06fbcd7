"""Control on top of the running daemon's parts: spool, delivery engine, listeners and peers."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway import __version__
from gateway.association.requestor import RequestorTimeouts
from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.engine import DeliveryEngine
from gateway.dicom.part10 import file_meta
from gateway.errands import Errands
from gateway.errors import LocalError, NoRoom, SpoolFailure
from gateway.link_state import UNMEASURED, NoWays, WaysView
from gateway.model import AETitle, DeliveryState, Peer
from gateway.notices import Notices
from gateway.operator import presenting
from gateway.operator.advice import advise
from gateway.operator.association_book import AssociationBook, LiveView
from gateway.operator.browsing import Browsing
from gateway.operator.control import (
    Action,
    Busy,
    Cut,
    ExportStream,
    NoSuchStep,
    NotFound,
    NotPossible,
    StepAction,
    StepNotPossible,
)
from gateway.operator.dialling import WayTo
from gateway.operator.echo import echo
from gateway.operator.facts import (
    AssociationFacts,
    CommitmentPage,
    CommitmentTotals,
    DeliveryFacts,
    DeliveryFilter,
    DeliveryPage,
    DestinationFacts,
    EchoReport,
    ListenerFacts,
    SendReport,
    Status,
    StepFacts,
    StepPage,
    StepStateName,
    StepTotals,
    Story,
)
from gateway.operator.sending import DirectSender, DirectSenders, SendLimits, read_pieces
from gateway.operator.verdict import judge
from gateway.spool import DataReader, DeliveryStory, Spool, SpoolSummary, StepState

_UNDELIVERED = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HELD)


class ListenerView(Protocol):
    """What is shown of a listener (gateway.listener.Listener)."""

    @property
    def settings(self) -> ListenerSettingsView: ...

    @property
    def port(self) -> int: ...

    @property
    def associations(self) -> Collection[EstablishedView]: ...


class ListenerSettingsView(Protocol):
    """Where it listens."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def tls(self) -> object | None: ...


class EstablishedView(LiveView, Protocol):
    """One of its associations."""

    @property
    def established(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """What operators may have going on at the same time."""

    max_echoes: int = 4  # peers being verified
    send: SendLimits = field(default_factory=SendLimits)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is, and since when it runs (wall clock)."""

    name: str
    ae_title: AETitle
    started_at: float


class GatewayControl:
    """Implements control.Control. Everything is read when asked; nothing is polled."""

    def __init__(
        self,
        identity: Identity,
        *,
        spool: Spool,
        engine: DeliveryEngine,
        peers: Mapping[str, Peer],
        listeners: Sequence[ListenerView],
        notices: Notices,
        render_metrics: Callable[[], Awaitable[bytes]],
        timeouts: RequestorTimeouts | None = None,
        errands: Errands | None = None,
        limits: ControlLimits | None = None,
        ways: WaysView | None = None,
        way_to: WayTo | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.notices = notices
        self._identity = identity
        self._spool = spool
        self._engine = engine
        self._peers = peers
        self._listeners = listeners
        self._render_metrics = render_metrics
        self._timeouts = timeouts
        self._errands = errands or Errands()
        self._wall_clock = wall_clock
        self._ways = ways or NoWays()
        self._way_to = way_to
        self._book = AssociationBook(notices, wall_clock)
        self.browsing = Browsing(spool, lambda: {status.name for status in engine.status()})
        self._limits = limits or ControlLimits()
        self._echoes = 0
        self._senders = DirectSenders(
            lambda peer: DirectSender(
                peer,
                calling_ae=identity.ae_title,
                notices=notices,
                timeouts=timeouts,
                limits=self._limits.send,
                way_to=way_to,
            ),
            self._limits.send,
        )

    async def close(self) -> None:
        """Let go of associations opened for operators."""
        self._book.close()
        await self._senders.close()

    # what is

    async def status(self) -> Status:
        now = self._wall_clock()
        summary = await self._spool.summary()
        destinations = tuple(self._destination(status, summary) for status in self._engine.status())
        spool = presenting.spool(summary)
        asked, waiting = await self._spool.commitment_counts(), await self._spool.step_counts()
        steps = StepTotals(waiting.queued, waiting.held)
        verdict = judge(destinations, spool, now, orphans=self._orphans(summary), steps=steps)
        return Status(
            gateway=self._identity.name,
            ae_title=self._identity.ae_title,
            version=__version__,
            started_at=self._identity.started_at,
            now=now,
            level=verdict.level,
            headline=verdict.headline,
            attention=verdict.attention,
            destinations=destinations,
            spool=spool,
            listeners=tuple(_listener(listener) for listener in self._listeners),
            commitments=CommitmentTotals(asked.open, asked.reporting, asked.asks),
            steps=steps,
            sites=tuple(presenting.site(one) for one in self._ways.sites()),
        )

    def _destination(self, status: DestinationStatus, summary: SpoolSummary) -> DestinationFacts:
        peer, ways = self._peers[status.name], self._ways
        return presenting.destination(
            peer, status, summary, ways.measures(peer.name) or UNMEASURED, ways.rate_cap(peer.name)
        )

    async def deliveries(self, wanted: DeliveryFilter, cut: Cut) -> DeliveryPage:
        return await self.browsing.page(wanted, cut)

    async def story(self, number: int) -> Story:
        told = await self._show(number)
        status = self._status_of(told.delivery.destination)
        advice = advise(
            told.delivery,
            told.cause,
            link=status.link_state if status else None,
            paused=status.paused if status else False,
            held_back=status.held_back if status and told.delivery.priority > status.most else "",
            verifies=presenting.verifies(self._peers[status.name]) if status else False,
        )
        return presenting.story(told, advice)

    async def commitments(self, *, before: int | None, limit: int) -> CommitmentPage:
        rows = await self._spool.list_commitments(limit + 1, before)
        page = rows[:limit]
        return CommitmentPage(
            tuple(presenting.commitment(row) for row in page), page[-1].number if len(rows) > limit else None
        )

    async def steps(
        self, *, state: StepStateName | None, destination: str | None, after: int | None, limit: int
    ) -> StepPage:
        if destination is not None and destination not in self._peers:
            raise NotFound(f"there is no destination {destination!r}")
        rows = await self._spool.list_steps(
            states=[StepState(state)] if state else None,
            destination=destination,
            after=after,
            limit=limit + 1,
        )
        page = rows[:limit]
        return StepPage(
            tuple(presenting.step(row) for row in page), page[-1].number if len(rows) > limit else None
        )

    def associations(self) -> tuple[AssociationFacts, ...]:
        return self._book.all(one for listener in self._listeners for one in listener.associations)

    async def metrics(self) -> bytes:
        return await self._render_metrics()

    # what is done to the queue

    async def act(self, number: int, action: Action, *, reason: str, who: str) -> DeliveryFacts:
        told = await self._show(number)
        try:
            if action == "retry":
                changed = await self._spool.retry(number, who=who)
            elif action == "release":
                changed = await self._spool.release(number, who=who)
            elif action == "hold":
                changed = await self._spool.hold(number, reason, who=who)
            else:
                changed = await self._spool.discard(number, reason, who=who)
        except (NoRoom, SpoolFailure):
            raise
        except LocalError as error:
            raise NotPossible(str(error)) from error
        return presenting.delivery(changed, told.object)

    async def act_on_step(self, number: int, action: StepAction, *, reason: str, who: str) -> StepFacts:
        found = await self._spool.list_steps(after=number - 1, limit=1)
        if not found or found[0].number != number:
            raise NoSuchStep(f"there is no procedure step {number}")
        try:
            if action == "retry":
                row = await self._spool.retry_step(number, who=who)
            else:
                row = await self._spool.discard_step(number, reason, who=who)
        except (NoRoom, SpoolFailure):
            raise
        except LocalError as error:
            raise StepNotPossible(str(error)) from error
        return presenting.step(row)

    async def retry_held(self, *, destination: str | None, cause: str | None, who: str) -> int:
        self._check_destination(destination)
        return await self._spool.retry_held(destination, cause, who=who)

    async def export(self, number: int) -> ExportStream:
        stored = (await self._show(number)).object
        header = file_meta(stored.instance, source_ae=stored.origin.calling_ae)
        try:
            reader = await asyncio.to_thread(self._spool.open_data, stored.number)
        except LocalError as error:
            raise NotPossible(str(error)) from error
        length = len(header) + reader.size
        return ExportStream(stored.number, length, _part10(header, reader, stored.digest))

    # destinations and peers

    async def pause(self, destination: str, *, who: str) -> DestinationFacts:
        return await self._steer(destination, "pause", self._engine.pause, who)

    async def resume(self, destination: str, *, who: str) -> DestinationFacts:
        return await self._steer(destination, "resume", self._engine.resume, who)

    async def kick(self, destination: str, *, who: str) -> DestinationFacts:
        return await self._steer(destination, "retry", self._engine.kick, who)

    async def echo(self, peer: str) -> EchoReport:
        found = self._peer(peer)
        if self._echoes >= self._limits.max_echoes:
            raise Busy(f"{self._limits.max_echoes} peers are being verified already")
        self._echoes += 1
        try:
            with self._errands.to(peer):
                return await echo(
                    found,
                    calling_ae=self._identity.ae_title,
                    notices=self.notices,
                    timeouts=self._timeouts,
                    way_to=self._way_to,
                )
        finally:
            self._echoes -= 1

    async def send(self, peer: str, size: int, body: AsyncIterator[bytes]) -> SendReport:
        found = self._peer(peer)
        with self._errands.to(peer):
            return await self._senders.send(found, size, body)

    # in common

    async def _show(self, number: int) -> DeliveryStory:
        try:
            return await self._spool.show(number)
        except (NoRoom, SpoolFailure):
            raise
        except LocalError as error:
            raise NotFound(str(error)) from error

    async def _steer(
        self, destination: str, action: str, do: Callable[[str], None], who: str
    ) -> DestinationFacts:
        self._check_destination(destination)
        do(destination)
        status = self._status_of(destination)
        if status is None:
            raise NotFound(f"there is no destination {destination!r}")
        return self._destination(status, await self._spool.summary())

    def _status_of(self, destination: str) -> DestinationStatus | None:
        return next((status for status in self._engine.status() if status.name == destination), None)

    def _orphans(self, summary: SpoolSummary) -> dict[str, int]:
        """Count what is not delivered yet, by names that left the configuration."""
        known = {status.name for status in self._engine.status()}
        counts = {name: summary.count(*_UNDELIVERED, destination=name) for name in _names(summary) - known}
        return {name: counts[name] for name in sorted(counts) if counts[name]}

    def _check_destination(self, name: str | None) -> None:
        if name is not None and self._status_of(name) is None:
            raise NotFound(f"there is no destination {name!r}")

    def _peer(self, name: str) -> Peer:
        peer = self._peers.get(name)
        if peer is None:
            raise NotFound(f"there is no peer {name!r} in the configuration")
        return peer


def _names(summary: SpoolSummary) -> set[str]:
    return {cell.destination for cell in summary.cells}


def _listener(listener: ListenerView) -> ListenerFacts:
    settings = listener.settings
    return ListenerFacts(
        name=settings.name,
        address=settings.address,
        port=listener.port,
        tls=settings.tls is not None,
        associations=sum(association.established for association in listener.associations),
    )


async def _part10(header: bytes, reader: DataReader, digest: bytes) -> AsyncIterator[bytes]:
    """Yield the file. Its end only comes when the bytes are those that were received."""
    sha256 = hashlib.sha256()
    held_back = header
    try:
        async for piece in read_pieces(reader.read):
            sha256.update(piece)
            yield held_back
            held_back = piece
        if sha256.digest() != digest:
            raise SpoolFailure("the object on the disk is not what was received; look at the disk")
        yield held_back
    finally:
        await asyncio.to_thread(reader.close)
