"""Asking destinations for storage commitment: what is to be asked about, what was asked, what was put off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import LocalError
from gateway.spool.commitment_values import Reference, ToAsk
from gateway.spool.commitments import Item, look, not_to_be_asked_before, set_items, unresolved_items
from gateway.spool.schema import (
    ACCEPTED,
    ASK_OPEN,
    ASK_PUT_OFF,
    ITEM_ASKED,
    ITEM_READY,
    WAIT_ASKED,
    WAIT_NONE,
    WAIT_PUT_OFF,
)
from gateway.spool.standing import in_open_ask, standing
from gateway.spool.transaction import MAX_REASON, Transaction
from gateway.spool.values import TO_COMPARE

LOOK_SLICE = 200
"""Items or deliveries that one transaction looks at: an object that arrives waits for one slice at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a slice found to be asked about, and where the next one goes on (None: that was all)."""

    to_ask: tuple[ToAsk, ...]
    after: tuple[float, int] | None


def ready_items(tx: Transaction, destination: str, limit: int, after: tuple[float, int]) -> Found:
    """Go through items that are ready and due, the longest due first, and look at each once more.

    What is not to be asked about after all (its delivery has been queued again, say) is put right.
    """
    place = tx.destinations.find(destination)
    if place is None:
        return Found((), None)
    tx.write(  # due later than any wait can be: the clock was wrong
        "UPDATE commitment_items SET not_before = 0 "  # noqa: S608 - a constant number
        f"WHERE state = {ITEM_READY} AND destination = ? AND not_before > ?",
        place,
        tx.now + tx.limits.max_wait_seconds,
    )
    rows = tx.rows(
        "SELECT number, commitment, state, not_before, asked, sop_class_uid, sop_instance_uid "  # noqa: S608
        f"FROM commitment_items INDEXED BY commitment_items_ready WHERE state = {ITEM_READY} "
        "AND destination = ? AND not_before <= ? AND (not_before, number) > (?, ?) "
        "ORDER BY not_before, number LIMIT ?",
        place,
        tx.now,
        *after,
        LOOK_SLICE,
    )
    found: dict[Reference, ToAsk] = {}
    for *columns, sop_class_uid, sop_instance_uid in rows:
        item = Item(*columns)
        after = (item.not_before, item.number)
        state, not_before = look(tx, sop_class_uid, sop_instance_uid, place)
        if state != ITEM_READY:
            set_items(tx, [item], state, not_before=not_before)
            continue
        reference = Reference(sop_class_uid, sop_instance_uid)
        if reference not in found:
            known = standing(tx, sop_class_uid, sop_instance_uid, place)
            found[reference] = ToAsk(reference, known.newest_object)
        if len(found) == limit:
            return Found(tuple(found.values()), after)
    return Found(tuple(found.values()), after if len(rows) == LOOK_SLICE else None)


def accepted_deliveries(tx: Transaction, destination: str, limit: int, after: tuple[float, int]) -> Found:
    """Go through accepted deliveries that were not asked about yet, records first, then oldest first."""
    place = tx.destinations.find(destination)
    if place is None:
        return Found((), None)
    rows = tx.rows(
        "SELECT d.priority, d.number, d.object, o.sop_class_uid, o.sop_instance_uid "
        "FROM deliveries d INDEXED BY deliveries_in_order JOIN objects o ON o.number = d.object "
        "WHERE d.state = ? AND d.destination = ? AND d.waiting = ? AND (d.priority, d.number) > (?, ?) "
        "ORDER BY d.priority, d.number LIMIT ?",
        ACCEPTED,
        place,
        WAIT_NONE,
        *after,
        min(limit, LOOK_SLICE),
    )
    found: dict[Reference, ToAsk] = {}
    for priority, number, object_number, sop_class_uid, sop_instance_uid in rows:
        after = (priority, number)
        if not in_open_ask(tx, sop_class_uid, sop_instance_uid, place):
            reference = Reference(sop_class_uid, sop_instance_uid)
            found[reference] = ToAsk(reference, object_number)
    return Found(tuple(found.values()), after if len(rows) == min(limit, LOOK_SLICE) else None)


def put_off_deliveries(tx: Transaction, destination: str, limit: int, after: tuple[float, int]) -> Found:
    """Go through accepted deliveries that may be asked about again, the longest due first."""
    return _due(tx, destination, limit, after, "")


def deliveries_to_compare(tx: Transaction, destination: str, limit: int, after: tuple[float, int]) -> Found:
    """Go through accepted deliveries that are committed and to be compared, the longest due first."""
    return _due(tx, destination, limit, after, TO_COMPARE)


def _due(tx: Transaction, destination: str, limit: int, after: tuple[float, int], wanted: str) -> Found:
    place = tx.destinations.find(destination)
    if place is None:
        return Found((), None)
    tx.write(
        f"UPDATE deliveries SET not_before = 0 WHERE waiting = {WAIT_PUT_OFF} "  # noqa: S608 - a constant
        "AND destination = ? AND not_before > ?",
        place,
        tx.now + tx.limits.max_wait_seconds,
    )
    rows = tx.rows(
        "SELECT d.not_before, d.number, d.object, d.cause, o.sop_class_uid, o.sop_instance_uid "  # noqa: S608
        "FROM deliveries d INDEXED BY deliveries_put_off JOIN objects o ON o.number = d.object "
        f"WHERE d.waiting = {WAIT_PUT_OFF} AND d.destination = ? AND d.not_before <= ? "
        "AND (d.not_before, d.number) > (?, ?) ORDER BY d.not_before, d.number LIMIT ?",
        place,
        tx.now,
        *after,
        LOOK_SLICE,
    )
    found: dict[Reference, ToAsk] = {}
    for not_before, number, object_number, cause, sop_class_uid, sop_instance_uid in rows:
        if len(found) == limit:
            return Found(tuple(found.values()), after)
        after = (not_before, number)
        if cause == wanted and not in_open_ask(tx, sop_class_uid, sop_instance_uid, place):
            reference = Reference(sop_class_uid, sop_instance_uid)
            found[reference] = ToAsk(reference, object_number)
    return Found(tuple(found.values()), after if len(rows) == LOOK_SLICE else None)


def forget_comparisons(tx: Transaction, destination: str) -> bool:
    """Nobody compares what `destination` keeps any more: ask it anew. A slice; True: there is another."""
    place = tx.destinations.find(destination)
    if place is None:
        return False
    rows = tx.rows(
        "SELECT d.number, d.object FROM deliveries d INDEXED BY deliveries_put_off "  # noqa: S608
        f"WHERE d.waiting = {WAIT_PUT_OFF} AND d.destination = ? AND d.cause = ? LIMIT ?",
        place,
        TO_COMPARE,
        LOOK_SLICE,
    )
    for number, object_number in rows:
        tx.write("UPDATE deliveries SET waiting = 0, not_before = 0, cause = '' WHERE number = ?", number)
        tx.left.append((object_number, destination))
    tx.commitment = tx.commitment or bool(rows)
    return len(rows) == LOOK_SLICE


def begin(
    tx: Transaction,
    destination: str,
    transaction_uid: str,
    references: Sequence[Reference],
    deadline: float,
) -> int:
    """Write down that `destination` is about to be asked (see Spool.ask_begun)."""
    references = tuple(dict.fromkeys(references))
    if not references:
        raise LocalError("an ask needs an instance")
    if tx.one("SELECT 1 FROM asks WHERE transaction_uid = ?", transaction_uid) is not None:
        raise LocalError("there is an ask with this transaction UID already")
    place = tx.destinations.number(tx.db, destination)
    cursor = tx.db.execute(
        "INSERT INTO asks (transaction_uid, destination, state, attempts, deadline, begun_at) "
        "VALUES (?, ?, ?, 1, ?, ?)",
        (
            transaction_uid,
            place,
            ASK_OPEN,
            min(deadline, tx.now + tx.limits.max_wait_seconds),
            tx.now,
        ),
    )
    number = int(cursor.lastrowid or 0)
    asked_before = 0
    for one in references:
        tx.write(
            "INSERT INTO ask_items (ask, sop_class_uid, sop_instance_uid, destination, open) "
            "VALUES (?, ?, ?, ?, 1)",
            number,
            one.sop_class_uid,
            one.sop_instance_uid,
            place,
        )
        items = [
            item
            for item in unresolved_items(tx, one.sop_class_uid, one.sop_instance_uid, place)
            if item.state == ITEM_READY
        ]
        set_items(tx, items, ITEM_ASKED)
        accepted = standing(tx, one.sop_class_uid, one.sop_instance_uid, place).accepted
        for known in accepted:
            tx.write(
                "UPDATE deliveries SET waiting = ?, not_before = 0 WHERE number = ?",
                WAIT_ASKED,
                known.delivery,
            )
        asked_before = max(
            [asked_before, *(item.asked for item in items), *(known.asked for known in accepted)]
        )
    tx.write("UPDATE asks SET attempts = ? WHERE number = ?", asked_before + 1, number)
    return number


def put_off(tx: Transaction, transaction_uid: str, not_before: float, reason: str) -> None:
    """An ask was refused or not answered: its instances may be asked about again from `not_before` on."""
    row = tx.one(
        "SELECT number, destination FROM asks WHERE transaction_uid = ? AND state = ?",
        transaction_uid,
        ASK_OPEN,
    )
    if row is None:
        return  # its answer was faster
    number, place = row
    tx.write(
        "UPDATE asks SET state = ?, ended_at = ?, reason = ?, "
        "newest = (SELECT coalesce(max(number), 0) FROM commitments) WHERE number = ?",
        ASK_PUT_OFF,
        tx.age,
        reason[:MAX_REASON],
        number,
    )
    tx.write("UPDATE ask_items SET open = 0 WHERE ask = ?", number)
    for reference in references_of(tx, number):
        ask_again_later(tx, reference, place, min(not_before, tx.now + tx.limits.max_wait_seconds))
    tx.commitment = True


def look_ups_interrupted(tx: Transaction, destination: str, *, comparisons: bool) -> None:
    """Nobody is looking things up at `destination`: what was open of that may be looked up again at once.

    With `comparisons` alone those that compare what is committed; an N-ACTION may still be answered.
    """
    place = tx.destinations.find(destination)
    if place is None:
        return
    rows = tx.rows(
        "SELECT number, transaction_uid FROM asks WHERE state = ? AND destination = ?", ASK_OPEN, place
    )
    for number, transaction_uid in rows:
        named = references_of(tx, number)
        if not comparisons or all(
            standing(tx, one.sop_class_uid, one.sop_instance_uid, place).to_compare for one in named
        ):
            put_off(tx, transaction_uid, tx.now, "the gateway stopped while it was asked")


def references_of(tx: Transaction, ask: int) -> list[Reference]:
    """Return the instances that an ask names."""
    rows = tx.rows("SELECT sop_class_uid, sop_instance_uid FROM ask_items WHERE ask = ?", ask)
    return [Reference(*row) for row in rows]


def ask_again_later(tx: Transaction, reference: Reference, place: int, not_before: float) -> None:
    """No answer for an instance whose ask has ended: it may be asked about again from `not_before` on."""
    sop_class_uid, sop_instance_uid = reference.sop_class_uid, reference.sop_instance_uid
    if in_open_ask(tx, sop_class_uid, sop_instance_uid, place):
        return
    for one in standing(tx, sop_class_uid, sop_instance_uid, place).accepted:
        if one.waiting == WAIT_ASKED:
            tx.write(
                "UPDATE deliveries SET waiting = ?, not_before = ?, asked = asked + 1 WHERE number = ?",
                WAIT_PUT_OFF,
                not_before,
                one.delivery,
            )
    known = standing(tx, sop_class_uid, sop_instance_uid, place)
    for item in unresolved_items(tx, sop_class_uid, sop_instance_uid, place):
        if item.state != ITEM_ASKED:
            continue
        state, _ = look(tx, sop_class_uid, sop_instance_uid, place)
        wait = not_to_be_asked_before(known) if known.accepted else not_before
        set_items(tx, [item], state, not_before=wait if state == ITEM_READY else 0.0)
        tx.write("UPDATE commitment_items SET asked = asked + 1 WHERE number = ?", item.number)
