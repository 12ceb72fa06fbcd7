"""A link without a line: deliveries go straight to whatever receives objects, and can be cut anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.link.ports import BlockSource, ObjectReceiver
from gateway.link.values import (
    BLOCK,
    HubReceipt,
    HubRefusal,
    LinkDown,
    Mismatch,
    Offer,
    Ref,
    RefusalKind,
    Report,
)

SPOOL = bytes(range(16))


class MemoryLink:
    """A SiteLink. `cut` breaks it, and it is up again at once unless `unplugged`."""

    def __init__(self, receiver: ObjectReceiver, *, site: str = "clinic-07", spool: bytes = SPOOL) -> None:
        self.receiver = receiver
        self.site, self.spool = site, spool
        self.offers: list[Offer] = []
        self.blocks: list[tuple[int, int]] = []  # (delivery, offset) of every block that went over
        self.corrupt: set[int] = set()  # deliveries of which the next first block arrives damaged
        self.cut_before: dict[tuple[int, int], int] = {}  # (delivery, offset): how often to cut there
        self._links = itertools.count(1)
        self._link = next(self._links)
        self._transfers = itertools.count(1)
        self._up = asyncio.Event()
        self._up.set()
        self._down = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._up.is_set()

    @property
    def rtt(self) -> float | None:
        return 0.001

    @property
    def reason(self) -> str:
        return "" if self.up else "it was cut here"

    async def wait_up(self) -> None:
        await self._up.wait()

    def cut(self) -> None:
        """End the connection; the next one is there."""
        self._down.set()
        self._down = asyncio.Event()
        self._link = next(self._links)

    def unplug(self) -> None:
        self._up.clear()
        self.cut()

    def plug(self) -> None:
        self._up.set()

    async def deliver(self, offer: Offer, source: BlockSource) -> HubReceipt | HubRefusal:
        if not self.up:
            raise LinkDown("not connected")
        self.offers.append(offer)
        down = self._down
        ref = Ref(self.site, self.spool, offer.delivery, self._link, next(self._transfers))
        work = asyncio.ensure_future(self._bring(ref, offer, source))
        gone = asyncio.ensure_future(down.wait())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise LinkDown("the connection ended")
            return work.result()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def _bring(self, ref: Ref, offer: Offer, source: BlockSource) -> HubReceipt | HubRefusal:
        answer: int | HubReceipt | HubRefusal | Mismatch | None
        answer = await self.receiver.offered(ref, offer)
        if not isinstance(answer, int):
            return answer
        offset = answer
        try:
            while True:
                while offset < offer.size:
                    if self.cut_before.get((offer.delivery, offset), 0):
                        self.cut_before[offer.delivery, offset] -= 1
                        self.cut()
                        await asyncio.Event().wait()  # until `deliver` has seen it
                    data = await source.block(offset)
                    if offset == 0 and offer.delivery in self.corrupt:
                        self.corrupt.discard(offer.delivery)
                        data = bytes([data[0] ^ 1]) + data[1:]
                    self.blocks.append((offer.delivery, offset))
                    word = await self.receiver.block(ref, offset, data)
                    if word is not None:
                        return word
                    offset += len(data)
                answer = await self.receiver.finished(ref)
                if not isinstance(answer, Mismatch):
                    return answer
                offset = 0
        except BaseException:
            await self.receiver.lost(ref)
            raise

    def on_report(self, take: Callable[[Report], Awaitable[None]]) -> None:
        raise NotImplementedError("nothing is reported over this one")

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        raise NotImplementedError("this one carries objects only")


@dataclass
class ListReceiver:
    """An ObjectReceiver that keeps objects in a list; refuses, cuts and stalls on command."""

    kept: list[tuple[str, bytes]] = field(default_factory=list)
    refusals: dict[int, HubRefusal] = field(default_factory=dict)
    stalled: dict[int, asyncio.Event] = field(default_factory=dict)
    on_offer: Callable[[Offer], None] = lambda offer: None
    _data: dict[Ref, bytearray] = field(default_factory=dict)
    _offers: dict[Ref, Offer] = field(default_factory=dict)

    async def offered(self, ref: Ref, offer: Offer) -> int | HubReceipt | HubRefusal:
        self.on_offer(offer)
        if offer.delivery in self.refusals:
            return self.refusals[offer.delivery]
        if offer.delivery in self.stalled:
            self.stalled[offer.delivery].set()
            await asyncio.Event().wait()
        self._data[ref], self._offers[ref] = bytearray(), offer
        return 0

    async def block(self, ref: Ref, offset: int, data: bytes) -> HubRefusal | None:
        assert offset % BLOCK == 0
        del self._data[ref][offset:]
        self._data[ref] += data
        return None

    async def finished(self, ref: Ref) -> HubReceipt | HubRefusal | Mismatch:
        data, offer = bytes(self._data[ref]), self._offers[ref]
        if hashlib.sha256(data).digest() != offer.digest:
            return Mismatch()
        await asyncio.sleep(0)
        self.kept.append((offer.instance.sop_instance_uid, data))
        return HubReceipt(1.0)

    async def lost(self, ref: Ref) -> None:
        self._data.pop(ref, None)


REFUSED = HubRefusal(RefusalKind.PERMANENT, 0x0124, "this site may not reach that title")
