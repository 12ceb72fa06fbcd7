"""What is told of storage commitment. No instance is named: the journal knows them by number."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notices import Notice


@dataclass(frozen=True, slots=True)
class CommitmentRequested(Notice):
    """A console asked for commitment (N-ACTION) and was answered."""

    association: str
    address: str
    calling_ae: str
    called_ae: str
    number: int  # of the transaction, 0 when it was refused
    instances: int
    outcome: str  # "new" | "again" | "refused"
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentAsked(Notice):
    """A destination was asked, or could not be."""

    destination: str
    instances: int
    outcome: str  # "asked" | "put off"
    reason: str


@dataclass(frozen=True, slots=True)
class CommitmentAnswered(Notice):
    """A destination told what it has committed."""

    source: str  # AE title or peer that told it
    outcome: str  # "known" | "again" | "unknown" | "refused"
    committed: int
    failed: int
    resent: int  # deliveries that are sent once more
    held: int
    how: str  # "N-EVENT-REPORT" | "verified by query"
    reason: str  # of a refusal; failure reasons otherwise


@dataclass(frozen=True, slots=True)
class CommitmentReported(Notice):
    """A console was told its result, or could not be."""

    number: int
    calling_ae: str
    committed: int
    failed: int
    outcome: str  # "reported" | "retry" | "given up"
    where: str  # "same association" | "new association"
    reason: str
