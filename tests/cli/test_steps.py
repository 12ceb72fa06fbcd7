from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from gateway.operator.facts import StepTotals
from tests.support.fake_control import HOSTILE_WORDS, FakeControl, step

Run = Callable[..., Result]


def test_list_shows_what_waits_and_how_to_go_on(run: Run) -> None:
    result = run("steps", "list", "--limit", "2")
    header, *rows = result.stdout.splitlines()
    assert header.split()[:3] == ["number", "state", "kind"]
    assert [row.split()[:5] for row in rows] == [
        ["1", "queued", "create", "LINAC1", "oncology"],
        ["2", "queued", "set", "LINAC1", "oncology"],
    ]
    assert "the link is down" in rows[0]
    assert "steps list --after 2" in result.stderr
    assert run("steps", "list", "--after", "3").stdout == "Nothing to list.\n"


def test_list_filters(run: Run, facts_of: Callable[..., Any]) -> None:
    assert [row["number"] for row in facts_of("steps", "list", "--state", "held")["steps"]] == [3]
    assert run("steps", "list", "--destination", "nobody").exit_code == 1
    assert run("steps", "list", "--state", "lost").exit_code == 2


def test_an_answer_is_shown_and_cannot_write_to_the_terminal(run: Run, control: FakeControl) -> None:
    control.messages = [step(1, state="refused", status="0x0106", words="invalid", reason=HOSTILE_WORDS)]
    text = run("steps", "list").stdout
    assert "0x0106 (invalid)" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("arguments", "done", "state"),
    [
        (["retry", "1", "3"], [("retry", 1, ""), ("retry", 3, "")], "queued"),
        (["discard", "1", "--reason", "by hand", "--yes"], [("discard", 1, "by hand")], "discarded"),
    ],
)
def test_actions(run: Run, control: FakeControl, arguments: list[str], done: list[Any], state: str) -> None:
    result = run("steps", *arguments)
    assert result.exit_code == 0, result.output
    assert [entry[:3] for entry in control.done] == done
    assert f"Message 1 to oncology is {state} now." in result.stdout


def test_actions_print_facts(facts_of: Callable[..., Any]) -> None:
    assert [row["state"] for row in facts_of("steps", "retry", "1", "3")] == ["queued", "queued"]


def test_one_that_cannot_be_done_does_not_keep_the_others(run: Run, control: FakeControl) -> None:
    control.messages.append(step(4, state="done"))
    result = run("steps", "retry", "4", "99", "1")
    assert result.exit_code == 1
    assert "message 4: a procedure step that is done cannot be retried" in result.stderr
    assert "message 99" in result.stderr
    assert [entry[1] for entry in control.done] == [1]


def test_a_reason_is_required(run: Run) -> None:
    assert run("steps", "discard", "1", "--yes").exit_code == 2
    assert run("steps", "retry").exit_code == 2
    assert run("steps", "retry", "0").exit_code == 2


@pytest.mark.parametrize(("answer", "code"), [("discard\n", 0), ("yes\n", 1), ("", 1)])
def test_discard_asks_for_the_word(run: Run, control: FakeControl, answer: str, code: int) -> None:
    result = run("steps", "discard", "1", "2", "--reason", "test", input=answer)
    assert result.exit_code == code
    assert "This gives 2 messages up for good." in result.stderr
    assert len(control.done) == 2 * (code == 0)


def test_status_counts_what_waits_and_asks_for_a_decision(run: Run, control: FakeControl) -> None:
    assert "Procedure steps" not in run("status").stdout
    control.step_totals = StepTotals(queued=2)
    assert "Procedure steps: 2 messages waiting, 0 held." in run("status").stdout
    assert run("status", "--check").exit_code == 0
    assert run("status", "--wait-empty", "--timeout", "0").exit_code == 1
    control.step_totals = StepTotals(held=1)
    result = run("status", "--check")
    assert result.exit_code == 6
    assert result.stdout.startswith("1 message of procedure steps is held and waits for a decision")
    assert run("status", "--wait-empty", "--timeout", "0").exit_code == 0
