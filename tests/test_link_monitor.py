from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link_monitor import (
    DEGRADED_AFTER,
    GOODPUT_MIN_BYTES,
    TURNAROUND_MAX_BYTES,
    LinkMonitor,
    LinkState,
)
from gateway.notices import LinkChanged


def test_a_first_success_makes_it_online() -> None:
    monitor = LinkMonitor("oncology", 10.0)
    assert monitor.state is LinkState.UNKNOWN
    assert monitor.passed(11.0, 100, 0.1) == LinkChanged("oncology", "unknown", "online", "")
    assert monitor.passed(12.0, 100, 0.1) is None
    assert (monitor.since, monitor.last_success) == (11.0, 12.0)


def test_unreachable_is_offline_with_the_reason_until_a_probe_succeeds() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    notice = monitor.failed(1.0, "nothing listens")
    assert notice == LinkChanged("oncology", "unknown", "offline", "nothing listens")
    assert monitor.failed(2.0, "the certificate has expired") is None
    assert monitor.reason == "the certificate has expired"
    assert monitor.since == 1.0
    notice = monitor.probed(3.0, 0.6, flowing=True)
    assert notice == LinkChanged("oncology", "offline", "online", "")
    assert monitor.rtt == 0.6


def test_troubles_in_a_row_degrade() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    monitor.passed(1.0, 10, 0.1)
    for _ in range(DEGRADED_AFTER - 1):
        assert monitor.troubled(2.0, "aborted", paused=False) is None
    notice = monitor.troubled(3.0, "aborted", paused=False)
    assert notice == LinkChanged("oncology", "online", "degraded", "aborted")
    assert monitor.passed(4.0, 10, 0.1) == LinkChanged("oncology", "degraded", "online", "")


def test_a_success_in_between_starts_the_count_again() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    for now in range(20):
        monitor.passed(now, 10, 0.1)
        for _ in range(DEGRADED_AFTER - 1):
            monitor.troubled(now, "aborted", paused=False)
    assert monitor.state is LinkState.ONLINE


def test_a_pause_degrades_at_once_and_a_probe_alone_does_not_mend_it() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    monitor.passed(1.0, 10, 0.1)
    monitor.troubled(2.0, "out of resources", paused=True)
    assert monitor.state is LinkState.DEGRADED
    assert monitor.probed(3.0, 0.1, flowing=False) is None
    assert (monitor.state, monitor.reason) == (LinkState.DEGRADED, "out of resources")


def test_a_refusal_of_one_object_shows_that_the_link_works() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    assert monitor.answered(1.0) == LinkChanged("oncology", "unknown", "online", "")
    monitor.troubled(2.0, "aborted", paused=True)
    assert monitor.answered(3.0) is None
    assert monitor.state is LinkState.DEGRADED


@given(st.lists(st.floats(0.01, 10), min_size=1))
def test_speeds_stay_within_what_was_measured(samples: list[float]) -> None:
    monitor = LinkMonitor("oncology", 0.0)
    for seconds in samples:
        monitor.passed(0.0, GOODPUT_MIN_BYTES, seconds)
        monitor.passed(0.0, TURNAROUND_MAX_BYTES, seconds)
        monitor.probed(0.0, seconds, flowing=True)
    speeds = [GOODPUT_MIN_BYTES / seconds for seconds in samples]
    assert monitor.goodput is not None
    assert min(speeds) * 0.999 <= monitor.goodput <= max(speeds) * 1.001
    for value in (monitor.rtt, monitor.turnaround):
        assert value is not None
        assert min(samples) * 0.999 <= value <= max(samples) * 1.001


def test_smoothing_takes_an_eighth() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    monitor.probed(0.0, 1.0, flowing=True)
    monitor.probed(0.0, 2.0, flowing=True)
    assert monitor.rtt == pytest.approx(1.125)


def test_small_objects_say_nothing_of_the_bandwidth_and_large_ones_nothing_of_the_turnaround() -> None:
    monitor = LinkMonitor("oncology", 0.0)
    monitor.passed(0.0, GOODPUT_MIN_BYTES - 1, 0.5)
    assert (monitor.goodput, monitor.turnaround) == (None, None)
    monitor.passed(0.0, TURNAROUND_MAX_BYTES, 0.5)
    assert (monitor.goodput, monitor.turnaround) == (None, 0.5)
