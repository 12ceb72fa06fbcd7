"""The life of an alert, deduplicated. Pure: conditions and the clock in, alerts and what to tell out.

    (nothing)   condition seen                        -> active      told: raised
    active      condition more severe                 -> active      told: raised
    active      nobody acknowledges for `repeat`      -> active      told: repeated
    active      condition gone for less than `settle` -> active      nothing: a flicker is no news
    active      condition gone for `settle`           -> over        told: over; seen again it is a new alert

Acknowledging stops the repeats and nothing else: what is wrong stays on the page until it is over.
`now` is the wall clock: the book outlives the process. A clock set back delays what is due and loses nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.admin.alerts.conditions import Condition

MAX_ACTIVE = 500
"""Conditions looked at; each has a name of the configuration in it, so there are never nearly as many."""


class Event(enum.StrEnum):
    """What is told about an alert."""

    RAISED = "raised"
    REPEATED = "repeated"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is, or was, wrong."""

    number: int
    condition: Condition
    raised_at: float
    seen_at: float  # when it was last seen
    told_at: float  # when it was last told
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    over_at: float | None = None

    @property
    def active(self) -> bool:
        """It is not over."""
        return self.over_at is None


@dataclass(frozen=True, slots=True)
class Telling:
    """Something that the channels have to tell."""

    event: Event
    alert: Alert


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds; see [alerts]."""

    settle: float = 120.0
    repeat: float = 86400.0


class NotActive(ValueError):
    """There is no such alert, or it is over."""


class Book:
    """The alerts that are active."""

    def __init__(self, pace: Pace, alerts: Iterable[Alert] = (), next_number: int = 1) -> None:
        self._pace = pace
        self._alerts = {alert.condition.key: alert for alert in alerts}
        self._next = max([next_number, *(alert.number + 1 for alert in self._alerts.values())])

    @property
    def active(self) -> tuple[Alert, ...]:
        """The most pressing first, then the oldest."""
        return tuple(
            sorted(self._alerts.values(), key=lambda a: (-a.condition.severity, a.raised_at, a.number))
        )

    def look(self, conditions: Iterable[Condition], now: float) -> tuple[list[Alert], list[Telling]]:
        """Take what was seen; return the alerts that changed, and what to tell."""
        changed: list[Alert] = []
        telling: list[Telling] = []
        present: set[str] = set()
        for condition in conditions:
            if condition.key in present or len(present) >= MAX_ACTIVE:
                continue
            present.add(condition.key)
            alert, event = self._present(condition, now)
            self._alerts[condition.key] = alert
            changed.append(alert)
            if event is not None:
                telling.append(Telling(event, alert))
        for key in [key for key in self._alerts if key not in present]:
            self._absent(key, now, changed, telling)
        return changed, telling

    def acknowledge(self, number: int, who: str, now: float) -> Alert:
        """Remember that `who` knows. Raises NotActive."""
        for key, alert in self._alerts.items():
            if alert.number == number:
                known = replace(alert, acknowledged_at=now, acknowledged_by=who)
                self._alerts[key] = known
                return known
        raise NotActive(f"alert {number} is over, or there is none of that number")

    def _present(self, condition: Condition, now: float) -> tuple[Alert, Event | None]:
        known = self._alerts.get(condition.key)
        if known is None:
            alert = Alert(self._next, condition, raised_at=now, seen_at=now, told_at=now)
            self._next += 1
            return alert, Event.RAISED
        alert = replace(known, condition=condition, seen_at=now)
        if condition.severity > known.condition.severity:
            # It got worse: whoever knew the lesser thing does not know this one.
            return replace(alert, told_at=now, acknowledged_at=None, acknowledged_by=""), Event.RAISED
        due = 0 < self._pace.repeat <= now - known.told_at
        if due and known.acknowledged_at is None:
            return replace(alert, told_at=now), Event.REPEATED
        return alert, None

    def _absent(self, key: str, now: float, changed: list[Alert], telling: list[Telling]) -> None:
        alert = self._alerts[key]
        quiet = now - alert.seen_at
        if quiet < 0:  # the clock was set back
            self._alerts[key] = replace(alert, seen_at=now)
        elif quiet >= self._pace.settle:
            del self._alerts[key]
            over = replace(alert, over_at=now)
            changed.append(over)
            telling.append(Telling(Event.OVER, over))
