from __future__ import annotations

import socket
import sys
from dataclasses import replace

import pytest

from gateway.association import tuning
from gateway.association.tcp_info import TcpInfo
from gateway.association.tuning import EVIDENCE, MEMORY, Watch, WayThere

NOTHING = TcpInfo(0, 0.0, 0.6, 0, 0, 0, 0, 0, 0, 0, 0.6, 0)


class Wire:
    """A connection whose counters the test turns."""

    def __init__(self) -> None:
        self.info: TcpInfo | None = NOTHING
        self.used: list[str] = []
        self.looks = 0

    def tcp_info(self) -> TcpInfo | None:
        self.looks += 1
        return self.info

    def use_congestion_control(self, name: str) -> bool:
        self.used.append(name)
        return True

    def carried(self, sent: int, again: int, round_trip: float = 0.6) -> None:
        self.info = replace(
            NOTHING,
            bytes_sent=sent,
            bytes_retransmitted=again,
            shortest_round_trip=round_trip,
            round_trip=round_trip,
        )


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


@pytest.mark.parametrize(
    ("sent", "again", "round_trip", "robust"),
    [
        (10_000_000, 100_000, 0.6, True),  # one in a hundred
        (10_000_000, 10_000, 0.6, True),  # the border
        (10_000_000, 9_990, 0.6, False),
        (10_000_000, 100_000, 0.001, False),  # a LAN recovers at once
        (100_000, EVIDENCE - 1, 0.6, False),  # a packet or two prove nothing
        (100_000, EVIDENCE, 0.6, True),
        (10_000_000, 0, 0.6, False),
    ],
)
def test_the_loss_decides(sent: int, again: int, round_trip: float, robust: bool) -> None:
    wire, way = Wire(), WayThere()
    watch = Watch(way, wire, Clock())
    wire.carried(sent, again, round_trip)
    watch.look()
    assert wire.used == (["bbr"] if robust else [])
    assert way.lossy is robust
    assert way.retransmitted == again
    later = Wire()
    Watch(way, later, Clock())
    assert later.used == (["bbr"] if robust else [])  # the next connection begins with what is known


def test_what_is_lost_to_a_full_queue_says_nothing_of_the_way() -> None:
    wire, way = Wire(), WayThere()
    watch = Watch(way, wire, Clock())
    wire.info = replace(NOTHING, bytes_sent=10_000_000, bytes_retransmitted=500_000, round_trip=0.8)
    watch.look()
    assert wire.used == []
    assert way.retransmitted == 500_000
    wire.carried(20_000_000, 1_000_000)  # the queue has emptied, and what it dropped was sent again
    watch.look()
    assert wire.used == []
    wire.carried(30_000_000, 1_500_000)
    watch.look()
    assert wire.used == ["bbr"]


def test_a_connection_is_told_once() -> None:
    wire = Wire()
    watch = Watch(WayThere(), wire, Clock())
    for step in range(1, 5):
        wire.carried(step * 1_000_000, step * 50_000)
        watch.look()
    assert wire.used == ["bbr"]


def test_counters_run_on_and_are_counted_once() -> None:
    wire, way = Wire(), WayThere()
    watch = Watch(way, wire, Clock())
    for step in range(1, 4):
        wire.carried(step * 100_000, step * 1_000)
        watch.look()
    assert way.retransmitted == 3_000
    assert way.loss == pytest.approx(0.01)


def test_the_weather_changes() -> None:
    way = WayThere()
    way.seen(MEMORY, MEMORY // 50, 0.6)
    assert way.lossy
    for _ in range(12):
        way.seen(MEMORY, 0, 0.6)
    assert not way.lossy


def test_too_little_is_no_measure() -> None:
    way = WayThere()
    way.seen(10_000, 5_000, 0.6)
    assert way.loss is None


def test_a_look_costs_a_system_call_once_a_second_at_most() -> None:
    now = 5.0
    wire = Wire()
    watch = Watch(WayThere(), wire, lambda: now)
    for _ in range(100):
        watch.look()
    assert wire.looks == 0
    now = 6.5
    for _ in range(100):
        watch.look()
    assert wire.looks == 1


def test_nothing_is_learned_where_nothing_is_to_be_had() -> None:
    wire, way = Wire(), WayThere()
    watch = Watch(way, wire, Clock())
    wire.info = None
    watch.look()
    wire.info = replace(NOTHING, bytes_retransmitted=None)
    watch.look()
    assert (way.loss, way.round_trip, way.lossy) == (None, None, False)


@pytest.mark.skipif(sys.platform != "linux", reason="congestion control is exchanged on Linux")
def test_the_kernel_says_whether_it_does() -> None:
    with socket.socket() as sock:
        assert tuning.use_congestion_control(sock, "reno")  # in every kernel, allowed to everybody
        name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        assert name.rstrip(b"\0") == b"reno"
        assert not tuning.use_congestion_control(sock, "nonesuch")
