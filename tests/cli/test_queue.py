from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.support.fake_control import FILE, FakeControl, delivery

Run = Callable[..., Result]


def test_list_shows_what_waits_and_how_to_go_on(run: Run) -> None:
    result = run("queue", "list", "--limit", "2")
    header, *rows = result.stdout.splitlines()
    assert header.split()[:2] == ["number", "state"]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert "RT Beams Treatment Record Storage" in rows[0]
    assert "20.5 kB" in rows[0]
    assert "the same with --after 2" in result.stderr
    newest = run("queue", "list", "--limit", "2", "--newest")
    assert [row.split()[0] for row in newest.stdout.splitlines()[1:]] == ["3", "2"]
    assert "the same with --before 2" in newest.stderr


def test_list_is_narrowed(run: Run) -> None:
    assert "Nothing to list." in run("queue", "list", "--priority", "bulk").stdout
    assert "RT Beams" in run("queue", "list", "--priority", "record", "--calling-ae", "LINAC1").stdout
    both = run("queue", "list", "--after", "1", "--before", "3")
    assert "--after or --before, not both" in both.stderr
    assert run("queue", "list", "--after", "3").stdout == "Nothing to list.\n"


def test_list_filters(run: Run, control: FakeControl, facts_of: Callable[..., Any]) -> None:
    control.rows.append(delivery(9, state="held"))
    assert [row["number"] for row in facts_of("queue", "list", "--state", "held")["deliveries"]] == [9]
    assert run("queue", "list", "--destination", "nobody").exit_code == 1
    assert run("queue", "list", "--state", "lost").exit_code == 2


def test_show_tells_the_story_and_what_to_do(run: Run, facts_of: Callable[..., Any]) -> None:
    text = run("queue", "show", "2").stdout
    assert text.startswith("Delivery 2 to oncology waits for its turn.\nWhy: the link is down.")
    for words in (
        "from LINAC1 at 192.0.2.20", "association a1b2", "Implicit VR Little Endian", "Tried 2 times so far.",
        "held by anna (uid 1000): kept back", "oncology answered 0xA700", "in its own words: no room",
    ):  # fmt: skip
        assert words in text
    assert text.endswith("Next: Nothing to do: it is tried again by itself.\n")
    assert "\x1b" not in text
    assert facts_of("queue", "show", "2")["receipts"][0]["status"] == "0xA700"


def test_show_of_nothing_says_so(run: Run) -> None:
    result = run("queue", "show", "99")
    assert result.exit_code == 1
    assert "there is no delivery 99" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "done", "state"),
    [
        (["retry", "1", "3"], [("retry", 1, ""), ("retry", 3, "")], "queued"),
        (["release", "1"], [("release", 1, "")], "queued"),
        (["hold", "1", "--reason", "physics first"], [("hold", 1, "physics first")], "held"),
        (["discard", "1", "--reason", "test", "--yes"], [("discard", 1, "test")], "discarded"),
    ],
)
def test_actions(run: Run, control: FakeControl, arguments: list[str], done: list[Any], state: str) -> None:
    result = run("queue", *arguments)
    assert result.exit_code == 0, result.output
    assert [entry[:3] for entry in control.done] == done
    assert f"Delivery 1 to oncology is {state} now." in result.stdout


def test_one_that_cannot_be_done_does_not_keep_the_others(run: Run, control: FakeControl) -> None:
    control.rows.append(delivery(4, state="released"))
    result = run("queue", "retry", "4", "99", "1")
    assert result.exit_code == 1
    assert "delivery 4: delivery 4 is released" in result.stderr
    assert "delivery 99" in result.stderr
    assert [entry[1] for entry in control.done] == [1]


def test_a_reason_is_required(run: Run) -> None:
    assert run("queue", "hold", "1").exit_code == 2
    assert run("queue", "discard", "1", "--yes").exit_code == 2


@pytest.mark.parametrize(
    ("answer", "code"), [("discard\n", 0), ("yes\n", 1), ("\n", 1), ("DISCARD\n", 1), ("", 1)]
)
def test_discard_asks_for_the_word(run: Run, control: FakeControl, answer: str, code: int) -> None:
    result = run("queue", "discard", "1", "--reason", "test", input=answer)
    assert result.exit_code == code
    assert len(control.done) == (code == 0)


def test_retry_of_everything(run: Run, control: FakeControl) -> None:
    assert run("queue", "retry", "--all").exit_code == 0
    assert (
        run("queue", "retry", "--held", "--cause", "conflict").stdout
        == "2 held deliveries put back into the queue.\n"
    )
    assert [entry[:3] for entry in control.done] == [
        ("retry", "oncology", control.done[0][2]),
        ("retry-held", None, "conflict"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1", "--all"],
        ["--all", "--held"],
        ["1", "--destination", "x"],
        ["--all", "--cause", "x"],
        ["0"],
        ["x"],
    ],
)
def test_retry_that_is_not_clear_is_a_usage_error(
    run: Run, control: FakeControl, arguments: list[str]
) -> None:
    assert run("queue", "retry", *arguments).exit_code == 2
    assert control.done == []


def test_pause_and_resume(run: Run, control: FakeControl) -> None:
    assert run("queue", "pause", "oncology").stdout == "Delivery to oncology is paused.\n"
    assert run("queue", "resume", "oncology").stdout == "Delivery to oncology goes on.\n"
    assert [entry[0] for entry in control.done] == ["pause", "resume"]
    assert run("queue", "pause", "nobody").exit_code == 1


def test_export_writes_a_private_file(run: Run, tmp_path: Path, facts_of: Callable[..., Any]) -> None:
    assert run("queue", "export", "1").exit_code == 0
    written = tmp_path / "object-1.dcm"
    assert written.read_bytes() == FILE
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert facts_of("queue", "export", "2", "named.dcm") == {
        "number": 2,
        "file": "named.dcm",
        "bytes": len(FILE),
    }


def test_export_never_overwrites(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "there.dcm"
    target.write_text("precious")
    result = run("queue", "export", "1", str(target))
    assert result.exit_code == 1
    assert "not overwritten" in result.stderr
    assert target.read_text() == "precious"


def test_export_of_nothing_leaves_no_file(run: Run, tmp_path: Path) -> None:
    assert run("queue", "export", "99", "x.dcm").exit_code == 1
    assert not (tmp_path / "x.dcm").exists()
    assert run("queue", "export", "1", "no-folder/x.dcm").exit_code == 1


def test_what_is_only_accepted_is_called_not_verified(run: Run, control: FakeControl) -> None:
    control.rows = [delivery(1, state="accepted", reason=""), delivery(2, state="confirmed", reason="")]
    accepted, confirmed = run("queue", "list").stdout.splitlines()[1:]
    assert "accepted, not verified" in accepted
    assert "not verified" not in confirmed
    shown = run("queue", "show", "1").stdout
    assert "is accepted, not verified: nothing proves yet that the destination keeps these bytes" in shown
