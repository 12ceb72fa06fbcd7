"""How long a site waits before it dials its hub again. Pure.

Full jitter: any moment up to a bound that doubles with each failure. So two hundred sites whose hub was
started again do not come back in the same second. What looks as if it were only the network is tried often;
a hub that answers and does not want us is asked less often, because each handshake costs some kilobytes of
a metered line.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedialLimits:
    """Seconds."""

    connect: float = 10.0
    """For the hub's name to be resolved, and again for each of its addresses to answer."""
    handshake: float = 15.0
    """From there until frames may be sent."""
    first: float = 1.0
    """A connection that was good and broke is dialled again within this."""
    most: float = 30.0
    """The longest wait while the network is the trouble."""
    refused_most: float = 300.0
    """The longest wait while the hub refuses us, or we refuse it."""
    good: float = 30.0
    """A connection that was up for this long was good."""


class Redial:
    """The waits of one site."""

    def __init__(
        self, limits: RedialLimits, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._limits = limits
        self._uniform = uniform
        self._failures = 0

    def next(self, *, up: float, refused: bool, retry_after: float = 0.0) -> float:
        """Return the seconds to wait after a connection that was up for `up` seconds.

        `refused`: it was no matter of the network. `retry_after`: what the hub asks for, at least.
        """
        limits = self._limits
        if up >= limits.good:
            self._failures = 0
        bound = min(limits.refused_most if refused else limits.most, limits.first * 2.0**self._failures)
        self._failures = min(self._failures + 1, 20)
        return min(retry_after, limits.refused_most) + self._uniform(0.0, bound)
