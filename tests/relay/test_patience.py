from __future__ import annotations

from dataclasses import astuple, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.patience import PatienceLimits, RelayTimeouts, adapted

seconds = st.floats(0.01, 10_000.0)
timeouts_strategy = st.builds(
    RelayTimeouts,
    connect=seconds,
    response=seconds,
    between=seconds,
    release=seconds,
    stall=seconds,
    idle=seconds,
)
limits_strategy = st.builds(
    PatienceLimits, connect=seconds, response=seconds, between=seconds, release=seconds, stall=seconds
)
rtts = st.floats(0.0, 1e6)


def test_an_unknown_way_leaves_the_times_as_configured() -> None:
    timeouts = RelayTimeouts()
    assert adapted(timeouts, None) == timeouts
    assert adapted(timeouts, float("nan")) == timeouts
    assert adapted(timeouts, -1.0) == timeouts


def test_a_satellite_gets_time_for_its_round_trips() -> None:
    far = adapted(RelayTimeouts(connect=5.0, response=60.0), 0.6)
    assert far.connect == pytest.approx(5.0 + 8 * 0.6)
    assert far.response == pytest.approx(60.0 + 2 * 0.6)
    assert far.idle == RelayTimeouts().idle


@given(timeouts_strategy, limits_strategy, rtts, rtts)
def test_times_grow_with_the_way_and_never_below_the_base(
    timeouts: RelayTimeouts, limits: PatienceLimits, one: float, other: float
) -> None:
    near, far = sorted((one, other))
    lists = [astuple(adapted(timeouts, rtt, limits)) for rtt in (None, near, far)]
    for base, less, more in zip(*lists, strict=True):
        assert base <= less <= more


@given(timeouts_strategy, limits_strategy, rtts)
def test_no_time_passes_its_limit_unless_configured_so(
    timeouts: RelayTimeouts, limits: PatienceLimits, rtt: float
) -> None:
    grown = adapted(timeouts, rtt, limits)
    for field in fields(limits):
        ceiling = max(getattr(limits, field.name), getattr(timeouts, field.name))
        assert getattr(grown, field.name) <= ceiling
    assert grown.idle == timeouts.idle
