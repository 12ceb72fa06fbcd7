"""What a path test tells. Plain values; no patient is in them, only the test patient's ID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StepName = Literal[
    "name", "tcp", "tls", "association", "echo", "store", "commitment-request", "commitment-result"
]
Outcome = Literal["running", "ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing found out on the way: what, and its value as text."""

    what: str  # a stable word: "protocol", "certificate-issuer", "refused" ...
    value: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step. A later one with the same `step` and `subject` takes its place."""

    step: StepName
    subject: str  # the class that is stored; empty for all other steps
    outcome: Outcome
    seconds: float
    words: str = ""
    details: tuple[Detail, ...] = ()
    next_step: str = ""  # what to do about it; empty when all is well


@dataclass(frozen=True, slots=True)
class Wanted:
    """How far a test goes. By default nothing is stored."""

    store: tuple[str, ...] = ()  # classes, by the words of `objects.CLASSES`
    commitment: bool = False  # ask for storage commitment of what was stored
    commitment_wait: float = 30.0  # seconds for the result


@dataclass(frozen=True, slots=True)
class Report:
    """One test from beginning to end. Times are gateway wall clock, durations seconds."""

    id: str
    peer: str
    ae_title: str
    host: str
    port: int
    tls: bool
    calling_ae: str
    who: str
    started_at: float
    seconds: float
    ok: bool
    patient_id: str  # of the objects that were stored; empty when none was to be
    steps: tuple[Step, ...]
