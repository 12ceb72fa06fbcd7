"""The relay's benchmark: targets against direct, and against round trips."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.relay import DIRECT, RELAYED, Latency, Transfer
from bench.relay_long import COLD, WARM, Conversation
from bench.relay_report import Relayed, show, verdicts

_NODELAY = "TCP_NODELAY=1"


def _transfers(what: str, settings: str, direct: float, relayed: float) -> list[Transfer]:
    return [
        Transfer(what, settings, way, 100, 50.0, seconds * around)
        for way, seconds in ((DIRECT, direct), (RELAYED, relayed))
        for around in (1, 0.5, 100)  # the median is the first, whatever the outlier
    ]


def _conversation(way: str, settings: str, last: float) -> Conversation:
    return Conversation(way, settings, 0.1, 0.2, last, last + 0.1)


@pytest.mark.parametrize(("relayed", "passed"), [(1.24, True), (1.26, False)])
def test_throughput_is_compared_with_direct(relayed: float, passed: bool) -> None:
    measured = Relayed(transfers=_transfers("C-GET", _NODELAY, 1.0, relayed))
    assert [each.passed for each in verdicts(measured)] == [passed]


def test_each_kind_of_transfer_has_its_own_verdict() -> None:
    transfers = _transfers("C-GET", _NODELAY, 1.0, 1.0) + _transfers("C-MOVE", _NODELAY, 1.0, 2.0)
    transfers += _transfers("C-MOVE", "default", 1.0, 0.5)
    assert [each.passed for each in verdicts(Relayed(transfers=transfers))] == [True, False, True]


@pytest.mark.parametrize(("seconds", "passed"), [(0.71, True), (0.73, False)])
def test_round_trips_count_on_the_warm_way_with_the_first_settings(seconds: float, passed: bool) -> None:
    runs = [
        _conversation(DIRECT, "first", 2.4),
        _conversation(COLD, "first", 2.5),
        _conversation(WARM, "first", seconds),
        _conversation(WARM, "second", 5.0),
    ]
    assert [each.passed for each in verdicts(Relayed(conversations=runs))] == [passed]


def test_the_tables_show_what_is_added() -> None:
    echoes = [Latency("C-ECHO", _NODELAY, DIRECT, (0.1,) * 99 + (3.0,))]
    echoes.append(Latency("C-ECHO", _NODELAY, RELAYED, (0.35,) * 99 + (7.5,)))
    measured = Relayed(
        echoes,
        _transfers("C-GET", _NODELAY, 1.0, 2.0),
        [_conversation(DIRECT, _NODELAY, 2.4), _conversation(WARM, _NODELAY, 0.6)],
    )
    shown = io.StringIO()
    show(Console(file=shown, width=140), measured)
    for number in ("0.25", "4.50", "0.50", "4.00", "1.00"):
        assert number in shown.getvalue()
