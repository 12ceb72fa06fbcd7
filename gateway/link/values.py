"""The values that cross between the rooms around the link. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from gateway.errors import PeerError
from gateway.model import AETitle, Instance, Priority

KIB: Final = 1024

BLOCK: Final = 128 * KIB
"""Original bytes of one block at most. Every block but an object's last has exactly this many."""

INLINE: Final = 64 * KIB
"""Objects up to this size travel with their offer, in one block, and wait for nothing."""


class Urgency(enum.IntEnum):
    """What leaves first: strictly, decided frame by frame. A smaller number is more urgent."""

    CONTROL = 0
    RELAY = 1
    RECORD = 2
    IMAGE = 3
    BULK = 4

    @classmethod
    def of(cls, priority: Priority) -> Urgency:
        """Where the data of an object of this priority stands."""
        return cls(cls.RECORD + priority)


class Stage(enum.IntEnum):
    """What became of an object after the hub had it. The numbers are those on the line."""

    STORED = 1
    """The destination has taken it: what success from a direct peer says."""
    CONFIRMED = 2
    """The destination has committed it, or was seen to have it."""
    HELD = 3
    """It waits at the hub for a person."""
    DISCARDED = 4
    """A person at the hub has decided that it is not to be delivered."""


class RefusalKind(enum.IntEnum):
    """Why the hub does not take an object. The numbers are those on the line."""

    TRANSIENT = 2
    """Worth trying again by itself: no room at the hub, its disk fails, it is busy."""
    PERMANENT = 3
    """Trying again cannot help: the site may not reach that title, the object is not acceptable."""
    CONFLICT = 4
    """The hub has another content under this SOP Instance UID. A person decides."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One object that a site would like the hub to have.

    `delivery` is the site's delivery number: with the identity of its spool it names the transfer for good.
    `seen_before`: this object was offered to this hub before, so the hub may hold a part of it already.
    """

    delivery: int
    priority: Priority
    size: int  # bytes of the data set
    digest: bytes  # SHA-256 of the data set
    instance: Instance
    calling_ae: AETitle
    called_ae: AETitle
    received_at: float  # wall clock of the site, seconds since the epoch; never used for order
    seen_before: bool = False


@dataclass(frozen=True, slots=True)
class HubReceipt:
    """The hub has the object durably. That is all it says: see `Report` for what comes after."""

    at: float  # wall clock of the hub
    already: bool = False  # it had it before this offer


@dataclass(frozen=True, slots=True)
class HubRefusal:
    """The hub does not take the object, or not now."""

    kind: RefusalKind
    status: int  # DIMSE status that says the same, e.g. 0xA700
    words: str  # for a person, without patient data


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What arrived is not what was offered, by its digest. The session asks for it again, uncompressed."""


@dataclass(frozen=True, slots=True)
class Report:
    """News of an object that the hub had taken."""

    seq: int  # ascends from 1 for each spool of a site at one hub; newer ones may replace older ones: gaps
    spool: bytes  # 16 bytes: the spool the object came from
    delivery: int
    digest: bytes
    stage: Stage
    status: int
    words: str
    at: float  # wall clock of the hub


@dataclass(frozen=True, slots=True)
class Ref:
    """One transfer as the hub sees it. Another connection of the same site has another `link`."""

    site: str
    spool: bytes
    delivery: int
    link: int  # counts the connections of this process: the greater is the newer
    transfer: int  # the number on the line


@dataclass(frozen=True, slots=True)
class Encoded:
    """A block as it goes on the line. `codec` 0: the payload is the bytes themselves; others in FORMAT.md."""

    codec: int
    payload: bytes | bytearray | memoryview


class LinkDown(PeerError):
    """The connection ended, or there is none. What the other end did meanwhile is not known."""


class StreamRefused(PeerError):
    """The other end does not serve the stream, or gave it up. The text is its own, bounded and printable."""


class Undecodable(PeerError):
    """A block does not decode to as many bytes as it said. The object is asked for again, uncompressed."""
