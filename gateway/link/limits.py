"""Everything the other end of a link can make us hold or wait for, as numbers. Bytes and seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.link.values import BLOCK, KIB

MIB: Final = 1024 * KIB

MAX_FRAME: Final = 64 * KIB
"""No frame of this protocol is longer, payload and all; the adapter need not take longer messages."""

MAX_ENCODED: Final = BLOCK + KIB
"""A block as it is encoded is at most this long: no codec may make it longer than that."""

MAX_WORDS: Final = 255
"""Bytes of UTF-8 of a reason."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """One end's bounds. What concerns the other end is announced in HELLO."""

    payload: int = 16 * KIB
    """Payload of a frame that we send at most: what a record may have to wait for. At most `max_payload`."""
    max_payload: int = 32 * KIB
    """Payload of a frame that we take."""
    record_window: int = 1 * MIB
    """Encoded bytes of records that may be on the way to us, or wait here."""
    image_window: int = 2 * MIB
    """The same for images."""
    bulk_window: int = 2 * MIB
    """The same for bulk."""
    stream_window: int = 256 * KIB
    """Bytes of one relay stream that may be on the way to us, or wait here, at first."""
    max_window: int = 8 * MIB
    """Each of these windows grows up to here while bandwidth times delay turns out to be larger than it."""
    max_transfers: int = 256
    """Objects offered to us that have no receipt yet (a number)."""
    max_streams: int = 64
    """Streams that the other end may have open (a number)."""
    max_reports: int = 256
    """Reports that may be under way to us (a number)."""
    keepalive: float = 50.0
    """An idle site asks for a sign of life this often. A metered line pays some 300 bytes for each."""
    busy_ping: float = 2.0
    """The same while something is under way: also how often the round trip is measured."""
    grace: float = 5.0
    """Dead is what is silent for three round trips and this long, when it owes an answer."""
    hello_timeout: float = 15.0
    """The other end's hello must be here after that."""
    at_once: int = 2
    """Large objects of one priority class that take turns (a number); the others wait their turn."""
    ahead: int = 64 * KIB
    """Small objects that are encoded before they can leave, in bytes, for each class."""
    max_turns: int = 8
    """How often one offered object may begin anew (a number)."""
