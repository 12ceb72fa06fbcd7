"""Which streams a listing is put together from: the indexes that have less to read. See listing.py."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.spool.listing_values import Search, Wanted
from gateway.spool.queries import WAITS
from gateway.spool.schema import HELD, SUBJECT_DELIVERY, WAIT_NONE
from gateway.spool.states import CODE

COUNTED = 200_000
"""Rows of an index that are counted to choose it."""

MAX_STREAMS = 64
"""More kinds than this are checked row by row instead of being merged."""

MAX_EXACT = 1000
"""Deliveries that one number or one SOP Instance UID may name."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a WHERE clause with its values; an empty one is always true."""

    sql: str = ""
    values: tuple[object, ...] = ()

    def __and__(self, other: Condition) -> Condition:
        if not self.sql or not other.sql:
            return self if self.sql else other
        return Condition(f"{self.sql} AND {other.sql}", self.values + other.values)


def among(column: str, values: Sequence[object]) -> Condition:
    """Return the condition that a column has one of these values."""
    return Condition(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))


@dataclass(frozen=True, slots=True)
class Stream:
    """Deliveries that an index has in order of their numbers."""

    where: Condition = Condition()
    index: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Streams that have no delivery in common, and what is left to be checked row by row."""

    streams: tuple[Stream, ...]
    check: Condition = field(default_factory=Condition)


def make_plan(db: sqlite3.Connection, wanted: Wanted, names: dict[int, str]) -> Plan:
    """Choose the streams for what is wanted. `names`: the destinations by number."""
    places = [number for number, name in names.items() if wanted.destination in (None, name)]
    cell, kinds = _cell(wanted, places), _kinds_check(db, wanted)
    times = Condition()
    if wanted.received_from is not None:
        times = times & Condition("seen.received_at >= ?", (wanted.received_from,))
    if wanted.received_before is not None:
        times = times & Condition("seen.received_at < ?", (wanted.received_before,))
    found = None if wanted.search is None else _found(db, wanted.search)
    typed = Condition() if found is None else found.check
    if wanted.cause is not None:
        streams = tuple(_held(place, wanted.cause) for place in places)
        return Plan(streams, cell & kinds & times & typed)
    in_order = counted(db, wanted, names)
    if found is not None and _fewer(db, found.kinds, in_order):
        return Plan(found.streams, cell & kinds & times)
    wanted_kinds = _kinds(db, wanted)
    if wanted_kinds is not None and _fewer(db, wanted_kinds, in_order):
        streams = tuple(_kind_stream(wanted, kind) for kind in wanted_kinds)
        return Plan(streams, cell & times & typed)
    if not cell.sql:
        return Plan((Stream(),), kinds & times & typed)
    return Plan(_in_order(db, wanted, places), kinds & times & typed)


def _held(place: int, cause: str) -> Stream:
    # The state as a number, not a value: only so does SQLite know that the partial index applies.
    where = f"seen.state = {HELD} AND seen.destination = ? AND seen.cause = ?"
    return Stream(Condition(where, (place, cause)), "deliveries_held")


def _cell(wanted: Wanted, places: Sequence[int]) -> Condition:
    """State, destination and priority, as a check."""
    check = Condition()
    if wanted.state is not None:
        check = check & Condition("seen.state = ?", (CODE[wanted.state],))
    if wanted.destination is not None:
        check = check & among("seen.destination", places)
    if wanted.priority is not None:
        check = check & Condition("seen.priority = ?", (int(wanted.priority),))
    return check


def _in_order(db: sqlite3.Connection, wanted: Wanted, places: Sequence[int]) -> tuple[Stream, ...]:
    cells = db.execute(
        "SELECT state, destination, priority FROM counters WHERE subject = ? AND count > 0",
        (SUBJECT_DELIVERY,),
    )
    return tuple(
        Stream(
            Condition(
                "seen.state = ? AND seen.destination = ? AND seen.waiting = ? AND seen.priority = ?",
                (code, place, waiting, priority),
            ),
            "deliveries_in_order",
        )
        for code, place, priority in cells.fetchall()
        if (wanted.state is None or code == CODE[wanted.state])
        and place in places
        and wanted.priority in (None, priority)
        for waiting in WAITS.get(code, (WAIT_NONE,))
    )


def counted(db: sqlite3.Connection, wanted: Wanted, names: dict[int, str]) -> int:
    """Say how many have the wanted state, destination and priority, by the counters."""
    rows = db.execute(
        "SELECT destination, state, priority, count FROM counters WHERE subject = ?", (SUBJECT_DELIVERY,)
    )
    return sum(
        count
        for place, code, priority, count in rows
        if wanted.destination in (None, names[place])
        and (wanted.state is None or code == CODE[wanted.state])
        and wanted.priority in (None, priority)
    )


# SOP class and sender


def _kinds(db: sqlite3.Connection, wanted: Wanted) -> list[int] | None:
    """The kinds that are wanted, 0 for those without a number; None: any."""
    if wanted.sop_class is None and wanted.calling_ae is None:
        return None
    return [
        0,
        *(
            number
            for number, uid, title in db.execute("SELECT id, sop_class_uid, calling_ae FROM kinds")
            if wanted.sop_class in (None, uid) and wanted.calling_ae in (None, title)
        ),
    ]


def _of_object(wanted: Wanted) -> Condition:
    check = Condition()
    if wanted.sop_class is not None:
        check = check & Condition("o.sop_class_uid = ?", (wanted.sop_class,))
    if wanted.calling_ae is not None:
        check = check & Condition("o.calling_ae = ?", (wanted.calling_ae,))
    return check


def _kind_stream(wanted: Wanted, kind: int) -> Stream:
    where = Condition("seen.kind = ?", (kind,))
    if kind == 0:
        where = where & _exists(_of_object(wanted))
    return Stream(where, "deliveries_by_kind")


def _exists(of_object: Condition) -> Condition:
    return Condition(
        f"EXISTS (SELECT 1 FROM objects o WHERE o.number = seen.object AND {of_object.sql})",  # noqa: S608
        of_object.values,
    )


def _kinds_check(db: sqlite3.Connection, wanted: Wanted) -> Condition:
    kinds = _kinds(db, wanted)
    if kinds is None:
        return Condition()
    exists = _exists(_of_object(wanted))
    return among("seen.kind", kinds) & Condition(f"(seen.kind <> 0 OR {exists.sql})", exists.values)


def _fewer(db: sqlite3.Connection, kinds: Sequence[int], than: int) -> bool:
    """Whether fewer than `than` deliveries are of these kinds; many are not counted to the end."""
    if len(kinds) > MAX_STREAMS:
        return False
    left = min(than, COUNTED)
    for kind in kinds:
        left -= db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_by_kind "
            "WHERE kind = ? LIMIT ?)",
            (kind, left),
        ).fetchone()[0]
        if left <= 0:
            return False
    return True


# what a person typed


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search means in this journal: as streams, and as a check."""

    kinds: tuple[int, ...]
    streams: tuple[Stream, ...]
    check: Condition


