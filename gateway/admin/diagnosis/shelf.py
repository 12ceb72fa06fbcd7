"""Support bundles between being shown and being downloaded: exactly the bytes that were shown."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.support.bundle import Bundle

_KEEP = 1800.0  # seconds
_MOST = 4  # bundles, of all people together; the oldest goes


@dataclass(frozen=True, slots=True)
class _Kept:
    bundle: Bundle
    owner: str
    at: float


class Shelf:
    """Keeps a few bundles in memory, each for whoever made it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def put(self, bundle: Bundle, owner: str) -> str:
        """Keep a bundle; return the name to ask for it by. One that its owner made before goes."""
        self._forget()
        for name in [name for name, kept in self._kept.items() if kept.owner == owner]:
            del self._kept[name]
        while len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        name = secrets.token_hex(8)
        self._kept[name] = _Kept(bundle, owner, self._clock())
        return name

    def get(self, name: str, owner: str) -> Bundle | None:
        """Return a bundle of this owner; None when it is gone."""
        self._forget()
        kept = self._kept.get(name)
        return kept.bundle if kept is not None and kept.owner == owner else None

    def _forget(self) -> None:
        now = self._clock()
        for name in [name for name, kept in self._kept.items() if now - kept.at > _KEEP]:
            del self._kept[name]
