"""What an answer to a query proves of one instance. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.association.asking import Answer
from gateway.commitment import attributes
from gateway.commitment.attributes import Likeness
from gateway.commitment.subjects import SOP_CLASS, SOP_INSTANCE, Subject
from gateway.dicom.data_set import DataSet, DataSetError, parse
from gateway.dicom.status import Service, words
from gateway.errors import PeerError

FOUND: Final = "verified by query"


class NoAnswer(PeerError):
    """The query was refused, or its answer cannot be understood."""


class Verdict(enum.Enum):
    """What is known of an instance at its destination."""

    THERE = "there"  # with our content, as far as it was to be compared
    OTHER = "other"  # another object is kept under its UID
    NOT_THERE = "not there"
    UNDECIDED = "undecided"  # something is there under its UID; whether it is ours cannot be told
    NOT_GIVEN = "not given"  # it is there under its UID, and was not given back to be compared
    UNKNOWN = "unknown"  # it cannot be asked about: its bytes are gone


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and what led to it in words without anything of the patient or the peer."""

    verdict: Verdict
    words: str = ""


def matches(answers: Sequence[Answer], transfer_syntax_uid: str) -> list[DataSet]:
    """Return the matches of a whole answer. Raises NoAnswer when it is not whole, or cannot be read."""
    status = answers[-1].command.status or 0
    if status != 0x0000:
        raise NoAnswer(f"it answered the query with {words(status, Service.FIND)}")
    if not all(answer.data for answer in answers[:-1]):
        raise NoAnswer("its answer to the query has a match without an identifier")
    try:
        return [parse(answer.data, transfer_syntax_uid) for answer in answers[:-1]]
    except DataSetError:
        raise NoAnswer("its answer to the query cannot be read") from None


def judge(found: Sequence[DataSet], subject: Subject, *, compare: bool) -> Finding:
    """Say what `found`, the matches of a whole answer, prove of `subject`.

    An archive that ignores a key answers with all there is: what has another UID proves nothing. Of several
    with the right one a single different one is too much: nobody can say which of them will be used.
    """
    named = [one for one in found if one.text(SOP_INSTANCE) == subject.reference.sop_instance_uid]
    if not named:
        return Finding(Verdict.NOT_THERE)
    if any(one.text(SOP_CLASS) not in ("", subject.reference.sop_class_uid) for one in named):
        return Finding(Verdict.OTHER, "it is of another SOP class")
    if not compare:
        return Finding(Verdict.THERE, FOUND)
    mine = subject.keys.attributes if subject.keys is not None else {}
    compared = [attributes.compare(mine, one) for one in named]
    for one in compared:
        if one.likeness is Likeness.OTHER:
            return Finding(Verdict.OTHER, f"attribute {one.names} is different")
    for one in compared:
        if one.likeness is Likeness.SAME:
            return Finding(Verdict.THERE, f"{FOUND}; the same in {one.names}")
    return Finding(Verdict.UNDECIDED, "too few attributes of its content are in the answer")
