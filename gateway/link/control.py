"""What leaves before everything else: the hello, answers to pings, credit, words. Pure.

Of what only counts in its latest form (credit, the pong, what was seen, the queue) one is kept, however often
it is said.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from gateway.link.encoding import encode
from gateway.link.frames import Credit, FrameError, Pong, Queue, Seen
from gateway.link.values import Urgency

MAX_WAITING: Final = 4096
"""Messages that wait, beyond one for each object and report that may be under way."""


class ControlQueue:
    """The control messages of one end, most urgent first."""

    def __init__(self) -> None:
        self.most = MAX_WAITING
        """More can only be caused by an end that sends and does not read."""
        self._hello: bytes | None = None
        self._messages: deque[bytes] = deque()
        self._credits: dict[tuple[Urgency, int], int] = {}
        self._pong: int | None = None
        self._seen: int | None = None
        self._queue: Queue | None = None

    @property
    def hello_waits(self) -> bool:
        """Nothing may leave before the hello."""
        return self._hello is not None

    def hello(self, message: bytes) -> None:
        """Before everything else."""
        self._hello = message

    def say(self, message: bytes) -> None:
        """In order. Raises FrameError when the other end lets too much pile up."""
        if len(self._messages) >= self.most:
            raise FrameError("it sends and does not read")
        self._messages.append(message)

    def pong(self, token: int) -> None:
        """Answer the latest ping."""
        self._pong = token

    def seen(self, seq: int) -> None:
        """Reports up to here are durable."""
        self._seen = seq

    def queue(self, queue: Queue) -> None:
        """This is what waits here."""
        self._queue = queue

    def grant(self, scope: Urgency, stream: int, limit: int) -> None:
        """This much may be sent in all."""
        self._credits[scope, stream] = limit

    def only(self, message: bytes) -> None:
        """Nothing else counts any more. A hello that has not left still goes first."""
        self._messages.clear()
        self._credits.clear()
        self._pong = self._seen = self._queue = None
        self._messages.append(message)

    def clear(self) -> None:
        """Nothing counts any more."""
        self.only(b"")
        self._messages.clear()
        self._hello = None

    def next(self) -> bytes | None:
        """Take the next message."""
        if self._hello is not None:
            message, self._hello = self._hello, None
            return message
        if self._pong is not None:
            token, self._pong = self._pong, None
            return encode(Pong(token))
        if self._credits:
            (scope, stream), limit = self._credits.popitem()
            return encode(Credit(scope, stream, limit))
        if self._seen is not None:
            seq, self._seen = self._seen, None
            return encode(Seen(seq))
        if self._messages:
            return self._messages.popleft()
        queue, self._queue = self._queue, None
        return encode(queue) if queue is not None else None
