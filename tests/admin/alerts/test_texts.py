"""Every alert has words, in every event, and they name what they are about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.admin.alerts.book import Event
from gateway.admin.alerts.conditions import Condition, Kind, Severity
from gateway.admin.alerts.texts import heading, words
from tests.support.alerting import English, alert

SAY = English()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("count", [1, 2])
def test_every_kind_has_words(kind: Kind, count: int) -> None:
    values = {"count": count, "since": 5.0, "free": 7, "ends": 9.0, "offset": 3.0, "set": 1, "paused": 0}
    told = words(alert(condition=Condition(kind, Severity.CRITICAL, "oncology", values)), SAY)
    assert told.what.endswith(".")
    assert told.advice.endswith(".")
    assert "%(" not in told.what + told.advice


@pytest.mark.parametrize("kind", Kind)
def test_words_do_without_values(kind: Kind) -> None:
    """An alert that an older version wrote may lack what the words of this one want."""
    assert words(alert(condition=Condition(kind, Severity.CRITICAL)), SAY).what


def test_they_say_what_is_at_stake() -> None:
    waits = Condition(Kind.RECORD_WAITS, Severity.CRITICAL, "oncology", {"count": 3, "since": 7.0})
    told = words(alert(condition=waits), SAY)
    assert told.what == (
        "3 treatment records have not reached oncology; the oldest waits since <7>. Nothing is lost."
    )
    titled = replace(waits, values={**waits.values, "centre": "ARIA"})  # as the home page calls it
    assert words(alert(condition=titled), SAY).what.startswith("3 treatment records have not reached ARIA;")
    paused = words(alert(condition=Condition(waits.kind, waits.severity, "oncology", {"paused": 1})), SAY)
    assert "resume" in paused.advice


def test_the_heading_says_who_and_how_pressing() -> None:
    down = alert()
    assert heading(Event.RAISED, down, "clinic-07", SAY).startswith("clinic-07: please look: oncology")
    assert heading(Event.REPEATED, down, "clinic-07", SAY).startswith("clinic-07: still: ")
    assert heading(Event.OVER, down, "clinic-07", SAY).startswith("clinic-07: over: ")
    critical = alert(condition=Condition(Kind.NO_ROOM_RECORDS, Severity.CRITICAL))
    assert heading(Event.RAISED, critical, "clinic-07", SAY).startswith("clinic-07: urgent: ")


def test_a_clock_nobody_sets_is_told_from_a_wrong_one() -> None:
    unset = words(alert(condition=Condition(Kind.CLOCK, Severity.ATTENTION, values={"set": 0})), SAY)
    wrong = words(
        alert(condition=Condition(Kind.CLOCK, Severity.ATTENTION, values={"set": 1, "offset": 61.0})), SAY
    )
    assert unset.what == "Nobody sets the clock of this device."
    assert wrong.what == "The clock of this device is wrong by 61 s."
