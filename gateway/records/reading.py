"""What a treatment record says (PS3.3 C.8.8.17 - C.8.8.26 and C.36.20 - C.36.23). Pure; never raises."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gateway.dicom.data_set import DataSet, DataSetError, DataSetLimits, parse
from gateway.records.classes import CONTROL_POINTS, KINDS, SESSIONS
from gateway.records.text import decode, plain
from gateway.records.values import UNREADABLE, Beam, Check, Content, Ending, RecordSummary

LIMITS = DataSetLimits(max_bytes=16 * 1024 * 1024, max_elements=300_000, max_depth=16)
"""What one record may hold. An arc with leaf positions for each of some hundred control points has 2 MB."""

MAX_BEAMS = 50
"""Beams that are listed; all are counted, and the worst ending is that of all."""

_CHARACTER_SET: Final = 0x00080005
_MAX_ITEMS: Final = 1000

_ENDINGS: Final[dict[str, Ending]] = {
    "NORMAL": "normal",
    "OPERATOR": "operator",
    "MACHINE": "machine",
    "UNKNOWN": "unknown",
}
_SEVERITY: Final[tuple[Ending, ...]] = ("machine", "operator", "unknown", "not-stated", "normal")
"""The worst first. One beam that says nothing is enough for the whole not to be normal."""

_CHECKS: Final[dict[str, Check]] = {
    "VERIFIED": "verified",
    "VERIFIED_OVR": "overridden",
    "NOT_VERIFIED": "not-verified",
}
_CHECK_SEVERITY: Final[tuple[Check, ...]] = ("not-verified", "overridden", "not-stated", "verified")

_USES: Final[dict[str, Content]] = {
    "TREATMENT": "treatment",
    "PLAN_QA": "plan-qa",
    "MACHINE_QA": "machine-qa",
    "RESEARCH": "research",
    "SERVICE": "service",
}
"""RT Radiation Usage and RT Radiation Set Usage (PS3.3 C.36.10.1.1)."""

_UNSAFE: Final = re.compile(r"[^A-Z0-9_]")


def summarize(
    data: bytes, sop_class_uid: str, transfer_syntax_uid: str, limits: DataSetLimits = LIMITS
) -> RecordSummary:
    """Return what the record says; `readable` is False when its bytes make no sense or are too many."""
    kind = KINDS.get(sop_class_uid, "other")
    try:
        record = _Record(parse(data, transfer_syntax_uid, limits))
        return _summary(record, replace(UNREADABLE, kind=kind, readable=True))
    except DataSetError:
        return replace(UNREADABLE, kind=kind)


class _Record:
    """A data set, or an item of it, with the character set that holds there (PS3.5 7.5.3)."""

    __slots__ = ("_character_set", "set")

    def __init__(self, data_set: DataSet, character_set: str = "") -> None:
        self.set = data_set
        self._character_set = data_set.text(_CHARACTER_SET) or character_set

    def text(self, tag: int) -> str:
        """A text for people: decoded, printable, short."""
        return plain(decode((self.set.get(tag) or b"").strip(b"\0 "), self._character_set))

    def code(self, tag: int) -> str:
        """A code string: upper case letters, digits and underscores (PS3.5 6.2), sixteen at most."""
        return _UNSAFE.sub("", self.set.text(tag).upper())[:16]

    def integer(self, tag: int) -> int | None:
        """An integer string (IS) that is a count or a number of something."""
        text = self.set.text(tag).removeprefix("+")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None

    def items(self, tag: int) -> list[_Record]:
        return [_Record(item, self._character_set) for item in self.set.items(tag)[:_MAX_ITEMS]]

    def first(self, *tags: int) -> _Record | None:
        """The first item of the first of these sequences that has one."""
        for tag in tags:
            if items := self.items(tag):
                return items[0]
        return None


def _summary(record: _Record, empty: RecordSummary) -> RecordSummary:
    plan = record.first(0x300C0002, 0x300A0702, 0x300A0631)
    summary = replace(
        empty,
        treated=_treated(record),
        plan_label=record.text(0x300A0002) or record.text(0x30100033),
        plan_name=record.text(0x300A0003) or record.text(0x30100034),
        plan_reference=_tail(plan.set.text(0x00081155)) if plan else "",
        machine=_machine(record),
        entered_by_hand=record.code(0x300A0709) == "USER",
        continuation=record.code(0x300A0708) == "YES",
    )
    if summary.kind in SESSIONS:
        summary = _sessions(record, summary)
    elif summary.kind == "summary":
        summary = _course(record, summary)
    else:
        summary = _second_generation(record, summary)
    return replace(summary, content=_content(record, summary))


def _sessions(record: _Record, summary: RecordSummary) -> RecordSummary:
    """RT Beams, Ion Beams and Brachy Session Record (PS3.3 C.8.8.21, C.8.8.26, C.8.8.22)."""
    items = record.items(SESSIONS[summary.kind])
    words = [item.code(0x3008002A) for item in items]
    beams = tuple(
        Beam(
            name=_beam_name(item, place),
            ending=_ending(word),
            delivery=item.code(0x300A00CE).lower().replace("_", "-"),
            check=_CHECKS.get(item.code(0x3008002C), "not-stated"),
        )
        for place, (item, word) in enumerate(zip(items, words, strict=True), 1)
    )
    fractions = [number for item in items if (number := item.integer(0x30080022)) is not None]
    return replace(
        summary,
        beams=beams[:MAX_BEAMS],
        beam_count=len(beams),
        channels=sum(len(item.set.items(0x30080130)) for item in items) if summary.kind == "brachy" else 0,
        fraction=max(fractions, default=None),
        fractions_planned=record.integer(0x300A0078),
        ending=_worst(beam.ending for beam in beams),
        ending_word=_own_word(words),
        check=min((beam.check for beam in beams), key=_CHECK_SEVERITY.index, default="not-stated"),
        continuation=summary.continuation or any(beam.delivery == "continuation" for beam in beams),
    )


def _course(record: _Record, summary: RecordSummary) -> RecordSummary:
    """RT Treatment Summary Record (C.8.8.23): the course so far; how its last fraction ended."""
    summary = replace(summary, completion=record.code(0x30080200))
    group = record.first(0x30080220)
    if group is None:
        return summary
    last = max(group.items(0x30080240), key=lambda item: item.integer(0x30080223) or 0, default=None)
    word = last.code(0x3008002A) if last else ""
    return replace(
        summary,
        fraction=group.integer(0x3008005A),
        fractions_planned=group.integer(0x300A0078),
        ending=_ending(word),
        ending_word=_own_word([word]),
    )


def _second_generation(record: _Record, summary: RecordSummary) -> RecordSummary:
    """RT Radiation Record Common, Salvage and Record Set (C.36.22, C.36.23, C.36.20); and what is unknown."""
    word = record.code(0x300A0714)
    radiations = len(record.set.items(0x300A0703)) if summary.kind == "set" else 1
    name = summary.plan_label or summary.plan_name
    return replace(
        summary,
        beams=(Beam(name, _ending(word)),) if summary.kind in ("radiation", "salvage") else (),
        beam_count=radiations if summary.kind != "other" else 0,
        fraction=record.set.number(0x300A0705),
        ending=_ending(word),
        ending_word=_own_word([word]),
        completion=record.code(0x300A0706),
    )


def _content(record: _Record, summary: RecordSummary) -> Content:
    """Say what the record is about.

    Treatment Record Content Origin (300A,0709) SIMULATION: "constructed by a simulation of the treatment
    delivery" (PS3.3 C.8.8.17, also C.36.22). The usage terms are those of C.36.10.1.1. Quality Control
    Subject (0010,0200) YES: the patient is a phantom (C.7.1.1). First-generation records have no usage: they
    are of treatments unless one of these says otherwise.
    """
    if record.code(0x300A0709) == "SIMULATION":
        return "simulation"
    usage = record.code(0x300A0701) or record.code(0x300A0707)
    content: Content = _USES.get(usage, "unknown")
    if record.code(0x00100200) == "YES" and content in ("treatment", "unknown"):
        return "phantom"
    if content == "unknown" and not usage and summary.kind in (*SESSIONS, "summary"):
        return "treatment"
    return content


def _ending(word: str) -> Ending:
    return _ENDINGS.get(word, "unknown") if word else "not-stated"


def _worst(endings: Iterable[Ending]) -> Ending:
    return min(endings, key=_SEVERITY.index, default="not-stated")


def _own_word(words: Iterable[str]) -> str:
    return next((word for word in words if word and word not in _ENDINGS), "")


def _beam_name(item: _Record, place: int) -> str:
    """The name, else the number, else the place in the record."""
    name = item.text(0x300A00C2) or item.text(0x300A0236) or item.text(0x30100038)
    if name:
        return name
    number = item.integer(0x300C0006) or item.integer(0x300C000C)
    return str(number if number is not None else place)


def _machine(record: _Record) -> str:
    machine = record.first(0x300A0206)
    device = record.first(0x300A063A)
    return (
        (machine.text(0x300A00B2) if machine else "")
        or record.text(0x300A00B2)
        or (device.text(0x3010002D) if device else "")
        or record.text(0x00081010)
    )


def _tail(uid: str) -> str:
    """The end of a UID: enough to tell two plans of one patient apart."""
    return "".join(c for c in uid[:64] if c in "0123456789.")[-8:].lstrip(".")


# ---- times ------------------------------------------------------------------------------------------------

_DATE: Final = re.compile(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])")
_TIME: Final = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.\d{1,6})?)?)?")
_ZONE: Final = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")


def iso_date(text: str) -> str:
    """Return a DA value as ISO 8601, "" when it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ""
    try:
        return datetime.date(*map(int, found.groups())).isoformat()
    except ValueError:  # 31 February
        return ""


def _iso_time(text: str) -> str:
    """A TM value without fractions; a leap second is shown as the second before it."""
    found = _TIME.fullmatch(text)
    return ":".join(part or "00" for part in found.groups()).replace(":60", ":59") if found else ""


def _iso_zone(text: str) -> str:
    found = _ZONE.fullmatch(text)
    return "{}{}:{}".format(*found.groups()) if found else ""


def _treated(record: _Record) -> str:
    """When the fraction was begun: Treatment Date and Time, or the first recorded control point."""
    zone = _iso_zone(record.set.text(0x00080201))
    date, time = iso_date(record.set.text(0x30080250)), _iso_time(record.set.text(0x30080251))
    if date:
        return f"{date}T{time}{zone}" if time else date
    point = record.first(*CONTROL_POINTS)
    text = point.set.text(0x300A073A) if point else ""
    own = _ZONE.search(text)
    moment = text[: own.start()] if own else text
    date, time = iso_date(moment[:8]), _iso_time(moment[8:])
    if not (date and time):
        return date
    return f"{date}T{time}{_iso_zone(own.group()) if own else zone}"
