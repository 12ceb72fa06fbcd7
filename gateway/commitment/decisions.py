"""What an answer means, and when to try again. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.commitment.policy import DAY
from gateway.dicom.commitment import NO_SUCH_INSTANCE, words
from gateway.dicom.status import Category, Service, category
from gateway.dicom.status import words as status_words
from gateway.spool.commitment_values import CommitmentReport

RESEND = frozenset({NO_SUCH_INSTANCE})
"""Failure reasons after which sending the object once more can help: the destination does not have it."""


class Reply(enum.Enum):
    """What a status that answers our request comes to."""

    TAKEN = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reply, and why in words without anything that the peer wrote."""

    reply: Reply
    reason: str = ""


def verdict(status: int | None) -> Verdict:
    """Judge the response to an N-ACTION or an N-EVENT-REPORT (PS3.7 annex C). A warning is a yes."""
    if status is not None and category(status) in (Category.SUCCESS, Category.WARNING):
        return Verdict(Reply.TAKEN)
    said = "no status" if status is None else status_words(status, Service.STORAGE_COMMITMENT)
    return Verdict(Reply.REFUSED, f"it answered {said}")


def reasons(failed: Iterable[int]) -> str:
    """Say failure reasons with their counts, the commonest first; "" when there are none."""
    counted = Counter(failed).most_common(3)
    return "; ".join(f"{count}: {words(reason)}" for reason, count in counted)


def ask_again_after(silences: int, answer: float) -> float:
    """How long to wait before a destination is asked again that gave no answer `silences` times in a row.

    At once the first time: a request may have been lost. Then longer and longer, a day at most: a
    destination that takes every request and never answers is not to be asked every hour for a year.
    """
    try:
        return min(answer * (2.0 ** max(silences - 1, 0) - 1.0), DAY)
    except OverflowError:
        return DAY


def is_late(report: CommitmentReport, now: float, report_for: float) -> bool:
    """Say whether the time to report a result is over. Wall clock; it runs from when the result was there."""
    return now - report.resolved_at > report_for
