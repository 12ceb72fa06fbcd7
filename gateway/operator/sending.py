"""Objects sent straight to a peer on an operator's request, past the queue, over an association kept warm.

The data set is passed on as it comes, with flat memory and byte for byte; nothing is converted, nothing kept.
One association for each peer: it is opened anew when a SOP class or transfer syntax comes that it has no
presentation context for, and let go when nothing was sent for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from gateway.association.requestor import RequestorAssociation, RequestorTimeouts, open_association
from gateway.dicom import sop_classes, status
from gateway.dicom.negotiation import MAX_CONTEXTS, split_contexts
from gateway.dicom.part10 import MAX_HEADER, NotPart10, read_header
from gateway.errors import PeerError
from gateway.model import AETitle, Instance, Peer
from gateway.notices import Notices
from gateway.operator.control import Busy, NotAnObject
from gateway.operator.dialling import WayTo, way
from gateway.operator.facts import SendReport


@dataclass(frozen=True, slots=True)
class SendLimits:
    """What direct sending may take."""

    max_peers: int = 8  # peers that are sent to at the same time
    max_waiting: int = 8  # senders that wait for one peer's association
    idle: float = 10.0  # seconds that an association is kept for the next file


class DirectSender:
    """Sends to one peer, one object at a time."""

    def __init__(
        self,
        peer: Peer,
        *,
        calling_ae: AETitle,
        notices: Notices,
        timeouts: RequestorTimeouts | None = None,
        limits: SendLimits | None = None,
        way_to: WayTo | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._peer = peer
        self._calling_ae = calling_ae
        self._notices = notices
        self._timeouts = timeouts
        self._limits = limits or SendLimits()
        self._way_to = way_to
        self._clock = clock
        self._association: RequestorAssociation | None = None
        self._seen: dict[tuple[str, str], None] = {}  # (SOP class, transfer syntax), in order of arrival
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.Task[None] | None = None

    async def send(self, size: int, body: AsyncIterator[bytes]) -> SendReport:
        """Pass on a Part 10 file of `size` bytes; what the peer does is in the report.

        Raises NotAnObject, Busy, and whatever `body` raises; the association is aborted then.
        """
        if self._waiting >= self._limits.max_waiting:
            raise Busy(f"{self._limits.max_waiting} others are waiting to send to {self._peer.name}")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._send(size, body)
        finally:
            self._waiting -= 1

    @property
    def busy(self) -> bool:
        """True while something is being sent, or waits for its turn."""
        return self._waiting > 0

    async def close(self) -> None:
        """Let go of the association."""
        if self._idle is not None:
            self._idle.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._idle
        async with self._turn:
            await self._let_go()

    async def _send(self, size: int, body: AsyncIterator[bytes]) -> SendReport:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        instance, rest = await _read_head(body)
        data_size = size - rest.offset
        if data_size <= 0:
            raise NotAnObject("the file holds no data set")
        started = self._clock()
        try:
            association, context_id = await self._context(instance)
            answer = await association.c_store(context_id, instance, _Body(data_size, rest.first, body))
            code = answer.status if answer.status is not None else 0xC000
            comment = f" ({answer.error_comment})" if answer.error_comment else ""
            words = status.words(code, status.Service.STORAGE) + comment
            ok = status.category(code) in (status.Category.SUCCESS, status.Category.WARNING)
        except PeerError as error:
            code, words, ok = None, str(error), False
        finally:
            self._idle = asyncio.get_running_loop().create_task(self._expire())
        return SendReport(
            peer=self._peer.name,
            ok=ok,
            status=None if code is None else f"0x{code:04X}",
            words=words,
            sop_class=sop_classes.name(instance.sop_class_uid),
            size=data_size,
            seconds=self._clock() - started,
        )

    async def _context(self, instance: Instance) -> tuple[RequestorAssociation, int]:
        wanted = (instance.sop_class_uid, instance.transfer_syntax_uid)
        association = self._association
        if association is None or not association.established or wanted not in self._seen:
            await self._let_go()
            self._seen.pop(wanted, None)
            self._seen[wanted] = None
            while len(self._seen) > MAX_CONTEXTS:
                del self._seen[next(iter(self._seen))]
            association = self._association = await self._open()
        context_id = association.context_for(*wanted)
        if context_id is None:
            raise PeerError(
                f"the peer does not accept {sop_classes.name(wanted[0])} in {sop_classes.name(wanted[1])}"
            )
        return association, context_id

    async def _open(self) -> RequestorAssociation:
        (contexts,) = split_contexts((sop_class, (syntax,)) for sop_class, syntax in self._seen)
        return await open_association(
            self._peer,
            contexts,
            calling_ae=self._calling_ae,
            notices=self._notices,
            timeouts=self._timeouts,
            way=await way(self._peer, self._way_to),
        )

    async def _expire(self) -> None:
        await asyncio.sleep(self._limits.idle)
        async with self._turn:
            await self._let_go()

    async def _let_go(self) -> None:
        association, self._association = self._association, None
        if association is not None and not association.closed:
            await association.release()


class DirectSenders:
    """A sender for each peer that is being sent to, of a bounded number."""

    def __init__(self, make: Callable[[Peer], DirectSender], limits: SendLimits | None = None) -> None:
        self._make = make
        self._limits = limits or SendLimits()
        self._senders: dict[str, DirectSender] = {}

    async def send(self, peer: Peer, size: int, body: AsyncIterator[bytes]) -> SendReport:
        """Pass on one file. Raises as DirectSender.send does."""
        sender = self._senders.get(peer.name)
        if sender is None:
            if len(self._senders) >= self._limits.max_peers:
                await self._make_room()
            sender = self._senders[peer.name] = self._make(peer)
        return await sender.send(size, body)

    async def close(self) -> None:
        """Let go of all associations."""
        for sender in self._senders.values():
            await sender.close()
        self._senders.clear()

    async def _make_room(self) -> None:
        for name, sender in self._senders.items():
            if not sender.busy:
                del self._senders[name]
                await sender.close()
                return
        raise Busy(f"{self._limits.max_peers} peers are being sent to already")


@dataclass(frozen=True, slots=True)
class _Rest:
    offset: int  # of the data set in the file
    first: bytes  # what was read of the data set with the header


async def _read_head(body: AsyncIterator[bytes]) -> tuple[Instance, _Rest]:
    head = bytearray()
    async for chunk in body:
        head += chunk
        if len(head) >= MAX_HEADER:
            break
    try:
        instance, offset = read_header(bytes(head))
    except NotPart10 as error:
        raise NotAnObject(str(error)) from error
    return instance, _Rest(offset, bytes(head[offset:]))


class _Body:
    """The data set as it comes in: a DataSource."""

    def __init__(self, size: int, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self.size = size
        self._first = first
        self._rest = rest

    async def chunks(self, max_size: int) -> AsyncGenerator[bytes | memoryview, None]:
        """Yield the data set in pieces of at most `max_size` bytes."""
        for start in range(0, len(self._first), max_size):
            yield self._first[start : start + max_size]
        async for chunk in self._rest:
            for start in range(0, len(chunk), max_size):
                yield chunk[start : start + max_size]


async def read_pieces(read: Callable[[int], bytes], piece: int = 256 * 1024) -> AsyncIterator[bytes]:
    """Yield what a blocking `read` returns, read off the event loop, until it returns nothing."""
    while data := await asyncio.to_thread(read, piece):
        yield data
