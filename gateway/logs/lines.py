"""A notice becomes a line: how important it is, what happened, and the facts as typed fields."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gateway.logs import conversation
from gateway.logs.values import Fields, Rate, Seconds, Size, Words, named, status_fields
from gateway.notices import (
    Alarm,
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    ConnectionRefused,
    DeliverySettled,
    LinkChanged,
    LinkConnected,
    LinkLost,
    Notice,
    ObjectRefused,
    ObjectStored,
    OperatorActed,
)

_REJECTED = {1: "permanent", 2: "transient"}  # PS3.8 9.3.4
_SOURCES = {1: "service-user", 2: "service-provider (ACSE)", 3: "service-provider (presentation)"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log. `fields` are in the order in which a person wants to read them."""

    level: int
    event: str
    fields: Fields


def line(notice: Notice) -> Line:
    """Return the line about `notice`; fields without anything to say are left out."""
    told = _line(notice)
    return Line(told.level, told.event, tuple((name, value) for name, value in told.fields if value != ""))


def _line(notice: Notice) -> Line:
    match notice:
        case ConnectionRefused():
            return Line(
                logging.WARNING,
                "connection refused",
                (("peer", notice.address), ("listener", notice.listener), ("reason", Words(notice.reason))),
            )
        case AssociationRefused():
            return _association_refused(notice)
        case AssociationOpened():
            return Line(
                logging.DEBUG,
                "association opened",
                (
                    *_who(notice),
                    ("tls", Words(notice.tls)),
                    ("contexts_accepted", notice.accepted),
                    ("contexts_refused", notice.refused),
                ),
            )
        case AssociationClosed():
            return _association_closed(notice)
        case ObjectStored():
            return _object_stored(notice)
        case ObjectRefused():
            return Line(
                logging.WARNING,
                "object refused",
                (
                    *_sender(notice),
                    ("sop_class", named(notice.sop_class_uid)),
                    ("size", Size(notice.size)),
                    *status_fields(notice.status),
                    ("reason", Words(notice.reason)),
                    ("association", notice.association),
                ),
            )
        case DeliverySettled():
            return _delivery(notice)
        case LinkConnected():
            return Line(
                logging.INFO,
                "gateway link up",
                (
                    ("link", notice.link),
                    ("peer", notice.address),
                    ("tls", Words(notice.tls)),
                    ("resumed", "yes" if notice.resumed else ""),
                    ("software", Words(notice.software)),
                ),
            )
        case LinkLost():
            return Line(
                logging.WARNING,
                "gateway link down",
                (
                    ("link", notice.link),
                    ("peer", notice.address),
                    ("reason", Words(notice.reason)),
                    ("up", Seconds(notice.seconds)),
                    ("in", Size(notice.bytes_in)),
                    ("out", Size(notice.bytes_out)),
                ),
            )
        case LinkChanged():
            return Line(
                logging.INFO if notice.after == "online" else logging.WARNING,
                f"destination {notice.after}",
                (
                    ("destination", notice.destination),
                    ("before", notice.before),
                    ("reason", Words(notice.reason)),
                ),
            )
        case OperatorActed():
            return Line(
                logging.INFO,
                "operator",
                (
                    ("who", notice.who),
                    ("did", notice.what),
                    ("to", notice.subject),
                    ("outcome", Words(notice.outcome)),
                    ("detail", Words(notice.detail)),
                ),
            )
        case Alarm():
            number = () if notice.object_number is None else (("object", notice.object_number),)
            return Line(
                logging.ERROR, "alarm", (("code", notice.code), *number, ("text", Words(notice.text)))
            )
        case _:
            level, event, fields = conversation.line(notice)
            return Line(level, event, fields)


def _association_refused(notice: AssociationRefused) -> Line:
    return Line(
        logging.WARNING,
        "association refused" if notice.inbound else "association refused by the peer",
        (
            *_who(notice),
            ("rejected", _REJECTED.get(notice.result, str(notice.result))),
            ("source", _SOURCES.get(notice.source, str(notice.source))),
            ("diagnostic", notice.diagnostic),
            ("reason", Words(notice.reason)),
        ),
    )


def _association_closed(notice: AssociationClosed) -> Line:
    moved = notice.bytes_in + notice.bytes_out
    return Line(
        logging.INFO if notice.outcome == "released" else logging.WARNING,
        f"association {notice.outcome}",
        (
            *_who(notice),
            ("objects", notice.objects),
            ("failures", notice.failures),
            ("received", Size(notice.bytes_in)),
            ("sent", Size(notice.bytes_out)),
            *_pace(moved, notice.seconds),
            ("reason", Words(notice.reason)),
        ),
    )


def _object_stored(notice: ObjectStored) -> Line:
    return Line(
        logging.WARNING if notice.outcome == "conflict" else logging.INFO,
        "object stored",
        (
            ("object", notice.number),
            *_sender(notice),
            ("sop_class", named(notice.sop_class_uid)),
            ("transfer_syntax", named(notice.transfer_syntax_uid)),
            ("priority", notice.priority),
            ("size", Size(notice.size)),
            *_pace(notice.size, notice.seconds),
            *status_fields(0x0000),
            ("outcome", notice.outcome),
            ("association", notice.association),
        ),
    )


_DELIVERY_LEVELS = {
    "accepted": logging.INFO,
    "confirmed": logging.INFO,
    "retry": logging.WARNING,
    "held": logging.ERROR,
}


def _delivery(notice: DeliverySettled) -> Line:
    return Line(
        _DELIVERY_LEVELS.get(notice.outcome, logging.WARNING),
        "object delivered" if notice.outcome in ("accepted", "confirmed") else "object not delivered",
        (
            ("object", notice.object_number),
            ("delivery", notice.delivery),
            ("destination", notice.destination),
            ("sop_class", named(notice.sop_class_uid)),
            ("transfer_syntax", named(notice.transfer_syntax_uid)),
            ("priority", notice.priority),
            ("size", Size(notice.size)),
            *_pace(notice.size, notice.seconds),
            ("attempts", notice.attempts),
            *(() if notice.status is None else status_fields(notice.status)),
            ("outcome", notice.outcome),
            ("reason", Words(notice.reason)),
        ),
    )


def _who(notice: AssociationRefused | AssociationOpened | AssociationClosed) -> Fields:
    return (
        ("direction", "in" if notice.inbound else "out"),
        *_sender(notice),
        ("association", notice.association),
    )


def _sender(
    notice: AssociationRefused | AssociationOpened | AssociationClosed | ObjectStored | ObjectRefused,
) -> Fields:
    return (
        ("peer", notice.address),
        ("calling", Words(notice.calling_ae)),
        ("called", Words(notice.called_ae)),
    )


def _pace(size: int, seconds: float) -> Fields:
    rate: Fields = (("rate", Rate(size / seconds)),) if size and seconds > 0 else ()
    return (("duration", Seconds(seconds)), *rate)
