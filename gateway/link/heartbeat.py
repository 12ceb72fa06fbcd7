"""Is the other end there, and how far away? Pure: time is an argument, in monotonic seconds.

A ping goes out every `busy_ping` seconds while something is under way, and right when it begins; a site that
is idle sends one every `keepalive`. Dead is an end that owes a pong and lets nothing at all be heard for
three round trips and the grace; and, for a hub, a site that lets twice its keepalive pass. The round trip is
smoothed as in RFC 6298 2.
"""

from __future__ import annotations

from gateway.link.limits import LinkLimits

_BUSY_FOR = 10.0  # seconds after the last frame in which something still counts as under way
_UNKNOWN_RTT = 1.0  # seconds: until it is measured


class Heartbeat:
    """One connection's signs of life."""

    def __init__(self, limits: LinkLimits, now: float, *, pings_when_idle: bool) -> None:
        self.rtt: float | None = None
        self._variation = 0.0
        self._limits = limits
        self._pings_when_idle = pings_when_idle
        self._other_keepalive: float | None = None
        self._heard = now
        self._active = now
        self._token = 0
        self._waiting = False  # a ping is out
        self._wanted_since: float | None = None  # a ping is due and could not leave yet
        self._pinged = now - limits.busy_ping

    @property
    def token(self) -> int:
        """Of the ping that is out, or was last."""
        return self._token

    def expect(self, keepalive: float) -> None:
        """The other end promises to let hear of itself this often."""
        self._other_keepalive = keepalive

    def heard(self, now: float) -> None:
        """Bytes came, whatever they mean."""
        self._heard = now

    def active(self, now: float) -> None:
        """Something other than a sign of life was sent or came."""
        self._active = now

    def due(self, now: float) -> bool:
        """Say whether a ping should leave now."""
        when = self._next(now)
        if when is None or now < when:
            return False
        if self._wanted_since is None:
            self._wanted_since = now
        return True

    def sent(self, now: float) -> int:
        """A ping leaves; return its token."""
        self._token = (self._token + 1) & 0xFFFFFFFF
        self._waiting = True
        self._wanted_since = None
        self._pinged = now
        return self._token

    def ponged(self, token: int, now: float) -> float | None:
        """A pong came. Return the round trip, if it is the one that is waited for."""
        if not self._waiting or token != self._token:
            return None
        self._waiting = False
        rtt = max(0.0, now - self._pinged)
        if self.rtt is None:
            self.rtt, self._variation = rtt, rtt / 2
        else:
            self._variation += (abs(rtt - self.rtt) - self._variation) / 4
            self.rtt += (rtt - self.rtt) / 8
        return rtt

    def dead(self, now: float) -> bool:
        """Say whether the other end has been silent for too long."""
        when = self._death()
        return when is not None and now >= when

    def deadline(self, now: float) -> float | None:
        """When to ask again, if nothing happens before."""
        # A ping that is due leaves with the next frame, whenever that is: only its being late matters then.
        ping = None if self._wanted_since is not None else self._next(now)
        return min((one for one in (ping, self._death()) if one is not None), default=None)

    def _next(self, now: float) -> float | None:
        if self._waiting:
            return None
        if self._wanted_since is not None:
            return self._wanted_since
        if now - self._active < _BUSY_FOR:
            return self._pinged + self._limits.busy_ping
        if self._pings_when_idle:
            return self._pinged + self._limits.keepalive
        return None

    def _death(self) -> float | None:
        patience = 3 * (self.rtt if self.rtt is not None else _UNKNOWN_RTT) + 4 * self._variation
        patience += self._limits.grace
        asked = self._pinged if self._waiting else self._wanted_since
        if asked is not None:
            return max(asked, self._heard) + patience
        if self._other_keepalive is not None:
            return self._heard + 2 * self._other_keepalive + patience
        return None
