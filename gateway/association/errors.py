"""What can go wrong with an association we asked for. All of it is the peer's or the network's doing."""

from __future__ import annotations

from gateway.errors import PeerError


class ConnectFailed(PeerError):
    """No association came about. `phase` says how far it got: "resolve", "tcp", "tls" or "association"."""

    def __init__(self, phase: str, words: str) -> None:
        super().__init__(words)
        self.phase = phase
        self.words = words


class HungUp(ConnectFailed):
    """The peer closed the connection where its answer to A-ASSOCIATE-RQ should have come."""

    def __init__(self, words: str) -> None:
        super().__init__("association", words)


class AssociateRejectedError(PeerError):
    """The peer answered A-ASSOCIATE-RJ (PS3.8 9.3.4). `permanent` says that asking again cannot help."""

    def __init__(self, result: int, source: int, diagnostic: int, words: str) -> None:
        super().__init__(words)
        self.result = result
        self.source = source
        self.diagnostic = diagnostic
        self.words = words

    @property
    def permanent(self) -> bool:
        """True for result 1, rejected-permanent; 2 is rejected-transient."""
        return self.result == 1


class AssociationAborted(PeerError):
    """The association was aborted, by the peer or, on our own decision, by us."""


class AssociationLost(PeerError):
    """The connection went away, or the peer released the association before answering."""


class ResponseTimeout(PeerError):
    """The peer kept silent for too long; the association was aborted."""


class ProtocolViolation(PeerError):
    """The peer broke the protocol; the association was aborted."""
