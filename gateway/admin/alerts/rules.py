"""From what is seen of the gateway to the conditions that hold. Pure: the clock is an argument."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.admin.alerts.conditions import Condition, Kind, Severity, Value
from gateway.operator.facts import DestinationFacts, SpoolFacts, Status


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When something is worth an alert; times in seconds, 0 switches a rule off ([alerts])."""

    oldest_record: float = 1800.0
    oldest_object: float = 86400.0
    link_down: float = 900.0
    gateway_silent: float = 60.0
    disk_free: int = 2 << 30
    certificate: float = 30 * 86400.0
    clock_offset: float = 5.0
    held: bool = True


@dataclass(frozen=True, slots=True)
class CertificateEnd:
    """A certificate in use, and when it ends (wall clock)."""

    name: str
    ends_at: float


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is known of this machine's clock."""

    trusted: bool  # somebody sets it
    offset: float | None  # seconds it is wrong by, when measured


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one look."""

    now: float  # wall clock
    status: Status | None  # None: the gateway does not answer
    silent_for: float = 0.0  # seconds without an answer
    oldest_records: Mapping[str, float] = field(default_factory=dict)  # destination -> received at
    oldest_others: Mapping[str, float] = field(default_factory=dict)  # of images and volumes
    certificates: Sequence[CertificateEnd] = ()
    clock: ClockState | None = None  # None: not known


def conditions(seen: Seen, limits: Thresholds) -> Iterator[Condition]:
    """Yield what is wrong. While the gateway is silent, nothing is known of what is behind it."""
    if seen.status is None:
        if 0 < limits.gateway_silent < seen.silent_for:
            yield Condition(Kind.GATEWAY_SILENT, Severity.CRITICAL)
    else:
        titles = Counter(destination.ae_title for destination in seen.status.destinations)
        for destination in seen.status.destinations:
            title = destination.ae_title
            known_as = title if titles[title] == 1 else f"{title} ({destination.name})"
            yield from _destination(destination, known_as, seen, limits)
        yield from _room(seen.status.spool, limits)
        if limits.held and (count := seen.status.steps.held):
            yield Condition(Kind.STEPS_HELD, Severity.ATTENTION, values={"count": count})
    yield from _certificates(seen, limits)
    yield from _clock(seen.clock, limits)


def _destination(
    destination: DestinationFacts, centre: str, seen: Seen, limits: Thresholds
) -> Iterator[Condition]:
    name, waiting = destination.name, destination.waiting
    oldest = seen.oldest_records.get(name)
    if waiting.record.count and oldest is not None and 0 < limits.oldest_record < seen.now - oldest:
        yield Condition(
            Kind.RECORD_WAITS,
            Severity.CRITICAL,
            name,
            {
                "centre": centre,
                "count": waiting.record.count,
                "since": oldest,
                "paused": int(destination.paused),
            },
        )
    others = waiting.image.count + waiting.bulk.count
    oldest = seen.oldest_others.get(name)
    if others and oldest is not None and 0 < limits.oldest_object < seen.now - oldest:
        values: dict[str, Value] = {"centre": centre, "count": others, "since": oldest}
        yield Condition(Kind.OBJECT_WAITS, Severity.ATTENTION, name, values)
    since = destination.link_since
    if destination.link == "offline" and since is not None and 0 < limits.link_down < seen.now - since:
        yield Condition(Kind.LINK_DOWN, Severity.ATTENTION, name, {"centre": centre, "since": since})
    if limits.held and destination.held.count:
        values = {"centre": centre, "count": destination.held.count}
        yield Condition(Kind.HELD, Severity.ATTENTION, name, values)


def _room(spool: SpoolFacts, limits: Thresholds) -> Iterator[Condition]:
    values = {"free": spool.free_bytes}
    if not spool.accepts_records:
        yield Condition(Kind.NO_ROOM_RECORDS, Severity.CRITICAL, values=values)
    elif not spool.accepts_images:
        yield Condition(Kind.NO_ROOM_IMAGES, Severity.CRITICAL, values=values)
    elif spool.free_bytes < limits.disk_free:
        yield Condition(Kind.LITTLE_ROOM, Severity.ATTENTION, values=values)


def _certificates(seen: Seen, limits: Thresholds) -> Iterator[Condition]:
    for certificate in seen.certificates:
        left = certificate.ends_at - seen.now
        values = {"ends": certificate.ends_at}
        if left <= 0:
            yield Condition(Kind.CERTIFICATE_ENDED, Severity.CRITICAL, certificate.name, values)
        elif left < limits.certificate:
            yield Condition(Kind.CERTIFICATE_ENDS, Severity.ATTENTION, certificate.name, values)


def _clock(clock: ClockState | None, limits: Thresholds) -> Iterator[Condition]:
    if clock is None or limits.clock_offset <= 0:
        return
    offset = abs(clock.offset) if clock.offset is not None else 0.0
    if not clock.trusted or offset > limits.clock_offset:
        yield Condition(Kind.CLOCK, Severity.ATTENTION, values={"offset": offset, "set": int(clock.trusted)})
