"""The rate that the queue's time is reckoned from."""

from __future__ import annotations

import pytest

from gateway.delivery.throughput import ENOUGH, Throughput


def test_nothing_is_known_before_enough_was_measured() -> None:
    rate = Throughput()
    assert rate.rate(0.0) is None
    rate.busy(0.0)
    rate.done(ENOUGH / 2, 1000)
    assert rate.rate(ENOUGH / 2) is None
    rate.done(2 * ENOUGH, 1000)
    assert rate.rate(2 * ENOUGH) == pytest.approx(1000 / ENOUGH, rel=0.05)


def test_pauses_do_not_count() -> None:
    rate = Throughput()
    for start in (0.0, 1000.0, 5000.0):
        rate.busy(start)
        rate.done(start + 10, 1_000_000)
        rate.idle(start + 10)
    assert rate.rate(9000.0) == pytest.approx(100_000, rel=0.15)


def test_what_is_measured_later_counts_more() -> None:
    rate = Throughput()
    rate.busy(0.0)
    for second in range(1, 601):
        rate.done(float(second), 1_000_000)
    for second in range(601, 1201):
        rate.done(float(second), 10_000)
    assert rate.rate(1200.0) == pytest.approx(10_000, rel=0.2)


def test_several_at_once_are_counted_together() -> None:
    rate = Throughput()
    rate.busy(0.0)
    rate.busy(0.5)  # a second lane: it is busy already
    rate.done(10.0, 500_000)
    rate.done(10.0, 500_000)
    assert rate.rate(10.0) == pytest.approx(100_000, rel=0.15)


def test_a_standstill_lowers_the_rate() -> None:
    rate = Throughput()
    rate.busy(0.0)
    rate.done(10.0, 1_000_000)
    assert rate.rate(12.0) == pytest.approx(100_000, rel=0.15)
    assert (rate.rate(100.0) or 0) < 15_000
