"""The frames of FORMAT.md as values. Pure; encoding.py and decoding.py turn them into messages and back."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.errors import PeerError
from gateway.link.limits import MAX_WORDS
from gateway.link.values import HubReceipt, HubRefusal, Offer, Report, Urgency
from gateway.model import Priority

Buffer = bytes | bytearray | memoryview


class FrameError(PeerError):
    """The other end sent something that the protocol does not know or allow. The text is the reason."""


class Code(enum.IntEnum):
    """Why a connection ends. The numbers are those on the line; an unknown one counts as OTHER."""

    NORMAL = 0
    """Nothing is wrong; the sender stops."""
    VERSION = 1
    """The sender does not speak this version; its hello says which it speaks."""
    CHANGED = 2
    """The other end builds on capabilities that the sender has not any more; its hello has the new ones."""
    VIOLATION = 3
    """The other end broke the protocol."""
    REPLACED = 4
    """There is a newer connection of the same site."""
    NOT_ALLOWED = 5
    """The sender does not serve this site."""
    SILENT = 6
    """The other end let nothing hear of itself."""
    BUSY = 7
    """The sender has too much to do."""
    FAULT = 8
    """Something is wrong on the sender's own side."""
    OTHER = 255
    """A later version knows why."""

    @classmethod
    def _missing_(cls, value: object) -> Code:
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The sender ends the connection."""

    code: Code
    retry_after: int  # seconds; 0: as you like
    words: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer this with a pong of the same token."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping."""

    token: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Payload bytes that may have been sent in all: of a class of objects, or of one stream (`RELAY`)."""

    scope: Urgency
    stream: int
    limit: int


@dataclass(frozen=True, slots=True)
class OfferFrame:
    """An object is offered. `inline`: its one block follows; `at_once`: its blocks follow, from the first."""

    transfer: int
    offer: Offer
    inline: bool
    at_once: bool


@dataclass(frozen=True, slots=True)
class Accept:
    """Send the object from `offset` on, as turn `turn`; `plain`: uncompressed."""

    transfer: int
    turn: int
    offset: int
    plain: bool


@dataclass(frozen=True, slots=True)
class BlockHead:
    """What stands before the first piece of a block."""

    offset: int  # in the original bytes
    length: int  # original bytes
    encoded: int  # bytes of all pieces
    codec: int


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of a block. `head` with the first one."""

    priority: Priority
    transfer: int
    turn: int
    inline: bool
    head: BlockHead | None
    last: bool
    payload: memoryview


@dataclass(frozen=True, slots=True)
class ReceiptFrame:
    """The hub's word on one transfer."""

    transfer: int
    answer: HubReceipt | HubRefusal


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The site does not offer this any more."""

    transfer: int


@dataclass(frozen=True, slots=True)
class ReportFrame:
    """News of an object."""

    report: Report


@dataclass(frozen=True, slots=True)
class Seen:
    """Every report up to `seq` is durable at the site."""

    seq: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at a site for the way to its hub."""

    objects: int
    size: int  # bytes
    oldest: int  # seconds that the oldest of them has waited


@dataclass(frozen=True, slots=True)
class Open:
    """A stream begins."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamPiece:
    """Bytes of a stream; `fin`: the last ones in this direction."""

    stream: int
    fin: bool
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is over, both ways, for a reason."""

    stream: int
    words: str


@dataclass(frozen=True, slots=True)
class HelloFrame:
    """A hello; hello.py reads it."""

    body: memoryview


@dataclass(frozen=True, slots=True)
class Unknown:
    """An optional frame of a later version."""

    kind: int


Frame = (
    HelloFrame
    | Goodbye
    | Ping
    | Pong
    | Credit
    | OfferFrame
    | Accept
    | Data
    | ReceiptFrame
    | Withdraw
    | ReportFrame
    | Seen
    | Queue
    | Open
    | StreamPiece
    | Reset
    | Unknown
)


def printable(words: str) -> str:
    """Return `words` as they may stand in a frame and in a log: printable, at most MAX_WORDS of UTF-8."""
    clean = "".join(one if one.isprintable() else "?" for one in words)
    return clean.encode("utf-8", "replace")[:MAX_WORDS].decode("utf-8", "ignore")
