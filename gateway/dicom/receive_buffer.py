"""The bytes that have arrived and are not yet consumed: bounded, reused, small while little happens.

A connection starts with a few KiB. A read that fills the buffer, and leaves something to keep, doubles it, up
to a ceiling that the owner sets to the longest PDU it would accept at that moment: memory follows the bytes
that really came, never a length that a peer only declares. `trim` gives the memory back between bursts. Bytes
are moved only when the end of the buffer has been reached; when everything has been consumed it starts over.
"""

from __future__ import annotations


class ReceiveBuffer:
    """`data[start:end]` is unconsumed. `view` is a memoryview of all of `data`."""

    __slots__ = ("_ceiling", "_filled", "_initial", "data", "end", "start", "view")

    def __init__(self, initial: int, ceiling: int) -> None:
        self._initial = min(initial, ceiling)
        self._ceiling = ceiling
        self._filled = False
        self.data = bytearray(self._initial)
        self.view = memoryview(self.data)
        self.start = 0
        self.end = 0

    @property
    def capacity(self) -> int:
        """Bytes of memory held."""
        return len(self.data)

    def allow(self, ceiling: int) -> None:
        """Let the buffer grow to `ceiling` bytes from now on; what it holds already is kept."""
        self._ceiling = max(ceiling, self._initial)

    def writable(self, need: int) -> memoryview:
        """Room for the next read, never empty. `need` is how long `data[start:]` must be able to become.

        Raises BufferError when `need` is above the ceiling: the owner must have refused that before.
        """
        if self.start == self.end:
            self.clear()
        capacity = len(self.data)
        if self._filled and capacity < self._ceiling:
            self._move_to(bytearray(min(2 * capacity, self._ceiling)))
        elif self.end == capacity or (self.start and self.start + need > capacity):
            self._move_to(self.data)
        self._filled = False
        if self.end == len(self.data):
            raise BufferError(f"{need} bytes are wanted in a buffer limited to {self._ceiling}")
        return self.view[self.end :]

    def wrote(self, count: int) -> None:
        """Count `count` bytes that were written into `writable()`."""
        if not 0 <= count <= len(self.data) - self.end:
            raise ValueError(f"{count} bytes cannot have been written")
        self.end += count
        self._filled = self.end == len(self.data)

    def clear(self) -> None:
        """Forget what is unconsumed."""
        self.start = self.end = 0
        self._filled = False

    def trim(self) -> None:
        """Give memory beyond the initial size back, if nothing is unconsumed."""
        if self.start == self.end and len(self.data) > self._initial:
            self.clear()
            self._move_to(bytearray(self._initial))

    def _move_to(self, target: bytearray) -> None:
        count = self.end - self.start
        target_view = self.view if target is self.data else memoryview(target)
        target_view[:count] = self.view[self.start : self.end]
        self.data, self.view = target, target_view
        self.start, self.end = 0, count
