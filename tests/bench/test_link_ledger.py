"""Results survive: an interrupted bench goes on where it was."""

from __future__ import annotations

import threading
from pathlib import Path

from bench.link.ledger import Ledger


def test_what_is_there_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "link.jsonl"
    ledger = Ledger(path)
    assert "cuts/1" not in ledger
    ledger.add("cuts/1", {"seconds": 3})
    ledger.add("cuts/1", {"seconds": 4})
    ledger.add("cutsome/1", {"seconds": 5})
    again = Ledger(path)
    assert "cuts/1" in again
    assert again.of("cuts") == [{"seconds": 4}]  # the newest counts
    assert len(again.commits()) == 1


def test_a_line_cut_short_costs_that_result_alone(tmp_path: Path) -> None:
    path = tmp_path / "link.jsonl"
    ledger = Ledger(path)
    ledger.add("a/1", {"n": 1})
    ledger.add("a/2", {"n": 2})
    path.write_text(path.read_text()[:-20])
    torn = Ledger(path)
    assert torn.of("a") == [{"n": 1}]
    torn.add("a/3", {"n": 3})
    assert Ledger(path).of("a") == [{"n": 1}, {"n": 3}]


def test_runs_side_by_side_all_keep_their_results(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "link.jsonl")
    threads = [
        threading.Thread(target=lambda n=n: [ledger.add(f"a/{n}/{i}", {"n": n}) for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Ledger(tmp_path / "link.jsonl").of("a")) == 80
