"""The plan of the bench over long links: all is there, nothing takes for ever, and it says how long."""

from __future__ import annotations

import pytest

from bench.link import __main__ as bench
from bench.link import plan
from bench.link.loads import CBCT, LOADS, NOISE, RECORDS
from bench.link.ways import WAYS
from gateway.demo.lab import PROFILES


def test_every_link_load_and_subject_is_there() -> None:
    cells = list(plan.cells())
    for way in ("storescu", "storescu-nodelay", "orthanc", "orthanc-http", "direct", "hub"):
        for profile in plan.BENCHED:
            for load in (RECORDS, CBCT):
                assert [c for c in cells if (c.way, c.profile, c.load) == (way, profile, load.name)]
    assert {c.profile for c in cells if c.load == NOISE.name and c.way == "hub"} == set(plan.BENCHED)
    assert len({key for cell in cells for key in cell.keys}) == sum(cell.rounds for cell in cells)


def test_the_slow_ones_have_fewer_objects_and_ours_have_the_time_they_need() -> None:
    cells = list(plan.cells(budget=30.0))
    for cell in cells:
        assert 5 <= cell.objects <= LOADS[cell.load].count
        assert cell.estimate <= 60 or cell.objects == 5
    whole = {(c.profile, c.load) for c in cells if c.way == "hub" and c.objects == LOADS[c.load].count}
    assert {("geo", "records"), ("geo-clear", "records"), ("geo-clear", "noise"), ("leo", "cbct")} <= whole
    slow = next(c for c in cells if (c.way, c.profile, c.load) == ("storescu", "geo", "records"))
    assert slow.objects < 30
    assert slow.rounds == 1
    assert all(c.rounds == 3 for c in cells if c.way == "hub")


def test_ours_come_first() -> None:
    ours = [WAYS[cell.way].ours for cell in plan.cells()]
    assert ours == sorted(ours, reverse=True)


@pytest.mark.parametrize(
    ("way", "profile", "load", "seconds"),
    [
        # Measured in this laboratory.
        ("storescu", "geo-clear", RECORDS, 2.05),
        ("storescu-nodelay", "geo-clear", RECORDS, 0.87),
        ("orthanc", "geo-clear", RECORDS, 2.04),
        ("orthanc-http", "geo-clear", RECORDS, 0.74),
    ],
)
def test_estimates_are_near_the_truth(way: str, profile: str, load: object, seconds: float) -> None:
    assert load is RECORDS
    assert plan.seconds_each(way, PROFILES[profile], RECORDS) == pytest.approx(seconds, rel=0.3)


def test_loss_slows_others_down_more() -> None:
    for way, most in (("hub", 1.3), ("storescu", 30.0)):
        clear = plan.seconds_each(way, PROFILES["geo-clear"], CBCT)
        lossy = plan.seconds_each(way, PROFILES["geo"], CBCT)
        assert 1.1 < lossy / clear < most


def test_the_plan_is_said_and_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    assert bench.main(["--plan", "--into", f"{tmp_path}/link.jsonl", "--only", "transfer,idle"]) == 0
    said = capsys.readouterr().out
    assert "transfer/geo/records/hub/300/0" in said
    assert "idle" in said
    assert "minutes" in said


def test_unknown_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--profiles", "moon"])
    assert "unknown moon; there are geo" in capsys.readouterr().err
