"""Whether a peer is worth dialling now, and how far away it is. Pure: time is an argument.

Everybody who talks with a peer tells what it found, and everybody asks before dialling. So a console never
waits for a dial to time out while somebody here knows already that the link is down:

    UNKNOWN  nothing was tried since the start: try
    UP       the last thing tried worked: try
    DOWN     refuse at once, until the retry moment (1 s, 2 s, 4 s ... after the failure)
    TRIAL    the moment came and one caller is trying; the others are refused until it has told how it went,
             or until the time for a trial is over

`now` is a reading of one monotonic clock, in seconds, the same for all callers (that of the event loop).
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

OnChange = Callable[[str, bool, str], None]
"""Told the peer's name, whether it is up, and why it is not (empty when it is), each time that changes."""

OnMeasured = Callable[[str, float], None]
"""Told the peer's name and the seconds of a round trip, each time that one was measured."""


@dataclass(frozen=True, slots=True)
class ReachabilityLimits:
    """How a peer that is down is tried again. Times in seconds."""

    base: float = 1.0  # wait after the first failure
    ceiling: float = 15.0  # no wait is longer, jitter apart
    factor: float = 2.0
    jitter: float = 0.1  # part of the wait by which it is made longer or shorter at random
    trial: float = 10.0  # how long one caller may take for a trial before another one may
    max_rtt: float = 60.0  # a measured round trip counts as no more: what is slower is the peer, not the way
    max_reason: int = 200  # characters of the words kept for why it is down

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.ceiling or self.factor < 1:
            raise ValueError("the waits for a peer need 0 < base <= ceiling and a factor of 1 or more")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is a part of the wait, 0 or more and less than 1, not {self.jitter}")

    def wait(self, failures: int) -> float:
        """Return the wait after failure number `failures` in a row (the first is 1), without jitter."""
        try:
            return min(self.base * self.factor ** max(failures - 1, 0), self.ceiling)
        except OverflowError:  # days of failures
            return self.ceiling


