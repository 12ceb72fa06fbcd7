"""Delivery with one thing wrong at a time: each of these has to be found out.

Half of them are mistakes somebody could make, the others are those that this proof has found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.delivery import backoff, breaker, courier, health, pauses, poison, scheduler, verdict
from gateway.delivery.breaker import Circuit
from gateway.delivery.receipt import make_receipt
from gateway.errors import DeliveryFailure
from gateway.model import DeliveryState, Priority
from gateway.spool import PutBack, deliveries, puts, recovery, retention, states
from gateway.spool.schema import QUEUED

S = DeliveryState
Patch = pytest.MonkeyPatch


def forgets_to_settle(patch: Patch) -> None:
    """A receipt is not handed to the journal."""
    tell = courier.Courier._record_outcome

    def forget(self: Any, settlement: Any) -> None:
        if isinstance(settlement, PutBack):
            tell(self, settlement)

    patch.setattr(courier.Courier, "_record_outcome", forget)


def takes_silence_for_success(patch: Patch) -> None:
    """An object without an answer counts as accepted."""
    judge = health.Health.outcome

    def outcome(self: Any, job: Any, result: Any, seconds: float) -> Any:
        if isinstance(result, DeliveryFailure) and result.cause == "no-answer":
            result = make_receipt("x", 0, "", transfer_syntax_uid="1.2", digest=job.object.digest, at=0.0)
        return judge(self, job, result, seconds)

    patch.setattr(health.Health, "outcome", outcome)


def claims_twice(patch: Patch) -> None:
    """A claim does not say in the journal that it has taken something."""
    patch.setattr(deliveries, "SENDING", QUEUED)


def releases_without_a_receipt(patch: Patch) -> None:
    """The retention also takes what was never delivered."""
    patch.setattr(retention, "ACCEPTED", QUEUED)
    moves = {**states.TRANSITIONS, (S.QUEUED, states.Event.EXPIRE): S.RELEASED}
    patch.setattr(states, "TRANSITIONS", moves)
    release = retention.release_slice

    def eager(tx: Any, before: float) -> Any:
        rows = tx.rows("SELECT number FROM deliveries WHERE state = ? LIMIT 3", QUEUED)
        for (number,) in rows:
            tx.move(tx.delivery(number), states.Event.EXPIRE)
        return release(tx, before)

    patch.setattr(retention, "release_slice", eager)


def sends_images_first(patch: Patch) -> None:
    """Among what is claimed, the least urgent goes first."""

    def last(self: Any, most: Priority = Priority.BULK) -> Any:
        jobs = [entry for entry in self._heap if entry[0] <= most]
        return max(jobs, key=lambda entry: entry[:3])[-1] if jobs else None

    patch.setattr(scheduler.ReadyQueue, "first", last)


def keeps_no_lane_for_records(patch: Patch) -> None:
    """Every lane takes anything."""
    plan = scheduler.plan_lanes

    def all_general(*values: Any, **named: Any) -> Any:
        made = plan(*values, **named)
        return scheduler.LanePlan(made.general, record=False)

    patch.setattr(courier, "plan_lanes", all_general)


def backs_off_without_bound(patch: Patch) -> None:
    """The wait doubles, and nothing stops it."""
    patch.setattr(
        backoff.Backoff, "bound", lambda self, attempt: 4 * self.base * self.factor ** min(attempt, 40)
    )
    patch.setattr(
        backoff.Backoff, "delay", lambda self, attempt, rng: 4 * self.base * self.factor ** min(attempt, 40)
    )


def never_forgets_a_failure(patch: Patch) -> None:
    """A destination that has come back waits as long as before when it goes again."""
    succeeded = breaker.Breaker.probe_succeeded

    def remember(self: Any) -> None:
        failures = self._failures
        succeeded(self)
        self._failures = failures

    patch.setattr(breaker.Breaker, "probe_succeeded", remember)


def never_lets_go_of_what_is_held(patch: Patch) -> None:
    """What a person releases stays where it is."""
    patch.setattr(deliveries, "_let_go", lambda tx, number, event, what, who: tx.delivery(number))


def holds_what_is_under_way(patch: Patch) -> None:
    """A person's hold is taken although the courier has the object already."""
    moves = {**states.TRANSITIONS, (S.SENDING, states.Event.HOLD): S.HELD}
    patch.setattr(states, "TRANSITIONS", moves)


