from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backoff import Backoff
from gateway.delivery.breaker import Breaker, Circuit
from gateway.delivery.classification import Cause
from gateway.delivery.policy import DeliveryPolicy

POLICY = DeliveryPolicy(
    link_backoff=Backoff(1, 60),
    pause_backoff=Backoff(30, 900),
    rejected_interval=300,
    cuts_before_pause=3,
    refusals_before_pause=3,
    holds_before_pause=5,
)


def breaker() -> Breaker:
    return Breaker(POLICY, random.Random(3))


def pause(subject: Breaker, now: float = 0.0) -> None:
    for number in range(3):
        subject.object_failed(now, number, Cause.ABORTED, "cut", held=False)


def test_a_link_failure_opens_it_until_a_probe_succeeds() -> None:
    subject = breaker()
    subject.link_failed(100.0, Cause.UNREACHABLE, "nothing listens")
    assert subject.state is Circuit.OPEN
    assert subject.next_probe is not None
    assert 100.0 <= subject.next_probe <= 101.0
    assert subject.reason == "nothing listens"
    subject.probe_succeeded()
    assert subject.state is Circuit.CLOSED
    assert subject.next_probe is None


@given(st.integers(1, 200))
def test_probes_become_rarer_up_to_the_ceiling(failures: int) -> None:
    subject = breaker()
    for _ in range(failures):
        subject.link_failed(0.0, Cause.UNREACHABLE, "down")
    assert subject.next_probe is not None
    assert subject.next_probe <= min(60.0, 2.0 ** (failures - 1))


def test_a_probe_that_succeeds_forgets_the_failures() -> None:
    subject = breaker()
    for _ in range(20):
        subject.link_failed(0.0, Cause.UNREACHABLE, "down")
    subject.probe_succeeded()
    subject.link_failed(0.0, Cause.UNREACHABLE, "down")
    assert subject.next_probe is not None
    assert subject.next_probe <= 1.0


def test_a_permanent_rejection_is_retried_at_a_slow_pace() -> None:
    subject = breaker()
    subject.link_failed(0.0, Cause.REJECTED_PERMANENT, "called AE title not recognized")
    assert subject.next_probe is not None
    assert 270.0 <= subject.next_probe <= 330.0


@pytest.mark.parametrize("cause", [Cause.ABORTED, Cause.LOST, Cause.TIMEOUT, Cause.VIOLATION])
def test_cuts_under_different_objects_in_a_row_pause(cause: Cause) -> None:
    subject = breaker()
    for _ in range(10):
        assert not subject.object_failed(0.0, 1, cause, "cut", held=False)  # perhaps it is this object
    assert not subject.object_failed(0.0, 2, cause, "cut", held=False)
    assert subject.object_failed(0.0, 3, cause, "cut", held=False)
    assert subject.state is Circuit.OPEN
    assert subject.next_probe is not None
    assert 27.0 <= subject.next_probe <= 33.0


@pytest.mark.parametrize("cause", [Cause.RESOURCES, Cause.PROCESSING])
def test_refusals_of_different_objects_pause(cause: Cause) -> None:
    subject = breaker()
    for _ in range(10):
        assert not subject.object_failed(0.0, 1, cause, "full", held=False)  # one object proves nothing
    assert not subject.object_failed(0.0, 2, cause, "full", held=False)
    assert subject.object_failed(0.0, 3, cause, "full", held=False)


def test_a_destination_that_holds_everything_is_paused_before_thousands_are_held() -> None:
    subject = breaker()
    paused = [subject.object_failed(0.0, n, Cause.REFUSED, "no", held=True) for n in range(5)]
    assert paused == [False] * 4 + [True]


def test_an_accepted_object_clears_everything() -> None:
    subject = breaker()
    subject.object_failed(0.0, 1, Cause.ABORTED, "cut", held=False)
    subject.object_failed(0.0, 2, Cause.ABORTED, "cut", held=False)
    subject.accepted()
    assert not subject.object_failed(0.0, 3, Cause.ABORTED, "cut", held=False)
    assert subject.state is Circuit.CLOSED


