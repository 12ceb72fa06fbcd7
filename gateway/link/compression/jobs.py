"""What the daemon and its compression workers say to each other over two pipes: one question, one answer.

    question   length of the rest (4), kind (1), rest
    answer     length of the rest (4), kind (1), recipe (1), rest

The first answer of a worker comes unasked: it is ready.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

from gateway.link.compression.codecs import PIXELS, ZSTD
from gateway.link.compression.layout import PixelLayout

QUESTION: Final = struct.Struct(">IB")
ANSWER: Final = struct.Struct(">IBB")

ENCODE, DECODE = 1, 2
DONE, UNDECODABLE, FAILED = 0, 1, 2
TRY: Final = 0xFF
"""In place of a recipe: take samples, and choose."""

_ENCODE: Final = struct.Struct(">BBddQBQQBII")  # the last six: the layout, of width 0 when there is none
_DECODE: Final = struct.Struct(">BI")
_WORDS: Final = (ZSTD, PIXELS)


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """One block to encode. `recipe` TRY: whichever pays best at `rate`, with `share` of a core."""

    recipe: int
    features: frozenset[str]  # of the far end
    rate: float  # bytes per second
    share: float
    offset: int  # of the block in its object
    layout: PixelLayout | None
    data: bytes

    def write(self) -> bytes:
        """Return the rest of the question."""
        layout = self.layout
        words = sum(1 << bit for bit, word in enumerate(_WORDS) if word in self.features)
        head = _ENCODE.pack(
            self.recipe,
            words,
            self.rate,
            self.share,
            self.offset,
            *((0, 0, 0, 0, 0, 0) if layout is None else (1, layout.start, layout.end)),
            *(() if layout is None else (layout.width, layout.columns, layout.step)),
        )
        return head + self.data

    @classmethod
    def read(cls, rest: bytes) -> Self:
        """The other way."""
        recipe, words, rate, share, offset, known, *layout = _ENCODE.unpack_from(rest)
        features = frozenset(word for bit, word in enumerate(_WORDS) if words & 1 << bit)
        where = PixelLayout(*layout) if known else None
        return cls(recipe, features, rate, share, offset, where, rest[_ENCODE.size :])


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One block to decode."""

    codec: int
    length: int
    payload: bytes | bytearray | memoryview

    def write(self) -> bytes:
        """Return the rest of the question."""
        return _DECODE.pack(self.codec, self.length) + self.payload

    @classmethod
    def read(cls, rest: bytes) -> Self:
        """The other way."""
        codec, length = _DECODE.unpack_from(rest)
        return cls(codec, length, rest[_DECODE.size :])
