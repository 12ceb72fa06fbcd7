from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reachability import Leave, Reach, Reachabilities, Reachability, ReachabilityLimits

EVEN = ReachabilityLimits(jitter=0.0)


@pytest.fixture(name="reach")
def a_reach() -> Reachability:
    return Reachability("oncology", EVEN)


def test_nothing_is_refused_before_anything_failed(reach: Reachability) -> None:
    assert reach.state is Reach.UNKNOWN
    assert [reach.down(0.0), reach.down(0.0)] == [None, None]
    reach.succeeded(1.0)
    assert [reach.down(2.0), reach.down(2.0)] == [None, None]
    assert reach.state is Reach.UP


def test_down_is_refused_at_once_until_the_retry_moment(reach: Reachability) -> None:
    reach.failed(10.0, "no answer")
    assert reach.down(10.0) == reach.down(10.99) == "no answer"
    assert reach.next_try(10.5) == 11.0


def test_then_exactly_one_caller_may_try(reach: Reachability) -> None:
    reach.failed(10.0, "no answer")
    assert reach.down(11.0) is None
    assert reach.state is Reach.TRIAL
    assert [reach.down(11.0), reach.down(15.0)] == ["no answer", "no answer"]


def test_a_trial_that_succeeds_opens_the_way(reach: Reachability) -> None:
    reach.failed(10.0, "no answer")
    assert reach.down(11.0) is None
    reach.succeeded(12.0)
    assert reach.reason(12.0) is None
    assert [reach.down(12.0), reach.down(12.0)] == [None, None]


def test_waits_double_up_to_the_ceiling_and_start_anew_after_a_success(reach: Reachability) -> None:
    now, waits = 0.0, []
    for _ in range(7):
        assert reach.down(now) is None
        reach.failed(now, "no answer")
        retry = reach.next_try(now)
        assert retry is not None
        waits.append(retry - now)
        now = retry
    assert waits == [1, 2, 4, 8, 15, 15, 15]
    reach.succeeded(now)
    reach.failed(now, "no answer")
    assert reach.next_try(now) == now + 1


def test_days_of_failures_overflow_nothing() -> None:
    assert EVEN.wait(100_000) == 15.0


def test_a_trial_that_never_tells_is_over_after_its_time(reach: Reachability) -> None:
    reach.failed(0.0, "no answer")
    assert reach.down(1.0) is None
    assert reach.next_try(5.0) == 11.0
    assert reach.down(10.9) == "no answer"
    assert reach.down(11.0) is None
    assert reach.down(11.0) == "no answer"


def test_a_trial_that_is_given_up_passes_to_the_next_caller(reach: Reachability) -> None:
    reach.failed(0.0, "no answer")
    assert reach.down(1.0) is None
    reach.given_up(1.5)
    assert reach.down(1.5) is None
    assert reach.down(1.5) == "no answer"
    reach.succeeded(2.0)
    reach.given_up(2.0)  # not a trial any more
    assert reach.state is Reach.UP


def test_looking_takes_no_trial(reach: Reachability) -> None:
    reach.failed(0.0, "no answer")
    assert reach.reason(0.5) == "no answer"
    assert [reach.reason(1.0), reach.reason(1.0), reach.next_try(1.0)] == [None, None, None]
    assert reach.down(1.0) is None
    assert reach.reason(1.0) == "no answer"


def test_several_who_fail_in_one_outage_grow_the_wait_once(reach: Reachability) -> None:
    for moment in (0.0, 0.1, 0.2, 0.9):
        reach.failed(moment, f"failed at {moment}")
    assert reach.reason(1.0) == "failed at 0.9"
    assert reach.next_try(1.0) == pytest.approx(1.9)  # each knew it anew: the wait runs from the last


def test_an_attempt_that_began_before_the_last_success_says_nothing(reach: Reachability) -> None:
    reach.succeeded(5.0)
    reach.failed(6.0, "no answer", since=4.0)
    assert reach.state is Reach.UP
    reach.failed(6.0, "no answer", since=5.5)
    assert reach.reason(6.0) == "no answer"


def test_words_are_never_empty_and_never_long(reach: Reachability) -> None:
    reach.failed(0.0, "")
    assert reach.reason(0.0)
    reach.failed(0.0, "x" * 10_000)
    assert len(reach.reason(0.0) or "") == EVEN.max_reason


def test_jitter_comes_from_the_given_source() -> None:
    limits = ReachabilityLimits()
    moments = set()
    for seed in range(20):
        reach = Reachability("oncology", limits, rng=random.Random(seed))
        reach.failed(0.0, "no answer")
        moment = reach.next_try(0.0)
        assert moment is not None
        assert 0.9 <= moment <= 1.1
        moments.add(moment)
    assert len(moments) == 20


@pytest.mark.parametrize(
    "bad", [{"base": 0.0}, {"base": 20.0}, {"factor": 0.5}, {"jitter": 1.0}, {"jitter": -0.1}]
)
def test_limits_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"wait|jitter"):
        ReachabilityLimits(**bad)  # type: ignore[arg-type]


# --- round trips ---------------------------------------------------------------------------------------


