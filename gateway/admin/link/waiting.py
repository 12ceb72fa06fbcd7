"""What waits for one peer as a bar: a part for each priority, as wide as its share of the bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.operator.facts import DestinationFacts

WIDTH: Final = 1000
HEIGHT: Final = 12
_LEAST: Final = 12  # of a part that is there at all
_GAP: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One priority, in units of WIDTH."""

    kind: str  # record | image | bulk
    x: float
    width: float
    put_off: bool  # it may not leave for now


def parts(one: DestinationFacts) -> list[Part]:
    """Draw what waits; nothing when nothing does."""
    waiting = one.waiting
    known = [
        ("record", waiting.record, False),
        ("image", waiting.image, one.leaves == "record"),
        ("bulk", waiting.bulk, one.leaves != "bulk"),
    ]
    known = [part for part in known if part[1].count]
    room = WIDTH - _LEAST * len(known) - _GAP * max(0, len(known) - 1)
    total = max(1, waiting.total.bytes)
    drawn, x = [], 0.0
    for kind, amount, put_off in known:
        width = _LEAST + room * amount.bytes / total
        drawn.append(Part(kind, round(x, 1), round(width, 1), put_off))
        x += width + _GAP
    return drawn
