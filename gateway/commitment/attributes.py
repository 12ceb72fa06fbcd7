"""What the attributes in an answer to a query say of the content behind a UID. Pure.

An archive may keep another object under the same SOP Instance UID: an older one, which it did not replace.
The keys of a query find either; the attributes that are returned beside them tell the two apart. Which are
asked for is read from the object's own bytes. One that the answer leaves out proves nothing; one that is
different proves the opposite; and equal ones prove something only when a time of day is among them: of two
contents under one UID the patient, the machine and the size of the picture are the same anyway.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.dicom.data_set import DataSet, Elements

_TOLERANCE: Final = 1e-5
"""Of decimal strings, relative: archives keep them as binary numbers and write them anew."""
_MOST_TEXT: Final = 256
"""Bytes of a value that is compared: what is longer is left out."""
_LEAST_EQUAL: Final = 2
"""Attributes that have to be equal, the time of day among them."""


class Kind(enum.Enum):
    """How values of an attribute are compared."""

    DATE = "DA"
    TIME = "TM"
    MOMENT = "DT"
    DECIMAL = "DS"
    INTEGER = "IS"
    NUMBER = "US"
    UID = "UI"
    TEXT = "LO"


ATTRIBUTES: Final[Mapping[int, Kind]] = {
    0x00080012: Kind.DATE,  # Instance Creation Date
    0x00080013: Kind.TIME,
    0x00080022: Kind.DATE,  # Acquisition Date
    0x0008002A: Kind.MOMENT,  # Acquisition DateTime
    0x00080032: Kind.TIME,
    0x00080023: Kind.DATE,  # Content Date
    0x00080033: Kind.TIME,
    0x00181000: Kind.TEXT,  # Device Serial Number
    0x00200012: Kind.INTEGER,  # Acquisition Number
    0x00200013: Kind.INTEGER,  # Instance Number
    0x00200032: Kind.DECIMAL,  # Image Position (Patient)
    0x00200052: Kind.UID,  # Frame of Reference UID
    0x00280008: Kind.INTEGER,  # Number of Frames
    0x00280010: Kind.NUMBER,  # Rows
    0x00280011: Kind.NUMBER,  # Columns
    0x00280100: Kind.NUMBER,  # Bits Allocated
    0x30020022: Kind.DECIMAL,  # Radiation Machine SAD
    0x30020026: Kind.DECIMAL,  # RT Image SID
    0x30020029: Kind.INTEGER,  # Fraction Number
    0x3004000E: Kind.DECIMAL,  # Dose Grid Scaling
    0x30060008: Kind.DATE,  # Structure Set Date
    0x30060009: Kind.TIME,
    0x30080250: Kind.DATE,  # Treatment Date
    0x30080251: Kind.TIME,
    0x300A0006: Kind.DATE,  # RT Plan Date
    0x300A0007: Kind.TIME,
    0x300A011E: Kind.DECIMAL,  # Gantry Angle (of an RT Image)
}
"""Attributes of an instance at IMAGE level, none of them about the patient or the study.

What a centre may change lawfully (PS3.4 B.4.1.3: patient and study are made to agree with its own books)
would tell nothing about the content.
"""
_TIMES: Final = frozenset(tag for tag, kind in ATTRIBUTES.items() if kind in (Kind.TIME, Kind.MOMENT))

LAST: Final = max(ATTRIBUTES)


class Likeness(enum.Enum):
    """What a comparison of attributes comes to."""

    SAME = "same"
    OTHER = "other"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Compared:
    """A likeness, and by which tags: those that are equal, or the one that is different."""

    likeness: Likeness
    tags: tuple[int, ...] = ()

    @property
    def names(self) -> str:
        """The tags, as the standard writes them."""
        return " ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in self.tags)


def own(data: DataSet) -> dict[int, str]:
    """Return the values of an object's own attributes that a query can compare, as canonical text."""
    found = {tag: _value(data, tag, kind) for tag, kind in ATTRIBUTES.items()}
    return {tag: value for tag, value in found.items() if value}


def return_keys(mine: Mapping[int, str]) -> Elements:
    """What to add to a query, so that the answer brings these attributes: without values, any match."""
    return {tag: (ATTRIBUTES[tag].value, "") for tag in mine}


def compare(mine: Mapping[int, str], match: DataSet) -> Compared:
    """Compare an object's own values with those of a match."""
    equal: list[int] = []
    at_a_time = False
    for tag, value in mine.items():
        kind = ATTRIBUTES[tag]
        theirs = _value(match, tag, kind)
        if not theirs:
            continue
        if not _alike(kind, value, theirs):
            return Compared(Likeness.OTHER, (tag,))
        equal.append(tag)
        at_a_time = at_a_time or (_tells_time(tag, value) and _tells_time(tag, theirs))
    if len(equal) >= _LEAST_EQUAL and at_a_time:
        return Compared(Likeness.SAME, tuple(equal))
    return Compared(Likeness.UNDECIDED, tuple(equal))


def _tells_time(tag: int, value: str) -> bool:
    """Say whether a value has hours, minutes and seconds: a date alone is shared by a day's work."""
    if tag not in _TIMES:
        return False
    digits = value.split(".")[0]
    return len(digits) >= (6 if ATTRIBUTES[tag] is Kind.TIME else 14)


def _value(data: DataSet, tag: int, kind: Kind) -> str:
    """Return a value as canonical text; "" when it is not there, or nothing to go by."""
    raw = data.get(tag)
    if not raw or len(raw) > _MOST_TEXT:
        return ""
    if kind is Kind.NUMBER:
        number = data.number(tag)
        return str(number) if number is not None else ""
    text = data.text(tag)
    if not text.isascii():
        return ""  # in which character set is not said here
    if kind is Kind.DATE:
        text = text.replace(".", "").replace("-", "")  # PS3.5 6.2: the old form has dots
        return text if text.isdigit() and len(text) == 8 else ""
    if kind is Kind.TIME:
        text = text.replace(":", "")
        return text if text.split(".")[0].isdigit() else ""
    if kind is Kind.MOMENT:
        return text if text[:8].isdigit() else ""
    return " ".join(text.split()).casefold()


def _alike(kind: Kind, mine: str, theirs: str) -> bool:
    match kind:
        case Kind.TIME | Kind.MOMENT:
            return _same_time(mine, theirs)
        case Kind.DECIMAL | Kind.INTEGER:
            return _same_numbers(mine, theirs)
        case _:
            return mine == theirs


def _same_time(mine: str, theirs: str) -> bool:
    """Times are the same as far as both tell them: archives cut fractions of a second, or fill them up."""
    pairs = zip(mine.partition("."), theirs.partition("."), strict=True)
    for left, right in pairs:
        length = min(len(left), len(right))
        if left[:length] != right[:length]:
            return False
    return True


def _same_numbers(mine: str, theirs: str) -> bool:
    left, right = mine.split("\\"), theirs.split("\\")
    if len(left) != len(right):
        return False
    try:
        pairs = [(float(one), float(other)) for one, other in zip(left, right, strict=True)]
    except ValueError:
        return mine == theirs
    return all(abs(one - other) <= _TOLERANCE * max(1.0, abs(one), abs(other)) for one, other in pairs)
