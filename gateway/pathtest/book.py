"""The last reports of each peer, for the acceptance sheet; kept across restarts in one small file.

Format (JSON): {"version": 1, "reports": {PEER: [REPORT, ...]}}, the newest first; a REPORT has the fields of
`steps.Report`. A file that is lost or damaged costs the reports and nothing else.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, get_args

from gateway.pathtest.steps import Detail, Outcome, Report, Step, StepName

_log = logging.getLogger(__name__)

FILE_NAME: Final = "path-tests.json"
KEPT: Final = 10
"""Reports of one peer."""

_MAX_FILE: Final = 8 * 1024 * 1024


class Book:
    """Reports by peer, the newest first."""

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        self._path = path
        self._kept = kept
        self._reports: dict[str, list[Report]] = {}
        self._saving = asyncio.Lock()

    @classmethod
    def load(cls, state_dir: Path, peers: Iterable[str], kept: int = KEPT) -> Book:
        """Read the reports of `peers`; those of peers that left the configuration are dropped. Blocking."""
        book = cls(state_dir / FILE_NAME, kept)
        try:
            found = _parse(book._path)
        except FileNotFoundError:
            return book
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("%s is not usable, the reports of earlier path tests are gone: %s", FILE_NAME, error)
            return book
        book._reports = {name: found[name][:kept] for name in peers if name in found}
        return book

    def of(self, peer: str) -> tuple[Report, ...]:
        """Return the reports of a peer, the newest first."""
        return tuple(self._reports.get(peer, ()))

    async def add(self, report: Report) -> None:
        """Keep a report. A disk that takes nothing is logged: the report is there until the next start."""
        reports = self._reports.setdefault(report.peer, [])
        reports.insert(0, report)
        del reports[self._kept :]
        async with self._saving:
            text = json.dumps(
                {
                    "version": 1,
                    "reports": {
                        name: [dataclasses.asdict(one) for one in kept]
                        for name, kept in self._reports.items()
                    },
                }
            )
            try:
                await asyncio.to_thread(self._write, text)
            except OSError as error:
                _log.warning("the report of a path test could not be saved: %s", error.strerror)

    def _write(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _parse(path: Path) -> dict[str, list[Report]]:
    if path.stat().st_size > _MAX_FILE:
        raise ValueError("the file is too large")
    content = json.loads(path.read_text(encoding="ascii"))
    if not isinstance(content, dict) or content.get("version") != 1:
        raise ValueError("unknown version")
    reports = content["reports"]
    if not isinstance(reports, dict):
        raise TypeError("an object was expected")
    return {str(name): [_report(one) for one in kept] for name, kept in reports.items()}


def _report(value: dict[str, Any]) -> Report:
    report = Report(**{**value, "steps": tuple(_step(one) for one in value["steps"])})
    texts = (report.id, report.peer, report.ae_title, report.host, report.calling_ae, report.who)
    if not all(isinstance(text, str) for text in (*texts, report.patient_id)):
        raise TypeError("a text was expected")
    if not all(isinstance(number, int | float) for number in (report.started_at, report.seconds)):
        raise TypeError("a number was expected")
    if not (isinstance(report.port, int) and isinstance(report.tls, bool) and isinstance(report.ok, bool)):
        raise TypeError("a port and two flags were expected")
    return report


def _step(value: dict[str, Any]) -> Step:
    details = tuple(Detail(str(one["what"]), str(one["value"])) for one in value["details"])
    step = Step(**{**value, "details": details})
    if step.step not in get_args(StepName) or step.outcome not in get_args(Outcome):
        raise ValueError("a step or outcome that is not known")
    if not (
        isinstance(step.subject, str) and isinstance(step.words, str) and isinstance(step.next_step, str)
    ):
        raise TypeError("a text was expected")
    return dataclasses.replace(step, seconds=float(step.seconds))
