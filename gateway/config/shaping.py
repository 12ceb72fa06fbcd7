"""The sections for manners on a line that others use too: how fast objects may leave, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.config.kinds import NAME, Choice, Doc, RateKind, TimeOfDay
from gateway.config.section import Section

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficWindow(Section):
    """A time of day, local time, with a rate of its own. The first one that holds decides."""

    start: Annotated[int, TimeOfDay(), Doc("When it begins.")]
    end: Annotated[
        int, TimeOfDay(), Doc("When it ends. Not later than `start`: on the next day; the same: after 24 h.")
    ]
    days: Annotated[
        tuple[Annotated[str, Choice(*WEEKDAYS)], ...] | None,
        Doc("Days of the week on which it begins. Without it, every day."),
    ] = None
    rate_bytes: Annotated[
        int | None, RateKind(), Doc("Bytes per second that images and bulk objects may take then.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic(Section):
    """How fast objects may leave. Treatment records and what is relayed never wait; they are counted."""

    rate_bytes: Annotated[
        int | None,
        RateKind(),
        Doc("Bytes per second that images and bulk objects may take at other times."),
    ] = None
    shaped: Annotated[
        tuple[Annotated[str, NAME], ...] | None,
        Doc("Peers behind the line. Without it, all that objects are delivered to."),
    ] = None
    windows: Annotated[tuple[TrafficWindow, ...], Doc("Times of the week with a rate of their own.")] = ()
