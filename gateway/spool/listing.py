"""Pages of deliveries by any filter, in bounded time. Pure reading.

A listing is put together from *streams*: runs of deliveries that an index has in order of their numbers
(listing_plan.py). What the index does not decide is checked row by row, and only so many rows (LOOKED_AT) in
one question. A search that comes to that bound says so, and where it stopped: the next question goes on from
there.
"""

from __future__ import annotations

import sqlite3

from gateway.spool.listing_plan import Condition, Plan, Stream, counted, make_plan
from gateway.spool.listing_values import Listing, Page, Total, Wanted
from gateway.spool.queries import MAX_PAGE, delivery_row, destination_names, full_row

LOOKED_AT = 100_000
"""Rows that one page may look at: a tenth of a second on a desk, half a second on a small board."""

COUNTED = 200_000
"""Rows that a count may look at."""

_COLUMNS = "number, object, kind, state, destination, priority, received_at"


def listing(db: sqlite3.Connection, wanted: Wanted, page: Page) -> Listing:
    """Return a page of deliveries (see Spool.browse)."""
    names = destination_names(db)
    plan = make_plan(db, wanted, names)
    limit = max(1, min(page.limit, MAX_PAGE))
    backwards = (page.after if page.newest_first else page.before) is not None
    descending = page.newest_first != backwards
    start = page.before if descending else page.after
    bounds = _bounds(wanted)
    numbers, stopped = _find(db, plan, bounds, start, descending=descending, limit=limit + 1)
    more = numbers[limit - 1] if len(numbers) > limit else stopped
    numbers = numbers[:limit]
    ahead, behind = more, _other_way(db, plan, bounds, numbers, start, descending=descending)
    if backwards:
        numbers, ahead, behind = numbers[::-1], behind, ahead
    rows = tuple(delivery_row(full_row(db, number), names) for number in numbers)
    return Listing(rows, next=ahead, previous=behind, searched_all=stopped is None)


def numbers_of(
    db: sqlite3.Connection, wanted: Wanted, after: int, limit: int
) -> tuple[list[int], int | None]:
    """Return delivery numbers beyond `after`, the smallest first, and from where on to ask for the rest."""
    plan = make_plan(db, wanted, destination_names(db))
    found, stopped = _find(db, plan, _bounds(wanted), after, descending=False, limit=limit)
    return found, found[-1] if len(found) == limit else stopped


def total(db: sqlite3.Connection, wanted: Wanted, most: int) -> Total:
    """Count deliveries, up to `most` (see Spool.count_deliveries)."""
    names = destination_names(db)
    if wanted == Wanted(state=wanted.state, destination=wanted.destination, priority=wanted.priority):
        return Total(counted(db, wanted, names), exact=True)
    plan, bounds = make_plan(db, wanted, names), _bounds(wanted)
    count, left = 0, COUNTED
    for stream in plan.streams:
        rows = _rows(stream, bounds, descending=True, columns=_COLUMNS if plan.check.sql else "number")
        check = plan.check.sql or "1"
        looked, fits = db.execute(
            f"SELECT count(*), coalesce(sum({check}), 0) FROM ({rows.sql} LIMIT ?) seen",  # noqa: S608
            (*plan.check.values, *rows.values, left),
        ).fetchone()
        count, left = count + fits, left - looked
        if count > most or left <= 0:
            return Total(min(count, most), exact=False)
    return Total(count, exact=True)


def _bounds(wanted: Wanted) -> Condition:
    return Condition() if wanted.up_to is None else Condition("seen.number <= ?", (wanted.up_to,))


def _rows(stream: Stream, bounds: Condition, *, descending: bool, columns: str = _COLUMNS) -> Condition:
    where = stream.where & bounds
    index = f"INDEXED BY {stream.index}" if stream.index else ""
    return Condition(
        f"SELECT {columns} FROM deliveries seen {index} WHERE {where.sql or '1'} "  # noqa: S608 - our names only
        f"ORDER BY seen.number {'DESC' if descending else 'ASC'}",
        where.values,
    )


def _find(
    db: sqlite3.Connection,
    plan: Plan,
    bounds: Condition,
    start: int | None,
    *,
    descending: bool,
    limit: int,
) -> tuple[list[int], int | None]:
    """Return the first `limit` numbers beyond `start`, and where the search had to stop, if it had to."""
    if start is not None:
        bounds = bounds & Condition("seen.number < ?" if descending else "seen.number > ?", (start,))
    share = max(limit, LOOKED_AT // max(1, len(plan.streams)))
    found: list[int] = []
    stops: list[int] = []
    for stream in plan.streams:
        rows = _rows(stream, bounds, descending=descending)
        if not plan.check.sql:
            found += [row[0] for row in db.execute(f"{rows.sql} LIMIT ?", (*rows.values, limit))]
            continue
        fits = [
            number
            for (number,) in db.execute(
                f"SELECT number FROM ({rows.sql} LIMIT ?) seen WHERE {plan.check.sql} LIMIT ?",  # noqa: S608
                (*rows.values, share, *plan.check.values, limit),
            )
        ]
        found += fits
        if len(fits) < limit:
            last = db.execute(f"{rows.sql} LIMIT 1 OFFSET ?", (*rows.values, share - 1)).fetchone()
            stops += [last[0]] if last else []
    found.sort(reverse=descending)
    if not stops:
        return found[:limit], None
    stop = max(stops) if descending else min(stops)  # nobody knows what is beyond the nearest
    known = [number for number in found if (number >= stop if descending else number <= stop)]
    return known[:limit], None if len(known) >= limit else stop


def _other_way(
    db: sqlite3.Connection,
    plan: Plan,
    bounds: Condition,
    numbers: list[int],
    start: int | None,
    *,
    descending: bool,
) -> int | None:
    """Return the number from which the page on the other side begins, if there may be one."""
    if start is None:
        return None
    first = numbers[0] if numbers else (start - 1 if descending else start + 1)
    found, stopped = _find(db, plan, bounds, first, descending=not descending, limit=1)
    return first if found or stopped is not None else None
