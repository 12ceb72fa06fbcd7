"""Procedure steps that wait for their destination: one order per SOP Instance UID, never overtaken."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from gateway.errors import LocalError, NoRoom
from gateway.spool.rows import Row
from gateway.spool.schema import STEP_HELD, STEP_QUEUED
from gateway.spool.step_states import STEP_CODE, StepEvent, step_after, step_state
from gateway.spool.step_values import Step, StepCounts, StepRow, StepState
from gateway.spool.transaction import MAX_REASON, MAX_WHO, Transaction

MAX_PAGE = 1001  # as in queries.py
_UNFINISHED = f"state IN ({STEP_QUEUED}, {STEP_HELD})"
_COLUMNS = (
    "s.number, s.destination, s.sop_class_uid, s.sop_instance_uid, s.kind, s.transfer_syntax_uid, "
    "s.calling_ae, s.called_ae, s.size, s.state, s.attempts, s.uncertain, s.not_before, s.reason, s.status, "
    "s.comment, s.who, s.received_at, s.updated_at"
)
_FIRST = (
    "NOT EXISTS (SELECT 1 FROM steps e INDEXED BY steps_of_instance "  # noqa: S608 - constant numbers
    f"WHERE e.sop_instance_uid = s.sop_instance_uid AND e.destination = s.destination "
    f"AND e.{_UNFINISHED} AND e.number < s.number)"
)
"""Nothing of the same instance is ahead: true for one unfinished step of each."""


def _row(row: Row, names: Mapping[int, str], data: bytes = b"", waits_for: int | None = None) -> StepRow:
    (
        number,
        destination,
        sop_class_uid,
        sop_instance_uid,
        kind,
        transfer_syntax_uid,
        calling_ae,
        called_ae,
        size,
        state,
        attempts,
        uncertain,
        not_before,
        reason,
        status,
        comment,
        who,
        received_at,
        updated_at,
    ) = row
    return StepRow(
        number=number,
        step=Step(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            kind=kind,
            transfer_syntax_uid=transfer_syntax_uid,
            calling_ae=calling_ae,
            called_ae=called_ae,
            destination=names[destination],
            data=data,
        ),
        state=step_state(state),
        attempts=attempts,
        uncertain=bool(uncertain),
        not_before=not_before,
        reason=reason,
        status=status,
        comment=comment,
        who=who,
        size=size,
        received_at=received_at,
        updated_at=updated_at,
        waits_for=waits_for,
    )


# writing


def add(tx: Transaction, step: Step) -> StepRow:
    """Keep a step (see Spool.add_step)."""
    count, size = tx.rows(
        "SELECT count(*), coalesce(sum(size), 0) FROM steps INDEXED BY steps_unfinished "  # noqa: S608
        f"WHERE {_UNFINISHED}"
    )[0]
    if count >= tx.limits.max_steps or size + len(step.data) > tx.limits.max_step_bytes:
        raise NoRoom(f"{count} procedure steps wait already")
    cursor = tx.db.execute(
        "INSERT INTO steps (destination, sop_class_uid, sop_instance_uid, kind, transfer_syntax_uid, "
        "calling_ae, called_ae, size, state, received_at, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            tx.destinations.number(tx.db, step.destination),
            step.sop_class_uid,
            step.sop_instance_uid,
            step.kind,
            step.transfer_syntax_uid,
            step.calling_ae,
            step.called_ae,
            len(step.data),
            STEP_QUEUED,
            tx.now,
            tx.now,
        ),
    )
    number = int(cursor.lastrowid or 0)
    tx.write("INSERT INTO step_data (step, data) VALUES (?, ?)", number, step.data)
    tx.steps.add(step.destination)
    return _one(tx, number)


def _one(tx: Transaction, number: int) -> StepRow:
    row = tx.one(
        f"SELECT {_COLUMNS}, d.data FROM steps s LEFT JOIN step_data d ON d.step = s.number "  # noqa: S608
        "WHERE s.number = ?",
        number,
    )
    if row is None:
        raise LocalError(f"there is no procedure step {number}")
    return _row(row[:-1], tx.destinations.names, row[-1] or b"")


def _move(
    tx: Transaction,
    number: int,
    event: StepEvent,
    *,
    not_before: float = 0.0,
    reason: str = "",
    status: int | None = None,
    comment: str = "",
    who: str = "",
    attempts: int = 0,
    uncertain: bool = False,
) -> StepRow:
    """Move a step as `event` says; its data goes when it is finished."""
    before = _one(tx, number)
    after = step_after(before.state, event)
    finished = after not in (StepState.QUEUED, StepState.HELD)
    tx.write(
        "UPDATE steps SET state = ?, attempts = attempts + ?, uncertain = uncertain OR ?, not_before = ?, "
        "reason = ?, status = ?, comment = ?, who = ?, updated_at = ?, finished_at = ?, "
        "since = ? WHERE number = ?",
        STEP_CODE[after],
        attempts,
        int(uncertain),
        min(not_before, tx.now + tx.limits.max_wait_seconds),
        reason[:MAX_REASON],
        status,
        comment[:MAX_REASON],
        who[:MAX_WHO],
        tx.now,
        tx.now if finished else None,
        tx.age if finished else None,
        number,
    )
    if finished:
        tx.write("DELETE FROM step_data WHERE step = ?", number)
    tx.steps.add(before.step.destination)
    return _one(tx, number)


def done(tx: Transaction, number: int, status: int, comment: str) -> None:
    """The destination accepted it."""
    _move(tx, number, StepEvent.DONE, status=status, comment=comment, attempts=1)


def put_back(tx: Transaction, number: int, not_before: float, reason: str, uncertain: bool) -> None:
    """The attempt failed; another will be made."""
    _move(
        tx,
        number,
        StepEvent.PUT_BACK,
        not_before=not_before,
        reason=reason,
        attempts=1,
        uncertain=uncertain,
    )


def refused(tx: Transaction, number: int, status: int) -> None:
    """The destination refused it, and the console was told: it is dropped."""
    _move(tx, number, StepEvent.REFUSE, status=status, attempts=1)


def held(tx: Transaction, number: int, reason: str) -> None:
    """Trying again by itself cannot help: a person decides."""
    _move(tx, number, StepEvent.HOLD, reason=reason, attempts=1)


def retry(tx: Transaction, number: int, who: str) -> StepRow:
    """Send a waiting or held step as soon as possible."""
    return _move(tx, number, StepEvent.RETRY, who=who)


def discard(tx: Transaction, number: int, reason: str, who: str) -> StepRow:
    """Give a waiting or held step up, and its data."""
    return _move(tx, number, StepEvent.DISCARD, reason=reason, who=who)


# reading


def following(
    db: sqlite3.Connection, destination: str, now: float, max_wait: float, limit: int
) -> list[StepRow]:
    """Return the steps that may go now, in order: of each instance the first unfinished one only."""
    place = db.execute("SELECT id FROM destinations WHERE name = ?", (destination,)).fetchone()
    if place is None:
        return []
    rows = db.execute(
        f"SELECT {_COLUMNS}, d.data FROM steps s INDEXED BY steps_unfinished "  # noqa: S608
        "JOIN step_data d ON d.step = s.number "
        f"WHERE s.destination = ? AND s.{_UNFINISHED} AND s.state = {STEP_QUEUED} "
        f"AND (s.not_before <= ? OR s.not_before > ?) AND {_FIRST} ORDER BY s.number LIMIT ?",
        (place[0], now, now + max_wait, limit),
    ).fetchall()
    return [_row(row[:-1], {place[0]: destination}, row[-1]) for row in rows]


def next_due(db: sqlite3.Connection, destination: str, now: float, max_wait: float) -> float | None:
    """Return when the next step may go (0.0: now); None when none waits but for a person."""
    rows = db.execute(
        "SELECT min(CASE WHEN s.not_before > ? OR s.not_before <= ? THEN 0.0 ELSE s.not_before END) "  # noqa: S608
        "FROM destinations t JOIN steps s INDEXED BY steps_unfinished ON s.destination = t.id "
        f"WHERE t.name = ? AND s.{_UNFINISHED} AND s.state = {STEP_QUEUED} AND {_FIRST}",
        (now + max_wait, now, destination),
    ).fetchone()
    return None if rows[0] is None else float(rows[0])


def count_open(db: sqlite3.Connection, sop_instance_uid: str, destination: str) -> int:
    """Count the unfinished steps of an instance."""
    row = db.execute(
        "SELECT count(*) FROM destinations t JOIN steps s INDEXED BY steps_of_instance "  # noqa: S608
        f"ON s.destination = t.id AND s.sop_instance_uid = ? WHERE t.name = ? AND s.{_UNFINISHED}",
        (sop_instance_uid, destination),
    ).fetchone()
    return int(row[0])


def counts(db: sqlite3.Connection) -> StepCounts:
    """Count what is not finished; bounded by what may wait at once."""
    by_state = dict(
        db.execute(
            "SELECT state, count(*) FROM steps INDEXED BY steps_unfinished "  # noqa: S608
            f"WHERE {_UNFINISHED} GROUP BY state"
        ).fetchall()
    )
    return StepCounts(queued=by_state.get(STEP_QUEUED, 0), held=by_state.get(STEP_HELD, 0))


def listing(
    db: sqlite3.Connection,
    states: Collection[StepState] | None,
    destination: str | None,
    after: int,
    limit: int,
) -> list[StepRow]:
    """Return a page of steps by number, without their data (see Spool.list_steps)."""
    names = dict(db.execute("SELECT id, name FROM destinations").fetchall())
    places = [number for number, name in names.items() if destination in (None, name)]
    codes = [STEP_CODE[state] for state in (StepState if states is None else states)]
    # Said once more in the words of the index, so that unfinished ones are found without their history.
    unfinished = f"AND s.{_UNFINISHED}" if set(codes) <= {STEP_QUEUED, STEP_HELD} else ""
    rows = db.execute(
        f"SELECT {_COLUMNS}, (SELECT min(e.number) FROM steps e INDEXED BY steps_of_instance "  # noqa: S608
        "WHERE e.sop_instance_uid = s.sop_instance_uid AND e.destination = s.destination "
        f"AND e.{_UNFINISHED} AND e.number < s.number) FROM steps s "
        f"WHERE s.number > ? AND s.destination IN ({_marks(places)}) AND s.state IN ({_marks(codes)}) "
        f"{unfinished} ORDER BY s.number LIMIT ?",
        (after, *places, *codes, max(0, min(limit, MAX_PAGE))),
    ).fetchall()
    return [_row(row[:-1], names, waits_for=row[-1] if row[9] in _WAITING else None) for row in rows]


def _marks(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))


_WAITING = (STEP_QUEUED, STEP_HELD)
