from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from gateway.operator.facts import Amount, Waiting
from tests.support.fake_control import HOSTILE_WORDS, NOW, FakeControl, destination

Run = Callable[..., Result]
ONE = Waiting(Amount(1, 20_480), Amount(), Amount())


def test_the_sentence_comes_first(run: Run) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "Everything received has reached its destination."
    assert "oncology (ARIA)" in result.stdout
    assert "Listener console: 192.0.2.10 port 11112, 2 associations." in result.stdout
    assert "12 objects kept" in result.stdout


def test_json_has_the_facts(facts_of: Callable[..., Any]) -> None:
    facts = facts_of("status")
    assert facts["level"] == "ok"
    assert facts["destinations"][0]["waiting"]["record"] == {"count": 0, "bytes": 0}


def test_plain_output_has_no_escapes_and_is_not_cut(run: Run, control: FakeControl) -> None:
    control.destinations = [destination(link="offline", link_reason=HOSTILE_WORDS + "long " * 60)]
    text = run("status").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]today[/bold]" in text  # markup of a peer is text
    assert "long " * 59 in text


@pytest.mark.parametrize(
    ("facts", "arguments", "code"),
    [
        ({}, [], 0),
        ({"held": Amount(1, 1)}, [], 6),
        ({"waiting": ONE, "oldest_waiting_at": NOW - 1e6, "held_back": "the month"}, [], 0),
        ({"waiting": ONE, "oldest_due_at": NOW - 3500}, [], 0),
        ({"waiting": ONE, "oldest_due_at": NOW - 3700}, [], 6),
        ({"waiting": ONE, "oldest_due_at": NOW - 3700}, ["--max-wait", "2h"], 0),
        ({"waiting": ONE, "oldest_due_at": NOW - 61}, ["--max-wait", "60"], 6),
    ],
)
def test_check_has_an_exit_code_for_monitoring(
    run: Run, control: FakeControl, facts: dict[str, Any], arguments: list[str], code: int
) -> None:
    control.destinations = [destination(**facts)]
    assert run("status", "--check", *arguments).exit_code == code
    assert run("status").exit_code == 0


def test_check_says_what_is_late(run: Run, control: FakeControl) -> None:
    control.destinations = [destination(waiting=ONE, oldest_due_at=NOW - 7200)]
    assert "The oldest object for oncology (ARIA) has waited for 2 h." in run("status", "--check").stdout
    assert json.loads(run("status", "--check", "--json").stdout)["level"] == "waiting"


def test_wait_empty_gives_up_in_words(run: Run, control: FakeControl) -> None:
    assert run("status", "--wait-empty", "--timeout", "0").exit_code == 0
    control.destinations = [destination(waiting=ONE)]
    result = run("status", "--wait-empty", "--timeout", "0.3")
    assert result.exit_code == 1
    assert "still something waiting" in result.stderr


def test_what_is_only_at_the_hub_is_waited_for_and_is_not_said_to_be_accepted(
    run: Run, control: FakeControl
) -> None:
    control.destinations = [destination(at_hub=2, unverified=Amount(3, 1))]
    result = run("status", "--wait-empty", "--timeout", "0.3")
    assert result.exit_code == 1
    assert "still something waiting" in result.stderr
    assert "Accepted, not verified: 1 object at" in run("status").stdout


def test_waiting_for_a_daemon_that_does_not_come(run: Run, tmp_path: Path) -> None:
    result = run("status", "--wait", "--timeout", "0.3", "--socket", str(tmp_path / "none.sock"))
    assert result.exit_code == 4


@pytest.mark.parametrize("duration", ["", "x", "-1", "1w", "1e9", "1h30m"])
def test_a_bad_duration_is_a_usage_error(run: Run, duration: str) -> None:
    result = run("status", "--max-wait", duration)
    assert result.exit_code == 2
    assert "90s, 15m, 1h or 2d" in result.stderr


@pytest.mark.parametrize(
    ("verified", "words"), [(False, "for the retention time."), (True, "until they are confirmed.")]
)
def test_what_is_only_accepted_is_called_not_verified(
    run: Run, control: FakeControl, verified: bool, words: str
) -> None:
    assert "not verified" not in run("status").stdout
    control.destinations = [destination(unverified=Amount(7, 140_000), verified=verified)]
    text = run("status").stdout
    assert f"Accepted, not verified: 7 objects at oncology (ARIA); the bytes stay here {words}" in text
