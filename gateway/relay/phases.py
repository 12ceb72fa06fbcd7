"""What the phases of dialling say about the way to a peer."""

from __future__ import annotations

from collections.abc import Callable

_ARITHMETIC = 0.2
"""Seconds of a TLS handshake that small boards may spend on computing."""


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
        this end may answer it in the peer's place (RFC 3135 3.1); TLS goes through to the peer, and with
        version 1.3 takes one round trip too (RFC 8446 2), and some milliseconds of arithmetic. The answer to
        the association says nothing of the way: it is the application's, which may look only once a second.
        """
        tcp, tls = self._took.get("tcp"), self._took.get("tls")
        return tcp if tcp is None or tls is None or tls < _ARITHMETIC else max(tcp, tls)
