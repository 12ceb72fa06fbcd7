"""Objects on their way out, at a site: which frame of which object leaves next. Pure.

Each priority class has a lane. In a lane take turns, frame by frame: the small objects, which leave one after
the other in the order in which they were encoded, and up to `at_once` large ones. Blocks are asked for
(BlockWanted) when they can be used soon, never earlier: what leaves is decided late, and memory stays flat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.link.credit import SendCredit
from gateway.link.encoding import data_header, encode
from gateway.link.events import BlockWanted, Event, MismatchTold, Receipted
from gateway.link.frames import Accept, BlockHead, Buffer, FrameError, OfferFrame, ReceiptFrame, Withdraw
from gateway.link.limits import MAX_ENCODED, LinkLimits
from gateway.link.values import BLOCK, INLINE, Encoded, Offer, Urgency
from gateway.model import Priority

_BLOCKS_AHEAD: Final = 2  # of one large object: one leaves, the next is being read and encoded


class _Outbound:
    """One block on its way."""

    __slots__ = ("head", "number", "payload", "position", "turn")

    def __init__(self, number: int, turn: int, head: BlockHead, payload: memoryview) -> None:
        self.number = number
        self.turn = turn
        self.head = head
        self.payload = payload
        self.position = 0


class _Sending:
    """One object."""

    __slots__ = (
        "asked_to",
        "current",
        "handle",
        "inline",
        "number",
        "offer",
        "pending",
        "plain",
        "ready",
        "sent_to",
        "silent",
        "turn",
    )

    def __init__(self, handle: int, offer: Offer, *, inline: bool) -> None:
        self.handle = handle
        self.offer = offer
        self.inline = inline
        self.number: int | None = None  # on the line; None until the offer has left
        self.turn = 0
        self.plain = False
        self.silent = False  # withdrawn, but it could not be stopped: nobody wants to hear of it
        self.asked_to = 0  # original bytes asked for
        self.sent_to = 0  # and handed out
        self.pending = 0  # blocks asked for that have not left
        self.ready: dict[int, Encoded] = {}  # by offset
        self.current: _Outbound | None = None


class _Lane:
    """What one priority class has to send."""

    def __init__(self, priority: Priority, credit: int) -> None:
        self.priority = priority
        self.credit = SendCredit(credit)
        self.owed = 0  # bytes of blocks that have begun to leave: no other may take their credit
        self.thirsty: _Outbound | None = None  # a block that could not begin for lack of credit is next
        self.small: deque[_Sending] = deque()  # not asked for yet
        self.small_ahead = 0  # original bytes asked for or encoded
        self.encoded: deque[tuple[_Sending, Encoded]] = deque()  # small ones, ready to leave
        self.leaving: _Outbound | None = None  # the small one whose offer has left
        self.offers: deque[_Sending] = deque()  # large ones not offered yet
        self.waiting: deque[_Sending] = deque()  # large ones that wait for their turn
        self.ring: deque[_Sending | None] = deque([None])  # large ones that take turns; None: the small ones


class Outgoing:
    """All objects that one site has under way on one connection."""

    def __init__(
        self, limits: LinkLimits, *, emit: Callable[[Event], None], control: Callable[[bytes], None]
    ) -> None:
        self.max_transfers = 0  # that the hub takes
        self._control = control
        self._limits = limits
        self._emit = emit
        self._lanes: dict[Urgency, _Lane] = {}
        self._handles = 0
        self._numbers = 0
        self._objects: dict[int, _Sending] = {}  # by handle
        self._offered: dict[int, _Sending] = {}  # by number: without receipt

    def __len__(self) -> int:
        """Objects without the hub's word."""
        return len(self._objects)

    def begin(self, window: Callable[[Urgency], int], max_transfers: int) -> None:
        """What the hub takes is known, or assumed."""
        self._lanes = {
            Urgency.of(priority): _Lane(priority, window(Urgency.of(priority))) for priority in Priority
        }
        self.max_transfers = max_transfers

    # --- our side ------------------------------------------------------------------------------------------

    def offer(self, offer: Offer) -> int:
        """Send this object. Returns the number of the transfer, for us alone."""
        self._handles += 1
        one = _Sending(self._handles, offer, inline=offer.size <= INLINE)
        self._objects[one.handle] = one
        lane = self._lanes[Urgency.of(offer.priority)]
        if one.inline:
            lane.small.append(one)
            self._want_small(lane)
        else:
            lane.offers.append(one)
        return one.handle

    def wanted(self, block: BlockWanted) -> bool:
        """Say whether this block is still of use."""
        one = self._objects.get(block.transfer)
        return one is not None and one.turn == block.turn and not one.silent

    def feed(self, block: BlockWanted, encoded: Encoded) -> None:
        """The block that was wanted. Nothing happens when nobody wants it any more."""
        if not self.wanted(block):
            return
        length = len(encoded.payload)
        if length > MAX_ENCODED or (length == 0) != (block.length == 0):
            raise ValueError(f"a block of {block.length} bytes became {length} bytes")
        one = self._objects[block.transfer]
        if block.inline:
            self._lane(one).encoded.append((one, encoded))
        else:
            one.ready[block.offset] = encoded

    def withdraw(self, handle: int) -> None:
        """Nobody wants to send this any more."""
        one = self._objects.get(handle)
        if one is None:
            return
        lane = self._lane(one)
        if one.number is not None:
            self._tell_withdrawn(one)
        elif one.inline and any(entry is one for entry, _ in lane.encoded):
            one.silent = True  # it has to leave: what was encoded after it may depend on it
        else:
            del self._objects[handle]
            self._drop_unoffered(lane, one)

    def next(self, most: Urgency, payload: int) -> tuple[Buffer, ...] | None:
        """The next frame of the most urgent class that has one, down to `most`."""
        for urgency, lane in self._lanes.items():
            if urgency > most:
                return None
            frame = self._of_lane(lane, payload)
            if frame is not None:
                return frame
        return None

    def has_frames(self, most: Urgency) -> bool:
        """Say whether something of these classes waits to leave (credit permitting)."""
        return any(
            lane.offers
            or lane.encoded
            or lane.leaving
            or any(one is not None and (one.current or one.ready) for one in lane.ring)
            for urgency, lane in self._lanes.items()
            if urgency <= most
        )

    # --- the hub's word ------------------------------------------------------------------------------------

    def credited(self, scope: Urgency, limit: int) -> None:
        """More of this class may be sent."""
        self._lanes[scope].credit.raised(limit)

    def accepted(self, frame: Accept) -> None:
        """The hub says from where on it wants an object."""
        one = self._find(frame.transfer)
        if one is None:
            return
        size = one.offer.size
        if frame.turn != one.turn + 1 or frame.offset > size:
            raise FrameError(f"transfer {frame.transfer} cannot go on at {frame.offset}, turn {frame.turn}")
        if frame.offset % BLOCK and frame.offset != size:
            raise FrameError(f"transfer {frame.transfer} cannot go on within a block")
        if one.silent:
            self._tell_withdrawn(one)
            return
        lane = self._lane(one)
        self._leave_ring(lane, one)
        one.turn, one.plain, one.inline = frame.turn, frame.plain, False
        one.asked_to = one.sent_to = frame.offset
        if frame.plain:
            self._emit(MismatchTold(one.handle))
        if frame.offset < size:
            lane.waiting.append(one)
            self._fill_ring(lane)

    def receipted(self, frame: ReceiptFrame) -> None:
        """The hub's last word on an object."""
        one = self._find(frame.transfer)
        if one is None:
            return
        del self._offered[frame.transfer]
        del self._objects[one.handle]
        self._leave_ring(self._lane(one), one)
        if not one.silent:
            self._emit(Receipted(one.handle, frame.answer))

    # --- inside --------------------------------------------------------------------------------------------

    def _lane(self, one: _Sending) -> _Lane:
        return self._lanes[Urgency.of(one.offer.priority)]

    def _find(self, number: int) -> _Sending | None:
        """Return the object; None when it is over already. Raises FrameError when it never was."""
        if not 0 < number <= self._numbers:
            raise FrameError(f"transfer {number} was never offered")
        return self._offered.get(number)

    def _tell_withdrawn(self, one: _Sending) -> None:
        number = one.number or 0
        del self._offered[number]
        del self._objects[one.handle]
        self._leave_ring(self._lane(one), one)
        self._control(encode(Withdraw(number)))

    def _announce(self, one: _Sending) -> tuple[Buffer, ...]:
        self._numbers += 1
        one.number = self._numbers
        self._offered[one.number] = one
        at_once = not one.inline and not one.offer.seen_before
        return (encode(OfferFrame(one.number, one.offer, one.inline, at_once)),)

    def _of_lane(self, lane: _Lane, payload: int) -> tuple[Buffer, ...] | None:
        if lane.offers and len(self._offered) < self.max_transfers:
            one = lane.offers.popleft()
            frame = self._announce(one)
            if not one.offer.seen_before:
                lane.waiting.append(one)
                self._fill_ring(lane)
            return frame
        for _ in range(len(lane.ring)):
            turn = lane.ring[0]
            lane.ring.rotate(-1)
            piece = self._small_piece(lane, payload) if turn is None else self._piece(lane, turn, payload)
            if piece is not None:
                return piece
        return None

    def _small_piece(self, lane: _Lane, payload: int) -> tuple[Buffer, ...] | None:
        if lane.leaving is None:
            if not lane.encoded or len(self._offered) >= self.max_transfers:
                return None
            one, encoded = lane.encoded.popleft()
            frame = self._announce(one)
            head = BlockHead(0, one.offer.size, len(encoded.payload), encoded.codec)
            lane.leaving = _Outbound(self._numbers, 0, head, memoryview(encoded.payload))
            lane.ring.rotate(1)  # its data right behind it
            return frame
        block = lane.leaving
        piece = self._cut(lane, block, payload, inline=True)
        if piece is not None and block.position == len(block.payload):
            lane.leaving = None
            lane.small_ahead -= block.head.length + 1
            self._want_small(lane)
        return piece

    def _piece(self, lane: _Lane, one: _Sending, payload: int) -> tuple[Buffer, ...] | None:
        block = one.current
        if block is None:
            encoded = one.ready.pop(one.sent_to, None)
            if encoded is None or one.number is None:
                return None
            length = min(BLOCK, one.offer.size - one.sent_to)
            head = BlockHead(one.sent_to, length, len(encoded.payload), encoded.codec)
            block = one.current = _Outbound(one.number, one.turn, head, memoryview(encoded.payload))
        piece = self._cut(lane, block, payload, inline=False)
        if piece is not None and block.position == len(block.payload):
            one.current = None
            one.pending -= 1
            one.sent_to += block.head.length
            if one.sent_to == one.offer.size:
                self._leave_ring(lane, one)
            else:
                self._want(one)
        return piece

    def _cut(self, lane: _Lane, block: _Outbound, payload: int, *, inline: bool) -> tuple[Buffer, ...] | None:
        start = block.position
        whole = len(block.payload)
        if start == 0 and whole and not self._may_begin(lane, block):
            return None
        count = min(payload, whole - start)
        block.position = start + count
        lane.credit.sent += count
        lane.owed -= count
        head = block.head if start == 0 else None
        header = data_header(lane.priority, block.number, block.turn, inline, head, block.position == whole)
        return (header, block.payload[start : block.position])

    @staticmethod
    def _may_begin(lane: _Lane, block: _Outbound) -> bool:
        """A block begins when there is credit for all of it.

        Otherwise several that have begun could wait for each other: what is not whole is not consumed.
        """
        if lane.thirsty not in (None, block):
            return False
        if lane.credit.available - lane.owed < len(block.payload):
            lane.thirsty = block
            return False
        lane.thirsty = None
        lane.owed += len(block.payload)
        return True

    def _want_small(self, lane: _Lane) -> None:
        while lane.small and lane.small_ahead < self._limits.ahead:
            one = lane.small.popleft()
            lane.small_ahead += one.offer.size + 1
            one.pending = 1
            self._emit(BlockWanted(one.handle, 0, 0, one.offer.size, inline=True, plain=False))

    def _want(self, one: _Sending) -> None:
        while one.pending < _BLOCKS_AHEAD and one.asked_to < one.offer.size:
            length = min(BLOCK, one.offer.size - one.asked_to)
            self._emit(BlockWanted(one.handle, one.turn, one.asked_to, length, inline=False, plain=one.plain))
            one.asked_to += length
            one.pending += 1

    def _fill_ring(self, lane: _Lane) -> None:
        while lane.waiting and len(lane.ring) <= self._limits.at_once:
            one = lane.waiting.popleft()
            lane.ring.append(one)
            self._want(one)

    def _leave_ring(self, lane: _Lane, one: _Sending) -> None:
        """It has nothing to send, for now or for good; what was read of it is dropped."""
        one.ready.clear()
        if one.current is not None:
            if one.current.position:
                lane.owed -= len(one.current.payload) - one.current.position
            if lane.thirsty is one.current:
                lane.thirsty = None
            one.current = None
        one.pending = 0
        for line in (lane.ring, lane.waiting):
            if one in line:
                line.remove(one)
        self._fill_ring(lane)

    def _drop_unoffered(self, lane: _Lane, one: _Sending) -> None:
        if not one.inline:
            lane.offers.remove(one)
        elif one.pending:
            lane.small_ahead -= one.offer.size + 1
            self._want_small(lane)
        else:
            lane.small.remove(one)
