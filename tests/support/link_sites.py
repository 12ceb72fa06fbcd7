"""A hub and its sites in one process, joined by real sockets; what is behind them keeps things in memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.link.door import DoorLimits, HubDoor
from gateway.link.keeper import HubLink
from gateway.link.limits import LinkLimits
from gateway.link.redial import RedialLimits
from gateway.link.values import BLOCK, HubReceipt, HubRefusal, Mismatch, Offer, Ref, Report, Stage
from gateway.model import AETitle, Instance, Priority
from tests.support.certs import Authority
from tests.support.notice_log import NoticeLog

QUICK = RedialLimits(first=0.05, most=0.2, refused_most=0.4, good=0.5)


def offer(number: int, data: bytes, priority: Priority = Priority.RECORD, *, seen: bool = False) -> Offer:
    """An offer of `data`."""
    instance = Instance("1.2.840.10008.5.1.4.1.1.481.4", f"1.2.3.{number}", "1.2.840.10008.1.2.1")
    return Offer(
        number,
        priority,
        len(data),
        hashlib.sha256(data).digest(),
        instance,
        AETitle("LINAC1"),
        AETitle("ARIA"),
        time.time(),
        seen,
    )


class Bytes:
    """A BlockSource from memory that notes what it was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[int] = []

    async def block(self, offset: int) -> bytes:
        self.asked.append(offset)
        return self.data[offset : offset + BLOCK]


@dataclass
class Shelf:
    """An ObjectReceiver that keeps objects in memory, partial ones across connections too."""

    whole: dict[tuple[str, int], bytes] = field(default_factory=dict)
    partial: dict[tuple[str, int], bytearray] = field(default_factory=dict)
    came: list[tuple[int, int, int]] = field(default_factory=list)  # delivery, offset, length
    order: list[int] = field(default_factory=list)  # deliveries, as they became whole
    refuse: HubRefusal | None = None
    lost_refs: list[Ref] = field(default_factory=list)
    offers: dict[Ref, Offer] = field(default_factory=dict)
    newest: dict[tuple[str, int], Ref] = field(default_factory=dict)
    spoil: int = 0  # so many times `finished` finds the bytes damaged
    news: asyncio.Event = field(default_factory=asyncio.Event)
    on_block: Callable[[Ref, int], None] | None = None

    async def offered(self, ref: Ref, offer: Offer) -> int | HubReceipt | HubRefusal:
        await asyncio.sleep(0)
        if self.refuse is not None:
            return self.refuse
        key = ref.site, offer.delivery
        if key in self.whole:
            return HubReceipt(time.time(), already=True)
        self.offers[ref] = offer
        self.newest[key] = ref
        return len(self.partial.setdefault(key, bytearray()))

    async def block(self, ref: Ref, offset: int, data: bytes) -> HubRefusal | None:
        await asyncio.sleep(0)
        held = self.partial[ref.site, ref.delivery]
        if self.newest[ref.site, ref.delivery] != ref:
            return None  # of a connection that is gone: the newer one goes on from what was held then
        if offset == 0:
            held.clear()
        assert offset == len(held)
        held += data
        self.came.append((ref.delivery, offset, len(data)))
        self.news.set()
        if self.on_block is not None:
            self.on_block(ref, offset)
        return None

    async def finished(self, ref: Ref) -> HubReceipt | HubRefusal | Mismatch:
        await asyncio.sleep(0)
        data = bytes(self.partial[ref.site, ref.delivery])
        if self.spoil or hashlib.sha256(data).digest() != self.offers[ref].digest:
            self.spoil = max(0, self.spoil - 1)
            return Mismatch()
        self.whole[ref.site, ref.delivery] = data
        self.order.append(ref.delivery)
        return HubReceipt(time.time())

    async def lost(self, ref: Ref) -> None:
        self.lost_refs.append(ref)


