"""What the channels carry: one telling of one alert, in words and as fields. Patients are not known here."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from gateway.admin.alerts.book import Event, Telling
from gateway.admin.alerts.texts import Speaker, heading, words


@dataclass(frozen=True, slots=True)
class Message:
    """One telling. Times are wall clock seconds; `kind`, `severity` and `event` are stable words."""

    alert: int  # number of the alert; 0 for a test
    event: str  # "raised", "repeated", "over", "test"
    kind: str
    severity: str
    subject: str
    gateway: str
    heading: str
    what: str
    advice: str
    raised_at: float
    at: float  # when there was something to tell; it may be told much later

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Message:
        """Return what `dump` wrote."""
        return cls(**json.loads(text))


def message(telling: Telling, gateway: str, now: float, say: Speaker) -> Message:
    """Return the message for `telling`, in the language of `say`."""
    alert = telling.alert
    said = words(alert, say)
    return Message(
        alert=alert.number,
        event=telling.event.value,
        kind=alert.condition.kind.value,
        severity=alert.condition.severity.label,
        subject=alert.condition.subject,
        gateway=gateway,
        heading=heading(telling.event, alert, gateway, say),
        what=said.what,
        advice="" if telling.event is Event.OVER else said.advice,
        raised_at=alert.raised_at,
        at=now,
    )


def trial(gateway: str, now: float, say: Speaker) -> Message:
    """Return a message that says that nothing is wrong, to try a channel."""
    what = say.text("This is a test of the alerts of %(gateway)s. Nothing is wrong.", gateway=gateway)
    return Message(
        alert=0,
        event="test",
        kind="test",
        severity="attention",
        subject="",
        gateway=gateway,
        heading=say.text("%(gateway)s: test", gateway=gateway),
        what=what,
        advice="",
        raised_at=now,
        at=now,
    )
