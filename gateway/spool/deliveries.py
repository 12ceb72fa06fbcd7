"""What couriers and operators do to deliveries, each a function of one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from gateway.errors import LocalError
from gateway.model import Delivery, DeliveryState, Priority
from gateway.spool import damage, hub_news, states
from gateway.spool.rows import DELIVERY, DELIVERY_WIDTH, OBJECT, Row, delivery_from, object_from
from gateway.spool.schema import PLACE_DAMAGED, PLACE_FILE, PLACE_INLINE, QUEUED, SENDING, WAIT_AT_HUB
from gateway.spool.states import Event
from gateway.spool.transaction import Transaction
from gateway.spool.values import (
    CAUSE_AT_HUB,
    CAUSE_CHECKING,
    CAUSE_DAMAGED,
    CAUSE_OPERATOR,
    Accepted,
    Confirmed,
    Hold,
    Job,
    PutBack,
    Settlement,
)

_HELD = states.CODE[DeliveryState.HELD]
_DUE_BATCH = 64
"""How many deliveries of one priority a claim turns from waiting to due, at least."""


_DUE, _DUE_ANYWAY = (
    "UPDATE deliveries SET waiting = 0 WHERE number IN ("  # noqa: S608 - the two comparisons below
    "SELECT number FROM deliveries INDEXED BY deliveries_waiting "
    f"WHERE waiting = 1 AND destination = ? AND priority = ? AND not_before {comparison} ? "
    "ORDER BY not_before LIMIT ?)"
    for comparison in ("<=", ">")
)


def claim(
    tx: Transaction,
    destination: str,
    limit: int,
    max_bytes: int | None,
    max_priority: Priority | None,
    leave_out: Collection[int] = (),
) -> list[Job]:
    """Take the next deliveries for `destination` (see Spool.claim)."""
    number = tx.destinations.find(destination)
    if number is None:
        return []
    lowest = max(Priority) if max_priority is None else max_priority
    _make_due(tx, number, max(limit, _DUE_BATCH))
    but_not = f"AND d.number NOT IN ({', '.join(str(int(one)) for one in leave_out)}) " if leave_out else ""
    # The index is named because a plan without it would still be right, and slow.
    rows = tx.rows(
        f"SELECT {DELIVERY}, {OBJECT}, i.data "  # noqa: S608 - constant column lists, and whole numbers
        "FROM deliveries d INDEXED BY deliveries_in_order JOIN objects o ON o.number = d.object "
        "LEFT JOIN inline i ON i.object = d.object "
        f"WHERE d.state = ? AND d.destination = ? AND d.waiting = 0 AND d.priority <= ? {but_not}"
        "ORDER BY d.priority, d.number LIMIT ?",
        QUEUED,
        number,
        int(lowest),
        limit,
    )
    jobs: list[Job] = []
    total = 0
    for row in rows:
        job = _job(tx, row)
        total += job.object.size
        if jobs and max_bytes is not None and total > max_bytes:
            break
        tx.write(
            "UPDATE deliveries SET state = ?, updated_at = ? WHERE number = ?",
            SENDING,
            tx.now,
            job.delivery.number,
        )
        jobs.append(job)
    return jobs


def _job(tx: Transaction, row: Row) -> Job:
    queued = delivery_from(row[:DELIVERY_WIDTH], tx.destinations.names)
    delivery = Delivery(
        number=queued.number,
        object_number=queued.object_number,
        destination=queued.destination,
        priority=queued.priority,
        state=states.after(queued.state, Event.CLAIM),
        attempts=queued.attempts,
        not_before=queued.not_before,
        reason=queued.reason,
        updated_at=tx.now,
    )
    return Job(delivery, object_from(row[DELIVERY_WIDTH:-1]), row[-1])


def _make_due(tx: Transaction, destination: int, count: int) -> None:
    """Turn what has become due from waiting to ready: of each priority the longest due first.

    What is due later than any wait can be was put back under a clock that has been set right since.
    """
    if tx.one("SELECT 1 FROM deliveries WHERE waiting = 1 AND destination = ? LIMIT 1", destination) is None:
        return
    for priority in Priority:
        for sql, moment in ((_DUE, tx.now), (_DUE_ANYWAY, tx.now + tx.limits.max_retry_seconds)):
            tx.write(sql, destination, int(priority), moment, count)


def settle(tx: Transaction, outcomes: Sequence[Settlement]) -> None:
    """Record how attempts ended. All moves are checked before the first is made."""
    _check_moves(tx, outcomes)
    for outcome in outcomes:
        _settle_one(tx, tx.delivery(outcome.delivery), outcome)


_EVENTS: dict[type[Settlement], Event] = {
    Accepted: Event.ACCEPT,
    PutBack: Event.PUT_BACK,
    Hold: Event.REJECT,
    Confirmed: Event.CONFIRM,
}


def _check_moves(tx: Transaction, outcomes: Sequence[Settlement]) -> None:
    reached: dict[int, DeliveryState] = {}
    for outcome in outcomes:
        number = outcome.delivery
        state = reached.get(number) or tx.delivery(number).state
        reached[number] = states.after(state, _EVENTS[type(outcome)])


def _settle_one(tx: Transaction, delivery: Delivery, outcome: Settlement) -> None:
    number = delivery.number
    match outcome:
        case Accepted(receipt=receipt):
            tx.move(delivery, Event.ACCEPT, attempts=delivery.attempts + 1)
            if receipt.hub:
                tx.write(
                    "UPDATE deliveries SET waiting = ?, cause = ?, "
                    "sender = (SELECT o.calling_ae FROM objects o WHERE o.number = object) WHERE number = ?",
                    WAIT_AT_HUB,
                    CAUSE_AT_HUB,
                    number,
                )
            tx.keep_receipt(number, receipt)
            if receipt.hub:
                hub_news.accepted(tx, number)
        case PutBack(not_before=not_before, reason=reason, counts_attempt=counts, answer=answer):
            tx.move(
                delivery,
                Event.PUT_BACK,
                reason=reason,
                cause=answer.cause,
                not_before=min(not_before, tx.now + tx.limits.max_retry_seconds),
                attempts=delivery.attempts + counts,
            )
            hub_news.forget_early(tx, number)
            if counts:
                tx.tell(delivery.object_number, "put-back", reason, number, answer=answer)
            damage.hold_if_lost(tx, delivery.object_number)
        case Hold(reason=reason, cause=cause, answer=answer):
            tx.move(delivery, Event.REJECT, reason=reason, cause=cause, attempts=delivery.attempts + 1)
            hub_news.forget_early(tx, number)
            tx.tell(
                delivery.object_number,
                "held",
                reason,
                number,
                answer=dataclasses.replace(answer, cause=cause),
            )
            if cause == CAUSE_DAMAGED:
                damage.mark_damaged(tx, delivery.object_number)
        case Confirmed(how=how):
            tx.move(delivery, Event.CONFIRM)
            tx.tell(delivery.object_number, "confirmed", how, number)


def retry(tx: Transaction, number: int, who: str = "") -> Delivery:
    """Send now, or again."""
    return _let_go(tx, number, Event.RETRY, "retried", who)


def release(tx: Transaction, number: int, who: str = "") -> Delivery:
    """Let a held delivery go."""
    return _let_go(tx, number, Event.UNHOLD, "released-by-operator", who)


def _let_go(tx: Transaction, number: int, event: Event, what: str, who: str) -> Delivery:
    delivery = tx.delivery(number)
    states.after(delivery.state, event)
    place = tx.rows("SELECT place FROM objects WHERE number = ?", delivery.object_number)[0][0]
    if place == PLACE_DAMAGED:
        raise LocalError(
            f"the bytes of object {delivery.object_number} are not those that were received: never sent"
        )
    if place not in (PLACE_INLINE, PLACE_FILE):
        raise LocalError(f"the bytes of object {delivery.object_number} are not here any more")
    tx.move(delivery, event)
    tx.tell(delivery.object_number, what, f"it was {delivery.state}", number, who=who)
    return tx.delivery(number)


def hold(tx: Transaction, number: int, reason: str, who: str = "") -> Delivery:
    """Keep a queued delivery back."""
    delivery = tx.delivery(number)
    tx.move(delivery, Event.HOLD, reason=reason, cause=CAUSE_OPERATOR)
    tx.tell(delivery.object_number, "held-by-operator", reason, number, who=who)
    return tx.delivery(number)


def discard(tx: Transaction, number: int, reason: str, who: str = "") -> Delivery:
    """Give a delivery up, and the bytes with it when nothing else needs them."""
    delivery = tx.delivery(number)
    tx.move(delivery, Event.DISCARD, reason=reason)
    tx.tell(delivery.object_number, "discarded", reason, number, who=who)
    tx.delete_bytes_if_finished(delivery.object_number)
    return tx.delivery(number)


def retry_held(
    tx: Transaction,
    destination: str | None,
    cause: str | None,
    after: tuple[int, int, int],
    limit: int,
    who: str = "",
) -> tuple[int, tuple[int, int, int] | None]:
    """Queue held deliveries again, `limit` looked at from (destination, priority, number) `after` on.

    Returns how many moved, and where to go on (None: that was all).
    """
    rows = tx.rows(
        f"SELECT {DELIVERY}, o.place FROM deliveries d INDEXED BY deliveries_in_order "  # noqa: S608
        "JOIN objects o ON o.number = d.object "
        "WHERE d.state = ? AND (d.destination, d.waiting, d.priority, d.number) > (?, 0, ?, ?) "
        "ORDER BY d.destination, d.waiting, d.priority, d.number LIMIT ?",
        _HELD,
        *after,
        limit,
    )
    moved = 0
    for row in rows:
        delivery = delivery_from(row[:DELIVERY_WIDTH], tx.destinations.names)
        held_for, place = row[DELIVERY_WIDTH - 1], row[DELIVERY_WIDTH]
        if (
            destination in (None, delivery.destination)
            and cause in (None, held_for)
            and held_for != CAUSE_CHECKING
            and place in (PLACE_INLINE, PLACE_FILE)
        ):
            tx.move(delivery, Event.RETRY)
            tx.tell(delivery.object_number, "retried", f"it was held: {held_for}", delivery.number, who=who)
            moved += 1
    if len(rows) < limit:
        return moved, None
    number, _, last_destination, priority = rows[-1][:4]
    return moved, (last_destination, priority, number)
