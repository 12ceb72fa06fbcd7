"""The token bucket: the rate is kept on average, what is urgent never waits and is counted, times of day."""

from __future__ import annotations

import datetime
import random

import pytest

from gateway.model import Priority
from gateway.shaping.schedule import Schedule, Window
from gateway.shaping.shaper import BURST, HEADERS, LOOK, MAX_DEBT, PIECE, Shaper

START = datetime.datetime(2026, 11, 23, 12, 0).timestamp()
NONE_BUT_RECORDS = Schedule(0)


class Clock:
    """One time for both clocks: `now` is monotonic, the wall clock is START later."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return START + self.now - 1000.0


def shaper(schedule: Schedule, clock: Clock) -> Shaper:
    return Shaper(schedule, wall_clock=clock.wall)


def flow(bucket: Shaper, clock: Clock, seconds: float, *, size: int = PIECE) -> int:
    """Send bulk pieces as fast as it lets for so long; return the bytes on the line."""
    sent, end = 0, clock.now + seconds
    while clock.now < end:
        delay = bucket.allow(clock.now, Priority.BULK, size)
        if delay:
            clock.now += delay
        else:
            sent += size
    return round(sent * HEADERS)


def test_without_a_cap_nothing_waits() -> None:
    clock = Clock()
    bucket = shaper(Schedule(), clock)
    assert bucket.rate(clock.now) is None
    assert all(bucket.allow(clock.now, Priority.BULK, 10**9) == 0 for _ in range(100))


@pytest.mark.parametrize("rate", [1_000, 16_000, 1_250_000])
@pytest.mark.parametrize("size", [1_000, PIECE, 1_000_000])
def test_the_rate_is_kept_on_average_whatever_the_piece(rate: int, size: int) -> None:
    clock = Clock()
    seconds = max(20.0, 40 * size / rate)
    sent = flow(shaper(Schedule(rate), clock), clock, seconds, size=size)
    assert sent == pytest.approx(rate * seconds, rel=0.06)


def test_an_idle_line_saves_up_a_burst_and_no_more() -> None:
    clock = Clock()
    rate = 1_000_000
    bucket = shaper(Schedule(rate), clock)
    flow(bucket, clock, 10)
    clock.now += 3600
    before = clock.now
    sent = 0
    while not bucket.allow(clock.now, Priority.BULK, 1000):
        sent += 1000
    assert clock.now == before
    assert sent * HEADERS <= BURST * rate + 1000 * HEADERS


def test_records_never_wait_and_the_others_make_room_for_them() -> None:
    clock = Clock()
    rate = 100_000
    bucket = shaper(Schedule(rate), clock)
    bucket.rate(clock.now)
    for _ in range(10):
        assert bucket.allow(clock.now, Priority.RECORD, 100_000) == 0.0
    waited = 0.0
    while delay := bucket.wait(clock.now, Priority.IMAGE):
        waited += delay
        clock.now += delay
    assert waited == pytest.approx(10 * HEADERS, abs=0.01)


def test_what_records_use_up_in_advance_is_bounded() -> None:
    clock = Clock()
    rate = 1_000
    bucket = shaper(Schedule(rate), clock)
    bucket.rate(clock.now)
    for _ in range(1000):
        bucket.spend(clock.now, 1_000)
    waited = 0.0
    while delay := bucket.wait(clock.now, Priority.BULK):
        assert delay <= LOOK
        waited += delay
        clock.now += delay
    assert waited == pytest.approx(MAX_DEBT, abs=1)


def test_a_rate_of_nothing_lets_records_through_only() -> None:
    clock = Clock()
    bucket = shaper(NONE_BUT_RECORDS, clock)
    assert bucket.allow(clock.now, Priority.RECORD, 10**6) == 0.0
    assert bucket.allow(clock.now, Priority.IMAGE, 1) == LOOK
    assert bucket.allow(clock.now, Priority.BULK, 1) == LOOK


def test_the_rate_changes_with_the_time_of_day() -> None:
    clock = Clock()
    lunch = Window(12 * 60 + 10, 13 * 60, 1_000_000)
    bucket = shaper(Schedule(10_000, (lunch,)), clock)
    assert flow(bucket, clock, 600) == pytest.approx(10_000 * 600, rel=0.05)
    assert flow(bucket, clock, 600) == pytest.approx(1_000_000 * 600, rel=0.05)
    clock.now += 40 * 60
    assert flow(bucket, clock, 600) == pytest.approx(10_000 * 600, rel=0.05)


def test_a_debt_does_not_outlive_the_end_of_the_cap() -> None:
    """At the end of treatment hours the images of the day leave at once."""
    clock = Clock()
    bucket = shaper(Schedule(None, (Window(0, 12 * 60 + 1, 1_000),)), clock)
    bucket.spend(clock.now, 1_000_000)
    assert bucket.wait(clock.now, Priority.BULK) > 0
    clock.now += 60 + LOOK
    assert bucket.wait(clock.now, Priority.BULK) == 0.0


def test_a_clock_that_goes_back_gives_nothing_away_and_blocks_nobody() -> None:
    clock = Clock()
    bucket = shaper(Schedule(1_000), clock)
    flow(bucket, clock, 60)
    clock.now -= 3600
    sent = flow(bucket, clock, 60)
    assert sent <= 1_000 * 60 + 2 * PIECE * HEADERS
    assert sent >= 1_000 * 60 - 2 * PIECE * HEADERS


def test_any_mixture_keeps_the_rate_and_never_holds_a_record() -> None:
    dice = random.Random(6)
    for _ in range(20):
        clock = Clock()
        rate = dice.choice([2_000, 50_000, 400_000])
        bucket = shaper(Schedule(rate), clock)
        sent, begin = 0, clock.now
        while clock.now < begin + 120:
            priority = dice.choice(list(Priority))
            size = dice.randrange(1, PIECE)
            if priority is Priority.RECORD and dice.random() < 0.95:
                continue  # records are few
            delay = bucket.allow(clock.now, priority, size)
            assert 0 <= delay <= LOOK
            assert delay == 0 or priority is not Priority.RECORD
            if delay:
                clock.now += min(delay, dice.random())
            else:
                sent += size
        records_at_most = MAX_DEBT * rate
        assert sent * HEADERS <= rate * (clock.now - begin) + BURST * rate + PIECE * HEADERS + records_at_most