class Reach(enum.StrEnum):
    """State of the way to one peer."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    TRIAL = "trial"


class Reachability:
    """What is known of the way to one peer."""

    def __init__(
        self,
        peer: str,
        limits: ReachabilityLimits | None = None,
        *,
        rng: random.Random | None = None,
        on_change: OnChange | None = None,
        on_measured: OnMeasured | None = None,
    ) -> None:
        """`on_change` is called within `succeeded` and `failed`, after the state changed."""
        self.peer = peer
        self.state = Reach.UNKNOWN
        self.rtt: float | None = None  # seconds, smoothed
        self.rtt_variation: float | None = None
        self._limits = limits or ReachabilityLimits()
        self._rng = rng or random.SystemRandom()
        self._on_change = on_change
        self._on_measured = on_measured
        self._words = ""
        self._failures = 0
        self._until = 0.0  # DOWN: the retry moment; TRIAL: when the trial's time is over
        self._worked_at: float | None = None

    @property
    def words(self) -> str:
        """Why it is down; empty when it is not."""
        return self._words

    @property
    def rtt_bound(self) -> float | None:
        """Seconds that a round trip seldom exceeds: smoothed plus four variations, as RFC 6298 2 has it."""
        if self.rtt is None or self.rtt_variation is None:
            return None
        return self.rtt + 4 * self.rtt_variation

    def down(self, now: float) -> str | None:
        """Ask to try: None is leave to, else the reason for refusing at once, in words.

        When a peer is down and the moment of a trial has come, one caller gets None. It then has to call
        `succeeded`, `failed` or `given_up`; until it does, or its time is over, the others get the reason.
        """
        refused = self.reason(now)
        if refused is None and self.state in (Reach.DOWN, Reach.TRIAL):
            self.state = Reach.TRIAL
            self._until = now + self._limits.trial
        return refused

    def reason(self, now: float) -> str | None:
        """What `down` would answer, without taking the trial: for displays, and for work that can wait."""
        if self.state in (Reach.DOWN, Reach.TRIAL) and now < self._until:
            return self._words
        return None

    def next_try(self, now: float) -> float | None:
        """The moment before which asking again is of no use, as far as known now; None: ask at once."""
        return None if self.reason(now) is None else self._until

    def succeeded(self, now: float) -> None:
        """The peer answered something: it is up."""
        self._worked_at = now
        self._failures = 0
        self._become(Reach.UP, "")

    def failed(self, now: float, reason: str, *, since: float | None = None) -> None:
        """The peer could not be reached. `since`: when that attempt began.

        An attempt that began before the last success says nothing. A failure that nobody waited for (a second
        one of the same outage, somebody else's) starts the wait again, but only a trial makes it grow.
        """
        if since is not None and self._worked_at is not None and since < self._worked_at:
            return
        if self.state is not Reach.DOWN or now >= self._until:
            self._failures += 1
        wait = self._limits.wait(self._failures)
        self._until = now + wait * self._rng.uniform(1 - self._limits.jitter, 1 + self._limits.jitter)
        self._become(Reach.DOWN, reason[: self._limits.max_reason] or "it cannot be reached")

    def given_up(self, now: float) -> None:
        """The caller that was to try did not get to it: the next one may, at once."""
        if self.state is Reach.TRIAL:
            self.state = Reach.DOWN
            self._until = now

    def measured(self, seconds: float) -> None:
        """Take one round trip into account, smoothed as RFC 6298 2 says."""
        if not (math.isfinite(seconds) and seconds >= 0):
            return
        sample = min(seconds, self._limits.max_rtt)
        if self.rtt is None or self.rtt_variation is None:
            self.rtt, self.rtt_variation = sample, sample / 2
        else:
            self.rtt_variation += (abs(self.rtt - sample) - self.rtt_variation) / 4
            self.rtt += (sample - self.rtt) / 8
        if self._on_measured is not None:
            self._on_measured(self.peer, sample)

    def _become(self, state: Reach, words: str) -> None:
        before, self.state, self._words = self.state, state, words
        known_down = before in (Reach.DOWN, Reach.TRIAL)
        changed = (known_down or before is Reach.UNKNOWN) if state is Reach.UP else not known_down
        if changed and self._on_change is not None:
            self._on_change(self.peer, state is Reach.UP, words)


class Reachabilities:
    """All peers of one gateway. Whoever subscribes learns when one goes down or comes up."""

    def __init__(self, limits: ReachabilityLimits | None = None, *, rng: random.Random | None = None) -> None:
        self._limits = limits
        self._rng = rng
        self._peers: dict[str, Reachability] = {}  # bounded: the names come from the configuration
        self._subscribers: dict[object, OnChange] = {}
        self._measuring: dict[object, OnMeasured] = {}

    def of(self, peer: str) -> Reachability:
        """Return what is known of `peer`; always the same object."""
        found = self._peers.get(peer)
        if found is None:
            found = Reachability(
                peer, self._limits, rng=self._rng, on_change=self._tell, on_measured=self._tell_measured
            )
            self._peers[peer] = found
        return found

    def reason(self, peer: str, now: float) -> str | None:
        """Why `peer` is not to be tried now, or None. Without side effects."""
        found = self._peers.get(peer)
        return None if found is None else found.reason(now)

    def subscribe(self, callback: OnChange) -> Callable[[], None]:
        """Call `callback(peer, up, reason)` on every change; the returned function ends that.

        It runs inside the report that made the change, so it must be quick and must not raise.
        """
        key = object()
        self._subscribers[key] = callback

        def forget() -> None:
            self._subscribers.pop(key, None)

        return forget

    def subscribe_measured(self, callback: OnMeasured) -> Callable[[], None]:
        """Call `callback(peer, seconds)` on every measured round trip, under the rules of `subscribe`."""
        key = object()
        self._measuring[key] = callback

        def forget() -> None:
            self._measuring.pop(key, None)

        return forget

    def _tell_measured(self, peer: str, seconds: float) -> None:
        for callback in tuple(self._measuring.values()):
            callback(peer, seconds)

    def _tell(self, peer: str, up: bool, reason: str) -> None:
        for callback in tuple(self._subscribers.values()):
            callback(peer, up, reason)


class Leave:
    """What workers in the background need: leave to dial a peer, and a place to say how it went."""

    def __init__(self, reachabilities: Reachabilities, clock: Callable[[], float]) -> None:
        """`clock` is the one that everybody else's times are of."""
        self._reachabilities = reachabilities
        self._clock = clock

    def ask(self, peer: str) -> str | None:
        """Return None for leave to dial, which obliges to `tell`; else why the peer is not to be tried."""
        return self._reachabilities.of(peer).down(self._clock())

    def tell(self, peer: str, trouble: str | None) -> None:
        """Say how it went: None, or why the peer could not be reached."""
        reachability = self._reachabilities.of(peer)
        if trouble is None:
            reachability.succeeded(self._clock())
        else:
            reachability.failed(self._clock(), trouble)
