"""The report over long links: medians, scaling, shares of the link's rate, targets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.link import report
from bench.link.cuts import Cuts
from bench.link.ledger import Ledger
from bench.link.moments import Preemption, Silence
from bench.link.report import Results
from bench.link.transfers import Transfer
from bench.report import Verdict

RATE = 1_250_000.0


def transfer(
    way: str, seconds: float, *, load: str = "records", objects: int = 300, up: float = 1.1
) -> Transfer:
    size = objects * (20_000 if load == "records" else 500_000)
    return Transfer(
        way=way,
        profile="geo-clear",
        load=load,
        objects=objects,
        of=300 if load == "records" else 100,
        seconds=seconds,
        stored_seconds=seconds,
        object_bytes=size,
        up_bytes=int(size * up),
        down_bytes=9000,
        lost=1,
        dropped=0,
        cpu_near=0.5,
        cpu_far=0.25,
        rate=RATE,
        console_seconds=0.7 if way == "hub" else 0.0,
    )


def results(tmp_path: Path, **parts: list[object]) -> Results:
    ledger = Ledger(tmp_path / "link.jsonl")
    for part, values in parts.items():
        for number, value in enumerate(values):
            ledger.add(f"{part}/{number}", dataclasses.asdict(value))  # type: ignore[call-overload]
    return Results(ledger)


def verdict(found: Results, words: str) -> Verdict:
    return next(each for each in report.verdicts(found) if words in each.what)


def test_what_was_measured_with_fewer_objects_is_scaled_and_says_so(tmp_path: Path) -> None:
    found = results(
        tmp_path,
        transfer=[transfer("storescu", 20.0, objects=10), *(transfer("hub", s) for s in (3.0, 9.0, 3.5))],
    )
    text = "\n".join(report.tables(found))
    assert (
        "| storescu → storescp, default | 1 | 10 of 300 | 20.0 (20.0-20.0) |  | 600, scaled | 0.008 | 1.0 |"
        in text
    )
    assert "hub | 3 | 300 of 300 | 3.5 (3.0-9.0) | 0.7 | 3.5 | 1.371 | 171.4 | 1.100 | 9 | 0.5, 0.2 |" in text
    assert verdict(found, "/ storescu default").value == pytest.approx(600 / 3.5)
    assert verdict(found, "/ storescu default").passed
    assert verdict(found, "confirmed by the hub").passed


@pytest.mark.parametrize(("seconds", "passed"), [(3.9, True), (4.1, False)])
def test_the_bar_for_records(tmp_path: Path, seconds: float, passed: bool) -> None:
    found = results(tmp_path, transfer=[transfer("hub", seconds)])
    assert verdict(found, "confirmed by the hub, geo-clear").passed is passed


@pytest.mark.parametrize(
    ("load", "seconds", "passed"),
    [("noise", 44.0, True), ("noise", 45.0, False), ("cbct", 22.0, True), ("cbct", 22.5, False)],
)
def test_the_bars_for_images_are_shares_of_the_rate(
    tmp_path: Path, load: str, seconds: float, passed: bool
) -> None:
    found = results(tmp_path, transfer=[transfer("hub", seconds, load=load, objects=100)])
    assert verdict(found, f"{load}, geo-clear").passed is passed


def test_a_run_with_fewer_objects_does_not_spoil_one_with_all(tmp_path: Path) -> None:
    found = results(tmp_path, transfer=[transfer("hub", 3.0), transfer("hub", 99.0, objects=30)])
    median = found.median("geo-clear", "records", "hub")
    assert median is not None
    assert median.seconds == 3.0


def test_the_worst_record_counts(tmp_path: Path) -> None:
    runs: list[object] = [Preemption("dsl", seconds, 0.62) for seconds in (0.3, 0.63, 0.4)]
    runs.append(Preemption("dsl", 2.0, 0.62, early=True))
    found = results(tmp_path, preemption=runs)
    assert verdict(found, "a record in a CBCT, dsl").value == 0.63
    assert not verdict(found, "a record in a CBCT, dsl").passed
    assert "| `dsl` | 3 | 0.40 | 0.63 | 0.62 | 2.00 |" in "\n".join(report.tables(found))


@pytest.mark.parametrize(("up", "passed"), [(3500, True), (7000, False)])
def test_an_idle_link_is_counted_by_the_day(tmp_path: Path, up: int, passed: bool) -> None:
    found = results(tmp_path, idle=[Silence("geo-clear", 600.0, up, 3000)])
    each = verdict(found, "idle link")
    assert each.value == pytest.approx((up + 3000) * 144 / 1e6)
    assert each.passed is passed


def test_what_is_sent_again_is_beyond_what_headers_cost(tmp_path: Path) -> None:
    cut = Cuts("geo-clear", 300_000_000, 10, 300.0, 315_000_000 + 9_000_000, 1.05, 750_000 + 256_000)
    assert cut.again_per_cut == pytest.approx(900_000)
    assert verdict(results(tmp_path, cuts=[cut]), "cut 10 times").passed
    worse = dataclasses.replace(cut, up_bytes=cut.up_bytes + 2_000_000)
    assert not verdict(results(tmp_path, cuts=[worse]), "cut 10 times").passed


def test_failures_are_shown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "link.jsonl")
    ledger.add("failed/x", {"key": "x", "why": "no | way"})
    assert "| x | no / way |" in "\n".join(report.tables(Results(ledger)))
