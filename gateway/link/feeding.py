"""The site's half of a live link: objects go to the hub, its word and its reports come back.

The session says which block it wants next; it is read, encoded and handed over here. Nothing is read ahead of
that, so an object that waits costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.errors import LocalError
from gateway.link.events import BlockWanted, Event, MismatchTold, Receipted, Reported
from gateway.link.ports import BlockSource, Encoder
from gateway.link.session import Session
from gateway.link.values import Encoded, HubReceipt, HubRefusal, LinkDown, Offer, Report


class Carrying(Protocol):
    """The live link, as its two halves see it."""

    @property
    def session(self) -> Session: ...

    def now(self) -> float:
        """The session's time."""

    def touch(self) -> None:
        """Something may have to be sent, or told."""

    def give_up(self, words: str) -> None:
        """Something at this end is wrong: end the connection."""


@dataclass(slots=True)
class Counts:
    """What the transfers of one connection have come to."""

    objects: int = 0
    original: int = 0  # bytes of blocks, before encoding
    encoded: int = 0
    mismatches: int = 0


@dataclass(slots=True, eq=False)
class _Transfer:
    offer: Offer
    source: BlockSource
    word: asyncio.Future[HubReceipt | HubRefusal]
    reading: set[asyncio.Task[None]] = field(default_factory=set)


class Feeding:
    """The transfers of one connection at the site."""

    def __init__(
        self, live: Carrying, encoder: Encoder | None, take_report: Callable[[Report], Awaitable[None]] | None
    ) -> None:
        """Without `encoder` everything goes plain; without `take_report` reports are left with the hub."""
        self.counts = Counts()
        self._live = live
        self._encoder = encoder
        self._take_report = take_report
        self._transfers: dict[int, _Transfer] = {}
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._taking: asyncio.Task[None] | None = None
        self._ended: LinkDown | None = None

    @property
    def under_way(self) -> int:
        """Objects without the hub's word."""
        return len(self._transfers)

    async def deliver(self, offer: Offer, source: BlockSource) -> HubReceipt | HubRefusal:
        """See SiteLink.deliver."""
        live = self._live
        if self._ended is not None or not live.session.ready:
            raise LinkDown("the link is down")
        number = live.session.offer(offer)
        transfer = _Transfer(offer, source, asyncio.get_running_loop().create_future())
        self._transfers[number] = transfer
        live.touch()
        try:
            return await transfer.word
        except BaseException:  # cancelled, or our own copy cannot be read
            if self._ended is None:
                live.session.withdraw(number)
                live.touch()
            raise
        finally:
            self._transfers.pop(number, None)
            for task in transfer.reading:
                task.cancel()
            if self._encoder is not None:
                self._encoder.ended(offer.delivery)

    def event(self, event: Event) -> None:
        """Take an event of the session that concerns transfers."""
        if isinstance(event, BlockWanted):
            transfer = self._transfers.get(event.transfer)
            if transfer is not None:
                task = asyncio.get_running_loop().create_task(self._feed(transfer, event))
                transfer.reading.add(task)
                task.add_done_callback(transfer.reading.discard)
        elif isinstance(event, Receipted):
            self._receipted(event)
        elif isinstance(event, MismatchTold):
            self.counts.mismatches += 1
            transfer = self._transfers.get(event.transfer)
            if self._encoder is not None and transfer is not None:
                self._encoder.mismatch(transfer.offer.delivery)
        elif isinstance(event, Reported) and self._take_report is not None:
            self._reports.put_nowait(event.report)
            if self._taking is None:
                self._taking = asyncio.get_running_loop().create_task(self._take_reports(self._take_report))

    def use(self, encoder: Encoder | None) -> None:
        """From now on encode with this: the hub has said what it knows."""
        self._encoder = encoder

    def rate(self, bytes_per_second: float) -> None:
        """The measured rate of the line."""
        if self._encoder is not None:
            self._encoder.rate(bytes_per_second)

    def ended(self, error: LinkDown) -> None:
        """The connection is gone."""
        self._ended = error
        if self._taking is not None:
            self._taking.cancel()
        for transfer in tuple(self._transfers.values()):
            if not transfer.word.done():
                transfer.word.set_exception(LinkDown(str(error)))

    # --- inside --------------------------------------------------------------------------------------

    async def _feed(self, transfer: _Transfer, wanted: BlockWanted) -> None:
        session = self._live.session
        try:
            data = await _read(transfer, wanted)
            if not session.wants(wanted):
                return
            encoded = Encoded(0, data)
            if self._encoder is not None and not wanted.plain:
                if wanted.inline:
                    encoded = self._encoder.inline(transfer.offer, data)
                else:
                    encoded = await self._encoder.block(transfer.offer, wanted.offset, data)
        except Exception as error:  # noqa: BLE001 - whoever delivers this object decides what it means
            if not transfer.word.done():
                transfer.word.set_exception(error)
            return
        if session.wants(wanted):
            self.counts.original += len(data)
            self.counts.encoded += len(encoded.payload)
            session.feed(wanted, encoded)
            self._live.touch()

    def _receipted(self, event: Receipted) -> None:
        transfer = self._transfers.get(event.transfer)
        if transfer is None or transfer.word.done():
            return
        if isinstance(event.answer, HubReceipt):
            self.counts.objects += 1
            if self._encoder is not None:
                self._encoder.receipt(transfer.offer.delivery)
        transfer.word.set_result(event.answer)

    async def _take_reports(self, take: Callable[[Report], Awaitable[None]]) -> None:
        """Hand reports on, one at a time; what is durable here need not be said again."""
        while True:
            report = await self._reports.get()
            try:
                await take(report)
            except Exception as error:
                self._live.give_up(f"a report could not be taken in: {type(error).__name__}")
                raise
            self._live.session.taken(report.seq)
            self._live.touch()


async def _read(transfer: _Transfer, wanted: BlockWanted) -> bytes:
    data = await transfer.source.block(wanted.offset)
    if len(data) != wanted.length:
        raise LocalError(
            f"delivery {transfer.offer.delivery}: {len(data)} bytes at {wanted.offset} "
            f"where {wanted.length} were stored"
        )
    return data
