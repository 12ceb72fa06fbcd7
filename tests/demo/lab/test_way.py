"""One direction of a link, packet by packet, on a clock of the test's own."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.lab import Gap, Loss, OneWay, Outage
from gateway.demo.lab.way import Way

PLAIN = OneWay(rate=None, delay=0.5)


def numbered(number: int, size: int = 100) -> bytes:
    return number.to_bytes(4, "big") + bytes(size - 4)


def number_of(packet: bytes) -> int:
    return int.from_bytes(packet[:4], "big")


def arrivals(way: Way) -> list[tuple[float, int]]:
    """Everything under way: when it arrives, and which packet it is."""
    seen = []
    while (at := way.next_at) is not None:
        seen += [(at, number_of(packet)) for packet in way.arrived(at)]
    return seen


def test_a_packet_arrives_after_the_delay_and_not_before() -> None:
    way = Way(PLAIN)
    way.take(numbered(7), 10.0)
    assert way.next_at == 10.5
    assert way.arrived(10.499) == []
    assert way.arrived(10.5) == [numbered(7)]
    assert way.next_at is None


def test_packets_wait_for_their_turn_at_the_rate() -> None:
    way = Way(OneWay(rate=1000.0, delay=0.5))
    for number in range(3):
        way.take(numbered(number), 0.0)
    way.take(numbered(3), 2.0)
    assert arrivals(way) == [(pytest.approx(at), n) for n, at in enumerate((0.6, 0.7, 0.8, 2.6))]


def test_what_the_modem_has_no_room_for_is_dropped_and_uses_no_air() -> None:
    way = Way(OneWay(rate=1000.0, delay=0.0, queue=3000))
    for number in range(5):
        way.take(numbered(number, 1000), 0.0)
    assert [number for _, number in arrivals(way)] == [0, 1, 2]
    assert way.counts.dropped == 2
    assert way.counts.sent_bytes == 3000
    way.take(numbered(9, 1000), 3.0)  # there is room again
    assert arrivals(way) == [(pytest.approx(4.0), 9)]


def test_a_packet_that_is_lost_has_used_the_air() -> None:
    way = Way(OneWay(rate=1000.0, delay=0.0, loss=Loss(0.5)), seed=3)
    for number in range(20):
        way.take(numbered(number), 0.0)
    seen = arrivals(way)
    assert 0 < way.counts.lost < 20
    assert len(seen) == 20 - way.counts.lost
    assert all(at == pytest.approx((number + 1) * 0.1) for at, number in seen)
    assert way.counts.sent_bytes == 2000
    assert way.counts.arrived_bytes == 100 * len(seen)


def _lost(loss: Loss, packets: int = 100_000, seed: int = 1) -> list[bool]:
    way = Way(replace(PLAIN, loss=loss), seed=seed)
    lost = []
    for number in range(packets):
        before = way.counts.lost
        way.take(numbered(number), float(number))
        lost.append(way.counts.lost > before)
    return lost


def _runs(lost: list[bool]) -> list[int]:
    return [len(list(group)) for is_lost, group in itertools.groupby(lost) if is_lost]


def test_loss_of_single_packets() -> None:
    lost = _lost(Loss(0.05))
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.1)
    runs = _runs(lost)
    assert sum(runs) / len(runs) == pytest.approx(1 / 0.95, rel=0.05)


@pytest.mark.parametrize("burst", [2.0, 10.0])
def test_loss_in_bursts_keeps_the_mean_and_the_length_of_the_bursts(burst: float) -> None:
    lost = _lost(Loss(0.05, burst=burst))
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.2)
    runs = _runs(lost)
    assert sum(runs) / len(runs) == pytest.approx(burst, rel=0.15)


def test_a_bad_channel_may_let_something_through() -> None:
    lost = _lost(Loss(0.05, burst=20, within=0.5))
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.2)
    runs = _runs(lost)
    assert sum(runs) / len(runs) == pytest.approx(2.0, rel=0.2)  # a coin within the burst


def test_what_is_lost_is_a_matter_of_the_seed_alone() -> None:
    loss = Loss(0.1, burst=3)
    assert _lost(loss, 1000, seed=5) == _lost(loss, 1000, seed=5)
    assert _lost(loss, 1000, seed=5) != _lost(loss, 1000, seed=6)


def test_jitter_drifts_between_its_bounds_and_keeps_the_order() -> None:
    way = Way(OneWay(rate=None, delay=0.1, jitter=0.05))
    for number in range(2000):
        way.take(numbered(number), number * 0.001)
    seen = arrivals(way)
    assert [number for _, number in seen] == list(range(2000))
    late = [at - number * 0.001 - 0.1 for at, number in seen]
    assert min(late) > -1e-9
    assert max(late) <= 0.05 + 1e-9
    assert max(late) - min(late) > 0.025
    # A drift: what left one after the other has nearly the same delay.
    assert max(abs(b - a) for a, b in itertools.pairwise(late)) < 0.003


def test_jitter_after_a_long_silence_is_worked_out_at_once() -> None:
    way = Way(OneWay(rate=None, delay=0.1, jitter=0.05))
    way.take(numbered(0), 0.0)
    way.take(numbered(1), 1e8)
    assert 0.1 <= arrivals(way)[-1][0] - 1e8 <= 0.15 + 1e-6


def test_packets_overtake_when_asked_for() -> None:
    way = Way(OneWay(rate=None, delay=0.1, jitter=0.05, reorders=True))
    for number in range(100):
        way.take(numbered(number), number * 0.001)
    order = [number for _, number in arrivals(way)]
    assert sorted(order) == list(range(100))
    assert order != sorted(order)


def test_nothing_that_leaves_in_a_gap_arrives() -> None:
    way = Way(PLAIN, gap=Gap(every=15.0, lasts=0.3), begins=100.0)
    for number in range(6000):  # a minute, a packet every 10 ms
        way.take(numbered(number), 100.0 + number * 0.01 + 0.005)
    missing = sorted(set(range(6000)) - {number for _, number in arrivals(way)})
    expected = [n for n in range(6000) if (n * 0.01 + 0.005) % 15.0 > 14.7]
    assert missing == expected
    assert way.counts.unheard == len(expected) == 120


def test_an_outage_takes_what_is_under_way_too() -> None:
    way = Way(PLAIN, outages=[Outage(at=2.0, lasts=1.0)])
    for number in range(40):
        way.take(numbered(number), number * 0.1 + 0.01)
    # Half a second under way: what left from 1.5 s on would have arrived in the outage.
    assert [n for _, n in arrivals(way)] == [n for n in range(40) if n * 0.1 < 1.49 or n * 0.1 > 2.99]


def test_outages_can_be_counted_from_another_moment() -> None:
    way = Way(PLAIN, outages=[Outage(at=0.0, lasts=1.0)], begins=0.0)
    way.take(numbered(1), 5.0)
    way.restart(6.0)
    way.take(numbered(2), 6.5)
    assert [n for _, n in arrivals(way)] == [1]


def test_a_cut_loses_what_is_under_way_and_what_comes() -> None:
    way = Way(OneWay(rate=1000.0, delay=0.5))
    for number in range(3):
        way.take(numbered(number), 0.0)
    assert [number_of(each) for each in way.arrived(0.65)] == [0]
    way.cut(0.65)
    assert way.next_at is None
    way.take(numbered(3), 0.7)
    way.restore()
    way.take(numbered(4), 0.8)
    assert arrivals(way) == [(pytest.approx(1.4), 4)]  # the modem's queue is empty again
    assert way.counts.unheard == 3


def test_another_shape_counts_from_then_on() -> None:
    way = Way(PLAIN)
    way.take(numbered(1), 0.0)
    way.reshape(OneWay(rate=None, delay=2.0), None, [])
    way.take(numbered(2), 0.1)
    assert arrivals(way) == [(0.5, 1), (2.1, 2)]
    way.reshape(replace(PLAIN, loss=Loss(0.999)), None, [])
    for number in range(50):
        way.take(numbered(number), 3.0)
    assert way.counts.lost > 40


_shapes = st.builds(
    OneWay,
    rate=st.none() | st.floats(1_000, 1e6),
    delay=st.floats(0, 1),
    jitter=st.just(0.0) | st.floats(0, 0.5),
    loss=st.builds(Loss, mean=st.floats(0, 0.4), burst=st.none() | st.floats(1, 10), within=st.just(1.0)),
    queue=st.integers(1500, 1 << 17),
)


@given(
    shape=_shapes,
    packets=st.lists(st.tuples(st.floats(0, 0.5), st.integers(40, 1500)), max_size=60),
    seed=st.integers(0, 1000),
    gap=st.none() | st.just(Gap(every=1.0, lasts=0.2)),
)
def test_whatever_the_shape(
    shape: OneWay, packets: list[tuple[float, int]], seed: int, gap: Gap | None
) -> None:
    way = Way(shape, seed=seed, gap=gap)
    now, sent = 0.0, {}
    for number, (pause, size) in enumerate(packets):
        now += pause
        sent[number] = (now, size)
        way.take(numbered(number, size), now)
    seen = arrivals(way)
    # The order is kept, nothing comes twice, nothing comes early, and nothing is unaccounted for.
    assert [number for _, number in seen] == sorted({number for _, number in seen})
    assert all(at >= sent[number][0] + shape.delay - 1e-9 for at, number in seen)
    counts = way.counts
    assert counts.arrived_packets == len(seen)
    assert counts.sent_packets == len(seen) + counts.lost + counts.unheard
    assert counts.sent_packets + counts.dropped == len(packets)
    assert counts.arrived_bytes == sum(sent[number][1] for _, number in seen)
    if shape.rate is not None and not shape.jitter and seen:
        # Between any packet's arrival and the last's, no more than the rate allows.
        carried = 0
        for at, number in reversed(seen):
            assert carried <= (seen[-1][0] - at) * shape.rate * (1 + 1e-9) + 1e-3
            carried += sent[number][1]
