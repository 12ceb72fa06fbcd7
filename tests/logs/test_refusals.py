"""A flood of refusals costs a handful of lines, a summary, and bounded memory."""

from __future__ import annotations

from gateway.logs.refusals import EVERYBODY_ELSE, RefusalLimits, Refusals, Summary


def test_the_first_few_are_told_and_the_rest_summed_up_when_the_window_is_over() -> None:
    refusals = Refusals(RefusalLimits(per_minute=3, window=60))
    assert [refusals.admit("192.0.2.7", now) for now in (0, 1, 2, 3, 4)] == [True, True, True, False, False]
    assert refusals.due(59.9) == []
    assert refusals.next_due() == 60
    assert refusals.due(60) == [Summary("192.0.2.7", 2, 60)]
    assert refusals.next_due() is None
    assert refusals.admit("192.0.2.7", 61)


def test_a_few_refusals_leave_no_summary() -> None:
    refusals = Refusals(RefusalLimits(per_minute=3))
    assert refusals.admit("192.0.2.7", 0)
    assert refusals.next_due() is None
    assert refusals.due(60) == []


def test_addresses_do_not_disturb_each_other() -> None:
    refusals = Refusals(RefusalLimits(per_minute=1))
    assert refusals.admit("192.0.2.7", 0)
    assert refusals.admit("192.0.2.8", 0)
    assert not refusals.admit("192.0.2.7", 0)


def test_more_addresses_than_the_limit_are_counted_together() -> None:
    refusals = Refusals(RefusalLimits(per_minute=1, addresses=2))
    told = [refusals.admit(f"192.0.2.{number}", 0) for number in range(100)]
    assert told == [True, True, True, *[False] * 97]
    assert refusals.due(60) == [Summary(EVERYBODY_ELSE, 97, 60)]
