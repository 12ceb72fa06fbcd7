"""What the spool takes in and hands out about storage commitment (PS3.4 Annex J): frozen values."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

AddOutcome = Literal["new", "again", "different"]
AnswerOutcome = Literal["known", "again", "unknown"]

PROCESSING_FAILURE = 0x0110
"""Failure reason (PS3.3 C.14.1.1) of what was not answered in time: nobody knows."""


class CommitmentState(enum.StrEnum):
    """Where a console's transaction is."""

    OPEN = "open"  # at least one instance is not resolved at one of its destinations
    REPORTING = "reporting"  # all is resolved; the console has not taken the report yet
    REPORTED = "reported"  # the console answered success to the N-EVENT-REPORT
    GIVEN_UP = "given-up"  # the console did not take the report in time


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance of a Referenced SOP Sequence (0008,1199)."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a console asks: that `references` be committed, at every one of `destinations`.

    A reference named twice counts once. `calling_ae` and `transaction_uid` together name the transaction.
    """

    transaction_uid: str
    calling_ae: str
    called_ae: str
    listener: str
    address: str
    destinations: tuple[str, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class AddedCommitment:
    """What became of a request.

    "new": it is durable. "again": the same request is here already, nothing was added; a result that was
    reported, or given up, is to be reported once more. "different": its transaction UID is here for other
    references, or for another called title: nothing was added, and the request is to be refused.
    """

    number: int
    outcome: AddOutcome


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """The result of a transaction: every instance at every destination is resolved.

    An instance is committed when every destination committed it; a failed one carries the failure reason
    (0008,1197) of the first of the destinations that refused it.
    """

    number: int
    transaction_uid: str
    calling_ae: str
    called_ae: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]
    attempts: int  # reports that failed so far
    received_at: float  # wall clock: when the console asked, for the first time
    resolved_at: (
        float  # when the result was complete, or asked for once more: so long before this moment's wall clock
    )


@dataclass(frozen=True, slots=True)
class ToAsk:
    """An instance to ask a destination about. `object_number`: the newest here that was accepted there."""

    reference: Reference
    object_number: int | None


@dataclass(frozen=True, slots=True)
class OpenAsk:
    """A question to a destination that has no answer yet.

    `attempts`: how often its instances were asked about, this time included, at most.
    """

    transaction_uid: str
    destination: str
    references: tuple[Reference, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class AskAnswered:
    """What an answer did.

    "known": it was applied. "again": its question had an answer before, nothing was done. "unknown": there is
    no such question. `resent` and `held` count deliveries.
    """

    outcome: AnswerOutcome
    resent: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class CommitmentRow:
    """One line of a listing: a console's transaction. The counts are of instances, not of destinations."""

    number: int
    transaction_uid: str
    calling_ae: str
    called_ae: str
    listener: str
    address: str
    destinations: tuple[str, ...]
    state: CommitmentState
    open: int
    committed: int
    failed: int
    attempts: int  # reports that failed so far
    not_before: float  # wall clock: the next report is not sent before it; 0 when it may go at once
    reason: str  # why the last report failed or was given up, in words
    received_at: float
    finished_at: float | None  # when it was reported or given up


@dataclass(frozen=True, slots=True)
class CommitmentCounts:
    """Transactions that are not finished, and questions that wait for an answer."""

    open: int
    reporting: int
    asks: int
