"""Reports on one connection: which are under way, in what order, and how many there may be. Pure."""

from __future__ import annotations

from collections import deque

from gateway.link.frames import FrameError


class News:
    """One direction of reports: as the hub sends them, or as the site takes them."""

    def __init__(self, most: int) -> None:
        """`most` may be under way."""
        self.most = most
        self._last = 0
        self._seen = 0
        self._open: deque[int] = deque()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._open)

    @property
    def room(self) -> int:
        """How many more may be."""
        return self.most - len(self._open)

    def start(self, seen: int) -> None:
        """The site has everything up to here."""
        self._last = self._seen = seen

    def add(self, seq: int) -> None:
        """One more. Raises FrameError when it may not be."""
        if seq <= self._last:
            raise FrameError(f"report {seq} after {self._last}")
        if self.room <= 0:
            raise FrameError(f"more than {self.most} reports without an answer")
        self._last = seq
        self._open.append(seq)

    def seen(self, seq: int) -> None:
        """Everything up to here is durable at the site. Raises FrameError when that cannot be."""
        if not self._seen < seq <= self._last:
            raise FrameError(f"report {seq} cannot have been seen")
        self._seen = seq
        while self._open and self._open[0] <= seq:
            self._open.popleft()
