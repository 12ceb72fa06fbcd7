"""What persons have under way at peers: a test, a file sent by hand. Pure.

Many a peer serves one association at a time. Whoever keeps one open for convenience lets go of it when a
person wants something of that peer, and stays away until it is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Errands:
    """The errands under way, by peer. Belongs to one event loop."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._subscribers: list[Callable[[str], None]] = []

    def at(self, peer: str) -> bool:
        """Say whether a person has something under way at `peer`."""
        return self._under_way[peer] > 0

    @contextmanager
    def to(self, peer: str) -> Iterator[None]:
        """An errand to `peer` is under way as long as the block runs; whoever keeps the place hears of it."""
        self._under_way[peer] += 1
        try:
            for subscriber in tuple(self._subscribers):
                subscriber(peer)
            yield
        finally:
            self._under_way[peer] -= 1
            if not self._under_way[peer]:
                del self._under_way[peer]

    def subscribe(self, make_room: Callable[[str], None]) -> Callable[[], None]:
        """Call `make_room(peer)` when an errand begins; the returned function ends that."""
        self._subscribers.append(make_room)
        return lambda: self._subscribers.remove(make_room)
