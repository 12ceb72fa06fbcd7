"""The token bucket before the long line: one for all connections that share it. Pure.

Who has an image or bulk object to send asks before each piece. Treatment records, what is relayed and the
words that keep a link alive pass at once; they are counted, so the others make room for them afterwards. A
piece passes whole as soon as the bucket is not empty, and what it takes beyond is owed: any size of piece
keeps the rate on average, and the first one never waits for a bucket that is smaller than itself.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Final

from gateway.model import Priority
from gateway.shaping.schedule import Schedule

PIECE: Final = 16 * 1024
"""Bytes that a sender with a cap should ask for at a time: a larger piece leaves as one burst."""

BURST: Final = 0.25
"""Seconds of the rate that an idle line saves up."""

MAX_DEBT: Final = 60.0
"""Seconds of the rate that what never waits may use up in advance: the others are not locked out for ever."""

LOOK: Final = 10.0
"""Seconds between looks at the schedule, and the longest wait that is answered: then ask again."""

_TICK: Final = 0.001
"""Seconds: no shorter wait is answered, or a sum of rounded times might never reach its end."""

HEADERS: Final = 1.05
"""Bytes on the line for each byte of payload: TLS, TCP and IP around full segments."""


class Shaper:
    """Answers "may this leave now?" for one line. Belongs to one event loop."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        wall_clock: Callable[[], float],
        local: Callable[[float], datetime.datetime] = datetime.datetime.fromtimestamp,
    ) -> None:
        """`schedule` is read by the local time that `local` makes of `wall_clock`."""
        self._schedule = schedule
        self._wall_clock = wall_clock
        self._local = local
        self._rate: int | None = None
        self._looked: float | None = None  # when the schedule was last read
        self._tokens = 0.0  # bytes; below 0: owed
        self._filled = 0.0  # up to here

    def rate(self, now: float) -> int | None:
        """Return the bytes per second that hold now; 0: nothing but what never waits; None: no cap."""
        if self._looked is None or not 0 <= now - self._looked < LOOK:
            before, self._rate = self._rate, self._schedule.at(self._local(self._wall_clock()))
            if self._looked is None or before != self._rate:
                self._tokens = min(self._tokens, 0.0) if before and self._rate else 0.0
                self._filled = now
            self._looked = now
        return self._rate

    def wait(self, now: float, priority: Priority) -> float:
        """Return the seconds until something of `priority` may leave, 0.0 for now. Never more than LOOK."""
        rate = self.rate(now)
        if rate is None or priority is Priority.RECORD:
            return 0.0
        if rate == 0:
            return LOOK
        self._fill(now, rate)
        return 0.0 if self._tokens >= 0 else min(LOOK, max(_TICK, -self._tokens / rate))

    def spend(self, now: float, size: int) -> None:
        """Count `size` bytes of payload that leave now."""
        rate = self.rate(now)
        if rate:
            self._fill(now, rate)
            # Below 0 only what never waits leaves. A piece that had its turn is owed whole.
            least = -math.inf if self._tokens >= 0 else min(self._tokens, -MAX_DEBT * rate)
            self._tokens = max(self._tokens - size * HEADERS, least)

    def allow(self, now: float, priority: Priority, size: int) -> float:
        """Return 0.0: `size` bytes are counted and may leave; or the seconds after which to ask again."""
        delay = self.wait(now, priority)
        if not delay:
            self.spend(now, size)
        return delay

    def _fill(self, now: float, rate: int) -> None:
        elapsed = max(0.0, now - self._filled)
        self._tokens = min(self._tokens + elapsed * rate, BURST * rate)
        self._filled = now
