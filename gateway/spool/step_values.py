"""What the spool takes in and hands out about procedure steps (MPPS, PS3.4 Annex F): frozen values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

StepKind = Literal["create", "set"]


class StepState(enum.StrEnum):
    """Where one queued message is. The legal moves are in spool/step_states.py."""

    QUEUED = "queued"
    HELD = "held"  # a person has to decide
    DONE = "done"  # the destination accepted it
    REFUSED = "refused"  # the destination refused it, and the console was told
    DISCARDED = "discarded"  # a person gave it up


@dataclass(frozen=True, slots=True)
class Step:
    """An N-CREATE or N-SET that is to reach `destination`. `data`: its data set as received."""

    sop_class_uid: str
    sop_instance_uid: str
    kind: StepKind
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str
    destination: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step and what became of it so far.

    `uncertain`: an earlier attempt may have been carried out, so that a repeated N-CREATE can find the
    instance there already. `step.data` is empty in listings, and once the step is finished.
    """

    number: int  # the order of arrival
    step: Step
    state: StepState
    attempts: int
    uncertain: bool
    not_before: float  # wall clock; 0 when it may go at once
    reason: str  # why it was put back or held, in words
    status: int | None  # what the destination answered in the end
    comment: str  # the destination's words with it
    who: str  # the operator who decided last, if any
    size: int  # bytes of the data set
    received_at: float
    updated_at: float
    waits_for: int | None = None  # the earlier unfinished step of the same instance, in listings


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Steps that are not finished."""

    queued: int
    held: int
