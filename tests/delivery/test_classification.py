"""The policy table, row by row: written down here a second time on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.classification import (
    POLICY,
    Cause,
    Remedy,
    Scope,
    Strike,
    classify_status,
    failure,
)
from gateway.delivery.policy import DeliveryPolicy
from gateway.errors import Conflict, PermanentFailure, TransientFailure

LINK, OBJECT = Scope.LINK, Scope.OBJECT

# cause: scope, remedy, strike, pauses the destination, counts an attempt
EXPECTED = {
    "unreachable": (LINK, Remedy.RETRY, Strike.NONE, False, False),
    "tls": (LINK, Remedy.RETRY, Strike.NONE, False, False),
    "association-rejected": (LINK, Remedy.SLOW, Strike.NONE, False, False),
    "association-rejected-for-now": (LINK, Remedy.RETRY, Strike.NONE, False, False),
    "no-association": (LINK, Remedy.RETRY, Strike.NONE, False, False),
    "stale-association": (OBJECT, Remedy.AT_ONCE, Strike.NONE, False, False),
    "stopped": (OBJECT, Remedy.AT_ONCE, Strike.NONE, False, False),
    "aborted": (OBJECT, Remedy.RETRY, Strike.ABORT, False, False),
    "no-answer": (OBJECT, Remedy.RETRY, Strike.ABORT, False, False),
    "protocol-violation": (OBJECT, Remedy.RETRY, Strike.ABORT, False, False),
    "connection-lost": (OBJECT, Remedy.RETRY, Strike.LOSS, False, False),
    "out-of-resources": (OBJECT, Remedy.RETRY, Strike.NONE, True, True),
    "processing-failure": (OBJECT, Remedy.RETRY, Strike.NONE, True, True),
    "busy": (OBJECT, Remedy.BUSY, Strike.NONE, False, True),
    "not-accepted": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "not-convertible": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "refused": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "conflict": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "unknown-status": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "cuts-association": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "damaged": (OBJECT, Remedy.HOLD, Strike.NONE, False, True),
    "unreadable": (OBJECT, Remedy.BUSY, Strike.NONE, False, True),
    "local-trouble": (OBJECT, Remedy.RETRY, Strike.NONE, False, True),
}


def test_every_cause_has_a_row() -> None:
    assert set(EXPECTED) == {cause.value for cause in Cause} == {cause.value for cause in POLICY}


@pytest.mark.parametrize("cause", list(Cause))
def test_row(cause: Cause) -> None:
    rule = POLICY[cause]
    assert (rule.scope, rule.remedy, rule.strike, rule.pauses, rule.counts) == EXPECTED[cause]


@pytest.mark.parametrize("cause", list(Cause))
def test_a_link_failure_never_blames_the_object(cause: Cause) -> None:
    rule = POLICY[cause]
    if rule.scope is LINK:
        assert rule.remedy is not Remedy.HOLD
        assert not rule.counts


STATUSES = {
    0x0000: None,
    0x0001: None,
    0x0107: None,
    0x0116: None,
    0xB000: None,
    0xB006: None,
    0xB007: None,
    0xB123: None,
    0xBFFF: None,
    0xA700: Cause.RESOURCES,
    0xA701: Cause.RESOURCES,
    0xA7FF: Cause.RESOURCES,
    0x0213: Cause.RESOURCES,
    0x0110: Cause.PROCESSING,
    0xC000: Cause.BUSY,
    0xC001: Cause.REFUSED,
    0xCFFF: Cause.REFUSED,
    0xA900: Cause.REFUSED,
    0xA9FF: Cause.REFUSED,
    0x0111: Cause.CONFLICT,
    0x0112: Cause.REFUSED,
    0x0117: Cause.REFUSED,
    0x0118: Cause.REFUSED,
    0x0119: Cause.REFUSED,
    0x0120: Cause.REFUSED,
    0x0121: Cause.REFUSED,
    0x0122: Cause.REFUSED,
    0x0124: Cause.REFUSED,
    0xA800: Cause.UNKNOWN_STATUS,
    0x0210: Cause.UNKNOWN_STATUS,
    0xFE00: Cause.UNKNOWN_STATUS,
    0xFF00: Cause.UNKNOWN_STATUS,
    0x0002: Cause.UNKNOWN_STATUS,
    0xD000: Cause.UNKNOWN_STATUS,
}


@pytest.mark.parametrize(("status", "cause"), list(STATUSES.items()), ids=str)
def test_status(status: int, cause: Cause | None) -> None:
    meaning = classify_status(status, DeliveryPolicy())
    assert meaning.cause is cause
    assert status == 0 or f"0x{status:04X}" in meaning.words


def test_c000_is_a_refusal_when_not_configured_as_busy() -> None:
    assert classify_status(0xC000, DeliveryPolicy(busy_statuses=frozenset())).cause is Cause.REFUSED


@given(st.integers(0, 0xFFFF))
def test_success_is_never_assumed(status: int) -> None:
    accepted = classify_status(status, DeliveryPolicy()).cause is None
    assert accepted == (status in (0, 1, 0x0107, 0x0116) or 0xB000 <= status <= 0xBFFF)


def test_failures_have_the_class_of_their_row() -> None:
    assert isinstance(failure(Cause.CONFLICT, "x"), Conflict)
    assert isinstance(failure(Cause.REFUSED, "x", status=0xA900), PermanentFailure)
    assert isinstance(failure(Cause.RESOURCES, "x"), TransientFailure)
    assert failure(Cause.TLS, "x").link
    assert not failure(Cause.ABORTED, "x").link
