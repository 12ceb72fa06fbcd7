"""The two ways the protocol core complains: about its owner, and about the peer."""

from __future__ import annotations

from gateway.errors import LocalError, PeerError


class LocalProtocolError(LocalError):
    """The owner asked for something the present state does not allow; nothing was sent."""


class PeerProtocolError(PeerError):
    """The peer broke PS3.7 or PS3.8; the association cannot go on.

    `reason` is the A-ABORT reason that fits (PS3.8 Table 9-26), 0 when the fault is above the upper layer.
    """

    def __init__(self, words: str, *, reason: int = 0) -> None:
        super().__init__(words)
        self.reason = reason
