"""The memory of one destination: its breaker, its suspects, its link; and what each outcome means for them.

Turns outcomes into settlements for the journal, and tells subscribers. No I/O, no waiting.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from gateway.delivery.breaker import Breaker, Circuit
from gateway.delivery.classification import POLICY, Cause, Strike
from gateway.delivery.poison import MAX_SUSPECTS, Suspects
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.verdict import Held, judge
from gateway.errors import DeliveryFailure
from gateway.link_monitor import LinkMonitor, LinkState
from gateway.model import Receipt
from gateway.notices import Alarm, DeliverySettled, Notice, Notices
from gateway.reachability import Reachability
from gateway.spool import Accepted, Answer, Hold, Job, PutBack, Settlement

UNREACHABLE = frozenset({Cause.UNREACHABLE, Cause.TLS, Cause.NO_ASSOCIATION})
"""Nobody gets through. A peer that rejects *our* association may well accept a console's."""


class Health:
    """What is known of one destination. Its methods are called as things happen."""

    def __init__(
        self,
        name: str,
        notices: Notices,
        *,
        policy: DeliveryPolicy,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
        reachability: Reachability | None = None,
    ) -> None:
        """`clock` is monotonic, `wall_clock` is what the journal's due times are in.

        `reachability` is told what is learned here: others look there before they dial.
        """
        self.breaker = Breaker(policy, rng)
        self.monitor = LinkMonitor(name, wall_clock())
        self._suspects = Suspects(policy)
        self._failed_since: set[int] = set()  # deliveries that failed since one was accepted
        self._name = name
        self._notices = notices
        self._policy = policy
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self._reachability = reachability

    def link_down(self, trouble: DeliveryFailure) -> None:
        """The destination could not be reached, or would not associate."""
        cause = Cause(trouble.cause)
        self.breaker.link_failed(self._clock(), cause, trouble.reason)
        self._suspects.absolve()
        self._publish(self.monitor.failed(self._wall_clock(), trouble.reason))
        if self._reachability is not None and cause in UNREACHABLE:
            self._reachability.failed(self._clock(), trouble.reason)

    def probe_answered(self, rtt: float | None) -> None:
        """A probe found the destination alive."""
        self.breaker.probe_succeeded()
        flowing = self.breaker.state is Circuit.CLOSED
        self._publish(self.monitor.probed(self._wall_clock(), rtt, flowing=flowing))
        if self._reachability is not None:
            if rtt is not None:
                self._reachability.measured(rtt)
            self._reachability.succeeded(self._clock())

    def answered(self, rtt: float) -> None:
        """Somebody else had an answer from the destination: enough to know it online, not to mend trouble."""
        if self.monitor.state is LinkState.UNKNOWN and self.breaker.state is Circuit.CLOSED:
            self._publish(self.monitor.probed(self._wall_clock(), rtt, flowing=True))

    @property
    def tried(self) -> frozenset[int]:
        """Deliveries that failed since the destination last accepted something: others come first."""
        return frozenset(self._failed_since)

    def new_round(self) -> None:
        """There is nothing left that was not tried: from the beginning."""
        self._failed_since.clear()

    def outcome(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> Settlement:
        """One object came to an end: return what the journal is to say."""
        if isinstance(outcome, DeliveryFailure):
            return self._failed(job, outcome, seconds)
        number = job.delivery.number
        self.breaker.accepted()
        self._failed_since.clear()
        self._suspects.accepted(number)
        self._publish(self.monitor.passed(self._wall_clock(), job.object.size, seconds))
        self._tell(job, seconds, "accepted", outcome.status, "", syntax=outcome.transfer_syntax_uid)
        if self._reachability is not None:
            self._reachability.succeeded(self._clock())
        return Accepted(number, outcome)

    def _failed(self, job: Job, trouble: DeliveryFailure, seconds: float) -> Settlement:
        cause = Cause(trouble.cause)
        number = job.delivery.number
        if len(self._failed_since) >= MAX_SUSPECTS:
            self.new_round()
        self._failed_since.add(number)
        strike = POLICY[cause].strike
        poisonous = strike is not Strike.NONE and self._suspects.struck(number, strike)
        verdict = judge(
            cause,
            attempts=job.delivery.attempts + 1,
            strikes=self._suspects.strikes(number),
            poisonous=poisonous,
            policy=self._policy,
            rng=self._rng,
        )
        self._note(number, trouble, cause, held=isinstance(verdict, Held))
        words = trouble.reason
        answer = Answer(cause.value, trouble.status, trouble.detail)
        if trouble.detail:
            words = f"{words}; the destination says: {trouble.detail}"
        if isinstance(verdict, Held):
            self._suspects.forget(number)
            if verdict.cause is Cause.POISON:
                words = f"every time this object is sent, while others pass: {words}"
            self._tell(job, seconds, "held", trouble.status, trouble.reason)
            self._alarm(job, verdict.cause, trouble.reason)
            return Hold(number, words, verdict.cause.value, answer)
        if cause in (Cause.LOCAL, Cause.UNREADABLE):
            self._alarm(job, cause, trouble.reason, again=True)
        self._tell(job, seconds, "retry", trouble.status, trouble.reason, counted=verdict.counts)
        not_before = self._wall_clock() + verdict.delay if verdict.delay else 0.0
        return PutBack(number, not_before, words, verdict.counts, answer)

    def _note(self, number: int, trouble: DeliveryFailure, cause: Cause, *, held: bool) -> None:
        """Let the failure weigh on the destination, as far as it is the destination's."""
        rule = POLICY[cause]
        paused = self.breaker.object_failed(self._clock(), number, cause, trouble.reason, held=held)
        now = self._wall_clock()
        if paused or rule.pauses or rule.strike is not Strike.NONE:
            self._publish(self.monitor.troubled(now, trouble.reason, paused=paused))
        elif trouble.status is not None:
            self._publish(self.monitor.answered(now))

    def _tell(
        self,
        job: Job,
        seconds: float,
        outcome: str,
        status: int | None,
        reason: str,
        *,
        syntax: str = "",
        counted: bool = True,
    ) -> None:
        stored = job.object
        self._notices.publish(
            DeliverySettled(
                delivery=job.delivery.number,
                object_number=stored.number,
                destination=self._name,
                sop_class_uid=stored.instance.sop_class_uid,
                transfer_syntax_uid=syntax or stored.instance.transfer_syntax_uid,
                priority=stored.priority.label,
                size=stored.size,
                seconds=seconds,
                attempts=job.delivery.attempts + counted,
                outcome=outcome,
                status=status,
                reason=reason,
            )
        )

    def _alarm(self, job: Job, cause: Cause, reason: str, *, again: bool = False) -> None:
        if cause is Cause.DAMAGED:
            code, todo = "object-damaged", "is held: check the disk, have the console send the object again"
        elif again:
            code, todo = "delivery-local-trouble", "is tried again later: check the disk"
        elif cause is Cause.UNREADABLE:
            code, todo = "object-unreadable", "is held: check the disk, then retry it or have it sent again"
        else:
            code, todo = "delivery-held", "is held: look at it with `queue show`, then retry or discard it"
        text = f"delivery {job.delivery.number} to {self._name} {todo} ({reason})"
        self._notices.publish(Alarm(code, text, job.object.number))

    def _publish(self, notice: Notice | None) -> None:
        if notice is not None:
            self._notices.publish(notice)