def test_after_a_pause_one_object_is_tried_first() -> None:
    subject = breaker()
    pause(subject)
    subject.probe_succeeded()
    assert subject.state is Circuit.TRIAL
    subject.accepted()
    assert subject.state is Circuit.CLOSED


def test_a_failed_trial_pauses_longer_although_probes_succeed() -> None:
    subject = breaker()
    pause(subject)
    for bound in (60.0, 120.0, 240.0, 480.0, 900.0, 900.0):
        subject.probe_succeeded()
        assert subject.object_failed(0.0, 9, Cause.ABORTED, "cut", held=False)
        assert subject.next_probe is not None
        assert 0.9 * bound <= subject.next_probe <= 1.1 * bound


@pytest.mark.parametrize("cause", [Cause.STALE, Cause.LOCAL, Cause.BUSY, Cause.STOPPED])
def test_what_is_not_the_destinations_fault_does_not_pause_it(cause: Cause) -> None:
    subject = breaker()
    for number in range(100):
        assert not subject.object_failed(0.0, number, cause, "x", held=False)


def test_our_own_damage_is_not_held_against_the_destination() -> None:
    subject = breaker()
    for number in range(100):
        assert not subject.object_failed(0.0, number, Cause.DAMAGED, "x", held=True)


def test_a_kick_probes_now() -> None:
    subject = breaker()
    subject.kick(5.0)
    assert subject.next_probe is None
    subject.link_failed(0.0, Cause.REJECTED_PERMANENT, "no")
    subject.kick(5.0)
    assert subject.next_probe == 5.0


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("link"), st.sampled_from([Cause.UNREACHABLE, Cause.TLS, Cause.REJECTED_PERMANENT])
            ),
            st.tuples(st.just("object"), st.sampled_from([Cause.ABORTED, Cause.RESOURCES, Cause.REFUSED])),
            st.tuples(st.just("accepted"), st.none()),
            st.tuples(st.just("probe"), st.none()),
            st.tuples(st.just("kick"), st.none()),
        )
    )
)
def test_it_waits_for_a_probe_exactly_while_open(history: list[tuple[str, Cause | None]]) -> None:
    subject = breaker()
    for number, (what, cause) in enumerate(history):
        if what == "link" and cause:
            subject.link_failed(float(number), cause, "x")
        elif what == "object" and cause:
            subject.object_failed(float(number), number, cause, "x", held=cause is Cause.REFUSED)
        elif what == "accepted":
            subject.accepted()
        elif what == "probe":
            subject.probe_succeeded()
        else:
            subject.kick(float(number))
        assert (subject.next_probe is not None) == (subject.state is Circuit.OPEN)
        if subject.next_probe is not None:
            assert 0 <= subject.next_probe <= number + 1000


def test_an_answer_mends_a_link_and_no_peer_that_refuses_objects() -> None:
    subject = breaker()
    assert not subject.probe_would_close
    subject.link_failed(0.0, Cause.UNREACHABLE, "nothing listens")
    assert subject.probe_would_close
    subject.probe_succeeded()
    pause(subject)
    assert subject.state is Circuit.OPEN
    assert not subject.probe_would_close


def test_what_was_on_the_wire_when_it_opened_is_part_of_the_same_incident() -> None:
    """A cut under a window of sixteen objects is one cut: the wait is that after the first, not the fifth."""
    subject = breaker()
    for number in range(16):
        subject.object_failed(0.0, number, Cause.LOST, "cut", held=False)
    assert subject.next_probe is not None
    assert subject.next_probe <= 1.1 * 30
    subject.probe_succeeded()
    assert subject.object_failed(100.0, 1, Cause.LOST, "cut", held=False)
    assert subject.next_probe <= 100 + 1.1 * 60


def test_what_our_disk_does_not_give_back_says_nothing_about_the_destination() -> None:
    subject = breaker()
    for number in range(20):
        subject.object_failed(0.0, number, Cause.UNREADABLE, "the disk failed", held=True)
    assert subject.state is Circuit.CLOSED
