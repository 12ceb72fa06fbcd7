"""Counting, budgets and failures of the campaigns."""

from __future__ import annotations

import time

import pytest

from tests.durability.campaign import ACKNOWLEDGED, CAMPAIGNS, LOST, Budget, Failure, Tallies, Tally

pytest_plugins = ["pytester"]


def test_a_line_says_what_was_lost_last_also_when_it_was_nothing() -> None:
    tally = Tally()
    tally.add("states explored", 12_345)
    tally.add(ACKNOWLEDGED, 678)
    assert tally.line() == "12,345 states explored, 678 objects acknowledged, 0 lost"
    tally.add(LOST, 2)
    tally.add("recoveries")
    assert tally.line() == "12,345 states explored, 678 objects acknowledged, 1 recoveries, 2 lost"


def test_tallies_add_up_word_by_word_and_keep_zeros() -> None:
    total = Tally.of({"kills": 3, LOST: 0})
    total += Tally.of({"kills": 4, "power cuts": 0})
    assert dict(total.counts) == {"kills": 7, LOST: 0, "power cuts": 0}


def test_a_name_that_comes_again_is_added_to() -> None:
    tallies = Tallies()
    tallies.add("power cuts", Tally.of({"power cuts": 2}))
    tallies.add("faults", Tally.of({"faults injected": 1}))
    tallies.add("power cuts", Tally.of({"power cuts": 5}))
    assert tallies.lines() == ["power cuts  7 power cuts, 0 lost", "faults      1 faults injected, 0 lost"]


def test_a_failure_says_how_to_see_it_again() -> None:
    failure = Failure("object 3 is gone", seed=7, history="duplicate", step=12)
    assert str(failure) == "object 3 is gone [seed 7, history duplicate, step 12]"
    assert isinstance(failure, AssertionError)
    assert str(Failure("object 3 is gone")) == "object 3 is gone"


def test_a_budget_ends() -> None:
    assert not Budget.seconds(60, seed=1).over()
    assert 50 < Budget.seconds(60, seed=1).left() <= 60
    past = Budget(time.monotonic() - 1, seed=1)
    assert past.over()
    assert past.left() == 0


def test_every_campaign_says_where_it_lives() -> None:
    assert all(place.startswith("tests.durability.") and ":" in place for place in CAMPAIGNS.values())


def test_the_counts_are_printed_at_the_end_of_the_run(pytester: pytest.Pytester) -> None:
    """In a run of its own: two tests count, the summary adds up, and a run that counts nothing is silent."""
    pytester.makeconftest(
        "from tests.durability.tally_report import pytest_terminal_summary, tallies  # noqa: F401"
    )
    pytester.makepyfile(
        test_counting="""
        import pytest
        from tests.durability.campaign import Tally

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(tallies, n):
            tallies.add("power cuts", Tally.of({"power cuts": n}))

        def test_nothing():
            pass
        """
    )
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*nothing acknowledged is lost*", "power cuts  3 power cuts, 0 lost"])
    silent = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:asyncio", "-k", "nothing")
    silent.stdout.no_fnmatch_line("*nothing acknowledged is lost*")
