"""The first frame of both ends: who speaks, which version, and what it takes. Pure.

A site does not wait for the hub's hello: it builds on what the hub said last time, and says which hello that
was (`assumes`). A hub for which it is not true any more, or that has another spool by now, answers with its
hello and a goodbye, and the site comes back with the right one. Nothing assumed: BASE, which everybody takes.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass, field
from typing import Final, Self

from gateway.link.frames import FrameError, printable
from gateway.link.layout import HELLO
from gateway.link.limits import MAX_FRAME, MAX_WORDS, LinkLimits
from gateway.link.values import KIB, Urgency

MAX_KEEPALIVE: Final = 3600
"""Seconds. A hub must not have to wait for days before it gives a silent site up."""

MAGIC: Final = b"DGLK"
VERSION: Final = 1

_HEAD = struct.Struct(">4sBBBB16sQI")  # magic, speaks, lowest, highest, role, spool, reports seen, assumes
_TAKES = struct.Struct(">IIIIIHHHH")


class Role(enum.IntEnum):
    """Which end of the link."""

    SITE = 1
    HUB = 2


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one end takes. Sorted by meaning, not by time: equal ones are equal."""

    max_payload: int
    record_window: int
    image_window: int
    bulk_window: int
    stream_window: int
    max_transfers: int
    max_streams: int
    max_reports: int
    keepalive: int  # seconds: this end lets hear of itself at least this often
    features: frozenset[str] = field(default=frozenset(), kw_only=True)  # codecs and the like that it knows
    lowest: int = field(default=VERSION, kw_only=True)
    highest: int = field(default=VERSION, kw_only=True)

    @classmethod
    def of(cls, limits: LinkLimits, features: frozenset[str]) -> Self:
        """What an end with these limits says of itself."""
        return cls(
            limits.max_payload,
            limits.record_window,
            limits.image_window,
            limits.bulk_window,
            limits.stream_window,
            limits.max_transfers,
            limits.max_streams,
            limits.max_reports,
            max(1, round(limits.keepalive)),
            features=features,
        )

    def window(self, scope: Urgency) -> int:
        """Bytes of a class of objects that may be sent before any credit came."""
        return (self.record_window, self.image_window, self.bulk_window)[scope - Urgency.RECORD]

    def encode(self) -> bytes:
        """The bytes of this in a hello."""
        words = ",".join(sorted(self.features)).encode("ascii")
        numbers = (
            self.max_payload,
            self.record_window,
            self.image_window,
            self.bulk_window,
            self.stream_window,
            self.max_transfers,
            self.max_streams,
            self.max_reports,
            self.keepalive,
        )
        return _TAKES.pack(*numbers) + bytes((len(words),)) + words


BASE: Final = Capabilities(
    max_payload=16 * KIB,
    record_window=256 * KIB,
    image_window=256 * KIB,
    bulk_window=256 * KIB,
    stream_window=64 * KIB,
    max_transfers=64,
    max_streams=8,
    max_reports=64,
    keepalive=60,
)
"""What every end takes at least."""


@dataclass(frozen=True, slots=True)
class Hello:
    """One end's introduction."""

    role: Role
    spool: bytes  # 16 bytes: identity of the sender's spool
    reports_seen: int  # site: of the hub it assumes, the last one that is durable; else 0
    assumes: int  # fingerprint of the hello that the sender builds on; 0: BASE, and any hub
    takes: Capabilities
    software: str = ""
    speaks: int = VERSION  # the version of every frame that follows

    @property
    def fingerprint(self) -> int:
        """A number for the sender's spool and all that it takes; never 0, which stands for BASE."""
        versions = bytes((self.takes.lowest, self.takes.highest))
        return zlib.crc32(self.spool + versions + self.takes.encode()) or 1

    def encode(self) -> bytes:
        """The whole frame."""
        takes = self.takes
        head = _HEAD.pack(
            MAGIC,
            self.speaks,
            takes.lowest,
            takes.highest,
            self.role,
            self.spool,
            self.reports_seen,
            self.assumes,
        )
        body = takes.encode()
        software = printable(self.software).encode()
        return b"".join(
            (
                bytes((HELLO, 0)),
                head,
                len(body).to_bytes(2, "big"),
                body,
                bytes((len(software),)),
                software,
            )
        )


def decode_hello(body: bytes | memoryview) -> Hello:
    """Read what follows type and flags. What a later version appends is skipped. Raises FrameError."""
    view = memoryview(body)
    try:
        magic, speaks, lowest, highest, role, spool, seen, assumes = _HEAD.unpack_from(view)
        (length,) = struct.unpack_from(">H", view, _HEAD.size)
        start = _HEAD.size + 2
        takes = view[start : start + length]
        size = view[start + length]
        software = bytes(view[start + length + 1 : start + length + 1 + size])
        numbers = _TAKES.unpack_from(takes)
        words = bytes(takes[_TAKES.size + 1 : _TAKES.size + 1 + takes[_TAKES.size]])
        cut = len(takes) < length or len(software) < size or len(words) < takes[_TAKES.size]
    except (struct.error, IndexError):
        cut = True
    if cut:
        raise FrameError("a hello that is too short")
    if magic != MAGIC:
        raise FrameError("this is not the gateway link")
    if not 0 < lowest <= highest or not lowest <= speaks <= highest:
        raise FrameError("a hello whose versions contradict each other")
    if role not in (Role.SITE, Role.HUB):
        raise FrameError(f"unknown role {role}")
    if seen and not assumes:
        raise FrameError("reports were seen, but of no hub")
    capabilities = Capabilities(*numbers, features=_features(words), lowest=lowest, highest=highest)
    _check(capabilities)
    return Hello(
        Role(role),
        spool,
        seen,
        assumes,
        capabilities,
        printable(software.decode("utf-8", "replace"))[:MAX_WORDS],
        speaks,
    )


def _features(words: bytes) -> frozenset[str]:
    try:
        text = words.decode("ascii")
    except UnicodeDecodeError:
        raise FrameError("feature words that are not ASCII") from None
    found = frozenset(filter(None, text.split(",")))
    if not all(one.replace("-", "").isalnum() for one in found):
        raise FrameError("feature words that are none")
    return found


def _check(takes: Capabilities) -> None:
    """Refuse an end that takes less than everybody must, or has the memory of a dream."""
    for name in ("max_payload", "record_window", "image_window", "bulk_window", "stream_window"):
        value, least = getattr(takes, name), getattr(BASE, name)
        if not least <= value < 1 << 31:
            raise FrameError(f"{name.replace('_', ' ')} of {value} in a hello; at least {least} is due")
    for name in ("max_transfers", "max_streams", "max_reports"):
        value, least = getattr(takes, name), getattr(BASE, name)
        if value < least:
            raise FrameError(f"{name.replace('_', ' ')} of {value} in a hello; at least {least} is due")
    if takes.max_payload > MAX_FRAME or not 0 < takes.keepalive <= MAX_KEEPALIVE:
        raise FrameError("a hello that cannot be")
