"""`make torture`: what it says, and that nothing but a run that lost nothing ends with 0.

The campaigns here are sample_campaigns.py; each runs in a process of its own, as the real ones do.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import pytest

from tests.durability import __main__ as torture
from tests.durability import running
from tests.durability.campaign import ACKNOWLEDGED, CAMPAIGNS, LOST, Tally
from tests.durability.running import Outcome
from tests.durability.showing import Progress, progress_line, table

SAMPLES = ("Passes", "Loses", "CountsALoss", "TestsNothing", "HasADefect", "NeverEnds", "Dies")


@pytest.fixture(autouse=True)
def _samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have the samples for campaigns, and a folder of our own for what is left of them."""
    places = {name: f"tests.durability.sample_campaigns:{name}" for name in SAMPLES}
    monkeypatch.setattr(running, "CAMPAIGNS", places)
    monkeypatch.setattr(torture, "CAMPAIGNS", places)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def torture_of(*names: str, seconds: float = 0.5, more: tuple[str, ...] = ()) -> int:
    only = [word for name in names for word in ("--only", name)]
    return torture.main([*only, "--minutes", str(seconds / 60), "--seed", "7", *more])


def test_a_run_that_loses_nothing_passes_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert torture_of("Passes", seconds=1.0, more=("--json", str(report))) == 0
    said = capsys.readouterr().out
    assert "seed 7" in said
    assert "passed" in said
    facts = json.loads(report.read_text())
    assert facts["seed"] == 7
    (one,) = facts["campaigns"]
    assert one["passed"] is True
    assert one["counts"][ACKNOWLEDGED] == 3
    assert one["counts"][LOST] == 0
    assert one["counts"]["rounds"] > 3
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_the_time_is_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that ends at once leaves its time to the next."""
    report = tmp_path / "report.json"
    torture_of("TestsNothing", "Passes", seconds=3.0, more=("--json", str(report)))
    first, second = json.loads(report.read_text())["campaigns"]
    assert first["seconds"] < 1.5 < second["seconds"]
    assert capsys.readouterr().out.count("TestsNothing") >= 2


def test_a_loss_names_the_seed_the_command_and_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert torture_of("Loses") == 1
    said = capsys.readouterr().out
    assert "object 4 is gone [seed 1234, history sample, step 9]" in said
    assert 'make torture ARGS="--only Loses --seed 1234 --minutes ' in said
    (folder,) = tmp_path.glob("torture-Loses-*")
    assert str(folder) in said
    assert "Failure: object 4 is gone" in (folder / "failure.txt").read_text()
    assert [path.read_text() for path in folder.rglob("journal.db")] == ["what is left"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CountsALoss", "2 acknowledged objects were lost"),
        ("TestsNothing", "nothing was put to the test"),
        ("HasADefect", "a defect of the campaign"),
        ("Dies", "exit code 3"),
    ],
)
def test_whatever_else_goes_wrong_is_no_pass(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert torture_of(name, "Passes") == 1
    said = capsys.readouterr().out
    assert words in said
    assert "passed" in said, "those that come after it run all the same"


def test_a_campaign_that_does_not_end_is_ended() -> None:
    outcome = running.run("NeverEnds", 0.5, 7, lambda _outcome, _words: None, grace=2.0)
    assert "did not end" in outcome.failure
    assert outcome.tally.counts[ACKNOWLEDGED] == 7, "what it had counted is known all the same"
    assert outcome.seconds < 15


def test_a_campaign_that_cannot_run_here_is_said_to_be_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"Elsewhere": "tests.durability.not_here:Nothing"}
    monkeypatch.setattr(running, "CAMPAIGNS", places)
    monkeypatch.setattr(torture, "CAMPAIGNS", places)
    assert torture_of("Elsewhere") == 2
    assert "Elsewhere was not run" in capsys.readouterr().out
    assert torture.main(["--list"]) == 2


def test_the_list_says_what_each_one_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert torture.main(["--list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in SAMPLES)


@pytest.mark.parametrize(
    "words", [["--minutes", "0"], ["--minutes", "1e9"], ["--seed", "-1"], ["--only", "nothing-of-ours"]]
)
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        torture.main(words)
    assert ended.value.code == 2


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def an_outcome() -> Outcome:
    counts = {"power cuts": 120, ACKNOWLEDGED: 4_567, LOST: 0}
    return Outcome("power-cuts", 7, Tally.of(counts), seconds=60.0)


def test_the_line_has_a_rate_and_the_time_left() -> None:
    assert progress_line(an_outcome(), 75.0, "round 3") == (
        "power-cuts: 120 power cuts, 4,567 objects acknowledged, 0 lost; "
        "2.0 power cuts a second; 1:15 left; round 3"
    )


def test_a_terminal_sees_one_line_that_is_redrawn_and_a_file_sees_few() -> None:
    terminal, file = _Terminal(), io.StringIO()
    for out in (terminal, file):
        progress = Progress(0.0, out)
        for place in range(50):
            progress.show(an_outcome(), f"round {place}")
        progress.say("over")
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().count("\r\x1b[K") == 51
    assert file.getvalue().count("\n") == 2


def test_the_table_has_the_counts() -> None:
    lost = Outcome("faults", 7, Tally.of({LOST: 1}), failure="object 1 is gone")
    head, first, second = table([an_outcome(), lost])
    assert head.split() == ["campaign", "result", "time", "objects", "acknowledged", "lost", "and"]
    assert first.split() == ["power-cuts", "passed", "1:00", "4,567", "0", "120", "power", "cuts"]
    assert second.split() == ["faults", "FAILED", "0:00", "0", "1"]


def test_the_real_campaigns_are_all_there() -> None:
    assert {"crash-points", "power-cuts", "faults", "delivery-truth", "mutants"} <= set(CAMPAIGNS)
