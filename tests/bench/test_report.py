"""The benchmark's arithmetic: medians, ratios, targets."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench import report
from bench.idle import Idle
from bench.spool_scale import Scale
from bench.throughput import Sample

_SMALL = "500 × 20 kB"
_LARGE = "200 × 0.5 MB"


def _samples(load: str, settings: str, **seconds: float) -> list[Sample]:
    labels = {"gateway": "gateway", "storescp": "DCMTK storescp", "pynetdicom": "pynetdicom storescp"}
    return [
        Sample(labels[name], load, settings, 1, 500, time * around)
        for name, time in seconds.items()
        for around in (1, 0.5, 100)  # the median is the first, whatever the outlier
    ]


@pytest.mark.parametrize(
    ("load", "settings", "seconds", "passed"),
    [
        (_SMALL, "default", {"gateway": 4.4, "storescp": 45.0, "pynetdicom": 45.0}, [True]),
        (_SMALL, "default", {"gateway": 4.6, "storescp": 45.0, "pynetdicom": 45.0}, [False]),
        (_LARGE, "default", {"gateway": 9.0, "storescp": 10.0, "pynetdicom": 10.0}, []),
        (_SMALL, "TCP_NODELAY=1", {"gateway": 0.4, "storescp": 0.41, "pynetdicom": 1.61}, [True, True]),
        (_LARGE, "TCP_NODELAY=1", {"gateway": 0.4, "storescp": 0.39, "pynetdicom": 1.59}, [False, False]),
    ],
)
def test_the_targets(load: str, settings: str, seconds: dict[str, float], passed: list[bool]) -> None:
    verdicts = report.throughput_verdicts(_samples(load, settings, **seconds))
    assert [each.passed for each in verdicts] == passed


@pytest.mark.parametrize(("together", "passed"), [(3.9, True), (4.1, False)])
def test_four_consoles_against_one(together: float, passed: bool) -> None:
    runs = [Sample("gateway", _SMALL, "TCP_NODELAY=1", 1, 500, 1.0)]
    runs.append(Sample("gateway", _SMALL, "TCP_NODELAY=1", 4, 2000, together))
    assert report.parallel_verdict(runs).passed is passed


@pytest.mark.parametrize(
    ("memory", "cpu", "passed"),
    [(59.9, 0.9, [True, True]), (60.0, 0.9, [False, True]), (59.9, 1.0, [True, False])],
)
def test_an_idle_gateway(memory: float, cpu: float, passed: list[bool]) -> None:
    idle = [Idle("gateway", memory, memory, 20, cpu, 5), Idle("pynetdicom, minimal", 60, 70, 20, 70, 5)]
    assert [each.passed for each in report.idle_verdicts(idle)] == passed


@pytest.mark.parametrize(
    ("put", "claim", "startup", "passed"),
    [(80.0, 81.0, 4.9, [True, True, True]), (79.0, 79.0, 5.0, [False, False, False])],
)
def test_a_large_spool(put: float, claim: float, startup: float, passed: list[bool]) -> None:
    runs = [Scale(0, 100.0, 100.0, 0.1), Scale(1_000_000, put, claim, startup)]
    assert [each.passed for each in report.spool_verdicts(runs, 1_000_000)] == passed


def test_the_table_shows_ratio_and_verdict() -> None:
    samples = _samples(_SMALL, "default", gateway=0.5, storescp=45.0, pynetdicom=45.0)
    shown = io.StringIO()
    report.show(Console(file=shown, width=140), samples, report.throughput_verdicts(samples))
    assert "90.00" in shown.getvalue()
    assert "reached" in shown.getvalue()
