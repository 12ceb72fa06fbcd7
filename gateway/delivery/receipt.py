"""Turning an answer into a receipt. Pure."""

from __future__ import annotations

from gateway.model import Receipt

COMMENT_MAX = 64
"""(0000,0902) Error Comment is an LO: 64 characters (PS3.7 Annex C)."""


def printable(comment: str) -> str:
    """Return the peer's words on one line, without control characters, bounded."""
    return "".join(c if c.isprintable() else " " for c in comment[: 4 * COMMENT_MAX]).strip()[:COMMENT_MAX]


def make_receipt(
    destination: str, status: int, comment: str, *, transfer_syntax_uid: str, digest: bytes, at: float
) -> Receipt:
    """Record that `destination` answered `status` for a data set as sent: its transfer syntax and SHA-256."""
    return Receipt(
        destination=destination,
        status=status,
        comment=printable(comment),
        transfer_syntax_uid=transfer_syntax_uid,
        digest=digest,
        at=at,
    )
