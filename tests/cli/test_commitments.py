from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import Result

from gateway.operator.facts import CommitmentTotals
from tests.support.fake_control import HOSTILE_WORDS, FakeControl, commitment

Run = Callable[..., Result]


def test_list_shows_the_newest_first_and_how_to_go_on(run: Run) -> None:
    result = run("commitments", "list", "--limit", "2")
    header, *rows = result.stdout.splitlines()
    assert header.split()[:2] == ["number", "state"]
    assert [row.split()[:4] for row in rows] == [
        ["3", "open", "LINAC1", "ARIA"],
        ["2", "open", "LINAC1", "ARIA"],
    ]
    assert "oncology, archive" in rows[0]
    assert "commitments list --before 2" in result.stderr
    assert run("commitments", "list", "--before", "1").stdout == "Nothing to list.\n"
    assert run("commitments", "list", "--before", "0").exit_code == 2


def test_json_has_the_facts(facts_of: Callable[..., Any]) -> None:
    page = facts_of("commitments", "list", "--limit", "1")
    assert page["next"] == 3
    (row,) = page["commitments"]
    assert (row["open"], row["committed"], row["failed"]) == (3, 2, 1)


def test_what_others_say_cannot_write_to_the_terminal(run: Run, control: FakeControl) -> None:
    control.transactions = [commitment(1, state="given-up", reason=HOSTILE_WORDS)]
    text = run("commitments", "list").stdout
    assert "\x1b" not in text
    assert "[bold]today[/bold]" in text


def test_status_counts_what_is_open(run: Run, control: FakeControl) -> None:
    assert "commitment" not in run("status").stdout
    control.totals = CommitmentTotals(open=2, reporting=1, asked=3)
    assert (
        "Storage commitment: 2 requests of consoles open, 1 result to be reported, "
        "3 questions to destinations not answered yet." in run("status").stdout
    )
