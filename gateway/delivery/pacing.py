"""The bytes of one object, handed out no faster than the line's schedule allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol

from gateway.model import Priority
from gateway.shaping.shaper import PIECE, Shaper

_LOOK: Final = 0.5
"""Seconds after which it is asked again: a record that comes meanwhile must not wait behind this object."""


class Source(Protocol):
    """A data set that is handed out piece by piece (gateway.delivery.source)."""

    sent: asyncio.Event

    @property
    def size(self) -> int: ...

    def chunks(self, max_size: int) -> AsyncGenerator[bytes | memoryview, None]: ...


class Paced:
    """A data set whose pieces wait for the shaper (the DataSource of the requestor). For one use.

    A treatment record never waits; neither does anything else while a record waits behind it on its
    association.
    """

    def __init__(
        self,
        source: Source,
        shaper: Shaper,
        priority: Priority,
        *,
        urgent: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        """`urgent`: a record waits for this object to be through."""
        self._source = source
        self._shaper = shaper
        self._priority = priority
        self._urgent = urgent
        self._clock = clock

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._source.size

    @property
    def sent(self) -> asyncio.Event:
        """Set when everything was handed out."""
        return self._source.sent

    async def chunks(self, max_size: int) -> AsyncGenerator[bytes | memoryview, None]:
        """Yield the pieces of the source, each when it may leave."""
        if self._shaper.rate(self._clock()) is not None:
            max_size = min(max_size, PIECE)
        async with aclosing(self._source.chunks(max_size)) as chunks:
            async for chunk in chunks:
                # It is time that is waited for, and now and then whether somebody is in a hurry.
                while delay := self._shaper.wait(self._clock(), self._effective()):  # noqa: ASYNC110
                    await asyncio.sleep(min(delay, _LOOK))
                self._shaper.spend(self._clock(), len(chunk))
                yield chunk

    def _effective(self) -> Priority:
        # A rate of 0 holds back what has not begun (Courier.hold_back). What has begun goes on: when an
        # association falls silent in the middle of an object, the peer ends it.
        if self._shaper.rate(self._clock()) == 0 or self._urgent():
            return Priority.RECORD
        return self._priority
