"""Flow control: how much may be on the way. Both halves count payload bytes from the begin. Pure.

The receiver names the total that may have been sent (`Window.limit`), never a difference, so that nothing is
lost or doubled when two of them cross. A window that is used up within two round trips is too small for this
line and doubles, up to a bound: a receiver that is slow itself never gets there.
"""

from __future__ import annotations

from gateway.link.frames import FrameError


class SendCredit:
    """What we may still send."""

    __slots__ = ("limit", "sent")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.sent = 0

    @property
    def available(self) -> int:
        """Bytes that may leave now."""
        return self.limit - self.sent

    def raised(self, limit: int) -> None:
        """The other end allows this much in all. One that was said before may come late."""
        self.limit = max(self.limit, limit)


class Window:
    """What the other end may send us."""

    __slots__ = ("_consumed", "_granted_at", "_least", "_most", "_received", "_size", "limit")

    def __init__(self, size: int, most: int, now: float, *, least: int = 0) -> None:
        """`size` bytes at first, `most` at last. Never less than `least` when everything is consumed."""
        self._least = least
        self.limit = size
        self._size = size
        self._most = max(size, most)
        self._received = 0
        self._consumed = 0
        self._granted_at = now

    @property
    def held(self) -> int:
        """Bytes that came and were not consumed."""
        return self._received - self._consumed

    @property
    def size(self) -> int:
        """How much may be on the way or unconsumed at present."""
        return self._size

    def arrived(self, count: int) -> None:
        """`count` bytes came. Raises FrameError when they may not have been sent."""
        self._received += count
        if self._received > self.limit:
            raise FrameError(f"{self._received - self.limit} bytes more than there was credit for")

    def consumed(self, count: int, now: float, rtt: float) -> int | None:
        """`count` of them are done with. Return the new limit when it is time to tell it."""
        self._consumed += count
        if self.limit - self._consumed >= max(self._size // 2, self._least):
            return None
        if now - self._granted_at < 2 * rtt:
            self._size = min(2 * self._size, self._most)
        self._granted_at = now
        self.limit = self._consumed + self._size
        return self.limit

    def widen(self, size: int, now: float) -> int | None:
        """Be at least `size` from now on. Return the new limit, if there is one."""
        if size <= self._size:
            return None
        self._size = size
        self._granted_at = now
        self.limit = self._consumed + size
        return self.limit
