from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.learning import Learning, LearningLimits, Setback
from gateway.relay.profile import covering
from tests.support.fake_far import ECHO, EXPLICIT, FIND, MOVE, answer, profile

LIMITS = LearningLimits()
P, Q = profile(FIND), profile(MOVE)


@pytest.fixture(name="learning")
def some_learning() -> Learning:
    return Learning(100.0)


def learn(learning: Learning, *profiles: object, now: float = 0.0) -> None:
    for each in profiles:
        assert not learning.answered(each, answer(each), now, asked=True)  # type: ignore[arg-type]


# --- waits -----------------------------------------------------------------------------------------------


def test_setbacks_grow_and_end_in_waiting_for_a_caller() -> None:
    setback, now, waits = Setback(LIMITS), 0.0, []
    for _ in range(LIMITS.setbacks):
        setback.again(now)
        waits.append(setback.until - now)
        now = setback.until
    assert waits == [10, 40, 160, 640]
    setback.again(now)
    assert setback.until == math.inf
    setback.used(now + 5)
    assert setback.until == now + 5  # one more may be tried
    setback.again(now + 6)
    assert setback.until == math.inf


def test_what_happens_during_a_wait_belongs_to_what_began_it() -> None:
    setback = Setback(LIMITS)
    for now in (0.0, 0.1, 9.9):
        setback.again(now)
    assert setback.until == 10.0


def test_use_does_not_shorten_a_wait_that_has_an_end() -> None:
    setback = Setback(LIMITS)
    setback.again(0.0)
    setback.used(1.0)
    assert setback.until == 10.0


# --- what is remembered ----------------------------------------------------------------------------------


def test_the_most_recently_used_comes_first(learning: Learning) -> None:
    learn(learning, P, Q)
    assert learning.wanted(1.0) == [Q, P]
    learning.begun(P, 2.0)
    assert learning.wanted(2.0) == [P, Q]
    learning.ended(Q, answer(Q), 3.0)
    assert learning.wanted(3.0) == [Q, P]


def test_what_was_not_used_for_long_is_forgotten(learning: Learning) -> None:
    learn(learning, P, Q)
    learning.begun(P, 60.0)
    assert learning.until(P) == 160.0
    assert learning.wanted(99.9) == [P, Q]
    assert learning.wanted(100.0) == [P]
    assert learning.wanted(160.0) == []
    assert (len(learning), learning.until(P)) == (0, -math.inf)


def test_a_use_longer_than_the_memory_is_remembered_at_its_end(learning: Learning) -> None:
    learn(learning, P)
    assert learning.wanted(200.0) == []
    learning.ended(P, answer(P), 200.0)
    assert learning.wanted(200.0) == [P]


def test_so_many_profiles_and_the_least_recently_used_goes_first() -> None:
    learning = Learning(100.0, replace(LIMITS, max_profiles=3))
    learn(learning, *(profile(f"1.{number}") for number in range(5)))
    assert len(learning) == 3
    assert learning.wanted(1.0) == [profile("1.4"), profile("1.3"), profile("1.2")]


def test_a_huge_one_is_not_remembered() -> None:
    learning = Learning(100.0, replace(LIMITS, max_profile_size=1000))
    learn(learning, P, replace(Q, extended=((MOVE, bytes(2000)),)))
    assert learning.wanted(0.0) == [P]


def test_one_with_a_user_is_not_remembered(learning: Learning) -> None:
    learn(learning, profile(FIND, personal=True))
    assert len(learning) == 0


def test_only_a_caller_makes_one_known(learning: Learning) -> None:
    learning.answered(P, answer(P), 0.0, asked=False)
    learning.begun(Q, 0.0)
    assert len(learning) == 0


def test_what_is_accepted_nowhere_is_forgotten(learning: Learning) -> None:
    assert not learning.answered(P, answer(P, accepted=False), 0.0, asked=True)
    learn(learning, P)
    assert learning.answered(P, answer(P, accepted=False), 1.0, asked=False)
    assert learning.wanted(1.0) == []


def test_another_answer_is_told_and_takes_the_place(learning: Learning) -> None:
    learn(learning, P)
    other = answer(P, syntax=EXPLICIT)
    assert learning.agrees(P, answer(P))
    assert not learning.agrees(P, other)
    assert learning.agrees(Q, other)  # nothing known against it
    assert learning.answered(P, other, 1.0, asked=False)
    assert not learning.answered(P, other, 2.0, asked=True)
    assert learning.agrees(P, other)


def test_what_another_serves_as_well_is_not_wanted_by_itself(learning: Learning) -> None:
    large = profile(ECHO, FIND, MOVE)
    learn(learning, large, P)
    assert learning.wanted(0.0) == [large]
    turned = profile(FIND, ECHO, MOVE)  # both serve each other: the one used last
    learn(learning, turned)
    assert learning.wanted(0.0) == [turned]
    elsewhere = profile(FIND, calling="LINAC2")
    learn(learning, elsewhere)
    assert learning.wanted(0.0) == [elsewhere, turned]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([ECHO, FIND, MOVE]), min_size=1, max_size=3).map(tuple),
            st.sampled_from(["LINAC1", "LINAC2"]),
        ),
        max_size=12,
    )
)
def test_what_is_wanted_serves_all_that_is_known(asked: list[tuple[tuple[str, ...], str]]) -> None:
    learning = Learning(100.0)
    known = [profile(*classes, calling=calling) for classes, calling in asked]
    learn(learning, *known)
    wanted = learning.wanted(0.0)
    for each in known:
        assert any(covering(each, other) is not None for other in wanted)
    for each in wanted:
        assert not any(covering(each, other) is not None for other in wanted if other != each)


# --- what the peer does ----------------------------------------------------------------------------------


def test_a_peer_that_ends_idle_ones_is_left_alone_for_all_profiles(learning: Learning) -> None:
    learn(learning, P, Q)
    assert learning.opens_at(P) == -math.inf
    learning.dropped(5.0, 30.0)
    assert learning.opens_at(P) == learning.opens_at(Q) == 15.0


def test_a_peer_that_refuses_one_profile_is_left_alone_for_that(learning: Learning) -> None:
    learn(learning, P, Q)
    learning.refused(P, 5.0)
    learning.refused(profile("1.2.3"), 5.0)  # not known: nothing to note
    assert (learning.opens_at(P), learning.opens_at(Q)) == (15.0, -math.inf)
    learning.answered(P, answer(P), 6.0, asked=False)
    assert learning.opens_at(P) == -math.inf


def test_a_caller_ends_the_last_wait(learning: Learning) -> None:
    learn(learning, P)
    for now in (0.0, 20.0, 100.0, 300.0, 2000.0):
        learning.dropped(now, 30.0)
        learning.refused(P, now)
    assert learning.opens_at(P) == math.inf
    learning.begun(P, 3000.0)
    assert learning.opens_at(P) == 3000.0


def test_one_that_outlives_what_was_learned_mends_it(learning: Learning) -> None:
    learn(learning, P)
    learning.dropped(0.0, 30.0)
    learning.outlived(60.0)
    assert learning.opens_at(P) == 10.0
    learning.outlived(60.1)
    assert learning.opens_at(P) == -math.inf


def test_often_means_that_a_second_one_would_be_there_in_time(learning: Learning) -> None:
    learn(learning, P)
    assert not learning.often(P, 1e9)  # once is not often
    learning.begun(P, 20.0)
    assert learning.often(P, 20.0)
    assert not learning.often(P, 19.9)
    learning.dropped(50.0, 15.0)  # none lives that long at this peer
    assert not learning.often(P, 20.0)
    assert not learning.often(Q, 1e9)
