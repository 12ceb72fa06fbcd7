"""What a rebuild found and did, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Fate = Literal["damaged", "missing", "rebuilt", "set-aside", "lost"]

NAMED = 1000
"""Objects of a report that are named one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a person should know of: by number, SOP class and SOP Instance UID."""

    fate: Fate
    number: int  # of the object; 0: it has none
    sop_class_uid: str
    sop_instance_uid: str
    words: str


@dataclass(slots=True)
class RebuildReport:
    """What came of it."""

    whole: bool = False  # the journal was in order: nothing was done
    aside: str = ""  # folder with what was there before
    objects: int = 0  # in the new journal, with their bytes, as they were
    deliveries: int = 0  # in the new journal
    fates: dict[Fate, int] = field(default_factory=dict)
    named: list[Named] = field(default_factory=list)
    unreadable_pages: int = 0
    unreadable_rows: int = 0
    lost_deliveries: int = 0  # deliveries whose object is not known any more
    tables: list[str] = field(default_factory=list)  # of which nothing was found in its place

    def name(self, one: Named) -> None:
        """Count an object, and name it if there is room."""
        self.fates[one.fate] = self.fates.get(one.fate, 0) + 1
        if len(self.named) < NAMED:
            self.named.append(one)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check or a rebuild is. Bytes; `total` 0: not known."""

    stage: Literal["journal", "rows", "files", "objects"]
    done: int
    total: int
