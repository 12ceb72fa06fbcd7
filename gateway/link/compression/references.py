"""Earlier treatment records that both ends have: what the next fraction of the same plan builds on.

Both ends keep a bounded number of them by their digest, compressed, in memory. They need not agree: a
reference that the hub has forgotten costs one round trip, and the object goes again, plain.
"""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.link.compression.codecs import pack, unpack
from gateway.link.values import Undecodable

# Little endian, as they stand in a data set, explicit or implicit.
_PLAN_SEQUENCE: Final = b"\x0c\x30\x02\x00"  # (300C,0002) Referenced RT Plan Sequence
_REFERENCED: Final = b"\x08\x00\x55\x11"  # (0008,1155) Referenced SOP Instance UID
_BEAM: Final = b"\x0c\x30\x06\x00"  # (300C,0006) Referenced Beam Number
_NEAR: Final = 256  # bytes from the beginning of the sequence to the UID in its item
_LEVEL: Final = 9

DAY: Final = 86400.0


def reference_key(sop_class_uid: str, data: bytes) -> bytes | None:
    """Return what records of the same plan and beam have in common, None for a record that names no plan.

    It looks for the bytes of the elements and reads no structure: a wrong guess makes a record larger on the
    line, and nothing else.
    """
    at = data.find(_PLAN_SEQUENCE)
    if at < 0:
        return None
    at = data.find(_REFERENCED, at, at + _NEAR)
    plan = b"" if at < 0 else _value(data, at)
    if not plan:
        return None
    at = data.find(_BEAM)
    beam = b"" if at < 0 else _value(data, at)
    return b"/".join((sop_class_uid.encode(), plan, beam))


def _value(data: bytes, at: int) -> bytes:
    """The value of the short element that begins at `at`."""
    head = data[at + 4 : at + 8]
    if len(head) < 4:
        return b""
    if head[:2].isalpha() and head[:2].isupper():
        (length,) = struct.unpack("<2xH", head)
    else:
        (length,) = struct.unpack("<I", head)
    return data[at + 8 : at + 8 + min(length, 64)].rstrip(b"\0 ")


@dataclass(slots=True)
class _Kept:
    key: bytes
    frame: bytes
    size: int
    at: float


class References:
    """Earlier records by digest, and the latest by key. The least recently used is forgotten first."""

    def __init__(self, most: int, days: float, *, wall_clock: Callable[[], float] = time.time) -> None:
        """`most`: compressed bytes in all; 0 keeps none."""
        self._most = most
        self._seconds = days * DAY
        self._clock = wall_clock
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()
        self._latest: dict[tuple[str, bytes], bytes] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, site: str, key: bytes, digest: bytes, data: bytes) -> None:
        """Keep `data`, the newest record with this key."""
        self._forget((site, digest))
        frame = pack(data, _LEVEL)
        self._kept[site, digest] = _Kept(key, frame, len(data), self._clock())
        self._latest[site, key] = digest
        self.size += len(frame)
        while self.size > self._most:
            self._forget(next(iter(self._kept)))

    def latest(self, site: str, key: bytes) -> tuple[bytes, bytes] | None:
        """Return the newest record with this key: digest and bytes."""
        digest = self._latest.get((site, key))
        if digest is None:
            return None
        data = self.get(site, digest)
        return None if data is None else (digest, data)

    def get(self, site: str, digest: bytes) -> bytes | None:
        """Return the record with this digest."""
        kept = self._kept.get((site, digest))
        if kept is None:
            return None
        if not 0 <= self._clock() - kept.at <= self._seconds:
            self._forget((site, digest))
            return None
        self._kept.move_to_end((site, digest))
        try:
            return unpack(kept.frame, kept.size)
        except Undecodable:  # memory that changed by itself: no reason to stop
            self._forget((site, digest))
            return None

    def forget_all(self) -> None:
        """The other end has lost its memory."""
        self._kept.clear()
        self._latest.clear()
        self.size = 0

    def _forget(self, what: tuple[str, bytes]) -> None:
        kept = self._kept.pop(what, None)
        if kept is None:
            return
        self.size -= len(kept.frame)
        site, digest = what
        if self._latest.get((site, kept.key)) == digest:
            del self._latest[site, kept.key]
