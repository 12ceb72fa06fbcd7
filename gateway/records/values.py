"""What was read from a treatment record: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["beams", "brachy", "ion", "summary", "radiation", "salvage", "set", "other"]

Ending = Literal["normal", "operator", "machine", "unknown", "not-stated"]
"""How a beam ended (PS3.3 C.8.8.21, Treatment Termination Status).

"unknown": the record says so, or uses a word that the standard does not define there.
"""

Content = Literal[
    "treatment", "simulation", "plan-qa", "machine-qa", "research", "service", "phantom", "unknown"
]
"""What the record is about. Only "treatment" is of radiation meant for a patient."""

Check = Literal["verified", "overridden", "not-verified", "not-stated"]
"""Treatment Verification Status (3008,002C)."""


@dataclass(frozen=True, slots=True)
class Beam:
    """One beam, application set-up or radiation."""

    name: str
    ending: Ending
    delivery: str = ""  # Treatment Delivery Type, lower case with hyphens: "treatment", "continuation", ...
    check: Check = "not-stated"


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What a record says, without its patient. Texts are printable and short."""

    kind: Kind
    readable: bool = True
    treated: str = ""  # ISO 8601 as the record states it, often without a zone; "" when it does not say
    plan_label: str = ""
    plan_name: str = ""
    plan_reference: str = ""  # the end of the SOP Instance UID of the plan
    fraction: int | None = None
    fractions_planned: int | None = None
    beams: tuple[Beam, ...] = ()  # the first ones
    beam_count: int = 0  # all of them
    channels: int = 0  # of a brachytherapy record
    ending: Ending = "not-stated"  # the worst of all
    ending_word: str = ""  # the record's own word when it is none of the standard's
    check: Check = "not-stated"  # the worst of all
    content: Content = "unknown"
    entered_by_hand: bool = False  # built from what a person entered, not recorded by the machine
    continuation: bool = False  # of an interrupted treatment
    completion: str = ""  # of the course (summary) or of the fraction (record set), the record's own word
    machine: str = ""


UNREADABLE = RecordSummary(kind="other", readable=False)


@dataclass(frozen=True, slots=True)
class Patient:
    """Who it is. Leaves the daemon through the one operation that reveals, and is in no log."""

    name: str
    patient_id: str
    birth_date: str  # ISO 8601, "" when unknown
    readable: bool = True
