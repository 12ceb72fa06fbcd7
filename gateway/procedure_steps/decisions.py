"""What a peer's answer to a procedure step means, when its console is no longer waiting. Pure.

While the console waits it is told the peer's status unchanged, success or failure, and that is the end of it.
Afterwards the console believes that the step will arrive, so a failure is ours: it is tried again, or held
for a person.

A step that was sent without an answer is `uncertain`, and two failures then say that it was done after all:

- N-CREATE answered 0x0111 (duplicate SOP instance): the instance is there, and only its creator has its UID.
- N-SET to COMPLETED or DISCONTINUED answered "may no longer be updated" (PS3.4 Table F.7.2-2: 0x0110, told
  apart by its Error ID A710 or its fixed comment). Steps go in order and the ones before were answered while
  the instance could still be updated, so it was the lost try that ended it. Should it have been ended by
  somebody at the peer in those seconds, this N-SET could not be applied by anybody either; the answer stays
  in the journal with the step. An N-SET that ends nothing cannot have closed the instance, so there the same
  answer means that its values are missing at the peer: a person has to know.

A bare 0x0110 to an N-SET is either of "may no longer be updated" and a trouble that passes. It is tried again
a few times, because an N-SET may be repeated without harm, and then held: done is never assumed from it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from gateway.dicom import data_set, status
from gateway.dicom.command import Command
from gateway.dicom.status import Category, category
from gateway.errors import PeerError
from gateway.procedure_steps.policy import StepPolicy
from gateway.spool.step_values import Step

PERFORMED_STATUS: Final = 0x00400252  # Performed Procedure Step Status
_ENDS: Final = frozenset({"COMPLETED", "DISCONTINUED"})

PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_SOP_INSTANCE: Final = 0x0111
_NO_LONGER_UPDATED_ID: Final = 0xA710  # PS3.4 Table F.7.2-2
_NO_LONGER_UPDATED_WORDS: Final = "may no longer be updated"
_PASSING: Final = frozenset({PROCESSING_FAILURE, 0x0210, 0x0213, *range(0xA700, 0xA800)})
"""Failures that may pass by themselves: processing failure, duplicate invocation, lack of resources."""


class Verdict(enum.Enum):
    """What becomes of a step."""

    DONE = enum.auto()
    RETRY = enum.auto()
    HOLD = enum.auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and why."""

    verdict: Verdict
    words: str
    by_earlier_try: bool = False  # done, and not by the try that was answered


def judge(step: Step, answer: Command, *, uncertain: bool, attempts: int, policy: StepPolicy) -> Decision:
    """Decide on the peer's `answer`; `attempts` counts the tries, this one included."""
    code = answer.status or 0
    words = f"the destination answered {status.words(code, status.Service.PROCEDURE_STEP)}"
    if category(code) in (Category.SUCCESS, Category.WARNING):
        return Decision(Verdict.DONE, words)
    create = step.kind == "create"
    if create and uncertain and code == DUPLICATE_SOP_INSTANCE:
        return Decision(Verdict.DONE, f"{words}: created by a try without an answer", True)
    if not create and code == PROCESSING_FAILURE:
        if _says_no_longer_updated(answer):
            if uncertain and ends(step):
                return Decision(Verdict.DONE, f"{words}: ended by a try without an answer", True)
            return Decision(Verdict.HOLD, words)
        if attempts >= policy.doubtful_attempts:
            return Decision(Verdict.HOLD, f"{words}, {attempts} times")
    return Decision(Verdict.RETRY if code in _PASSING else Verdict.HOLD, words)


def ends(step: Step) -> bool:
    """Say whether this N-SET ends its procedure step; one that cannot be read does not."""
    try:
        return data_set.parse(step.data, step.transfer_syntax_uid).text(PERFORMED_STATUS) in _ENDS
    except PeerError:
        return False


def _says_no_longer_updated(answer: Command) -> bool:
    return (
        answer.error_id == _NO_LONGER_UPDATED_ID
        or _NO_LONGER_UPDATED_WORDS in (answer.error_comment or "").lower()
    )
