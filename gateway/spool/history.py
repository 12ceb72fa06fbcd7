"""When finished transactions, asks and procedure steps are forgotten: by age and by number, in slices.

`now` is a moment of the age clock.
"""

from __future__ import annotations

from gateway.spool.transaction import Transaction

SLICE = 20
"""Rows that one transaction forgets: each may have thousands of items."""


def forget_commitments(tx: Transaction, now: float) -> bool:
    """Drop the oldest finished transactions beyond what history may hold; return whether there is more."""
    limits = tx.limits
    count, items = tx.rows(
        "SELECT count(*), coalesce(sum(items), 0) FROM commitments INDEXED BY commitments_finished "
        "WHERE finished_at IS NOT NULL"
    )[0]
    rows = tx.rows(
        "SELECT number, since, items FROM commitments INDEXED BY commitments_finished "
        "WHERE finished_at IS NOT NULL ORDER BY since LIMIT ?",
        SLICE,
    )
    doomed = 0
    for number, since, its_items in rows:
        if (
            count <= limits.commitment_history_rows
            and items <= limits.commitment_history_items
            and since >= now - limits.commitment_history_seconds
        ):
            break
        tx.write("DELETE FROM commitment_items WHERE commitment = ?", number)
        tx.write("DELETE FROM commitments WHERE number = ?", number)
        count, items, doomed = count - 1, items - its_items, doomed + 1
    return doomed == SLICE


def forget_asks(tx: Transaction, now: float) -> bool:
    """Drop the oldest asks that have ended; an answer to one of them is unknown from now on."""
    limits = tx.limits
    doomed = _oldest(tx, "asks", "ended_at", limits.ask_history_rows, now - limits.ask_history_seconds)
    for number in doomed:
        tx.write("DELETE FROM ask_items WHERE ask = ?", number)
        tx.write("DELETE FROM asks WHERE number = ?", number)
    return len(doomed) == SLICE


def forget_steps(tx: Transaction, now: float) -> bool:
    """Drop the oldest finished procedure steps."""
    limits = tx.limits
    doomed = _oldest(tx, "steps", "since", limits.step_history_rows, now - limits.step_history_seconds)
    for number in doomed:
        tx.write("DELETE FROM steps WHERE number = ?", number)
    return len(doomed) == SLICE


def _oldest(tx: Transaction, table: str, column: str, most: int, before: float) -> list[int]:
    """Return the numbers of the oldest ended rows of a table that are too many, or older than `before`."""
    count = tx.rows(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL")[0][0]  # noqa: S608
    rows = tx.rows(
        f"SELECT number, {column} FROM {table} WHERE {column} IS NOT NULL "  # noqa: S608 - constant names
        f"ORDER BY {column} LIMIT ?",
        SLICE,
    )
    surplus = max(0, count - most)
    return [number for place, (number, at) in enumerate(rows) if place < surplus or at < before]
