"""What the gateway costs when nothing happens: resident memory, and processor time with idle associations."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from bench.subjects import GATEWAY, PYNETDICOM_MINIMAL, Subject
from tests.support.console import CT_IMAGE, Console
from tests.support.processes import cpu_seconds, resident_kib


@dataclass(frozen=True, slots=True)
class Idle:
    """One subject at rest."""

    subject: str
    resident_mib: float  # after start, before any association
    resident_with_associations_mib: float
    associations: int
    cpu_percent: float  # of one core
    seconds: float


def measure(work: Path, seconds: float, associations: int = 20) -> list[Idle]:
    """Measure the gateway and, for comparison, pynetdicom, which polls every millisecond."""
    return [
        _measure(kind, work / kind.label, seconds, associations) for kind in (GATEWAY, PYNETDICOM_MINIMAL)
    ]


def _measure(kind: type[Subject], place: Path, seconds: float, associations: int) -> Idle:
    with kind(place, {}) as subject, contextlib.ExitStack() as stack:
        alone = resident_kib(subject.pid) / 1024
        for _ in range(associations):
            stack.enter_context(Console(subject.port, "CENTRE", sop_classes=[CT_IMAGE]))
        before = cpu_seconds(subject.pid)
        started = time.perf_counter()
        time.sleep(seconds)  # the measurement itself: nothing is waited for
        elapsed = time.perf_counter() - started
        used = cpu_seconds(subject.pid) - before
        together = resident_kib(subject.pid) / 1024
    return Idle(kind.label, alone, together, associations, 100 * used / elapsed, elapsed)
