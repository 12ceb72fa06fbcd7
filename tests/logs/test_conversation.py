"""One line for each notice about relay, commitment, procedure steps and the guard."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from gateway import notices
from gateway.logs.lines import line
from gateway.notices import (
    CommitmentAnswered,
    CommitmentAsked,
    CommitmentReported,
    CommitmentRequested,
    Notice,
    RelayBroken,
    RelayOpened,
    RelayRefused,
    StepAnswered,
    StepLinkChanged,
    StepSettled,
    UpsGuarded,
)

INFO, WARNING, ERROR, DEBUG = logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG
UID = "1.2.826.0.1.3680043.10.9999.1"

OPENED = RelayOpened("a1", "f1", "oncology", warm=True, seconds=0.001)
REFUSED = RelayRefused("a1", "192.0.2.20", "LINAC1", "ARIA", "oncology", f"no answer from {UID}", 0.2)
BROKEN = RelayBroken("a1", "f1", "oncology", 2, "the connection broke")
REQUESTED = CommitmentRequested("a1", "192.0.2.20", "LINAC1", "ARIA", 7, 12, "new", 0, "")
ASKED = CommitmentAsked("oncology", 12, "asked", "")
ANSWERED = CommitmentAnswered("ARIA", "known", 12, 0, 0, 0, "N-EVENT-REPORT", "")
REPORTED = CommitmentReported(7, "LINAC1", 12, 0, "reported", "new association", "")
STEP = StepAnswered("a1", "LINAC1", "ARIA", "create", 900, 0.01, 0, "queued", "")
SETTLED = StepSettled(3, "oncology", "LINAC1", "create", 1, 0.7, "done", 0, "")
LINK = StepLinkChanged("oncology", "", up=False, reason="no answer")
GUARDED = UpsGuarded("LINAC1", "ARIA", "passed", 2, 1.5, "")


@pytest.mark.parametrize(
    ("notice", "level", "event", "told"),
    [
        (OPENED, DEBUG, "relay opened", {"far_peer": "oncology", "warm": "yes", "far": "f1"}),
        (REFUSED, WARNING, "relay refused", {"peer": "192.0.2.20", "calling": "LINAC1", "called": "ARIA"}),
        (BROKEN, WARNING, "relay broken", {"unanswered": 2, "reason": "the connection broke"}),
        (REQUESTED, INFO, "commitment requested: new", {"transaction": 7, "objects": 12, "status": "0x0000"}),
        (
            dataclasses.replace(REQUESTED, outcome="refused", status=0x0115, number=0),
            WARNING,
            "commitment requested: refused",
            {"status": "0x0115", "status_words": "Invalid argument value"},
        ),
        (ASKED, INFO, "commitment asked", {"destination": "oncology", "objects": 12}),
        (
            dataclasses.replace(ASKED, outcome="put off", reason="it is away"),
            WARNING,
            "commitment put off",
            {"reason": "it is away"},
        ),
        (ANSWERED, INFO, "commitment answered: known", {"source": "ARIA", "committed": 12, "failed": 0}),
        (dataclasses.replace(ANSWERED, failed=1), WARNING, "commitment answered: known", {"failed": 1}),
        (dataclasses.replace(ANSWERED, outcome="unknown"), WARNING, "commitment answered: unknown", {}),
        (REPORTED, INFO, "commitment result: reported", {"transaction": 7, "calling": "LINAC1"}),
        (dataclasses.replace(REPORTED, outcome="given up"), WARNING, "commitment result: given up", {}),
        (STEP, INFO, "procedure step queued", {"kind": "create", "size": 900, "status": "0x0000"}),
        (dataclasses.replace(STEP, outcome="refused", status=0x0110), WARNING, "procedure step refused", {}),
        (SETTLED, INFO, "procedure step passed on", {"step": 3, "destination": "oncology", "attempts": 1}),
        (
            dataclasses.replace(SETTLED, outcome="retry", status=None, reason="away"),
            WARNING,
            "procedure step not passed on",
            {"outcome": "retry", "reason": "away"},
        ),
        (dataclasses.replace(SETTLED, outcome="held"), ERROR, "procedure step not passed on", {}),
        (LINK, WARNING, "procedure steps wait", {"destination": "oncology", "reason": "no answer"}),
        (dataclasses.replace(LINK, up=True), INFO, "procedure steps flow", {}),
        (GUARDED, INFO, "UPS completion passed", {"records_missing": 2, "waited": 1.5}),
        (dataclasses.replace(GUARDED, outcome="refused"), WARNING, "UPS completion refused", {}),
    ],
)
def test_the_line(notice: Notice, level: int, event: str, told: dict[str, object]) -> None:
    written = line(notice)
    assert (written.level, written.event) == (level, event)
    assert told.items() <= dict(written.fields).items()


def test_no_uid_gets_into_a_line() -> None:
    assert UID not in str(dict(line(REFUSED).fields)["reason"])


def test_every_notice_has_a_line_of_its_own() -> None:
    kinds = {kind for kind in vars(notices).values() if isinstance(kind, type) and issubclass(kind, Notice)}
    for kind in kinds - {Notice}:
        if kind.internal:  # kept in books, never logged
            continue
        fields = {field.name: _anything(field.type) for field in dataclasses.fields(kind)}
        assert line(kind(**fields)).event != kind.__name__, kind


def _anything(annotation: object) -> object:
    return {"str": "words", "int": 1, "float": 1.0, "bool": True}.get(str(annotation))
