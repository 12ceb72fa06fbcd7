"""What is worth an alert: one rule at a time, at its threshold and just below."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.admin.alerts.conditions import Condition, Kind, Severity
from gateway.admin.alerts.rules import CertificateEnd, ClockState, Seen, Thresholds, conditions
from gateway.operator.facts import Amount, DestinationFacts, SpoolFacts, Status, StepTotals, Waiting

NOW = 1_800_000_000.0
LIMITS = Thresholds()
NOTHING = Waiting(Amount(), Amount(), Amount())
RECORD = Waiting(Amount(2, 40_000), Amount(), Amount())
IMAGE = Waiting(Amount(), Amount(1, 500_000), Amount(2, 9_000_000))

DESTINATION = DestinationFacts(
    name="oncology",
    ae_title="ARIA",
    host="ois.example.org",
    port=2762,
    tls=True,
    link="online",
    link_reason="",
    link_since=NOW - 10_000,
    paused=False,
    waiting=NOTHING,
    in_flight=0,
    held=Amount(),
    delivered=Amount(),
    oldest_waiting_at=None,
    rtt_seconds=None,
    bytes_per_second=None,
    last_success_at=None,
    next_try_at=None,
)
SPOOL = SpoolFacts(0, 0, 50 << 30, 64 << 20, accepts_records=True, accepts_images=True)


def seen(destination: DestinationFacts = DESTINATION, **changes: object) -> Seen:
    spool = changes.pop("spool", SPOOL)
    steps = changes.pop("steps", StepTotals())
    status = Status(
        gateway="clinic-07",
        ae_title="CLINIC07",
        version="0",
        started_at=NOW - 1000,
        now=NOW,
        level="ok",
        headline="",
        attention=(),
        destinations=(destination,),
        spool=spool,  # type: ignore[arg-type]
        listeners=(),
        steps=steps,  # type: ignore[arg-type]
    )
    return replace(Seen(NOW, status), **changes)  # type: ignore[arg-type]


def found(what: Seen, limits: Thresholds = LIMITS) -> list[Condition]:
    return list(conditions(what, limits))


def test_all_is_well() -> None:
    assert found(seen()) == []


def test_a_record_that_waits_too_long_is_critical() -> None:
    late = replace(DESTINATION, waiting=RECORD)
    assert found(seen(late, oldest_records={"oncology": NOW - 1800})) == []
    (one,) = found(seen(late, oldest_records={"oncology": NOW - 1801}))
    assert (one.kind, one.severity, one.subject) == (Kind.RECORD_WAITS, Severity.CRITICAL, "oncology")
    assert one.values == {"centre": "ARIA", "count": 2, "since": NOW - 1801, "paused": 0}


def test_a_record_that_has_left_meanwhile_is_none() -> None:
    assert found(seen(oldest_records={"oncology": NOW - 9999})) == []


def test_images_may_wait_longer() -> None:
    late = replace(DESTINATION, waiting=IMAGE, oldest_waiting_at=NOW - 999_999)  # of a record, or held
    assert found(seen(late)) == []
    assert found(seen(late, oldest_others={"oncology": NOW - 86400})) == []
    (one,) = found(seen(late, oldest_others={"oncology": NOW - 86401}))
    assert (one.kind, one.severity) == (Kind.OBJECT_WAITS, Severity.ATTENTION)
    assert one.values["count"] == 3


@pytest.mark.parametrize(
    ("link", "since", "told"), [("offline", 901, 1), ("offline", 900, 0), ("degraded", 9999, 0)]
)
def test_a_link_that_is_down(link: str, since: float, told: int) -> None:
    down = replace(DESTINATION, link=link, link_since=NOW - since)  # type: ignore[arg-type]
    assert [one.kind for one in found(seen(down))] == [Kind.LINK_DOWN] * told


def test_what_is_held() -> None:
    held = replace(DESTINATION, held=Amount(3, 1))
    (one,) = found(seen(held))
    assert (one.kind, one.values) == (Kind.HELD, {"centre": "ARIA", "count": 3})
    assert found(seen(held), replace(LIMITS, held=False)) == []
    (step,) = found(seen(steps=StepTotals(0, 2)))
    assert step.kind is Kind.STEPS_HELD


def test_two_that_have_one_title_are_told_apart() -> None:
    held = replace(DESTINATION, held=Amount(3, 1))
    both = seen(held)
    assert both.status is not None
    both = replace(both, status=replace(both.status, destinations=(held, replace(held, name="archive"))))
    titles = [one.values["centre"] for one in found(both)]
    assert titles == ["ARIA (oncology)", "ARIA (archive)"]


@pytest.mark.parametrize(
    ("spool", "kind", "severity"),
    [
        (replace(SPOOL, free_bytes=(2 << 30) - 1), Kind.LITTLE_ROOM, Severity.ATTENTION),
        (replace(SPOOL, free_bytes=1, accepts_images=False), Kind.NO_ROOM_IMAGES, Severity.CRITICAL),
        (
            replace(SPOOL, free_bytes=0, accepts_images=False, accepts_records=False),
            Kind.NO_ROOM_RECORDS,
            Severity.CRITICAL,
        ),
    ],
    ids=["little", "no images", "nothing"],
)
def test_room(spool: SpoolFacts, kind: Kind, severity: Severity) -> None:
    assert [(one.kind, one.severity) for one in found(seen(spool=spool))] == [(kind, severity)]


def test_enough_room_is_none() -> None:
    assert found(seen(spool=replace(SPOOL, free_bytes=2 << 30))) == []


def test_certificates() -> None:
    month = 30 * 86400.0
    ends = [
        CertificateEnd("fresh", NOW + month),
        CertificateEnd("soon", NOW + month - 1),
        CertificateEnd("ended", NOW),
    ]
    assert [(one.subject, one.kind, one.severity) for one in found(seen(certificates=ends))] == [
        ("soon", Kind.CERTIFICATE_ENDS, Severity.ATTENTION),
        ("ended", Kind.CERTIFICATE_ENDED, Severity.CRITICAL),
    ]


@pytest.mark.parametrize(
    ("clock", "told"),
    [
        (None, 0),
        (ClockState(True, None), 0),
        (ClockState(True, 5.0), 0),
        (ClockState(True, -5.1), 1),
        (ClockState(False, None), 1),
    ],
)
def test_the_clock(clock: ClockState | None, told: int) -> None:
    assert [one.kind for one in found(seen(clock=clock))] == [Kind.CLOCK] * told


def test_a_silent_gateway_hides_what_is_behind_it() -> None:
    silent = Seen(NOW, None, silent_for=61, clock=ClockState(False, None))
    assert [one.kind for one in found(silent)] == [Kind.GATEWAY_SILENT, Kind.CLOCK]
    assert found(Seen(NOW, None, silent_for=60)) == []


def test_zero_switches_a_rule_off() -> None:
    off = Thresholds(0, 0, 0, 0, 0, 0, 0, held=False)
    bad = replace(
        DESTINATION, waiting=RECORD, link="offline", link_since=0.0, held=Amount(1, 1), oldest_waiting_at=0.0
    )
    assert found(seen(bad, oldest_records={"oncology": 0.0}, clock=ClockState(False, 99)), off) == []
    assert found(Seen(NOW, None, silent_for=1e9), off) == []
    ended = [CertificateEnd("ended", NOW - 1)]
    assert [one.kind for one in found(seen(certificates=ended), off)] == [Kind.CERTIFICATE_ENDED]


def test_keys_tell_things_apart() -> None:
    assert (
        Condition(Kind.HELD, Severity.ATTENTION, "a").key != Condition(Kind.HELD, Severity.ATTENTION, "b").key
    )
    worse = Condition(Kind.HELD, Severity.CRITICAL, "a", {"count": 9})
    assert Condition(Kind.HELD, Severity.ATTENTION, "a").key == worse.key
