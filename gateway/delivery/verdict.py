"""From one failure of one object to what happens to it. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from gateway.delivery.backoff import around
from gateway.delivery.classification import POLICY, Cause, Remedy, Scope, Strike
from gateway.delivery.policy import DeliveryPolicy


@dataclass(frozen=True, slots=True)
class Retry:
    """Back to queued; may go again in `delay` seconds. `counts`: one attempt is spent."""

    delay: float
    counts: bool


@dataclass(frozen=True, slots=True)
class Held:
    """Waits for a person. `cause` is the stable word for it."""

    cause: Cause


def judge(
    cause: Cause, *, attempts: int, strikes: int, poisonous: bool, policy: DeliveryPolicy, rng: random.Random
) -> Retry | Held:
    """Decide what happens to an object that failed with `cause`.

    `attempts` is the number of counted tries including this one, `strikes` the cuts seen under this object
    including this one, `poisonous` whether those convict it (poison.py).
    """
    rule = POLICY[cause]
    if rule.scope is Scope.LINK or rule.remedy is Remedy.AT_ONCE:
        return Retry(0.0, counts=False)
    if rule.strike is not Strike.NONE:
        return (
            Held(Cause.POISON)
            if poisonous
            else Retry(policy.object_backoff.delay(strikes, rng), counts=False)
        )
    if rule.remedy is Remedy.HOLD or (rule.remedy is Remedy.BUSY and attempts >= policy.busy_attempts):
        return Held(cause)
    if attempts > policy.max_attempts:
        return Retry(around(policy.slow_interval, rng), counts=rule.counts)
    return Retry(policy.object_backoff.delay(attempts, rng), counts=rule.counts)
