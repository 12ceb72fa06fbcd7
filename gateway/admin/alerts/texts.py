"""An alert in words: what is wrong, and what to do. In the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.admin.alerts.book import Alert, Event
from gateway.admin.alerts.conditions import Kind, Severity, Value


class Speaker(Protocol):
    """A language: gettext, and how it writes times and amounts."""

    def text(self, message: str, **values: object) -> str: ...

    def ntext(self, singular: str, plural: str, count: int, **values: object) -> str: ...

    def when(self, at: float) -> str: ...

    def bytes(self, amount: float) -> str: ...

    def span(self, seconds: float) -> str: ...


@dataclass(frozen=True, slots=True)
class Words:
    """What is wrong in one sentence, and what to do about it."""

    what: str
    advice: str


def words(alert: Alert, say: Speaker) -> Words:
    """Return the words for `alert`."""
    condition = alert.condition
    return _WORDS[condition.kind](say, condition.subject, dict(condition.values))


def heading(event: Event, alert: Alert, gateway: str, say: Speaker) -> str:
    """Return the subject line of a message: who, how pressing, what."""
    what = words(alert, say).what
    if event is Event.OVER:
        return say.text("%(gateway)s: over: %(what)s", gateway=gateway, what=what)
    if event is Event.REPEATED:
        return say.text("%(gateway)s: still: %(what)s", gateway=gateway, what=what)
    if alert.condition.severity is Severity.CRITICAL:
        return say.text("%(gateway)s: urgent: %(what)s", gateway=gateway, what=what)
    return say.text("%(gateway)s: please look: %(what)s", gateway=gateway, what=what)


def _centre(subject: str, values: dict[str, Value]) -> str:
    """Return the title people know a destination by, as on the home page; else its name."""
    return str(values.get("centre") or subject)


def _count(values: dict[str, Value]) -> int:
    return int(values.get("count", 0))


def _at(values: dict[str, Value], name: str, say: Speaker) -> str:
    return say.when(float(values.get(name, 0.0)))


def _silent(say: Speaker, _subject: str, _values: dict[str, Value]) -> Words:
    return Words(
        say.text("The gateway program does not answer."),
        say.text(
            "Treatment machines may be refused. Look whether the device has power, then restart it; what was "
            "received is safe on its disk."
        ),
    )


def _record(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    count, since = _count(values), _at(values, "since", say)
    what = say.ntext(
        "%(count)s treatment record has not reached %(name)s; it waits since %(since)s. Nothing is lost.",
        "%(count)s treatment records have not reached %(name)s; the oldest waits since %(since)s. "
        "Nothing is lost.",
        count,
        name=_centre(subject, values),
        since=since,
    )
    if values.get("paused"):
        return Words(what, say.text("Deliveries are paused: resume them on the page Queue."))
    return Words(
        what,
        say.text("Look at the page Link. If the link stays down, print today's records from the home page."),
    )


def _object(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    count, since = _count(values), _at(values, "since", say)
    what = say.ntext(
        "%(count)s image has not reached %(name)s; it waits since %(since)s. Nothing is lost.",
        "%(count)s images have not reached %(name)s; the oldest waits since %(since)s. Nothing is lost.",
        count,
        name=_centre(subject, values),
        since=since,
    )
    return Words(what, say.text("Look at the pages Link and Queue."))


def _link(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    return Words(
        say.text(
            "%(name)s cannot be reached since %(since)s.",
            name=_centre(subject, values),
            since=_at(values, "since", say),
        ),
        say.text("Check the modem and its cables; the path test on the page Link shows where the way ends."),
    )


def _held(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    what = say.ntext(
        "%(count)s object for %(name)s is held back: somebody has to decide about it.",
        "%(count)s objects for %(name)s are held back: somebody has to decide about them.",
        _count(values),
        name=_centre(subject, values),
    )
    return Words(what, say.text("The page Queue says why, and what to do."))


def _steps(say: Speaker, _subject: str, values: dict[str, Value]) -> Words:
    what = say.ntext(
        "%(count)s message about a procedure step is held back: somebody has to decide about it.",
        "%(count)s messages about procedure steps are held back: somebody has to decide about them.",
        _count(values),
    )
    return Words(what, say.text("The page Queue says why, and what to do."))


def _no_room_records(say: Speaker, _subject: str, _values: dict[str, Value]) -> Words:
    return Words(
        say.text("The disk is full: treatment records are refused. What was accepted is safe."),
        say.text("Let the link carry off what waits, or make room on the disk. Call the engineer."),
    )


def _no_room_images(say: Speaker, _subject: str, values: dict[str, Value]) -> Words:
    return Words(
        say.text(
            "The disk is nearly full: images are refused, treatment records are still taken (%(free)s left).",
            free=say.bytes(float(values.get("free", 0))),
        ),
        say.text("Let the link carry off what waits, or make room on the disk. Call the engineer."),
    )


def _little_room(say: Speaker, _subject: str, values: dict[str, Value]) -> Words:
    return Words(
        say.text("There is room for %(free)s only.", free=say.bytes(float(values.get("free", 0)))),
        say.text("Look at the page System: what takes the room, and how fast it grows."),
    )


def _certificate_ends(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    return Words(
        say.text("The certificate %(name)s ends on %(when)s.", name=subject, when=_at(values, "ends", say)),
        say.text("Make a request on the page Certificates, and install the answer before that day."),
    )


def _certificate_ended(say: Speaker, subject: str, values: dict[str, Value]) -> Words:
    return Words(
        say.text("The certificate %(name)s ended on %(when)s.", name=subject, when=_at(values, "ends", say)),
        say.text("Make a request on the page Certificates, and install the answer. Check the clock too."),
    )


def _clock(say: Speaker, _subject: str, values: dict[str, Value]) -> Words:
    advice = say.text("Check the time on the page System, and that a time server can be reached.")
    if not values.get("set"):
        return Words(say.text("Nobody sets the clock of this device."), advice)
    offset = say.span(float(values.get("offset", 0.0)))
    return Words(say.text("The clock of this device is wrong by %(offset)s.", offset=offset), advice)


_WORDS: dict[Kind, Callable[[Speaker, str, dict[str, Value]], Words]] = {
    Kind.GATEWAY_SILENT: _silent,
    Kind.RECORD_WAITS: _record,
    Kind.OBJECT_WAITS: _object,
    Kind.LINK_DOWN: _link,
    Kind.HELD: _held,
    Kind.STEPS_HELD: _steps,
    Kind.NO_ROOM_RECORDS: _no_room_records,
    Kind.NO_ROOM_IMAGES: _no_room_images,
    Kind.LITTLE_ROOM: _little_room,
    Kind.CERTIFICATE_ENDS: _certificate_ends,
    Kind.CERTIFICATE_ENDED: _certificate_ended,
    Kind.CLOCK: _clock,
}
