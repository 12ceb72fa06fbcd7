"""Which recipe pays for a block: from samples, from measured speeds, and from the rate of the link. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.link.compression.codecs import FEATURE_OF, Codec
from gateway.link.compression.layout import PixelLayout

UNMEASURED_RATE: Final = 1.25e6  # bytes per second, 10 Mbit/s: before the first measurement of a link


class Mode(enum.IntEnum):
    """What happens to samples before they are cut into planes. The numbers are those on the line."""

    VALUES = 0
    LEFT = 1
    GRADIENT = 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to encode a block. `speed`: bytes per second on a small board, until it is measured here."""

    codec: Codec
    speed: float
    level: int = 0
    width: int = 0  # PLANES: bytes of a sample
    mode: Mode = Mode.VALUES


PLAIN: Final = 0
ANYTHING: Final = 1
RECIPES: Final = (
    Recipe(Codec.PLAIN, 1e12),
    Recipe(Codec.ZSTD, 60e6, level=1),
    Recipe(Codec.ZSTD, 35e6, level=3),
    Recipe(Codec.ZSTD, 10e6, level=9),
    Recipe(Codec.PLANES, 60e6, level=1, width=1, mode=Mode.LEFT),
    Recipe(Codec.PLANES, 60e6, level=1, width=2, mode=Mode.LEFT),
    Recipe(Codec.PLANES, 60e6, level=3, width=2, mode=Mode.GRADIENT),
    Recipe(Codec.PLANES, 60e6, level=1, width=4, mode=Mode.LEFT),
    Recipe(Codec.PLANES, 50e6, level=3, width=4, mode=Mode.GRADIENT),
    Recipe(Codec.PLANES, 60e6, level=1, width=8, mode=Mode.VALUES),
    Recipe(Codec.JPEG_LS, 10e6),
)
"""By number, which travels between the daemon and its worker only."""

_WORTH: Final = 1.03  # below that it is not worth the work
_NEARLY: Final = 0.98

_TEXT: Final = (1, 2, 3)
_GUESSED: Final = (1, 2, 3, 5, 7)  # nothing is known: most images have samples of two bytes, some of four


@dataclass(frozen=True, slots=True)
class Trial:
    """What one recipe made of a sample."""

    recipe: int
    ratio: float  # original bytes / bytes on the line
    speed: float  # bytes per second, wall clock: what a busy machine really does


def candidates(layout: PixelLayout | None, start: int, stop: int, features: frozenset[str]) -> list[int]:
    """Return the recipes worth a trial for the bytes from `start` to `stop` of an object."""
    if layout is None:
        wanted = [*_GUESSED]
    elif stop <= layout.start or start >= layout.end:
        wanted = [*_TEXT]
    else:
        wanted = [1]
        for number, recipe in enumerate(RECIPES):
            fits = recipe.width == layout.width
            if recipe.codec is Codec.JPEG_LS:
                fits = layout.width <= 2 and layout.step == 1
            elif recipe.mode is Mode.GRADIENT:
                fits = fits and layout.columns > layout.step
            if fits:
                wanted.append(number)
    return [number for number in wanted if FEATURE_OF[RECIPES[number].codec] in features]


def choose(trials: Sequence[Trial], rate: float | None, share: float) -> int:
    """Return the recipe that brings most original bytes per second to the far end.

    A recipe is as fast as the slower of the two: the compressor, with the `share` of a core it may have, and
    the link at `rate`, which carries `ratio` times as much. Of those that bring about the same, the quickest.
    """
    link = rate or UNMEASURED_RATE

    def brings(trial: Trial) -> float:
        return min(trial.speed * share, link * trial.ratio)

    best = link  # plain
    for trial in trials:
        best = max(best, brings(trial))
    if best <= link * _WORTH:
        return PLAIN
    return max(
        (trial for trial in trials if brings(trial) >= best * _NEARLY), key=lambda trial: trial.speed
    ).recipe


class Speeds:
    """How fast each recipe really is on this machine: a moving average over blocks."""

    def __init__(self) -> None:
        self._known: dict[int, float] = {}

    def took(self, recipe: int, size: int, seconds: float) -> None:
        """Count one block of `size` original bytes."""
        known = self.of(recipe)  # at first the small board's: one bad moment is not to decide
        self._known[recipe] = known + 0.2 * (size / max(seconds, 1e-6) - known)

    def of(self, recipe: int) -> float:
        """Bytes per second."""
        return self._known.get(recipe, RECIPES[recipe].speed)
