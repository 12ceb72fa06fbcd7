"""What can be wrong, as values. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Severity(enum.IntEnum):
    """How pressing it is."""

    ATTENTION = 1  # somebody should look today
    CRITICAL = 2  # treatment records are at stake, or nobody can tell

    @property
    def label(self) -> str:
        """The stable word in messages to programs."""
        return self.name.lower()


class Kind(enum.StrEnum):
    """What it is about; stable words, known to monitoring systems."""

    GATEWAY_SILENT = "gateway-silent"
    RECORD_WAITS = "record-waits"
    OBJECT_WAITS = "object-waits"
    LINK_DOWN = "link-down"
    HELD = "held"
    STEPS_HELD = "steps-held"
    NO_ROOM_RECORDS = "no-room-records"
    NO_ROOM_IMAGES = "no-room-images"
    LITTLE_ROOM = "little-room"
    CERTIFICATE_ENDS = "certificate-ends"
    CERTIFICATE_ENDED = "certificate-ended"
    CLOCK = "clock"


Value = str | int | float


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. Two conditions with the same key are the same thing, seen twice."""

    kind: Kind
    severity: Severity
    subject: str = ""  # a destination, a certificate; empty when it is about the whole
    values: Mapping[str, Value] = field(default_factory=dict)  # what the words need; never patient data

    @property
    def key(self) -> str:
        """What makes it one and the same thing."""
        return f"{self.kind.value}:{self.subject}"
