"""What a session tells its owner. Frozen values; `Session.events()` hands them out in order. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.link.frames import Buffer, Code
from gateway.link.hello import Hello
from gateway.link.values import HubReceipt, HubRefusal, Offer, Report
from gateway.model import Priority


@dataclass(frozen=True, slots=True)
class Greeted:
    """The other end has said hello. A site keeps `hello` for the next connection's `assumed`."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Ponged:
    """A round trip was measured: this one, in seconds. `Session.rtt` is the smoothed one."""

    rtt: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; this is the last event. Write what `next_frame` still gives, then close."""

    code: Code
    words: str
    ours: bool  # we ended it; False: the other end did
    retry_after: int = 0  # seconds; 0: as you like


@dataclass(frozen=True, slots=True)
class BlockWanted:
    """Read this much of the object, encode it (not at all when `plain`), and hand it to `Session.feed`.

    Of an `inline` object it is all of it, and reading may take its time, but encoding and feeding are one
    step: what was encoded first must leave first.
    """

    transfer: int
    turn: int
    offset: int
    length: int
    inline: bool
    plain: bool


@dataclass(frozen=True, slots=True)
class Receipted:
    """The hub's word on a transfer, which is over now."""

    transfer: int
    answer: HubReceipt | HubRefusal


@dataclass(frozen=True, slots=True)
class MismatchTold:
    """The hub could not rebuild the object and wants it again, plain."""

    transfer: int


@dataclass(frozen=True, slots=True)
class Reported:
    """News from the hub. Call `Session.taken` when they are durable."""

    report: Report


@dataclass(frozen=True, slots=True)
class Offered:
    """A site offers an object. Answer with `accept` or `receipt`; blocks may come before that."""

    transfer: int
    offer: Offer
    inline: bool


@dataclass(frozen=True, slots=True)
class BlockArrived:
    """A whole block. Each one is answered with `Session.consumed`, whatever becomes of it.

    An `inline` block has to be decoded in the order of these events within its priority, even if nobody
    wants it any more. Whether a block is still wanted says `Session.wanted` at the time it is looked at.
    """

    transfer: int
    turn: int
    priority: Priority
    inline: bool
    offset: int
    length: int
    codec: int
    payload: Buffer


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The site does not offer this any more; the transfer is over."""

    transfer: int


@dataclass(frozen=True, slots=True)
class ReportsSeen:
    """The site has every report up to `seq` durably."""

    seq: int


@dataclass(frozen=True, slots=True)
class QueueTold:
    """This waits at the site now."""

    objects: int
    size: int  # bytes
    oldest: int  # seconds that the oldest of them has waited


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The other end opened a stream. Serve it or `reset` it."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamData:
    """Bytes of a stream. Call `Session.read` with their number when they have been taken."""

    stream: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class StreamFinished:
    """Nothing more comes on this stream; it can still be written to."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The other end gave the stream up, for this reason."""

    stream: int
    words: str


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """Little is left of what was written to this stream."""

    stream: int


Event = (
    Greeted
    | Ponged
    | Ended
    | BlockWanted
    | Receipted
    | MismatchTold
    | Reported
    | Offered
    | BlockArrived
    | Withdrawn
    | ReportsSeen
    | QueueTold
    | StreamOpened
    | StreamData
    | StreamFinished
    | StreamReset
    | StreamWritable
)