@dataclass
class Book:
    """A ReportBook in memory."""

    reports: dict[str, list[Report]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    tell: list[Callable[[str], None]] = field(default_factory=list)

    async def waiting(self, site: str, spool: bytes, after: int, most: int) -> Sequence[Report]:
        await asyncio.sleep(0)
        waiting = [one for one in self.reports.get(site, ()) if one.seq > max(after, self.seen.get(site, 0))]
        return waiting[:most]

    async def acknowledged(self, site: str, spool: bytes, seq: int) -> None:
        self.seen[site] = max(seq, self.seen.get(site, 0))

    def on_news(self, tell: Callable[[str], None]) -> Callable[[], None]:
        self.tell.append(tell)
        return lambda: self.tell.remove(tell)

    def add(self, site: str, spool: bytes, delivery: int, stage: Stage = Stage.STORED) -> Report:
        """One more report for `site`."""
        known = self.reports.setdefault(site, [])
        seq = known[-1].seq + 1 if known else 1
        report = Report(seq, spool, delivery, bytes(32), stage, 0, "", time.time())
        known.append(report)
        for tell in tuple(self.tell):
            tell(site)
        return report


class Everybody:
    """A SiteDirectory."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def refusal(self, site: str) -> str:
        return "" if site in self.names else f"there is no site {site} here"


class Echo(asyncio.Protocol):
    """Serves a stream: what comes goes back, and the end too."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Echoes:
    """A StreamAcceptor."""

    def __init__(self, refuse: str = "") -> None:
        self.refuse = refuse
        self.served: list[tuple[str, asyncio.BaseProtocol]] = []
        self.make: Callable[[], asyncio.BaseProtocol] = Echo

    def accept(self, site: str) -> asyncio.BaseProtocol | str:
        if self.refuse:
            return self.refuse
        protocol = self.make()
        self.served.append((site, protocol))
        return protocol


@dataclass
class Hub:
    """A hub that listens, and what is behind it."""

    door: HubDoor
    shelf: Shelf
    book: Book
    log: NoticeLog
    changes: list[tuple[str, bool, str]]


@dataclass
class World:
    """Makes hubs and sites of one authority."""

    path: Path
    authority: Authority
    echoes: Echoes = field(default_factory=Echoes)
    shelf: Shelf = field(default_factory=Shelf)
    book: Book = field(default_factory=Book)
    port: int = 0
    made: list[HubDoor | HubLink] = field(default_factory=list)
    limits: LinkLimits = field(default_factory=LinkLimits)

    async def hub(self, *names: str, spool: bytes = bytes(16), **more: Any) -> Hub:
        """A hub for these sites; on the port of the one before, if there was one."""
        log = NoticeLog()
        changes: list[tuple[str, bool, str]] = []
        door = HubDoor(
            "127.0.0.1",
            self.port,
            self.authority.issue("hub"),
            spool=spool,
            software="hub 1",
            names=names,
            directory=more.pop("directory", None) or Everybody(*names),
            receiver=self.shelf,
            reports=self.book,
            notices=log.notices,
            acceptor=self.echoes,
            limits=self.limits,
            on_change=lambda *change: changes.append(change),
            door=more.pop("door", None) or DoorLimits(grace=2.0),
            **more,
        )
        await door.start()
        self.port = door.port
        self.made.append(door)
        return Hub(door, self.shelf, self.book, log, changes)

    async def site(
        self, name: str = "clinic-07", *, start: bool = True, port: int | None = None, **more: Any
    ) -> tuple[HubLink, NoticeLog]:
        """A site that dials the hub."""
        log = NoticeLog()
        link = HubLink(
            "localhost",
            port or self.port,
            more.pop("tls", None) or self.authority.issue(name, hosts=[name]),
            spool=hashlib.sha256(name.encode()).digest()[:16],
            software="site 1",
            notices=log.notices,
            redial=more.pop("redial", QUICK),
            limits=more.pop("limits", self.limits),
            **more,
        )
        self.made.append(link)
        if start:
            await link.start()
        return link, log


@contextlib.asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Whatever is made of it is closed at the end."""
    made = World(tmp_path, Authority.create(tmp_path))
    try:
        yield made
    finally:
        for one in reversed(made.made):
            await one.close()


async def greeted(link: HubLink) -> None:
    """Return once both ends have said hello."""
    async with asyncio.timeout(10):
        while not link.greeted:  # noqa: ASYNC110 - there is no event for every test's condition
            await asyncio.sleep(0.005)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