def sends_during_a_pause(patch: Patch) -> None:
    """A pause only means that nothing more is claimed."""
    put_back = courier.Courier._put_back_ready

    def offer(self: Any, most: Priority) -> Any:
        if self._stopping or self._breaker.state is Circuit.OPEN:
            return None
        return self._ready.first(most)

    def keep(self: Any) -> None:
        if not self._paused:
            put_back(self)

    patch.setattr(courier.Courier, "offer", offer)
    patch.setattr(courier.Courier, "_put_back_ready", keep)


def forgets_a_pause(patch: Patch) -> None:
    """A pause ends with the process."""
    patch.setattr(pauses.Pauses, "save", lambda self, names: None)


def leaves_what_was_being_sent(patch: Patch) -> None:
    """After a crash nobody has what was on the wire."""
    patch.setattr(recovery, "_requeue", lambda tx: 0)


def sleeps_through_what_becomes_due(patch: Patch) -> None:
    """A courier wakes only when it is told to."""
    patch.setattr(courier.Courier, "_sleep_until", lambda self, due: self._wake.wait())


def believes_a_clock_that_was_wrong(patch: Patch) -> None:
    """What was put back under a clock years ahead waits for years."""
    patch.setattr(
        deliveries, "_DUE_ANYWAY", deliveries._DUE_ANYWAY.replace("not_before > ?", "not_before > ? + 1e12")
    )


def takes_a_conflict_for_a_duplicate(patch: Patch) -> None:
    """Other content under a known identity is answered with success, and not kept."""
    patch.setattr(puts._Known, "is_same", lambda self, arrival: True)


def drops_what_is_refused(patch: Patch) -> None:
    """A refusal for good ends the delivery."""
    patch.setattr(
        states, "TRANSITIONS", {**states.TRANSITIONS, (S.SENDING, states.Event.REJECT): S.DISCARDED}
    )


def retries_for_ever_what_is_refused(patch: Patch) -> None:
    """A refusal for good is tried again, and again."""
    decide = verdict.judge

    def again(*values: Any, **named: Any) -> Any:
        made = decide(*values, **named)
        wait = named["policy"].object_backoff.delay(named["attempts"], named["rng"])
        return verdict.Retry(wait, counts=True) if isinstance(made, verdict.Held) else made

    patch.setattr(health, "judge", again)


def convicts_the_innocent(patch: Patch) -> None:
    """One cut is enough to hold an object."""
    patch.setattr(poison.Suspects, "struck", lambda self, delivery, strike: True)


# What this proof has found:


def lets_a_due_record_wait_for_images(patch: Patch) -> None:
    """A record that becomes due is noticed when images have made room for a claim."""

    async def never(self: Any) -> None:
        return None

    patch.setattr(courier.Courier, "_next_record", never)


def takes_one_incident_for_many(patch: Patch) -> None:
    """Every object that was under a cut makes the pause longer."""
    failed = breaker.Breaker.object_failed

    def each(self: Any, *values: Any, **named: Any) -> bool:
        if self.state is Circuit.OPEN:
            self.state = Circuit.CLOSED
            paused = failed(self, *values, **named)
            self.state = Circuit.OPEN
            return paused
        return failed(self, *values, **named)

    patch.setattr(breaker.Breaker, "object_failed", each)


def tries_the_same_object_after_each_pause(patch: Patch) -> None:
    """A poison object at the head keeps all others from their trial."""
    patch.setattr(health.Health, "tried", frozenset())


MUTANTS: Mapping[str, Callable[[Patch], None]] = {
    mutant.__name__.replace("_", "-"): mutant
    for mutant in (
        forgets_to_settle,
        takes_silence_for_success,
        claims_twice,
        releases_without_a_receipt,
        sends_images_first,
        keeps_no_lane_for_records,
        backs_off_without_bound,
        never_forgets_a_failure,
        never_lets_go_of_what_is_held,
        holds_what_is_under_way,
        sends_during_a_pause,
        forgets_a_pause,
        leaves_what_was_being_sent,
        sleeps_through_what_becomes_due,
        believes_a_clock_that_was_wrong,
        takes_a_conflict_for_a_duplicate,
        drops_what_is_refused,
        retries_for_ever_what_is_refused,
        convicts_the_innocent,
        lets_a_due_record_wait_for_images,
        takes_one_incident_for_many,
        tries_the_same_object_after_each_pause,
    )
}
