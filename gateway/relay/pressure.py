"""Backpressure between the two sides of a relay: nothing is read that the other side does not take."""

from __future__ import annotations

import asyncio

from gateway.association.association import Association

_HOLD = "relay"


class Pressure:
    """Holds one side while more waits for the other than its stream allows."""

    def __init__(self) -> None:
        self._easing: dict[Association, asyncio.Task[None]] = {}  # who has to take more first

    def watch(self, source: Association, to: Association) -> None:
        """Something was written `to` one side: read no more from `source` until that has been taken."""
        if to.stream.writable or to in self._easing:
            return
        source.stream.hold_reading(_HOLD)
        task = self._easing[to] = asyncio.get_running_loop().create_task(_ease(source, to))
        task.add_done_callback(lambda _: self._easing.pop(to, None))

    def end(self, *sides: Association | None) -> None:
        """The relay is over: everybody is read from again."""
        for task in tuple(self._easing.values()):
            task.cancel()
        for side in sides:
            if side is not None:
                side.stream.resume_reading(_HOLD)


async def _ease(source: Association, to: Association) -> None:
    while to.stream.connected and not to.stream.writable:
        await to.stream.drained()
    source.stream.resume_reading(_HOLD)
