"""Alerts for tests: a speaker of plain English, and messages."""

from __future__ import annotations

from gateway.admin.alerts.book import Alert
from gateway.admin.alerts.conditions import Condition, Kind, Severity
from gateway.admin.alerts.message import Message

DOWN = Condition(Kind.LINK_DOWN, Severity.ATTENTION, "oncology", {"since": 100.0})


class English:
    """What the page's own speaker does, without catalogues."""

    def text(self, message: str, **values: object) -> str:
        return message % values if values else message

    def ntext(self, singular: str, plural: str, count: int, **values: object) -> str:
        return (singular if count == 1 else plural) % {"count": count, **values}

    def when(self, at: float) -> str:
        return f"<{at:g}>"

    def bytes(self, amount: float) -> str:
        return f"{amount:g} B"

    def span(self, seconds: float) -> str:
        return f"{seconds:g} s"


def alert(number: int = 1, condition: Condition = DOWN, **changes: float) -> Alert:
    """Return an alert raised at 100."""
    times = {"raised_at": 100.0, "seen_at": 100.0, "told_at": 100.0, **changes}
    return Alert(number, condition, **times)  # type: ignore[arg-type]  # times


def a_message(number: int = 1, what: str = "oncology cannot be reached.") -> Message:
    """Return a message to tell."""
    return Message(
        alert=number,
        event="raised",
        kind="link-down",
        severity="critical",
        subject='on"co]lo\\gy',
        gateway="clinic-07",
        heading="clinic-07: urgent:\n " + what,
        what=what,
        advice="Check the modem\nand its cables – all of them.",
        raised_at=1_800_000_000.0,
        at=1_800_000_060.5,
    )
