"""What is to be looked up at a destination: an instance, by the keys and the attributes of its own bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.commitment import attributes
from gateway.dicom.data_set import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DataSet,
    DataSetCut,
    DataSetError,
    parse,
    parse_head,
)
from gateway.model import StoredObject
from gateway.spool.commitment_values import Reference
from gateway.spool.values import DataReader

SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E

_FIRST_READ: Final = 64 * 1024
_LAST: Final = (0x7FDFFFFF, 0x30060009, 0x0028FFFF, SERIES)
"""How far a head is read: before the pixels; before the contours; before the sequences of a plan; the keys.

What comes behind something long is found in the first of them that ends within the bytes at hand.
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """The unique keys of an instance above its own, and what tells its content from another."""

    study: str
    series: str
    attributes: Mapping[int, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance that a destination is asked about. Without `stored` its bytes are not here any more.

    Without `keys` they are, and do not say what a query has to name.
    """

    reference: Reference
    stored: StoredObject | None
    keys: Keys | None


def read_keys(reader: DataReader, sop_instance_uid: str, most: int) -> Keys | None:
    """Read the keys of an object from its first `most` bytes; None when they are not there. Blocking.

    How it is encoded shows in the bytes: an encoding in which they say the right SOP Instance UID is theirs.
    """
    best: Keys | None = None
    for size in sorted({min(_FIRST_READ, most), most}):
        head = reader.pread(size, 0)
        for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED):
            data, complete = _head(head, syntax, whole=len(head) == reader.size)
            if data is not None and data.text(SOP_INSTANCE) == sop_instance_uid:
                keys = Keys(data.text(STUDY), data.text(SERIES), attributes.own(data))
                best = keys if keys.study and keys.series else None
                if complete:
                    return best
                break
    return best


def _head(head: bytes, syntax: str, *, whole: bool) -> tuple[DataSet | None, bool]:
    """Read as far as the bytes go; also say whether more of them would tell nothing more."""
    readers: list[Callable[[bytes, str], DataSet]] = [partial(parse_head, last=last) for last in _LAST]
    if whole:
        readers.insert(0, parse)
    for place, read in enumerate(readers):
        try:
            return read(head, syntax), whole or place == 0
        except DataSetCut:
            continue
        except DataSetError:
            return None, False
    return None, False


def by_series(subjects: Sequence[Subject], most: int) -> list[list[Subject]]:
    """Put subjects with keys together that are of one series, `most` in a group, in their order."""
    groups: dict[tuple[str, str], list[list[Subject]]] = {}
    ordered: list[list[Subject]] = []
    for subject in subjects:
        if subject.keys is None:
            continue
        of_series = groups.setdefault((subject.keys.study, subject.keys.series), [])
        if not of_series or len(of_series[-1]) == most:
            of_series.append([])
            ordered.append(of_series[-1])
        of_series[-1].append(subject)
    return ordered
