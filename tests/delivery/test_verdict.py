from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backoff import Backoff
from gateway.delivery.classification import POLICY, Cause, Remedy, Scope, Strike
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.verdict import Held, Retry, judge

POLICY_NUMBERS = DeliveryPolicy(
    object_backoff=Backoff(1, 8), max_attempts=5, slow_interval=100, busy_attempts=3
)


def verdict(
    cause: Cause, attempts: int = 1, strikes: int = 0, *, poisonous: bool = False, seed: int = 0
) -> Retry | Held:
    rng = random.Random(seed)
    return judge(
        cause, attempts=attempts, strikes=strikes, poisonous=poisonous, policy=POLICY_NUMBERS, rng=rng
    )


@given(st.sampled_from(list(Cause)), st.integers(1, 1000), st.integers(0, 1000), st.booleans(), st.integers())
def test_nothing_is_ever_dropped(
    cause: Cause, attempts: int, strikes: int, poisonous: bool, seed: int
) -> None:
    found = verdict(cause, attempts, strikes, poisonous=poisonous, seed=seed)
    rule = POLICY[cause]
    if isinstance(found, Held):
        assert rule.scope is Scope.OBJECT
        assert rule.remedy in (Remedy.HOLD, Remedy.BUSY) or poisonous
    else:
        assert 0 <= found.delay <= 110
        assert found.counts == rule.counts


@pytest.mark.parametrize("cause", [cause for cause in Cause if POLICY[cause].scope is Scope.LINK])
def test_a_link_failure_leaves_the_object_ready(cause: Cause) -> None:
    assert verdict(cause) == Retry(0, counts=False)


def test_transient_failures_slow_down_but_go_on_for_ever() -> None:
    for attempts in (1, 5):
        found = verdict(Cause.PROCESSING, attempts)
        assert isinstance(found, Retry)
        assert found.delay <= 8
    for attempts in (6, 10_000):
        found = verdict(Cause.PROCESSING, attempts)
        assert isinstance(found, Retry)
        assert 90 <= found.delay <= 110


def test_busy_is_taken_at_its_word_in_the_end() -> None:
    assert isinstance(verdict(Cause.BUSY, 1), Retry)
    assert isinstance(verdict(Cause.BUSY, 2), Retry)
    assert verdict(Cause.BUSY, 3) == Held(Cause.BUSY)


def test_cuts_are_retried_until_proven() -> None:
    for cause in (c for c in Cause if POLICY[c].strike is not Strike.NONE):
        assert isinstance(verdict(cause, strikes=50), Retry)
        assert verdict(cause, strikes=3, poisonous=True) == Held(Cause.POISON)
