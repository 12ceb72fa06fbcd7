from __future__ import annotations

import pytest

from gateway.trends.sample import MAX_ROUND_TRIPS, Gathering


def test_the_way_that_objects_take_counts_more_than_what_the_kernel_measures() -> None:
    gathering = Gathering()
    gathering.round_trip(0.001, of_kernel=True)  # a modem answers for the peer
    assert gathering.close(0, 60).rtt_median == 0.001
    for seconds in (0.6, 0.7, 0.65):
        gathering.round_trip(seconds)
    sample = gathering.close(0, 60)
    assert (sample.rtt_min, sample.rtt_median, sample.rtt_max) == (0.6, 0.65, 0.7)


def test_many_round_trips_stay_bounded_and_tell_the_same() -> None:
    gathering = Gathering()
    for number in range(10 * MAX_ROUND_TRIPS):
        gathering.round_trip(number % 100 / 100)
    assert len(gathering._asked) <= MAX_ROUND_TRIPS
    assert gathering.close(0, 60).rtt_median == pytest.approx(0.5, abs=0.05)


def test_goodput_is_of_large_objects_and_all_of_them_count() -> None:
    gathering = Gathering()
    gathering.delivered(20_000, 0.6)
    assert gathering.close(0, 60).goodput is None
    gathering.delivered(1_000_000, 1.0)
    gathering.delivered(3_000_000, 1.0)
    sample = gathering.close(0, 60)
    assert sample.goodput == 2_000_000
    assert sample.objects == 3


def test_loss_needs_a_kernel_that_tells() -> None:
    gathering = Gathering()
    assert gathering.close(0, 60).loss is None
    gathering.segments(0, 0)
    assert gathering.close(0, 60).loss is None
    gathering.segments(200, 3)
    assert gathering.close(0, 60).loss == 0.015
    gathering.segments(0, 1000)
    assert gathering.close(0, 60).loss == 1.0


def test_what_goes_backwards_counts_for_nothing() -> None:
    gathering = Gathering()
    gathering.lasted("up", -5)
    gathering.carried(-1, -1)
    gathering.segments(-1, -1)
    sample = gathering.close(0, 60)
    assert (sample.up, sample.sent, sample.received, sample.segments, sample.retransmitted) == (0, 0, 0, 0, 0)
