"""The scrub of the spool, as the section `store_check` shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Protocol

from gateway.dicom import sop_classes
from gateway.operator.sections.store_check import CheckReport, FoundObject, FoundWord, StoreCheck
from gateway.spool.scrub_values import Found, PassReport, ScrubStatus, Verdict

_WORD: dict[Verdict, FoundWord] = {
    "damaged": "damaged",
    "missing": "missing",
    "unreadable": "unreadable",
    "back": "back",
}


class Scrubbing(Protocol):
    """What this needs of the scrub."""

    def status(self) -> ScrubStatus: ...

    def request(self) -> None: ...


class StoreView:
    """Answers for the scrub. For the event loop thread."""

    def __init__(self, scrub: Scrubbing, wall_clock: Callable[[], float] = time.time) -> None:
        self._scrub = scrub
        self._wall_clock = wall_clock

    def store_check(self) -> StoreCheck:
        """Tell how things stand."""
        status = self._scrub.status()
        current = status.current
        left = None
        if current is not None and status.rate:
            left = max(0, status.total_bytes - current.bytes) / status.rate
        return StoreCheck(
            running=status.running,
            current=_report(current),
            total_bytes=status.total_bytes if status.running else 0,
            bytes_per_second=status.rate,
            seconds_left=left,
            last=_report(status.last),
            next_at=status.next_at,
            found=tuple(_found(one) for one in status.found if one.verdict in _WORD),
            now=self._wall_clock(),
        )

    def check_now(self) -> StoreCheck:
        """Begin to check everything, from the beginning."""
        self._scrub.request()
        return self.store_check()


def _report(report: PassReport | None) -> CheckReport | None:
    if report is None:
        return None
    values = {field.name: getattr(report, field.name) for field in fields(PassReport)}
    return CheckReport(sound=report.sound, **values)


def _found(one: Found) -> FoundObject:
    return FoundObject(
        number=one.number,
        sop_class=sop_classes.name(one.sop_class_uid),
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        found=_WORD[one.verdict],
    )
