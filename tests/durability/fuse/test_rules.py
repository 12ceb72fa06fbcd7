"""When a rule strikes: the right call, the right number of times."""

from __future__ import annotations

import errno
import random

import pytest

from tests.durability.fuse.rules import FAIL_AFTER, SHORT, Rules


@pytest.fixture
def rules() -> Rules:
    return Rules(random.Random(1))


def struck(rules: Rules, operation: str, path: str, times: int) -> list[int]:
    """At which of so many calls (from 1) something goes wrong."""
    return [call for call in range(1, times + 1) if rules.ask(operation, path) is not None]


def test_by_default_the_next_call_goes_wrong_and_no_other(rules: Rules) -> None:
    rules.add("fsync", error=errno.EIO)
    assert struck(rules, "write", "/a", 3) == []
    assert struck(rules, "fsync", "/a", 5) == [1]


def test_the_nth_call_and_those_after_it(rules: Rules) -> None:
    rules.add("write", nth=3, times=2)
    assert struck(rules, "write", "/a", 8) == [3, 4]


def test_from_the_nth_call_on_for_ever(rules: Rules) -> None:
    rules.add("write", nth=3, times=None)
    assert struck(rules, "write", "/a", 6) == [3, 4, 5, 6]


def test_only_calls_on_such_paths_are_counted(rules: Rules) -> None:
    rules.add("write", path="/objects/*.dcm", nth=2)
    assert struck(rules, "write", "/journal.db-wal", 3) == []
    assert struck(rules, "write", "/objects/000000/000000001.dcm", 3) == [2]


def test_a_star_is_every_call_that_changes_or_syncs_something(rules: Rules) -> None:
    rules.add("*", times=None)
    assert struck(rules, "read", "/a", 1) == struck(rules, "getattr", "/a", 1) == []
    for operation in ("create", "write", "fsync", "fsyncdir", "rename", "unlink", "fallocate"):
        assert struck(rules, operation, "/a", 1) == [1]


def test_with_a_probability_it_is_by_chance_and_about_as_often(rules: Rules) -> None:
    rules.add("write", times=None, probability=0.25)
    assert 400 < len(struck(rules, "write", "/a", 2000)) < 600


def test_of_two_that_are_due_one_strikes_and_the_other_at_the_next_call(rules: Rules) -> None:
    first = rules.add("write", action=SHORT)
    second = rules.add("write", action=FAIL_AFTER)
    assert [rule.number for _ in range(3) if (rule := rules.ask("write", "/a"))] == [first, second]
    assert rules.struck() == {first: 1, second: 1}


@pytest.mark.parametrize(
    ("operation", "more"),
    [("sync", {}), ("read", {"action": SHORT}), ("write", {"nth": 0}), ("write", {"times": 0})],
)
def test_a_rule_that_makes_no_sense_is_refused(rules: Rules, operation: str, more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"operation|short|counted"):
        rules.add(operation, **more)