def _found(db: sqlite3.Connection, search: Search) -> _Found:
    exact = _exact(db, search)
    beginning = search.beginning.lower()
    kinds = tuple(
        number
        for number, uid, title in db.execute("SELECT id, sop_class_uid, calling_ae FROM kinds")
        if uid in search.sop_classes
        or (beginning and (title.lower().startswith(beginning) or uid.startswith(search.beginning)))
    )
    is_exact, is_kind = among("seen.number", exact), among("seen.kind", kinds)
    not_exact = Condition(f"NOT {is_exact.sql}", is_exact.values)
    streams = [Stream(is_exact)]
    streams += [
        Stream(Condition("seen.kind = ?", (kind,)) & not_exact, "deliveries_by_kind") for kind in kinds
    ]
    either = [is_exact, is_kind]
    typed = _typed(search)
    if typed.sql:
        unnumbered = Condition("seen.kind = 0") & _exists(typed)
        streams.append(Stream(unnumbered & not_exact, "deliveries_by_kind"))
        either.append(unnumbered)
    return _Found(kinds, tuple(streams), _any(either))


def _any(parts: Sequence[Condition]) -> Condition:
    return Condition(
        f"({' OR '.join(f'({part.sql})' for part in parts)})",
        tuple(itertools.chain.from_iterable(part.values for part in parts)),
    )


def _typed(search: Search) -> Condition:
    """The same as for kinds, for deliveries whose kind has no number."""
    parts: list[Condition] = []
    if search.sop_classes:
        parts.append(among("o.sop_class_uid", sorted(search.sop_classes)))
    if search.beginning:
        size = len(search.beginning)
        parts.append(Condition("lower(substr(o.calling_ae, 1, ?)) = ?", (size, search.beginning.lower())))
        parts.append(Condition("substr(o.sop_class_uid, 1, ?) = ?", (size, search.beginning)))
    return _any(parts) if parts else Condition()


def _exact(db: sqlite3.Connection, search: Search) -> list[int]:
    found: set[int] = set()
    if search.number is not None:
        found.add(search.number)  # if there is none of this number, none will be found
        sql = "SELECT number FROM deliveries WHERE object = ? LIMIT ?"
        found |= {number for (number,) in db.execute(sql, (search.number, MAX_EXACT))}
    if search.instance_uid:
        found |= {
            number
            for (number,) in db.execute(
                "SELECT d.number FROM objects o JOIN deliveries d ON d.object = o.number "
                "WHERE o.sop_instance_uid = ? LIMIT ?",
                (search.instance_uid, MAX_EXACT),
            )
        }
    return sorted(found)[:MAX_EXACT]
