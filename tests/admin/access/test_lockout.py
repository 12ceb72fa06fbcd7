"""The state machine of waits: tables for the steps, and a model of attackers and users against it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.admin.access.lockout import FORGET_AFTER, FREE, MAX_WAIT, Attempt, Lockout, delay, network_of

ANNA = Attempt("anna", "192.0.2.10")
KNOWN = Attempt("anna", "192.0.2.10", browser="b1")


def fail(lockout: Lockout, attempt: Attempt, now: float) -> float:
    """Try and fail as soon as it is possible; return when that was."""
    wait = lockout.begin(attempt, now)
    if wait:
        now += wait
        assert lockout.begin(attempt, now) == 0.0
    return now


def test_some_tries_are_free_then_each_wait_is_twice_as_long_up_to_a_minute() -> None:
    lockout = Lockout()
    times = [0.0]
    for _ in range(15):
        times.append(fail(lockout, ANNA, times[-1]))
    waits = [after - before for before, after in itertools.pairwise(times[1:])]
    assert waits[:4] == [0.0] * 4
    assert waits[4:11] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    assert set(waits[11:]) == {60.0}


def test_a_try_that_comes_too_early_changes_nothing() -> None:
    lockout = Lockout()
    now = 1000.0
    for _ in range(FREE["pair"] + 3):
        now = fail(lockout, ANNA, now)
    left = [lockout.begin(ANNA, now + tick / 10) for tick in range(1, 40)]
    assert left == sorted(left, reverse=True)  # it only gets shorter
    assert lockout.begin(ANNA, now + 8.0) == 0.0


def test_the_right_password_clears_the_users_counters() -> None:
    lockout = Lockout()
    for _ in range(FREE["pair"]):
        lockout.begin(ANNA, 0.0)
    assert lockout.begin(ANNA, 0.0) > 0
    assert lockout.begin(ANNA, 1.0) == 0.0
    lockout.succeeded(ANNA)
    assert lockout.begin(ANNA, 1.0) == 0.0


def test_a_try_without_an_answer_is_taken_back() -> None:
    lockout = Lockout()
    for attempt in (ANNA, KNOWN):
        for _ in range(100):
            assert lockout.begin(attempt, 0.0) == 0.0
            lockout.withdrawn(attempt)
    assert len(lockout) == 0


def test_tries_at_the_same_moment_are_not_all_free() -> None:
    lockout = Lockout()
    begun = [lockout.begin(ANNA, 5.0) for _ in range(50)]
    assert begun.count(0.0) == FREE["pair"]


def test_one_address_cannot_spray_over_many_accounts() -> None:
    lockout = Lockout()
    begun = [lockout.begin(Attempt(f"user{n}", "192.0.2.66"), 0.0) for n in range(100)]
    assert begun.count(0.0) == FREE["address"]


def test_many_addresses_on_one_account_wait_too_but_its_own_browser_does_not() -> None:
    lockout = Lockout()
    begun = [lockout.begin(Attempt("anna", f"198.51.100.{n}"), 0.0) for n in range(100)]
    assert begun.count(0.0) == FREE["account"]
    assert lockout.begin(ANNA, 0.0) > 0
    assert lockout.begin(KNOWN, 0.0) == 0.0


def test_a_known_browser_is_no_way_to_guess_without_end() -> None:
    lockout = Lockout()
    begun = [lockout.begin(KNOWN, 0.0) for _ in range(100)]
    assert begun.count(0.0) == FREE["browser"]
    assert lockout.begin(ANNA, 0.0) == 0.0  # and it is counted alone


def test_what_was_left_alone_for_half_an_hour_is_forgotten() -> None:
    lockout = Lockout()
    now = 0.0
    for _ in range(20):
        now = fail(lockout, ANNA, now)
    later = now + FORGET_AFTER + 1
    assert [lockout.begin(ANNA, later) for _ in range(FREE["pair"])] == [0.0] * FREE["pair"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%wlan0", True),
        ("no address", "no address", True),
    ],
)
def test_what_counts_as_one_address(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_delays() -> None:
    assert [delay(n) for n in (-3, -1, 0, 1, 5, 6, 10_000)] == [0.0, 0.0, 1.0, 2.0, 32.0, 60.0, 60.0]


ACCOUNTS = st.sampled_from(["anna", "ben", "nobody"])


class AttackersAndUsers(RuleBasedStateMachine):
    """One attacker at one address does what it likes; users elsewhere and known browsers never notice."""

    def __init__(self) -> None:
        super().__init__()
        self.lockout = Lockout(max_counters=200)
        self.now = 0.0

    @rule(seconds=st.floats(0, 4000))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(account=ACCOUNTS, tries=st.integers(1, 60), patient=st.booleans())
    def attack(self, account: str, tries: int, patient: bool) -> None:
        for _ in range(tries):
            wait = self.lockout.begin(Attempt(account, "203.0.113.9"), self.now)
            if wait and patient:
                self.now += wait

    @rule(number=st.integers(0, 10_000), tries=st.integers(1, 10))
    def attack_made_up_names(self, number: int, tries: int) -> None:
        for turn in range(tries):
            self.lockout.begin(Attempt(f"{number}-{turn}", "203.0.113.9"), self.now)

    @rule(account=ACCOUNTS)
    def the_attacker_knows_a_password(self, account: str) -> None:
        attempt = Attempt(account, "203.0.113.9")
        if self.lockout.begin(attempt, self.now) == 0.0:
            self.lockout.succeeded(attempt)

    @rule(account=ACCOUNTS, slips=st.integers(0, 3), browser=st.sampled_from(["", "b1"]))
    def a_user_elsewhere_signs_in(self, account: str, slips: int, browser: str) -> None:
        attempt = Attempt(account, "192.0.2.10", browser)
        for _ in range(slips):
            assert self.lockout.begin(attempt, self.now) == 0.0
        assert self.lockout.begin(attempt, self.now) == 0.0
        self.lockout.succeeded(attempt)
        self.now += FORGET_AFTER + 1  # slips of one address add up; here each user is a careful one

    @rule(account=ACCOUNTS)
    def the_wait_ends(self, account: str) -> None:
        attempt = Attempt(account, "203.0.113.9")
        wait = self.lockout.begin(attempt, self.now)
        assert 0.0 <= wait <= MAX_WAIT
        if wait:
            self.now += wait
            assert self.lockout.begin(attempt, self.now) == 0.0

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.lockout) <= 200


TestAttackersAndUsers = AttackersAndUsers.TestCase
TestAttackersAndUsers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["anna", "ben"]),
            st.integers(0, 30),
            st.sampled_from(["", "b1", "b2"]),
            st.floats(0, 100),
            st.booleans(),
        ),
        max_size=80,
    )
)
@settings(max_examples=100, deadline=None)
def test_from_any_state_waiting_once_is_enough(moves: list[tuple[str, int, str, float, bool]]) -> None:
    lockout = Lockout()
    now = 0.0
    for account, host, browser, pause, good in moves:
        now += pause
        attempt = Attempt(account, f"192.0.2.{host}", browser)
        if lockout.begin(attempt, now) == 0.0 and good:
            lockout.succeeded(attempt)
    for account in ("anna", "ben"):
        for browser in ("", "b1"):
            attempt = Attempt(account, "192.0.2.1", browser)
            wait = lockout.begin(attempt, now)
            assert wait <= MAX_WAIT
            assert wait == 0.0 or lockout.begin(attempt, now + wait) == 0.0
