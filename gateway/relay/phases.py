"""What the phases of dialling say about the way to a peer."""

from __future__ import annotations

from collections.abc import Callable

FAR = 0.2
"""Seconds from which on the answer to A-ASSOCIATE-RQ measures the way rather than the peer."""


class Phases:
    """Times the phases that association/dial.py goes through."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.current = "resolve"
        self._clock = clock
        self._since = clock()
        self._took: dict[str, float] = {}

    def begin(self, phase: str) -> None:
        """A phase begins: "resolve", "tcp", "tls", "association", or "open" when all are over."""
        now = self._clock()
        self._took[self.current] = now - self._since
        self.current, self._since = phase, now

    @property
    def round_trip(self) -> float | None:
        """Seconds there and back, once the association is open.

        The handshake of TCP takes one round trip and nothing else. On a satellite link, though, a modem at
        this end may answer it in the peer's place (RFC 3135 3.1); then it is the answer to the association
        that tells how far away the peer really is.
        """
        tcp, association = self._took.get("tcp"), self._took.get("association")
        return association if association is not None and association >= FAR else tcp
