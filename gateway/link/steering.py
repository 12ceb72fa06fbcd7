"""Which congestion control the link's connection uses, from moment to moment. Pure but for whom it speaks to.

Measured by satellite (600 ms, 10 Mbit/s each way):
- After a pause CUBIC begins anew from ten packets (tcp_slow_start_after_idle), which takes six round trips;
  BBR goes on at the rate it knows.
- Where one packet in a hundred is lost CUBIC ends below a tenth of the rate, BBR keeps most of it.
- In a long clean transfer BBR gives up some percent to look for the round trip every ten seconds, and CUBIC
  does not.
- A queue in the modem that overflows now and then loses as much as a bad way does, and is none: the rate
  tells them apart. Once the machine's own choice has failed on a connection, it is tried again later only.

So: BBR at first, after each pause, and while anything is lost; the machine's own choice while much goes out
and nothing is lost, if the way is long. On short ways BBR stays: it keeps the modem's queue short, which is
where a record would stand behind an image. Where the kernel does not let us have BBR, nothing is steered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ROBUST: Final = "bbr"

SHORT: Final = 0.03
"""Round trip, in seconds, below which every congestion control recovers at once: nothing is steered."""

LONG: Final = 0.2
"""Round trip from which the robust one gives up too much in a long transfer."""

CLEAN: Final = 0.001
"""Share of the bytes sent again, up to which the way is clean."""

SPOILT: Final = 0.005
"""The same, from which it is not any more: a full queue now and then stays below."""

_INTERVAL: Final = 1.0
"""Seconds at least that are judged together; two round trips if that is more."""

_CLEAN_EVIDENCE: Final = 2 * 1024 * 1024
"""Bytes sent without a loss to speak of, before a way is taken for clean: of so many packets, a way that
loses one in a hundred loses a dozen."""

_SPOILT_EVIDENCE: Final = 200 * 1024
"""Bytes sent, without which a loss may be chance."""

_SLOW: Final = 0.6
"""Share of the best rate of this connection, below which what is lost has slowed it down."""

QUEUED: Final = 1.3
"""The round trip of the moment over the shortest, from which a queue on the way is full."""

_SETTLING: Final = 10
"""Round trips after an exchange, in which nothing is judged."""

_SECOND_TRIAL: Final = 60.0
"""Seconds until the machine's own choice is tried again after it failed; twice as many each time, up to a
day."""

_PAUSE: Final = 1.0
"""Seconds without anything to send after which a start is a start."""


class Steering:
    """One connection."""

    def __init__(self, use: Callable[[str], bool], own: str) -> None:
        """`use` sets a congestion control, and says whether it could; `own`: the machine's choice."""
        self.robust = False
        self._use = use
        self._own = own
        self._possible = own != ROBUST
        self._round_trip = 0.0
        self._mark: tuple[float, int, int] | None = None
        self._sent_at = 0.0
        self._settled_at = 0.0
        self._best = 0.0  # bytes a second
        self._failed = 0  # trials of the machine's own choice
        self._next_trial = 0.0

    def opened(self, now: float, round_trip: float) -> None:
        """The connection is there; TCP's handshake took `round_trip` seconds."""
        self._round_trip = round_trip
        self._sent_at = now
        if round_trip >= SHORT:
            self._go_robust()

    def starts(self, now: float) -> None:
        """There is something to send."""
        if now - self._sent_at >= _PAUSE and self._round_trip >= SHORT:
            self._go_robust()
            self._mark = None
        self._sent_at = now

    def busy(self, now: float, sent: int, again: int, *, queued: bool = False) -> None:
        """There is more to send than the line takes; `sent` bytes have left so far, `again` of them again.

        `queued`: the round trip is much longer than it can be, so the modem's queue is full, and what is lost
        now does not fit into it.
        """
        self._sent_at = now
        if self._mark is None or now < self._settled_at:
            self._mark = now, sent, again
            return
        since, sent_before, again_before = self._mark
        if now - since < max(_INTERVAL, 2 * self._round_trip):
            return
        size, lost = sent - sent_before, again - again_before
        rate = (size - lost) / (now - since)
        if self.robust:
            if size < _CLEAN_EVIDENCE:
                return
            if lost < CLEAN * size and self._round_trip >= LONG and now >= self._next_trial:
                self.robust = not self._use(self._own)
                self._settle(now)
        elif self._round_trip >= SHORT and self._spoilt(size, lost, rate, queued=queued):
            self._failed += 1
            self._next_trial = now + min(_SECOND_TRIAL * 2 ** min(self._failed - 1, 11), 86_400.0)
            self._go_robust()
            self._settle(now)
        elif size < _SPOILT_EVIDENCE and lost < CLEAN * size:
            return  # too little to say anything: go on from the same mark
        self._best = max(self._best, rate)
        self._mark = now, sent, again

    def _spoilt(self, size: int, lost: int, rate: float, *, queued: bool) -> bool:
        """A queue that is full now and then keeps the rate of the line; loss by chance does not."""
        if lost >= CLEAN * size and rate < _SLOW * self._best:
            return True
        return size >= _SPOILT_EVIDENCE and lost >= SPOILT * size and not queued

    def _settle(self, now: float) -> None:
        """Losses of the exchange itself are not judged."""
        self._settled_at = now + _SETTLING * self._round_trip

    def _go_robust(self) -> None:
        if self._possible and not self.robust:
            self.robust = self._possible = self._use(ROBUST)
