from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.classification import Strike
from gateway.delivery.poison import MAX_SUSPECTS, Suspects
from gateway.delivery.policy import DeliveryPolicy

POLICY = DeliveryPolicy(poison_aborts=3, poison_losses=5)


def test_convicted_when_others_pass_in_between() -> None:
    suspects = Suspects(POLICY)
    assert not suspects.struck(1, Strike.ABORT)
    suspects.accepted(2)
    assert not suspects.struck(1, Strike.ABORT)
    suspects.accepted(3)
    assert suspects.struck(1, Strike.ABORT)


@given(st.integers(1, 1000), st.sampled_from([Strike.ABORT, Strike.LOSS]))
def test_never_convicted_while_nothing_passes(times: int, strike: Strike) -> None:
    suspects = Suspects(POLICY)
    assert not any(suspects.struck(1, strike) for _ in range(times))
    assert suspects.strikes(1) == times


def test_lost_connections_need_more() -> None:
    suspects = Suspects(POLICY)
    for _ in range(4):
        assert not suspects.struck(1, Strike.LOSS)
        suspects.accepted(2)
    assert suspects.struck(1, Strike.LOSS)


def test_a_dead_link_absolves() -> None:
    suspects = Suspects(POLICY)
    for _ in range(50):
        assert not suspects.struck(1, Strike.ABORT)
        suspects.absolve()
        suspects.accepted(2)


def test_passing_clears() -> None:
    suspects = Suspects(POLICY)
    for _ in range(2):
        suspects.struck(1, Strike.ABORT)
        suspects.accepted(2)
    suspects.accepted(1)
    assert not suspects.struck(1, Strike.ABORT)
    assert suspects.strikes(1) == 1
    suspects.forget(1)
    assert suspects.strikes(1) == 0


def test_the_memory_is_bounded() -> None:
    suspects = Suspects(POLICY)
    for number in range(MAX_SUSPECTS + 50):
        suspects.struck(number, Strike.LOSS)
    assert len(suspects) == MAX_SUSPECTS
