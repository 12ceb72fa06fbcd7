"""Makes the objects of one path test, with UIDs that were never used before."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Final

from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE, encode
from gateway.model import Instance
from gateway.pathtest.templates import KINDS, PATIENT_ID_PREFIX, Course, Kind, elements

SYNTAXES: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""The transfer syntaxes in which they can be written."""

CLASSES: Final = tuple(kind.key for kind in KINDS)
"""The words for the classes, in the order in which they are sent."""

_BY_KEY: Final = {kind.key: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class MadeObject:
    """One object to be stored: what it is, and its data set."""

    instance: Instance
    data: bytes


class SyntheticCourse:
    """The objects of one test; they refer to each other."""

    def __init__(self, now: float) -> None:
        """`now`: wall clock, for dates and the patient ID."""
        local = time.localtime(now)
        self._uids: dict[str, str] = {}
        self._course = Course(
            patient_id=PATIENT_ID_PREFIX + time.strftime("%Y%m%d-%H%M%S", local),
            day=time.strftime("%Y%m%d", local),
            clock=time.strftime("%H%M%S", local),
            uid=self._uid,
        )

    @property
    def patient_id(self) -> str:
        """The patient ID of all of them."""
        return self._course.patient_id

    def make(self, key: str, transfer_syntax_uid: str) -> MadeObject:
        """Return the object of one class, in one of `SYNTAXES`. KeyError for an unknown class."""
        kind = _BY_KEY[key]
        data = encode(elements(kind, self._course), transfer_syntax_uid)
        return MadeObject(Instance(kind.sop_class_uid, self._uid(key), transfer_syntax_uid), data)

    def _uid(self, what: str) -> str:
        if what not in self._uids:
            self._uids[what] = f"2.25.{uuid.uuid4().int}"  # PS3.5 B.2
        return self._uids[what]


def kind_of(key: str) -> Kind:
    """Return what is known of a class. KeyError for an unknown one."""
    return _BY_KEY[key]