def test_round_trips_are_smoothed_as_rfc_6298_says(reach: Reachability) -> None:
    assert (reach.rtt, reach.rtt_bound) == (None, None)
    reach.measured(0.6)
    assert (reach.rtt, reach.rtt_variation, reach.rtt_bound) == pytest.approx((0.6, 0.3, 1.8))
    reach.measured(0.8)
    assert reach.rtt_variation == pytest.approx(0.75 * 0.3 + 0.25 * 0.2)
    assert reach.rtt == pytest.approx(0.625)


@pytest.mark.parametrize("nonsense", [-1.0, float("nan"), float("inf")])
def test_nonsense_is_no_measurement(reach: Reachability, nonsense: float) -> None:
    reach.measured(nonsense)
    assert reach.rtt is None


def test_a_peer_that_answers_slowly_cannot_stretch_it_without_end(reach: Reachability) -> None:
    for _ in range(50):
        reach.measured(1e6)
    assert reach.rtt == EVEN.max_rtt


@given(st.lists(st.floats(0.0, 60.0), min_size=1))
def test_the_smoothed_value_stays_within_what_was_measured(samples: list[float]) -> None:
    reach = Reachability("oncology", EVEN)
    for sample in samples:
        reach.measured(sample)
    assert reach.rtt is not None
    assert reach.rtt_bound is not None
    assert min(samples) - 1e-9 <= reach.rtt <= max(samples) + 1e-9
    assert reach.rtt_bound >= reach.rtt


# --- everything together ---------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["down", "failed", "succeeded", "given_up", "reason"]), st.floats(0.0, 20.0)
        ),
        max_size=60,
    ),
    st.integers(0, 1000),
)
def test_it_never_refuses_longer_than_it_may_nor_admits_two_to_one_trial(
    steps: list[tuple[str, float]], seed: int
) -> None:
    limits = ReachabilityLimits()
    changes: list[bool] = []
    reach = Reachability(
        "oncology", limits, rng=random.Random(seed), on_change=lambda _, up, __: changes.append(up)
    )
    now, known_down, trial_until = 0.0, False, None
    for step, seconds in steps:
        now += seconds
        if step == "down":
            told_before = reach.reason(now)
            told = reach.down(now)
            assert told == told_before
            assert not (told and not known_down)
            if told is None and known_down:
                assert trial_until is None or now >= trial_until
                trial_until = now + limits.trial
        elif step == "failed":
            reach.failed(now, "no answer")
            known_down, trial_until = True, None
        elif step == "succeeded":
            reach.succeeded(now)
            known_down, trial_until = False, None
        elif step == "given_up":
            reach.given_up(now)
            trial_until = None
        else:
            reach.reason(now)
        moment = reach.next_try(now)
        assert moment is None or moment - now <= max(limits.trial, limits.ceiling * (1 + limits.jitter))
    # What is told alternates, and agrees with how things stand in the end.
    assert all(one is not other for one, other in itertools.pairwise(changes))
    assert changes[-1:] == ([not known_down] if reach.state is not Reach.UNKNOWN else [])


def test_subscribers_learn_what_changes_and_nothing_twice() -> None:
    all_peers = Reachabilities(EVEN)
    heard: list[tuple[str, bool, str]] = []
    forget = all_peers.subscribe(lambda *news: heard.append(news))
    oncology = all_peers.of("oncology")
    oncology.failed(0.0, "no answer")
    oncology.failed(0.1, "no answer")
    assert oncology.down(2.0) is None
    oncology.failed(2.5, "refused")
    oncology.succeeded(5.0)
    oncology.succeeded(6.0)
    assert heard == [("oncology", False, "no answer"), ("oncology", True, "")]
    forget()
    forget()  # harmless
    oncology.failed(7.0, "no answer")
    assert len(heard) == 2


def test_peers_are_apart_and_always_the_same_object() -> None:
    all_peers = Reachabilities(EVEN)
    assert all_peers.of("oncology") is all_peers.of("oncology")
    all_peers.of("oncology").failed(0.0, "no answer")
    assert all_peers.reason("oncology", 0.5) == "no answer"
    assert all_peers.reason("archive", 0.5) is None
    assert all_peers.of("archive").down(0.5) is None


def test_workers_ask_for_leave_and_tell_how_it_went() -> None:
    all_peers, now = Reachabilities(EVEN), [0.0]
    leave = Leave(all_peers, lambda: now[0])
    assert leave.ask("oncology") is None
    leave.tell("oncology", "no answer")
    assert leave.ask("oncology") == "no answer"
    now[0] = 1.0
    assert [leave.ask("oncology"), leave.ask("oncology")] == [None, "no answer"]  # one trial
    leave.tell("oncology", None)
    assert leave.ask("oncology") is None
    assert all_peers.of("oncology").state is Reach.UP


def test_whoever_wants_to_know_is_told_each_round_trip() -> None:
    peers = Reachabilities()
    heard: list[tuple[str, float]] = []
    forget = peers.subscribe_measured(lambda peer, seconds: heard.append((peer, seconds)))
    peers.of("oncology").measured(0.6)
    peers.of("oncology").measured(float("nan"))  # no round trip
    forget()
    peers.of("oncology").measured(0.7)
    assert heard == [("oncology", 0.6)]


def test_says_why_it_is_down_for_as_long_as_it_is() -> None:
    peer = Reachabilities().of("oncology")
    assert peer.words == ""
    peer.failed(1.0, "no route")
    assert peer.words == "no route"
    peer.succeeded(2.0)
    assert peer.words == ""
