"""What the scrub is told, and what it tells: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.spool.values import DAY, MIB

Verdict = Literal["sound", "damaged", "missing", "unreadable", "back"]
"""back: it was known to be damaged, and its bytes are right again."""

PassKind = Literal["background", "requested"]


@dataclass(frozen=True, slots=True)
class ScrubPolicy:
    """How much the background check may take. Bytes and seconds."""

    bytes_per_second: int = 4 * MIB
    """At most so much is read in the background; 0: nothing is checked unless somebody asks."""
    every: float = 7 * DAY
    """From the end of one pass to the beginning of the next."""
    start_after: float = 300.0
    """Nothing is read so soon after a start."""
    busy_seconds: float = 1.0
    """A step that takes the disk longer than this: it has other work, and is left alone for a while."""
    busy_pause: float = 30.0
    """How long."""


@dataclass(frozen=True, slots=True)
class Target:
    """One object that is to be read."""

    number: int
    place: int
    file: int | None
    data_offset: int
    size: int
    digest: bytes
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Found:
    """An object that is not as it should be."""

    number: int
    sop_class_uid: str
    sop_instance_uid: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PassReport:
    """A pass over the whole store, or as far as it has come."""

    kind: PassKind = "background"
    started_at: float = 0.0  # wall clock
    ended_at: float | None = None  # None: it goes on
    objects: int = 0
    bytes: int = 0
    damaged: int = 0
    missing: int = 0
    unreadable: int = 0
    back: int = 0
    journal_rows: int = 0  # of the journal, looked at
    journal_faults: int = 0
    journal_words: str = ""  # the first fault

    @property
    def sound(self) -> bool:
        """Nothing was found."""
        return not (self.damaged or self.missing or self.unreadable or self.journal_faults)


@dataclass(frozen=True, slots=True)
class ScrubStatus:
    """The scrub at this moment."""

    running: bool
    current: PassReport | None
    total_bytes: int  # of the pass that runs
    rate: float | None  # bytes per second of the pass that runs, once it is known
    last: PassReport | None  # the last one that came to its end
    next_at: float | None  # wall clock, about; None: nothing is planned, or it runs
    found: tuple[Found, ...]  # of the pass that runs and the last one, the newest last


FOUND_MOST = 100
"""Objects that are named one by one; all are counted, and held."""
