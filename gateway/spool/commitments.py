"""Transactions of storage commitment that consoles asked for: taking them in, resolving, reporting.

What decides an item is the table "Storage commitment" of FORMAT.md; `look` is that table.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.errors import LocalError, NoRoom
from gateway.spool.commitment_values import (
    PROCESSING_FAILURE,
    AddedCommitment,
    CommitmentRequest,
    Reference,
)
from gateway.spool.schema import (
    COMMITMENT_GIVEN_UP,
    COMMITMENT_OPEN,
    COMMITMENT_REPORTED,
    COMMITMENT_REPORTING,
    ITEM_ASKED,
    ITEM_COMMITTED,
    ITEM_FAILED,
    ITEM_READY,
    ITEM_WAITING,
)
from gateway.spool.standing import Standing, in_open_ask, standing
from gateway.spool.transaction import MAX_REASON, Transaction

_UNRESOLVED = f"state IN ({ITEM_WAITING}, {ITEM_READY}, {ITEM_ASKED})"
EXPIRE_SLICE = 1
"""Transactions that one transaction of the journal expires: each may have thousands of items."""


@dataclass(frozen=True, slots=True)
class Item:
    """One instance at one destination, for one transaction."""

    number: int
    commitment: int
    state: int
    not_before: float
    asked: int  # how often it was asked about in vain, or without being named in the answer


def add(tx: Transaction, request: CommitmentRequest) -> AddedCommitment:
    """Take a request in (see Spool.add_commitment)."""
    references = tuple(dict.fromkeys(request.references))
    destinations = tuple(dict.fromkeys(request.destinations))
    if not references or not destinations:
        raise LocalError("a request for commitment needs an instance and a destination")
    digest = _digest(references)
    known = tx.one(
        "SELECT number, state, digest, called_ae FROM commitments "
        "WHERE transaction_uid = ? AND calling_ae = ?",
        request.transaction_uid,
        request.calling_ae,
    )
    if known is not None:
        number, state, its_digest, called_ae = known
        if (its_digest, called_ae) != (digest, request.called_ae):
            return AddedCommitment(number, "different")
        if state in (COMMITMENT_REPORTED, COMMITMENT_GIVEN_UP):
            _report_again(tx, number)
        return AddedCommitment(number, "again")
    count = len(references) * len(destinations)
    _check_room(tx, len(references), count)
    number = _insert(tx, request, digest, count)
    rows = [
        (number, seq, place, tx.destinations.number(tx.db, name), one)
        for seq, one in enumerate(references)
        for place, name in enumerate(destinations)
    ]
    committed = sum(_insert_item(tx, *row) for row in rows)
    _resolved(tx, Counter({number: committed}))
    tx.commitment = True
    return AddedCommitment(number, "new")


def _digest(references: Iterable[Reference]) -> bytes:
    lines = sorted(f"{one.sop_class_uid} {one.sop_instance_uid}" for one in references)
    return hashlib.sha256("\n".join(lines).encode()).digest()


def _check_room(tx: Transaction, references: int, items: int) -> None:
    limits = tx.limits
    if references > limits.max_commitment_items:
        raise NoRoom(f"a request for commitment names more than {limits.max_commitment_items} instances")
    count, total = tx.rows(
        "SELECT count(*), coalesce(sum(items), 0) FROM commitments INDEXED BY commitments_unfinished "
        "WHERE finished_at IS NULL"
    )[0]
    if count >= limits.max_open_commitments:
        raise NoRoom(f"{count} requests for commitment are open already")
    if total + items > limits.max_open_items:
        raise NoRoom("the open requests for commitment name too many instances together")


def _insert(tx: Transaction, request: CommitmentRequest, digest: bytes, count: int) -> int:
    cursor = tx.db.execute(
        "INSERT INTO commitments (transaction_uid, calling_ae, called_ae, listener, address, digest, "
        "items, open, state, received_at, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            request.transaction_uid,
            request.calling_ae,
            request.called_ae,
            request.listener,
            request.address,
            digest,
            count,
            count,
            COMMITMENT_OPEN,
            tx.now,
            tx.age,
        ),
    )
    return int(cursor.lastrowid or 0)


def _insert_item(
    tx: Transaction, commitment: int, seq: int, place: int, destination: int, reference: Reference
) -> int:
    """Add an item in the state in which it begins; return 1 when it is resolved at once."""
    state, not_before = look(tx, reference.sop_class_uid, reference.sop_instance_uid, destination)
    tx.write(
        "INSERT INTO commitment_items (commitment, reference, place, destination, sop_class_uid, "
        "sop_instance_uid, state, not_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        commitment,
        seq,
        place,
        destination,
        reference.sop_class_uid,
        reference.sop_instance_uid,
        state,
        not_before,
    )
    return int(state == ITEM_COMMITTED)


def look(tx: Transaction, sop_class_uid: str, sop_instance_uid: str, destination: int) -> tuple[int, float]:
    """Return the state that an unresolved item has by what is known now, and its `not_before`."""
    known = standing(tx, sop_class_uid, sop_instance_uid, destination)
    if known.undelivered:
        return ITEM_WAITING, 0.0
    if known.confirmed:
        return ITEM_COMMITTED, 0.0
    if known.to_compare:
        return ITEM_WAITING, 0.0
    if in_open_ask(tx, sop_class_uid, sop_instance_uid, destination):
        return ITEM_ASKED, 0.0
    return ITEM_READY, not_to_be_asked_before(known)


def not_to_be_asked_before(known: Standing) -> float:
    """Return until when asking about these deliveries was put off: 0.0 when one was not asked about yet."""
    return min((one.not_before for one in known.accepted), default=0.0)


def unresolved_items(
    tx: Transaction, sop_class_uid: str, sop_instance_uid: str, destination: int
) -> list[Item]:
    """Return the unresolved items of an instance at a destination, of every transaction."""
    rows = tx.rows(
        "SELECT number, commitment, state, not_before, asked "  # noqa: S608 - constant numbers
        f"FROM commitment_items INDEXED BY commitment_items_unresolved WHERE {_UNRESOLVED} "
        "AND sop_instance_uid = ? AND destination = ? AND sop_class_uid = ?",
        sop_instance_uid,
        destination,
        sop_class_uid,
    )
    return [Item(*row) for row in rows]


def set_items(
    tx: Transaction, items: Sequence[Item], state: int, *, not_before: float = 0.0, failure: int = 0
) -> None:
    """Give unresolved items a state; transactions whose last one is resolved by it are to be reported."""
    for item in items:
        tx.write(
            "UPDATE commitment_items SET state = ?, not_before = ?, failure = ? WHERE number = ?",
            state,
            not_before,
            failure,
            item.number,
        )
    if state in (ITEM_COMMITTED, ITEM_FAILED):
        _resolved(tx, Counter(item.commitment for item in items))


def _resolved(tx: Transaction, counts: Counter[int]) -> None:
    for commitment, count in counts.items():
        if not count:
            continue
        tx.write("UPDATE commitments SET open = open - ? WHERE number = ?", count, commitment)
        tx.write(
            "UPDATE commitments SET state = ?, resolved_at = ?, since = ? "
            "WHERE number = ? AND open = 0 AND state = ?",
            COMMITMENT_REPORTING,
            tx.now,
            tx.age,
            commitment,
            COMMITMENT_OPEN,
        )
        tx.commitment = True


def follow(tx: Transaction) -> None:
    """Look again at the items of what was accepted, confirmed, released or discarded. Before the commit."""
    if not tx.left or tx.one(f"SELECT 1 FROM commitment_items WHERE {_UNRESOLVED} LIMIT 1") is None:  # noqa: S608
        return
    for object_number, destination in tx.left:
        row = tx.one("SELECT sop_class_uid, sop_instance_uid FROM objects WHERE number = ?", object_number)
        place = tx.destinations.find(destination)
        if row is None or place is None:
            continue
        items = unresolved_items(tx, row[0], row[1], place)
        if items:
            state, not_before = look(tx, row[0], row[1], place)
            set_items(tx, items, state, not_before=not_before)


# reports


def _report_again(tx: Transaction, number: int) -> None:
    tx.write(
        "UPDATE commitments SET state = ?, attempts = 0, not_before = 0, reason = '', resolved_at = ?, "
        "finished_at = NULL, since = ? WHERE number = ?",
        COMMITMENT_REPORTING,
        tx.now,
        tx.age,
        number,
    )
    tx.commitment = True


def _to_report(tx: Transaction, number: int) -> None:
    row = tx.one("SELECT state FROM commitments WHERE number = ?", number)
    if row is None:
        raise LocalError(f"there is no commitment {number}")
    if row[0] != COMMITMENT_REPORTING:
        raise LocalError(f"commitment {number} is not to be reported")


def reported(tx: Transaction, number: int) -> None:
    """The console has taken the report."""
    _to_report(tx, number)
    tx.write(
        "UPDATE commitments SET state = ?, not_before = 0, reason = '', finished_at = ?, since = ? "
        "WHERE number = ?",
        COMMITMENT_REPORTED,
        tx.now,
        tx.age,
        number,
    )


def report_failed(tx: Transaction, number: int, not_before: float, reason: str) -> None:
    """The report did not reach the console: again from `not_before` on."""
    _to_report(tx, number)
    tx.write(
        "UPDATE commitments SET attempts = attempts + 1, not_before = ?, reason = ? WHERE number = ?",
        min(not_before, tx.now + tx.limits.max_wait_seconds),
        reason[:MAX_REASON],
        number,
    )


def give_up(tx: Transaction, number: int, reason: str) -> None:
    """No more reports of this transaction."""
    _to_report(tx, number)
    tx.write(
        "UPDATE commitments SET state = ?, not_before = 0, reason = ?, finished_at = ?, since = ? "
        "WHERE number = ?",
        COMMITMENT_GIVEN_UP,
        reason[:MAX_REASON],
        tx.now,
        tx.age,
        number,
    )


def expire_slice(tx: Transaction, before: float) -> tuple[int, bool]:
    """Fail what is open of a transaction received before `before`; return how many items, and if more.

    `before` is a moment of the wall clock; how long ago that is counts by the age clock.
    """
    rows = tx.rows(
        "SELECT number FROM commitments INDEXED BY commitments_unfinished "  # noqa: S608 - constant numbers
        f"WHERE finished_at IS NULL AND state = {COMMITMENT_OPEN} AND since < ? "
        f"ORDER BY since LIMIT {EXPIRE_SLICE}",
        tx.age - (tx.now - before),
    )
    count = 0
    for (number,) in rows:
        items = [
            Item(*row)
            for row in tx.rows(
                "SELECT number, commitment, state, not_before, asked "  # noqa: S608 - constant numbers
                "FROM commitment_items INDEXED BY commitment_items_in_order "
                f"WHERE commitment = ? AND {_UNRESOLVED}",
                number,
            )
        ]
        set_items(tx, items, ITEM_FAILED, failure=PROCESSING_FAILURE)
        count += len(items)
    return count, bool(rows)
