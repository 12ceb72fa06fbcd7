"""What the rooms around the link promise each other: Protocols with their contract (values: values.py).

    site   SiteLink         whoever delivers or relays uses it; the connection's keeper implements it
           BlockSource      the stored bytes of one object; whoever reads the spool implements it
           Encoder          what a block looks like on the line
    hub    ObjectReceiver   takes offers and blocks, makes them durable, says receipt or refusal
           ReportBook       what became of the objects later, kept until the site has taken it
           Decoder          the block as it was
           SiteDirectory    which sites there are
    both   StreamDialler    opens a stream to the other end
           StreamAcceptor   serves a stream that the other end opened

Everything here runs on the event loop; whoever needs a disk or a second of CPU goes to an executor behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.link.values import (
    BLOCK,
    INLINE,
    Encoded,
    HubReceipt,
    HubRefusal,
    LinkDown,
    Mismatch,
    Offer,
    Ref,
    RefusalKind,
    Report,
    Stage,
    StreamRefused,
    Undecodable,
    Urgency,
)

__all__ = [
    "BLOCK",
    "INLINE",
    "BlockSource",
    "Decoder",
    "Encoded",
    "Encoder",
    "HubReceipt",
    "HubRefusal",
    "LinkDown",
    "Mismatch",
    "ObjectReceiver",
    "Offer",
    "Ref",
    "RefusalKind",
    "Report",
    "ReportBook",
    "SiteDirectory",
    "SiteLink",
    "Stage",
    "StreamAcceptor",
    "StreamDialler",
    "StreamRefused",
    "Undecodable",
    "Urgency",
]

# --- site --------------------------------------------------------------------------------------------------


class BlockSource(Protocol):
    """The stored bytes of one object."""

    async def block(self, offset: int) -> bytes:
        """Return the bytes from `offset`, a multiple of BLOCK: BLOCK of them, fewer only at the end.

        May be asked for the same offset again, and for an earlier one. Any exception ends the transfer, and
        `deliver` raises it.
        """


class SiteLink(Protocol):
    """The link as a site uses it. Outlives its connections."""

    @property
    def up(self) -> bool:
        """A connection is there and both ends have said hello."""

    @property
    def rtt(self) -> float | None:
        """Smoothed round trip, seconds, None while it is unknown."""

    @property
    def reason(self) -> str:
        """Why it is down, in words; empty while it is up, or when nobody knows yet."""

    async def wait_up(self) -> None:
        """Return when `up`."""

    async def deliver(self, offer: Offer, source: BlockSource) -> HubReceipt | HubRefusal:
        """Bring one object to the hub, and return its word. Any number at once; order by priority, then call.

        Raises LinkDown when the connection ends before the hub's word is here, or when there is none: then
        nothing is known, and the object is to be offered again with `seen_before`. Cancelled, it withdraws.
        """

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """As loop.create_connection. See StreamDialler."""

    def on_report(self, take: Callable[[Report], Awaitable[None]]) -> None:
        """`take` gets each report in order, one at a time. When it returns, the report is durable here.

        The hub may repeat a report after a cut. An exception of `take` ends the connection, so that the hub
        says it again.
        """


class Encoder(Protocol):
    """Compression of one connection at the site. Bit-exact: see Decoder. Knows what the peer can decode."""

    def inline(self, offer: Offer, data: bytes) -> Encoded:
        """A whole small object, at once, on the loop. What it returns leaves in the order of the calls.

        So it may depend on what was encoded before it.
        """

    async def block(self, offer: Offer, offset: int, data: bytes) -> Encoded:
        """A block of a large object, by itself: it may be dropped. May run on an executor or in a worker."""

    def restart(self) -> None:
        """Something that `inline` returned was not sent: what comes next depends on nothing before it."""

    def rate(self, bytes_per_second: float) -> None:
        """The measured rate of the link."""

    def receipt(self, delivery: int) -> None:
        """The hub has this object durably: what comes later may build on it."""

    def mismatch(self, delivery: int) -> None:
        """The hub could not rebuild this object; it goes again, plain. Implies `restart`."""

    def ended(self, delivery: int) -> None:
        """The transfer is over, however: what is kept for this object can go."""


# --- hub ---------------------------------------------------------------------------------------------------


class ObjectReceiver(Protocol):
    """Takes objects at the hub. The calls for one `ref` come one after the other, never two at a time."""

    async def offered(self, ref: Ref, offer: Offer) -> int | HubReceipt | HubRefusal:
        """Return the offset up to which the object is held (a multiple of BLOCK, or 0), or the final word."""

    async def block(self, ref: Ref, offset: int, data: bytes) -> HubRefusal | None:
        """Append decoded bytes; `offset` continues what is held. Returns when more may be read.

        A refusal ends the transfer at once. Need not be durable on return. `offset` 0 after more was
        taken: begin anew, the first try was bad.
        """

    async def finished(self, ref: Ref) -> HubReceipt | HubRefusal | Mismatch:
        """Everything has come. Return a HubReceipt only when it is durable; check the digest before."""

    async def lost(self, ref: Ref) -> None:
        """The transfer ends without its word: cut, or withdrawn. Keep what there is, for the next offer."""


class ReportBook(Protocol):
    """The reports of all sites, durable until acknowledged."""

    async def waiting(self, site: str, spool: bytes, after: int, most: int) -> Sequence[Report]:
        """Up to `most` reports with a `seq` above `after`, in order."""

    async def acknowledged(self, site: str, spool: bytes, seq: int) -> None:
        """The site has everything up to `seq` durably."""

    def on_news(self, tell: Callable[[str], None]) -> Callable[[], None]:
        """`tell(site)` whenever a report was added. Returns what ends that."""


class Decoder(Protocol):
    """The other half of Encoder at the hub, one for each connection. Bounded, whatever it is fed.

    Both methods return exactly `length` bytes, or raise Undecodable. `length` is at most BLOCK.
    """

    def inline(self, codec: int, payload: memoryview, length: int) -> bytes:
        """A whole small object, on the loop, in the order of arrival, also when its transfer is over."""

    async def block(self, codec: int, payload: memoryview, length: int) -> bytes:
        """A block of a large object."""

    def kept(self, offer: Offer, data: bytes) -> None:
        """This small object is durable here and its receipt is about to leave: others may build on it."""


class SiteDirectory(Protocol):
    """Which sites there are."""

    def refusal(self, site: str) -> str:
        """Why the site with this certificate name may not connect, in words; empty: it may."""


# --- both --------------------------------------------------------------------------------------------------


class StreamDialler(Protocol):
    """Opens streams to one other end."""

    async def open_stream(
        self, factory: Callable[[], asyncio.BaseProtocol], *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """As loop.create_connection: connection_made was called when it returns.

        Does not wait for the other end: what is written leaves at once. A refusal arrives as connection_lost
        with StreamRefused. Raises LinkDown when there is no connection within `timeout_s` seconds, or when
        all streams are in use.
        """


class StreamAcceptor(Protocol):
    """Serves streams that the other end opens."""

    def accept(self, site: str) -> asyncio.BaseProtocol | str:
        """Return the protocol that serves a new stream of `site`, or why it is not served, in words.

        At a site `site` is empty: the caller is the hub.
        """
