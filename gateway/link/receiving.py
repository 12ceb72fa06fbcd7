"""The hub's half of a live link: objects of one site come in, its word on each goes back, and reports.

One task for each transfer, so that the receiver is asked for one thing at a time. What waits for it is
bounded by the credit the site has: a block counts until it is consumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from gateway.link.events import BlockArrived, Event, Greeted, Offered, ReportsSeen, Withdrawn
from gateway.link.feeding import Carrying, Counts
from gateway.link.ports import Decoder, ObjectReceiver, ReportBook
from gateway.link.values import (
    HubReceipt,
    HubRefusal,
    LinkDown,
    Mismatch,
    Offer,
    Ref,
    RefusalKind,
    Undecodable,
)

_REPORTS = 64
"""Reports that are read from the book at a time."""

_PLAIN = 0

_CANNOT_UNDERSTAND = 0xC000
"""PS3.4 table B.2-1."""


@dataclass(frozen=True, slots=True)
class _Block:
    event: BlockArrived
    data: bytes | None  # decoded on arrival, if it was inline; None: could not be


@dataclass(slots=True, eq=False)
class _Transfer:
    ref: Ref
    offer: Offer
    inline: bool
    settled: bool = False  # the receiver has said its word
    blocks: asyncio.Queue[_Block | None] = field(default_factory=asyncio.Queue)  # None: it is over


class Receiving:
    """The transfers of one connection at the hub."""

    def __init__(
        self,
        live: Carrying,
        site: str,
        link: int,
        *,
        receiver: ObjectReceiver,
        reports: ReportBook,
        decoder: Decoder | None,
    ) -> None:
        """`link` counts connections. Without `decoder` only plain blocks are understood."""
        self.counts = Counts()
        self._live = live
        self._site = site
        self._link = link
        self._receiver = receiver
        self._reports = reports
        self._decoder = decoder
        self._spool = b""
        self._transfers: dict[int, _Transfer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.Task[None] | None = None
        self._seen: asyncio.Queue[int] = asyncio.Queue()
        self._news = asyncio.Event()
        self._end_news: Callable[[], None] | None = None
        self._over = False

    @property
    def under_way(self) -> int:
        """Objects without our word."""
        return len(self._transfers)

    def event(self, event: Event) -> None:
        """Take an event of the session that concerns transfers."""
        if isinstance(event, Offered):
            ref = Ref(self._site, self._spool, event.offer.delivery, self._link, event.transfer)
            transfer = self._transfers[event.transfer] = _Transfer(ref, event.offer, event.inline)
            self._start(self._receive(event.transfer, transfer))
        elif isinstance(event, BlockArrived):
            self._arrived(event)
        elif isinstance(event, Withdrawn):
            withdrawn = self._transfers.pop(event.transfer, None)
            if withdrawn is not None:
                withdrawn.blocks.put_nowait(None)
        elif isinstance(event, Greeted):
            self._spool = event.hello.spool
            self._end_news = self._reports.on_news(self._told)
            self._telling = self._start(self._tell(event.hello.reports_seen))
        elif isinstance(event, ReportsSeen):
            self._seen.put_nowait(event.seq)
            self._news.set()

    def rate(self, bytes_per_second: float) -> None:
        """Nothing here depends on it."""

    def ended(self, _error: LinkDown) -> None:
        """The connection is gone. What is being done for it comes to its end by itself."""
        self._over = True
        if self._end_news is not None:
            self._end_news()
            self._end_news = None
        if self._telling is not None:
            self._telling.cancel()
        for transfer in self._transfers.values():
            transfer.blocks.put_nowait(None)
        self._transfers.clear()

    async def settled(self) -> None:
        """Wait until the receiver has nothing more to do for this connection."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    # --- objects -------------------------------------------------------------------------------------

    def _arrived(self, event: BlockArrived) -> None:
        data: bytes | None = None
        if event.inline:
            data = self._decode_inline(event)
        transfer = self._transfers.get(event.transfer)
        if transfer is None:
            self._consumed(event)
        else:
            transfer.blocks.put_nowait(_Block(event, data))

    def _decode_inline(self, event: BlockArrived) -> bytes | None:
        """Decode at once: the shared streams go on from object to object, in the order of arrival."""
        if event.codec == _PLAIN or self._decoder is None:
            return _plain(event)
        try:
            return self._decoder.inline(event.codec, memoryview(event.payload), event.length)
        except Undecodable:
            return None

    async def _decode(self, block: _Block) -> bytes | None:
        event = block.event
        if event.inline:
            return block.data
        if event.codec == _PLAIN or self._decoder is None:
            return _plain(event)
        try:
            return await self._decoder.block(event.codec, memoryview(event.payload), event.length)
        except Undecodable:
            return None

    async def _receive(self, number: int, transfer: _Transfer) -> None:
        """One transfer, from offer to word."""
        answer: int | HubReceipt | HubRefusal | None
        answer = await self._receiver.offered(transfer.ref, transfer.offer)
        if isinstance(answer, int):
            answer = await self._take(number, transfer, answer)
            if not transfer.settled:
                await self._receiver.lost(transfer.ref)
        if isinstance(answer, HubReceipt | HubRefusal) and self._transfers.get(number) is transfer:
            del self._transfers[number]
            self.counts.objects += isinstance(answer, HubReceipt)
            self._live.session.receipt(number, answer, self._live.now())
            self._live.touch()
        self._drop(transfer)

    async def _take(self, number: int, transfer: _Transfer, held: int) -> HubReceipt | HubRefusal | None:
        """Take blocks until everything is there; None when it was cut off or withdrawn before."""
        session, size = self._live.session, transfer.offer.size
        if self._transfers.get(number) is not transfer:
            return None
        if not transfer.inline:  # a small object is on its way already
            session.accept(number, held, self._live.now())
            self._live.touch()
        whole: bytes | None = None
        while True:
            if held == size:
                word = await self._receiver.finished(transfer.ref)
                if not isinstance(word, Mismatch):
                    transfer.settled = True
                    if isinstance(word, HubReceipt) and whole is not None and self._decoder is not None:
                        self._decoder.kept(transfer.offer, whole)
                    return word
                refusal = self._again(number, transfer)
                if refusal is not None:
                    return refusal
                held = 0
            block = await transfer.blocks.get()
            if block is None:
                return None
            event = block.event
            if not session.wanted(event):
                self._consumed(event)
                continue
            data = await self._decode(block)
            if not session.wanted(event):  # that may have taken its time
                self._consumed(event)
                continue
            if data is None:
                self._consumed(event)
                refusal = self._again(number, transfer)
                if refusal is not None:
                    return refusal
                held = 0
                continue
            refusal = await self._receiver.block(transfer.ref, event.offset, data)
            if refusal is not None:
                transfer.settled = True
                self._consumed(event)
                return refusal
            held = event.offset + event.length
            whole = data if event.inline else None
            self.counts.original += event.length
            self.counts.encoded += len(event.payload)
            self._consumed(event)

    def _again(self, number: int, transfer: _Transfer) -> HubRefusal | None:
        """Ask for the object from the beginning, uncompressed. Return what to say when that was too often."""
        self.counts.mismatches += 1
        again = self._live.session.again(number, self._live.now())
        self._live.touch()
        if again or self._transfers.get(number) is not transfer:
            return None  # whoever has gone is seen by the next look at the blocks
        return HubRefusal(RefusalKind.TRANSIENT, _CANNOT_UNDERSTAND, "what arrives is not what was offered")

    def _consumed(self, event: BlockArrived) -> None:
        if not self._over:
            self._live.session.consumed(event, self._live.now())
            self._live.touch()

    def _drop(self, transfer: _Transfer) -> None:
        """Give the credit back for blocks that nobody will look at."""
        while not transfer.blocks.empty():
            block = transfer.blocks.get_nowait()
            if block is not None:
                self._consumed(block.event)

    # --- reports -------------------------------------------------------------------------------------

    def _told(self, site: str) -> None:
        if site == self._site:
            self._news.set()

    async def _tell(self, after: int) -> None:
        """Send the reports the site has not got, as many at a time as it takes."""
        seen = after
        if seen:
            await self._reports.acknowledged(self._site, self._spool, seen)
        while True:
            self._news.clear()
            while not self._seen.empty():
                seen = max(seen, self._seen.get_nowait())
                await self._reports.acknowledged(self._site, self._spool, seen)
            room = min(_REPORTS, self._live.session.report_room)
            found = await self._reports.waiting(self._site, self._spool, after, room) if room > 0 else ()
            for report in found:
                self._live.session.report(report)
                after = report.seq
            self._live.touch()
            if not found:
                await self._news.wait()

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        asyncio.get_running_loop().call_exception_handler(
            {"message": "receiving over the link failed", "exception": task.exception()}
        )
        self._live.give_up("something is wrong at this end")


def _plain(event: BlockArrived) -> bytes | None:
    """The bytes of a block that was not encoded; None when it was, or says another length."""
    fits = event.codec == _PLAIN and len(event.payload) == event.length
    return bytes(event.payload) if fits else None
