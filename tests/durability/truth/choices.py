"""Where the choices of a run come from: a seed, which is drawn by hypothesis where that leads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """Decides what happens next."""

    def among(self, values: Sequence[T]) -> T:
        """One of `values`, which are not empty. Simple ones come first: failures shrink to them."""

    def number(self, least: int, most: int) -> int:
        """A whole number, both ends included."""


class Seeded:
    """Choices that the same seed repeats."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)

    def among(self, values: Sequence[T]) -> T:
        return self._rng.choice(values)

    def number(self, least: int, most: int) -> int:
        return self._rng.randint(least, most)
