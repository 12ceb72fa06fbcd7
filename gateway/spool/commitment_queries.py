"""What can be asked of the journal about storage commitment without writing. Pure reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.model import Priority
from gateway.spool.commitment_values import (
    CommitmentCounts,
    CommitmentReport,
    CommitmentRow,
    CommitmentState,
    OpenAsk,
    Reference,
)
from gateway.spool.schema import (
    ACCEPTED,
    ASK_OPEN,
    COMMITMENT_GIVEN_UP,
    COMMITMENT_OPEN,
    COMMITMENT_REPORTED,
    COMMITMENT_REPORTING,
    ITEM_FAILED,
    ITEM_READY,
    WAIT_ASKED,
    WAIT_AT_HUB,
    WAIT_NONE,
    WAIT_PUT_OFF,
)

MAX_PAGE = 1001  # as in queries.py
_STATES = {
    COMMITMENT_OPEN: CommitmentState.OPEN,
    COMMITMENT_REPORTING: CommitmentState.REPORTING,
    COMMITMENT_REPORTED: CommitmentState.REPORTED,
    COMMITMENT_GIVEN_UP: CommitmentState.GIVEN_UP,
}


def to_report(
    db: sqlite3.Connection, now: float, age: float, max_wait: float, limit: int
) -> list[CommitmentReport]:
    """Return transactions whose result is complete and due, the longest due first.

    `now` is of the wall clock, `age` the same moment of the age clock: what has happened is told as long ago
    as it really is.
    """
    rows = [
        row
        for comparison, moment in (("<=", now), (">", now + max_wait))  # the latter under a wrong clock
        for row in db.execute(
            "SELECT number, transaction_uid, calling_ae, called_ae, attempts, received_at, since "  # noqa: S608
            f"FROM commitments INDEXED BY commitments_due WHERE state = {COMMITMENT_REPORTING} "
            f"AND not_before {comparison} ? ORDER BY not_before, number LIMIT ?",
            (moment, limit),
        ).fetchall()
    ]
    reports = []
    for number, transaction_uid, calling_ae, called_ae, attempts, received_at, since in rows[:limit]:
        committed, failed = _result(db, number)
        reports.append(
            CommitmentReport(
                number=number,
                transaction_uid=transaction_uid,
                calling_ae=calling_ae,
                called_ae=called_ae,
                committed=committed,
                failed=failed,
                attempts=attempts,
                received_at=received_at,
                resolved_at=now - (age - since),
            )
        )
    return reports


def _result(
    db: sqlite3.Connection, number: int
) -> tuple[tuple[Reference, ...], tuple[tuple[Reference, int], ...]]:
    """Merge the items: committed where every destination committed, failed for the first reason otherwise."""
    reasons: dict[int, int] = {}
    references: dict[int, Reference] = {}
    for seq, sop_class_uid, sop_instance_uid, state, failure in db.execute(
        "SELECT reference, sop_class_uid, sop_instance_uid, state, failure "
        "FROM commitment_items INDEXED BY commitment_items_in_order "
        "WHERE commitment = ? ORDER BY reference, place",
        (number,),
    ):
        references[seq] = Reference(sop_class_uid, sop_instance_uid)
        if state == ITEM_FAILED:
            reasons.setdefault(seq, failure)
    committed = tuple(one for seq, one in references.items() if seq not in reasons)
    return committed, tuple((references[seq], reason) for seq, reason in reasons.items())


def overdue(db: sqlite3.Connection, now: float, max_wait: float, limit: int) -> list[OpenAsk]:
    """Return open asks whose deadline is over, or further ahead than any can be, the oldest first."""
    rows = [
        row
        for comparison, moment in (("<=", now), (">", now + max_wait))
        for row in db.execute(
            "SELECT a.number, a.transaction_uid, d.name, a.attempts "  # noqa: S608 - constant parts
            "FROM asks a INDEXED BY asks_open JOIN destinations d ON d.id = a.destination "
            f"WHERE a.state = {ASK_OPEN} AND a.deadline {comparison} ? ORDER BY a.deadline LIMIT ?",
            (moment, limit),
        ).fetchall()
    ]
    return [
        OpenAsk(
            transaction_uid=transaction_uid,
            destination=destination,
            references=tuple(
                Reference(*row)
                for row in db.execute(
                    "SELECT sop_class_uid, sop_instance_uid FROM ask_items WHERE ask = ?", (number,)
                )
            ),
            attempts=attempts,
        )
        for number, transaction_uid, destination, attempts in rows[:limit]
    ]


def next_due(db: sqlite3.Connection, now: float) -> float | None:
    """Return the first moment after `now` at which something of commitment becomes due by itself."""
    places = [number for (number,) in db.execute("SELECT id FROM destinations").fetchall()]
    questions: list[tuple[str, tuple[object, ...]]] = [
        (f"min(deadline) FROM asks INDEXED BY asks_open WHERE state = {ASK_OPEN} AND deadline > ?", (now,)),
        (
            "min(not_before) FROM commitments INDEXED BY commitments_due "
            f"WHERE state = {COMMITMENT_REPORTING} AND not_before > ?",
            (now,),
        ),
    ]
    for place in places:
        questions += [
            (
                "min(not_before) FROM commitment_items INDEXED BY commitment_items_ready "
                f"WHERE state = {ITEM_READY} AND destination = ? AND not_before > ?",
                (place, now),
            ),
            (
                "min(not_before) FROM deliveries INDEXED BY deliveries_put_off "
                f"WHERE waiting = {WAIT_PUT_OFF} AND destination = ? AND not_before > ?",
                (place, now),
            ),
        ]
    moments = [db.execute(f"SELECT {sql}", values).fetchone()[0] for sql, values in questions]
    return min((one for one in moments if one is not None), default=None)


def oldest_open(db: sqlite3.Connection, now: float, age: float) -> float | None:
    """Return when the oldest transaction was received that is not resolved (clocks: as for `to_report`)."""
    row = db.execute(
        "SELECT min(since) FROM commitments INDEXED BY commitments_unfinished "  # noqa: S608
        f"WHERE finished_at IS NULL AND state = {COMMITMENT_OPEN}"
    ).fetchone()
    return None if row[0] is None else now - (age - float(row[0]))


def unconfirmed_since(db: sqlite3.Connection, destination: str) -> float | None:
    """Return since when the oldest delivery is accepted at `destination` without being confirmed.

    The oldest by number, of each priority and whatever it waits for: a few look-ups, however many there are.
    """
    moments = [
        row[0]
        for waiting in (WAIT_NONE, WAIT_PUT_OFF, WAIT_ASKED, WAIT_AT_HUB)
        for priority in Priority
        if (
            row := db.execute(
                "SELECT d.updated_at FROM deliveries d INDEXED BY deliveries_in_order "
                "WHERE d.state = ? AND d.destination = (SELECT id FROM destinations WHERE name = ?) "
                "AND d.waiting = ? AND d.priority = ? ORDER BY d.number LIMIT 1",
                (ACCEPTED, destination, waiting, int(priority)),
            ).fetchone()
        )
        is not None
    ]
    return min(moments, default=None)


def counts(db: sqlite3.Connection) -> CommitmentCounts:
    """Count what is not finished; bounded by what may be open at once."""
    by_state = dict(
        db.execute(
            "SELECT state, count(*) FROM commitments INDEXED BY commitments_unfinished "
            "WHERE finished_at IS NULL GROUP BY state"
        ).fetchall()
    )
    asks = db.execute(
        f"SELECT count(*) FROM asks INDEXED BY asks_open WHERE state = {ASK_OPEN}"  # noqa: S608
    ).fetchone()
    return CommitmentCounts(
        open=by_state.get(COMMITMENT_OPEN, 0), reporting=by_state.get(COMMITMENT_REPORTING, 0), asks=asks[0]
    )


def listing(db: sqlite3.Connection, limit: int, before: int | None) -> list[CommitmentRow]:
    """Return transactions, the newest first, those with numbers below `before`."""
    rows = db.execute(
        "SELECT number, transaction_uid, calling_ae, called_ae, listener, address, state, attempts, "
        "not_before, reason, received_at, finished_at FROM commitments WHERE number < ? "
        "ORDER BY number DESC LIMIT ?",
        (2**62 if before is None else before, max(0, min(limit, MAX_PAGE))),
    ).fetchall()
    return [_row(db, *row) for row in rows]


def _row(
    db: sqlite3.Connection,
    number: int,
    transaction_uid: str,
    calling_ae: str,
    called_ae: str,
    listener: str,
    address: str,
    state: int,
    attempts: int,
    not_before: float,
    reason: str,
    received_at: float,
    finished_at: float | None,
) -> CommitmentRow:
    open_count, committed, failed = _item_counts(db, number)
    destinations = db.execute(
        "SELECT d.name FROM commitment_items i INDEXED BY commitment_items_in_order "
        "JOIN destinations d ON d.id = i.destination WHERE i.commitment = ? AND i.reference = 0 "
        "ORDER BY i.place",
        (number,),
    ).fetchall()
    return CommitmentRow(
        number=number,
        transaction_uid=transaction_uid,
        calling_ae=calling_ae,
        called_ae=called_ae,
        listener=listener,
        address=address,
        destinations=tuple(name for (name,) in destinations),
        state=_STATES[state],
        open=open_count,
        committed=committed,
        failed=failed,
        attempts=attempts,
        not_before=not_before,
        reason=reason,
        received_at=received_at,
        finished_at=finished_at,
    )


def _item_counts(db: sqlite3.Connection, number: int) -> tuple[int, int, int]:
    """Count instances: not resolved everywhere, committed everywhere, failed somewhere."""
    row: Iterable[int] = db.execute(
        "SELECT coalesce(sum(unresolved > 0), 0), coalesce(sum(unresolved = 0 AND failed = 0), 0), "  # noqa: S608
        "coalesce(sum(unresolved = 0 AND failed > 0), 0) FROM ("
        f"SELECT sum(state < 3) AS unresolved, sum(state = {ITEM_FAILED}) AS failed "
        "FROM commitment_items INDEXED BY commitment_items_in_order WHERE commitment = ? GROUP BY reference)",
        (number,),
    ).fetchone()
    open_count, committed, failed = row
    return open_count, committed, failed
