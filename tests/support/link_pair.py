"""Two sessions of the gateway link joined by two pipes, with everything around them played by plain code.

A `Pair` is one connection; to cut it, drop it. What outlives it is in `Site` (what is to be sent, what was
answered, which reports came) and `Hub` (what is durable there, what is partly there, what it has to report).
`Pair.step` does one thing of all that could happen now, chosen by a random generator, and `settle` does
things until nothing is left. Each frame is checked against the rules of FORMAT.md that can be seen from
outside: credit, strict priority, one word for each transfer, small objects decoded in order.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from gateway.link import layout
from gateway.link.decoding import decode
from gateway.link.events import (
    BlockArrived,
    BlockWanted,
    Ended,
    Event,
    Greeted,
    MismatchTold,
    Offered,
    Receipted,
    Reported,
    ReportsSeen,
    StreamData,
    StreamFinished,
    StreamOpened,
    StreamReset,
    Withdrawn,
)
from gateway.link.frames import Credit, Data, OfferFrame, StreamPiece
from gateway.link.hello import BASE, Capabilities, Hello, Role
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import BLOCK, Encoded, HubReceipt, HubRefusal, Offer, Report, Stage, Urgency
from gateway.model import AETitle, Instance, Priority

PLAIN, TURNED, COUNTED = 0, 1, 2
"""Codecs of these tests: as it is; backwards; with a number that has to be the next of its class."""

_AMPLE = 6 * BLOCK  # credit with which any block may begin, whatever else has begun

IMPLICIT = "1.2.840.10008.1.2"


def make_offer(delivery: int, priority: Priority, data: bytes, *, seen_before: bool = False) -> Offer:
    """An offer for these bytes."""
    return Offer(
        delivery,
        priority,
        len(data),
        hashlib.sha256(data).digest(),
        Instance("1.2.840.10008.5.1.4.1.1.481.4", f"1.2.3.{delivery}", IMPLICIT),
        AETitle("LINAC1"),
        AETitle("ARIA"),
        1.5,
        seen_before,
    )


@dataclass
class Site:
    """What a site has on its disk."""

    spool: bytes = b"s" * 16
    objects: dict[int, tuple[Priority, bytes]] = field(default_factory=dict)
    offered: set[int] = field(default_factory=set)
    answers: dict[int, HubReceipt | HubRefusal] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    hub: Hello | None = None  # as it said hello the last time


@dataclass
class Hub:
    """What a hub has on its disk."""

    spool: bytes = b"h" * 16
    objects: dict[int, bytes] = field(default_factory=dict)
    stored: int = 0  # how often an object became durable
    partials: dict[int, bytearray] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)  # not acknowledged
    sequence: int = 0
    spoil: set[int] = field(default_factory=set)  # deliveries that it cannot rebuild the first time
    refuse: dict[int, HubRefusal] = field(default_factory=dict)

    def crash(self, random: Random) -> None:
        """Lose what was not durable: of each partial object some blocks at the end."""
        for delivery, held in self.partials.items():
            blocks = random.randint(0, len(held) // BLOCK)
            self.partials[delivery] = held[: blocks * BLOCK]


@dataclass
class _Flow:
    """One direction of one stream, as both ends see it."""

    written: bytearray = field(default_factory=bytearray)
    read: bytearray = field(default_factory=bytearray)
    finished: bool = False
    end_seen: bool = False


class Pair:
    """One connection between a site and a hub."""

    def __init__(
        self,
        site: Site,
        hub: Hub,
        random: Random,
        *,
        site_limits: LinkLimits | None = None,
        hub_limits: LinkLimits | None = None,
        features: frozenset[str] = frozenset({"turned"}),
        pipe: int = 4,
        now: float = 0.0,
    ) -> None:
        """`pipe`: messages that fit into one direction of the connection."""
        self.site, self.hub, self.random, self.now = site, hub, random, now
        self.ends: dict[Role, Ended] = {}
        self.messages = 0  # taken from either session
        self.trace: list[tuple[Role, int]] = []  # who sent which type of frame
        self._pipe = pipe
        site_limits, hub_limits = site_limits or LinkLimits(), hub_limits or LinkLimits()
        reports_seen = max((one.seq for one in site.reports), default=0) if site.hub else 0
        own = Hello(Role.SITE, site.spool, reports_seen, 0, Capabilities.of(site_limits, features), "tests")
        assumed = site.hub
        self.near = Session(own, site_limits, now, assumed=assumed)
        takes = Capabilities.of(hub_limits, features)
        self.far = Session(Hello(Role.HUB, hub.spool, 0, 0, takes, "tests"), hub_limits, now)
        self._up: deque[bytes] = deque()
        self._down: deque[bytes] = deque()
        self._wanted: list[BlockWanted] = []
        self._transfers: dict[int, int] = {}  # site: transfer -> delivery
        self._ready: dict[Urgency, set[int]] = {one: set() for one in Urgency}  # small ones that could leave
        self._encoded = dict.fromkeys(Priority, 0)
        self._decoded = dict.fromkeys(Priority, 0)
        self._credit = {
            (urgency, 0): (assumed.takes if assumed else BASE).window(urgency)
            for urgency in (Urgency.RECORD, Urgency.IMAGE, Urgency.BULK)
        }
        self._sent: dict[tuple[Urgency, int], int] = {}
        self._offers = 0
        self._small: deque[int] = deque()  # transfers whose small object could leave, as fed
        self._blocks: list[tuple[BlockArrived, bytes | None]] = []
        self._offered: dict[int, Offer] = {}  # hub: transfer -> offer
        self._accepted: set[int] = set()
        self._reported = False
        self.flows: dict[tuple[int, Role], _Flow] = {}  # by stream and who writes
        self.refused_streams: set[int] = set()

    # --- what may be asked for -----------------------------------------------------------------------------

    def deliver(self, delivery: int) -> int:
        """Offer an object of the site."""
        priority, data = self.site.objects[delivery]
        seen = delivery in self.site.offered
        self.site.offered.add(delivery)
        transfer = self.near.offer(make_offer(delivery, priority, data, seen_before=seen))
        self._transfers[transfer] = delivery
        return transfer

    def deliver_rest(self) -> None:
        """Offer everything that has no answer, in the order of its number."""
        for delivery in sorted(self.site.objects):
            if delivery not in self.site.answers and delivery not in self._transfers.values():
                self.deliver(delivery)

    def withdraw(self, transfer: int) -> None:
        """The site loses interest."""
        if self._transfers.pop(transfer, None) is not None:
            self.near.withdraw(transfer)

    def report(self, delivery: int, stage: Stage) -> None:
        """The hub has news."""
        self.hub.sequence += 1
        digest = hashlib.sha256(self.hub.objects[delivery]).digest()
        report = Report(self.hub.sequence, self.site.spool, delivery, digest, stage, 0, "", 2.0)
        self.hub.reports.append(report)

    def open_stream(self, role: Role) -> int | None:
        """Open a stream from this side."""
        number = self._session(role).open_stream(self.now)
        if number is not None:
            for one in Role:
                self.flows[number, one] = _Flow()
        return number

    def write(self, number: int, role: Role, data: bytes) -> None:
        """Write to a stream; what is not taken was not written."""
        if self._session(role).write(number, data):
            self.flows[number, role].written += data

    def finish(self, number: int, role: Role) -> None:
        """End one direction."""
        self._session(role).finish(number)
        self.flows[number, role].finished = True

    # --- what happens --------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Do one of the things that can happen now; False: nothing can."""
        self._look()
        possible: list[Callable[[], bool]] = []
        if len(self._up) < self._pipe:
            possible.append(lambda: self._send(self.near, Role.SITE, self._up))
        if len(self._down) < self._pipe:
            possible.append(lambda: self._send(self.far, Role.HUB, self._down))
        if self._up:
            possible.append(lambda: self._receive(self.far, self._up))
        if self._down:
            possible.append(lambda: self._receive(self.near, self._down))
        if self._wanted:
            possible.append(self._feed)
        if self._blocks:
            possible.append(self._use_block)
        if self.hub.reports and not self._reported and self.far.report_room:
            possible.append(self._report)
        self.random.shuffle(possible)
        return any(one() for one in possible)

    def settle(self, most: int = 100_000) -> None:
        """Let everything happen that can."""
        for _ in range(most):
            if not self.step():
                return
        raise AssertionError("it does not come to an end")

    def quiet(self) -> bool:
        """Nothing is under way, and nothing is kept."""
        nothing = not (self._up or self._down or self._wanted or self._blocks)
        return nothing and not self.near.busy and not self.far.busy and not self.far.held

    # --- inside --------------------------------------------------------------------------------------------

    def _session(self, role: Role) -> Session:
        return self.near if role is Role.SITE else self.far

    def _send(self, session: Session, role: Role, pipe: deque[bytes]) -> bool:
        parts = session.next_frame(self.now)
        if parts is None:
            return False
        message = b"".join(parts)
        self.messages += 1
        self.trace.append((role, message[0]))
        self._check(role, message)
        pipe.append(message)
        return True

    def _receive(self, session: Session, pipe: deque[bytes]) -> bool:
        message = pipe.popleft()
        if session is self.near and message[0] == layout.CREDIT:
            frame = decode(message)
            assert isinstance(frame, Credit)
            key = frame.scope, frame.stream
            self._credit[key] = max(self._credit.get(key, 0), frame.limit)
        session.received(message, self.now)
        return True

    def _check(self, role: Role, message: bytes) -> None:
        """What leaves a site may leave, and nothing more urgent had to wait for it."""
        if role is not Role.SITE or message[0] not in (layout.DATA, layout.OFFER, layout.STREAM):
            return
        frame = decode(message)
        assert isinstance(frame, Data | OfferFrame | StreamPiece)
        if isinstance(frame, StreamPiece):
            return
        priority = frame.priority if isinstance(frame, Data) else frame.offer.priority
        urgency = Urgency.of(priority)
        for more in (Urgency.RECORD, Urgency.IMAGE):
            room = self._credit[more, 0] - self._sent.get((more, 0), 0) > _AMPLE
            waits = more < urgency and self._ready[more] and room
            assert not waits, f"{urgency.name} left while {more.name} could"
        if isinstance(frame, Data):
            key = urgency, 0
            self._sent[key] = self._sent.get(key, 0) + len(frame.payload)
            assert self._sent[key] <= self._credit[key], "more than there was credit for"
            if frame.inline and frame.last:
                self._ready[urgency].discard(frame.transfer)
        elif frame.inline:
            # From its offer on a small object is known by its number, which the site gives when it leaves.
            self._ready[urgency].discard(-frame.offer.delivery)
            self._ready[urgency].add(frame.transfer)

    def _feed(self) -> bool:
        wanted = self._wanted.pop(self.random.randrange(len(self._wanted)))
        delivery = self._transfers.get(wanted.transfer)
        if delivery is None or not self.near.wants(wanted):
            return True
        priority, data = self.site.objects[delivery]
        piece = data[wanted.offset : wanted.offset + wanted.length]
        assert len(piece) == wanted.length
        encoded = Encoded(PLAIN, piece)
        if wanted.inline and self.random.random() < 0.8 and len(piece) > 4:
            encoded = Encoded(COUNTED, self._encoded[priority].to_bytes(4, "big") + piece)
            self._encoded[priority] += 1
        elif not wanted.plain and not wanted.inline:
            encoded = Encoded(TURNED, piece[::-1])
        self.near.feed(wanted, encoded)
        if wanted.inline:
            self._ready[Urgency.of(priority)].add(-delivery)
        return True

    def _use_block(self) -> bool:
        """The hub's disk takes the next block of some transfer."""
        transfer = self.random.choice(self._blocks)[0].transfer
        at = next(n for n, one in enumerate(self._blocks) if one[0].transfer == transfer)
        block, data = self._blocks.pop(at)
        if self.far.wanted(block):
            offer = self._offered[transfer]
            delivery = offer.delivery
            if data is None or (delivery in self.hub.spoil and block.codec != PLAIN):
                self.hub.spoil.discard(delivery)
                self.hub.partials[delivery] = bytearray()
                assert self.far.again(transfer, self.now)
            else:
                held = self.hub.partials.setdefault(delivery, bytearray())
                if block.offset == 0:
                    held.clear()
                assert len(held) == block.offset, "a block out of order"
                held += data
                if len(held) == offer.size:
                    self._finish(transfer, offer)
        self.far.consumed(block, self.now)
        return True

    def _finish(self, transfer: int, offer: Offer) -> None:
        data = bytes(self.hub.partials.pop(offer.delivery, b""))
        if hashlib.sha256(data).digest() != offer.digest:
            assert self.far.again(transfer, self.now)
            return
        already = offer.delivery in self.hub.objects
        self.hub.stored += not already
        self.hub.objects[offer.delivery] = data
        self.far.receipt(transfer, HubReceipt(3.0, already), self.now)

    def _report(self) -> bool:
        for report in self.hub.reports[: self.far.report_room]:
            self.far.report(report)
        self._reported = True
        return True

    def _look(self) -> None:
        for event in self.near.events():
            self._at_site(event)
        for event in self.far.events():
            self._at_hub(event)

    def _at_site(self, event: Event) -> None:
        match event:
            case BlockWanted():
                self._wanted.append(event)
            case Receipted(transfer, answer):
                delivery = self._transfers.pop(transfer)
                self.site.answers[delivery] = answer
            case MismatchTold(transfer):
                assert transfer in self._transfers
            case Reported(report):
                self.site.reports.append(report)
                self.near.taken(report.seq)
            case Greeted(hello):
                self.site.hub = hello
            case _:
                self._at_either(event, self.near, Role.SITE)

    def _at_hub(self, event: Event) -> None:
        match event:
            case Offered(transfer, offer, _):
                self._offered[transfer] = offer
                self._offer(transfer, offer)
            case BlockArrived():
                self._blocks.append((event, self._decode(event)))
            case Withdrawn(transfer):
                self._offered.pop(transfer)
            case ReportsSeen(seq):
                self.hub.reports = [one for one in self.hub.reports if one.seq > seq]
                self._reported = bool(self._reported and self.hub.reports)
            case Greeted(hello):
                self.hub.reports = [one for one in self.hub.reports if one.seq > hello.reports_seen]
            case _:
                self._at_either(event, self.far, Role.HUB)

    def _offer(self, transfer: int, offer: Offer) -> None:
        if offer.delivery in self.hub.refuse:
            self.far.receipt(transfer, self.hub.refuse[offer.delivery], self.now)
        elif offer.delivery in self.hub.objects:
            self.far.receipt(transfer, HubReceipt(3.0, already=True), self.now)
        else:
            held = len(self.hub.partials.get(offer.delivery, b""))
            self.far.accept(transfer, held, self.now)
            if held == offer.size and held:
                self._finish(transfer, offer)

    def _decode(self, event: BlockArrived) -> bytes | None:
        payload = bytes(event.payload)
        if event.codec == COUNTED:
            assert event.inline
            count = int.from_bytes(payload[:4], "big")
            assert count == self._decoded[event.priority], "small objects came out of order"
            self._decoded[event.priority] += 1
            payload = payload[4:]
        elif event.codec == TURNED:
            payload = payload[::-1]
        assert len(payload) == event.length
        return payload

    def _at_either(self, event: Event, session: Session, role: Role) -> None:
        other = Role.HUB if role is Role.SITE else Role.SITE
        match event:
            case StreamOpened():
                pass
            case StreamData(number, data):
                self.flows[number, other].read += data
                session.read(number, len(data), self.now)
            case StreamFinished(number):
                self.flows[number, other].end_seen = True
            case StreamReset(number, _):
                self.refused_streams.add(number)
            case Ended():
                assert role not in self.ends
                self.ends[role] = event


def small(limits: LinkLimits | None = None, **changes: int) -> LinkLimits:
    """The least that a hello may say, so that bounds are met soon."""
    least = LinkLimits(
        record_window=BASE.record_window,
        image_window=BASE.image_window,
        bulk_window=BASE.bulk_window,
        stream_window=BASE.stream_window,
        max_transfers=BASE.max_transfers,
        max_streams=BASE.max_streams,
        max_reports=BASE.max_reports,
    )
    return replace(limits or least, **changes)
