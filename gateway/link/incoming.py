"""Objects on their way in, at a hub: what is offered, and the blocks put together again. Pure.

A block is handed on when it is whole. The small objects of a priority class come one after the other and are
put together whether or not anybody still wants them, because their codec may need every one of them in order.
Data for a large object that is over, or begun anew, is thrown away and its credit given back.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.link.credit import Window
from gateway.link.encoding import encode
from gateway.link.events import BlockArrived, Event, Offered, Withdrawn
from gateway.link.frames import Accept, BlockHead, Buffer, Data, FrameError, OfferFrame, ReceiptFrame
from gateway.link.limits import MAX_ENCODED, LinkLimits
from gateway.link.values import BLOCK, HubReceipt, HubRefusal, Urgency
from gateway.model import Priority


class _Assembly:
    """The pieces of one block. Memory follows what came, not what was announced."""

    __slots__ = ("head", "number", "pieces")

    def __init__(self, number: int, head: BlockHead, first: memoryview) -> None:
        self.number = number
        self.head = head
        self.pieces = bytearray(first)

    def add(self, payload: memoryview, *, last: bool) -> None:
        self.pieces += payload
        if len(self.pieces) > self.head.encoded or (len(self.pieces) == self.head.encoded) is not last:
            raise FrameError(f"the pieces of a block of transfer {self.number} do not fit together")


class _Receiving:
    """One object without receipt."""

    __slots__ = ("accepted", "assembly", "expected", "inline", "offer", "small_due", "turn")

    def __init__(self, frame: OfferFrame) -> None:
        self.offer = frame.offer
        self.inline = frame.inline
        self.small_due = frame.inline  # its one block has not come yet
        self.turn = 0
        self.accepted = frame.at_once  # its blocks may come
        self.expected = 0  # offset of the next block
        self.assembly: _Assembly | None = None


class Incoming:
    """All objects that one site has under way to us on one connection."""

    def __init__(
        self,
        limits: LinkLimits,
        *,
        emit: Callable[[Event], None],
        control: Callable[[bytes], None],
        grant: Callable[[Urgency, int], None],
    ) -> None:
        self._limits = limits
        self._emit = emit
        self._control = control
        self._grant = grant
        self._open: dict[int, _Receiving] = {}
        self._last = 0
        self._small: dict[Priority, _Assembly] = {}
        self._windows: dict[Priority, Window] = {}

    def __len__(self) -> int:
        """Objects without our word."""
        return len(self._open)

    @property
    def held(self) -> int:
        """Bytes that came and were not consumed."""
        return sum(window.held for window in self._windows.values())

    def begin(self, window: Callable[[Urgency], int], now: float) -> None:
        """What the site believes to be our windows."""
        for one in Priority:
            size = window(Urgency.of(one))
            self._windows[one] = Window(size, self._limits.max_window, now, least=MAX_ENCODED)

    def widen(self, window: Callable[[Urgency], int], now: float) -> None:
        """What our windows are, when the site could not know it."""
        for one in Priority:
            limit = self._windows[one].widen(window(Urgency.of(one)), now)
            if limit is not None:
                self._grant(Urgency.of(one), limit)

    # --- the site's frames ---------------------------------------------------------------------------------

    def offered(self, frame: OfferFrame) -> None:
        """The site offers an object."""
        if frame.transfer <= self._last:
            raise FrameError(f"transfer {frame.transfer} was offered before")
        if len(self._open) >= self._limits.max_transfers:
            raise FrameError(f"more than {self._limits.max_transfers} objects without receipt")
        self._last = frame.transfer
        self._open[frame.transfer] = _Receiving(frame)
        self._emit(Offered(frame.transfer, frame.offer, frame.inline))

    def arrived(self, frame: Data, now: float, rtt: float) -> None:
        """A piece of a block."""
        self._windows[frame.priority].arrived(len(frame.payload))
        if frame.transfer > self._last or not frame.transfer:
            raise FrameError(f"transfer {frame.transfer} was never offered")
        one = self._open.get(frame.transfer)
        if one is not None and one.offer.priority is not frame.priority:
            raise FrameError(f"transfer {frame.transfer} has another priority")
        if frame.inline:
            self._inline(frame, one)
        elif one is None or frame.turn < one.turn:
            self._credit(frame.priority, len(frame.payload), now, rtt)
        else:
            self._piece(frame, one)

    def withdrawn(self, number: int, now: float, rtt: float) -> None:
        """The site does not offer it any more."""
        if not 0 < number <= self._last:
            raise FrameError(f"transfer {number} was never offered")
        one = self._open.pop(number, None)
        if one is not None:
            self._abandon(one, now, rtt)
            self._emit(Withdrawn(number))

    # --- our side ------------------------------------------------------------------------------------------

    def accept(self, number: int, offset: int, now: float, rtt: float) -> None:
        """Want the object from `offset` on. Nothing happens when it is over."""
        one = self._open.get(number)
        if one is None:
            return
        if not 0 <= offset <= one.offer.size or (offset % BLOCK and offset != one.offer.size):
            raise ValueError(f"an object of {one.offer.size} bytes cannot go on at {offset}")
        if one.turn:
            raise ValueError(f"transfer {number} was accepted before")
        if one.inline or (one.accepted and not offset):
            return
        self._again(number, one, offset, now, rtt, plain=False)

    def again(self, number: int, now: float, rtt: float) -> bool:
        """Want the object from the begin, plain. False: it is over, or that makes no sense (any more)."""
        one = self._open.get(number)
        if one is None or one.turn >= self._limits.max_turns or not one.offer.size:
            return False
        self._again(number, one, 0, now, rtt, plain=True)
        return True

    def receipt(self, number: int, answer: HubReceipt | HubRefusal, now: float, rtt: float) -> bool:
        """Our word on an object; it is over. False: it was over before, and nobody hears it."""
        one = self._open.pop(number, None)
        if one is None:
            return False
        self._abandon(one, now, rtt)
        self._control(encode(ReceiptFrame(number, answer)))
        return True

    def wanted(self, block: BlockArrived) -> bool:
        """Say whether this block is still of use."""
        one = self._open.get(block.transfer)
        return one is not None and one.turn == block.turn

    def consumed(self, block: BlockArrived, now: float, rtt: float) -> None:
        """The block is done with."""
        self._credit(block.priority, len(block.payload), now, rtt)

    # --- inside --------------------------------------------------------------------------------------------

    def _inline(self, frame: Data, one: _Receiving | None) -> None:
        assembly = self._small.get(frame.priority)
        if frame.head is None:
            if assembly is None or assembly.number != frame.transfer:
                raise FrameError(f"a piece of no block of transfer {frame.transfer}")
            assembly.add(frame.payload, last=frame.last)
            if frame.last:
                del self._small[frame.priority]
                self._whole(frame, assembly.head, assembly.pieces)
            return
        if assembly is not None:
            raise FrameError(f"transfer {frame.transfer} begins within a block of {assembly.number}")
        if one is not None:
            if not one.small_due or frame.head.length != one.offer.size:
                raise FrameError(f"a small object that transfer {frame.transfer} is not")
            one.small_due = False  # it may have crossed with a new turn, which does not want it
        if frame.last:
            self._whole(frame, frame.head, frame.payload)
        else:
            self._small[frame.priority] = _Assembly(frame.transfer, frame.head, frame.payload)

    def _piece(self, frame: Data, one: _Receiving) -> None:
        if frame.turn > one.turn or not one.accepted:
            raise FrameError(f"data of transfer {frame.transfer} that was not asked for")
        assembly = one.assembly
        if frame.head is None:
            if assembly is None:
                raise FrameError(f"a piece of no block of transfer {frame.transfer}")
            assembly.add(frame.payload, last=frame.last)
            if frame.last:
                one.assembly = None
                self._whole(frame, assembly.head, assembly.pieces)
            return
        head = frame.head
        due = min(BLOCK, one.offer.size - one.expected)
        if assembly is not None or head.offset != one.expected or head.length != due or not due:
            raise FrameError(f"a block of transfer {frame.transfer} out of order")
        one.expected += due
        if frame.last:
            self._whole(frame, head, frame.payload)
        else:
            one.assembly = _Assembly(frame.transfer, head, frame.payload)

    def _whole(self, frame: Data, head: BlockHead, payload: Buffer) -> None:
        at = (head.offset, head.length, head.codec)
        self._emit(BlockArrived(frame.transfer, frame.turn, frame.priority, frame.inline, *at, payload))

    def _again(
        self, number: int, one: _Receiving, offset: int, now: float, rtt: float, *, plain: bool
    ) -> None:
        self._abandon(one, now, rtt)
        one.turn += 1
        one.expected = offset
        one.accepted = True
        one.inline = False
        self._control(encode(Accept(number, one.turn, offset, plain)))

    def _abandon(self, one: _Receiving, now: float, rtt: float) -> None:
        """What came of an unfinished block is not needed. A small one goes on: see the top."""
        if one.assembly is not None:
            self._credit(one.offer.priority, len(one.assembly.pieces), now, rtt)
            one.assembly = None

    def _credit(self, priority: Priority, count: int, now: float, rtt: float) -> None:
        limit = self._windows[priority].consumed(count, now, rtt)
        if limit is not None:
            self._grant(Urgency.of(priority), limit)
