"""A request whose data set is small: gathered whole, within a bound, then performed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.dicom.command import Command


class Room:
    """Bytes that all requests of a service together may have in memory while they arrive."""

    __slots__ = ("_left",)

    def __init__(self, most: int) -> None:
        """`most` bytes at a time."""
        self._left = most

    def take(self, size: int) -> bool:
        """Take `size` bytes; False when there are not as many."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """The opposite of a `take` that was granted."""
        self._left += size


class Gathering:
    """The Operation (association/admission.py) of a request that is understood here."""

    __slots__ = ("_answered", "_data", "_most", "_perform", "_room", "_too_large")

    def __init__(
        self,
        perform: Callable[[bytes], Awaitable[Command]],
        *,
        most: int,
        room: Room,
        too_large: Command,
        answered: Callable[[], None] | None = None,
    ) -> None:
        """`perform` gets the data set when it is complete.

        One of more than `most` bytes, or for which `room` has none left, is answered `too_large`.
        """
        self._perform = perform
        self._most = most
        self._room = room
        self._too_large = too_large
        self._answered = answered
        self._data: bytearray | None = bytearray()  # None: it has become too large, the rest is dropped

    @property
    def pressure(self) -> bool:
        """Never: what is gathered is bounded."""
        return False

    async def drained(self) -> None:
        """Nothing to wait for."""

    def write(self, data: memoryview) -> None:
        """Keep a copy."""
        if self._data is None:
            return
        if len(self._data) + len(data) > self._most or not self._room.take(len(data)):
            self.abandon()
        else:
            self._data += data

    async def finish(self) -> Command:
        """Perform the request."""
        if self._data is None:
            return self._too_large
        try:
            return await self._perform(bytes(self._data))
        finally:
            self.abandon()

    def answered(self) -> None:
        """Tell whoever wants to know that the response is on its way."""
        if self._answered is not None:
            self._answered()

    def abandon(self) -> None:
        """Forget what was gathered."""
        if self._data is not None:
            self._room.give_back(len(self._data))
            self._data = None
