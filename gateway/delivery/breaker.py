"""Circuit breaker of one destination. Pure: time and randomness are arguments.

    CLOSED  everything flows
    OPEN    nothing is sent; one cheap probe when `next_probe` comes
    TRIAL   the probe succeeded, but what opened the circuit is something a probe cannot see (the peer refuses
            or cuts objects although it answers C-ECHO): one object at a time until one is accepted

Two counters grow the waits. `_failures` counts link failures in a row; a probe that succeeds clears it, so a
returning link is used at once. `_pauses` counts pauses because of what the peer did to objects; only an
accepted object clears it, so a peer that answers C-ECHO and aborts every object is not hammered.
"""

from __future__ import annotations

import enum
import random

from gateway.delivery.backoff import around
from gateway.delivery.classification import POLICY, Cause, Remedy, Strike
from gateway.delivery.policy import DeliveryPolicy


class Circuit(enum.StrEnum):
    """State of the breaker."""

    CLOSED = "closed"
    OPEN = "open"
    TRIAL = "trial"


class Breaker:
    """Decides when a destination may be sent to. Times are seconds of one monotonic clock."""

    def __init__(self, policy: DeliveryPolicy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self.state = Circuit.CLOSED
        self.reason = ""
        self.next_probe: float | None = None  # set exactly while OPEN
        self._failures = 0
        self._pauses = 0
        # Different objects that failed since one was accepted: one object alone proves nothing.
        self._cut: set[int] = set()
        self._refused: set[int] = set()
        self._held: set[int] = set()

    @property
    def probe_would_close(self) -> bool:
        """True while OPEN for nothing but a link that failed: an answer is all that is missing."""
        return self.state is Circuit.OPEN and not self._pauses

    def link_failed(self, now: float, cause: Cause, reason: str) -> None:
        """The destination could not be reached or would not associate (also: a probe failed)."""
        self._failures += 1
        if POLICY[cause].remedy is Remedy.SLOW:
            delay = around(self._policy.rejected_interval, self._rng)
        else:
            delay = self._policy.link_backoff.delay(self._failures, self._rng)
        self._open(now + delay, reason)

    def object_failed(self, now: float, delivery: int, cause: Cause, reason: str, *, held: bool) -> bool:
        """One object failed although the destination associates. True: that pauses the destination."""
        if self.state is Circuit.OPEN:
            return False  # it was on the wire when the circuit opened: one incident is one pause
        rule = POLICY[cause]
        if rule.strike is not Strike.NONE:
            self._cut.add(delivery)
        elif rule.pauses:
            self._refused.add(delivery)
        elif held and cause not in (Cause.DAMAGED, Cause.UNREADABLE):  # those are our own trouble
            self._held.add(delivery)
        else:
            return False
        policy = self._policy
        pause = (
            self.state is Circuit.TRIAL
            or len(self._cut) >= policy.cuts_before_pause
            or len(self._refused) >= policy.refusals_before_pause
            or len(self._held) >= policy.holds_before_pause
        )
        if pause:
            self._pauses += 1
            self._forget()
            self._open(now + around(policy.pause_backoff.bound(self._pauses), self._rng), reason)
        return pause

    def accepted(self) -> None:
        """The destination accepted an object: the best proof of health there is."""
        self._failures = self._pauses = 0
        self._forget()
        self._close(Circuit.CLOSED)

    def probe_succeeded(self) -> None:
        """The probe found the destination alive."""
        self._failures = 0
        self._close(Circuit.TRIAL if self._pauses else Circuit.CLOSED)

    def kick(self, now: float) -> None:
        """Somebody says that the trouble is over: probe now. Without effect unless OPEN."""
        if self.state is Circuit.OPEN:
            self.next_probe = now

    def _open(self, until: float, reason: str) -> None:
        self.state = Circuit.OPEN
        self.next_probe = until
        self.reason = reason

    def _close(self, state: Circuit) -> None:
        self.state = state
        self.next_probe = None
        self.reason = ""

    def _forget(self) -> None:
        self._cut.clear()
        self._refused.clear()
        self._held.clear()
