"""Listings by any filter say what reading everything would say, in pages that join, in either direction."""

from __future__ import annotations

import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import DeliveryState, Priority
from gateway.spool import listing, listing_plan
from gateway.spool.listing_values import Page, Search, Wanted
from gateway.spool.queries import WAITS
from gateway.spool.schema import configure, create_or_migrate
from gateway.spool.states import CODE
from tests.support.full_spool import CT, PLAN, PRIVATE, Row, any_row, fill_journal
from tests.support.spooling import BEAMS_RECORD

CLASSES = [BEAMS_RECORD, CT, PLAN, PRIVATE]
TITLES = ["LINAC1", "LINAC2", "linac3", "CT1"]
CAUSES = ["refused", "conflict"]


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """A journal's worth of deliveries; the numbers have gaps and the clock jumps."""
    found = []
    for number in sorted(draw(st.sets(st.integers(1, 60), max_size=40))):
        state = draw(st.sampled_from(list(DeliveryState)))
        found.append(
            Row(
                number,
                destination=draw(st.sampled_from(["oncology", "archive"])),
                state=state,
                waiting=draw(st.sampled_from(WAITS.get(CODE[state], (0,)))),
                priority=draw(st.sampled_from(list(Priority))),
                cause=draw(st.sampled_from(CAUSES)) if state is DeliveryState.HELD else "",
                sop_class=draw(st.sampled_from(CLASSES)),
                calling_ae=draw(st.sampled_from(TITLES)),
                received_at=float(draw(st.integers(0, 5))),
                uid=draw(st.sampled_from(["", "1.2.3"])),
            )
        )
    return found


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


SEARCHES = st.builds(
    Search,
    number=maybe(st.integers(1, 60)),
    instance_uid=st.sampled_from(["", "1.2.3", "1.2.826.0.1.3680043.10.1.7"]),
    beginning=st.sampled_from(["", "LIN", "linac", "ct", "1.2.840.10008.5.1.4.1.1.481", "x"]),
    sop_classes=st.frozensets(st.sampled_from(CLASSES), max_size=2),
)
WANTED = st.builds(
    Wanted,
    state=maybe(st.sampled_from(list(DeliveryState))),
    destination=maybe(st.sampled_from(["oncology", "nowhere"])),
    priority=maybe(st.sampled_from(list(Priority))),
    cause=maybe(st.sampled_from([*CAUSES, "other"])),
    sop_class=maybe(st.sampled_from(CLASSES)),
    calling_ae=maybe(st.sampled_from(TITLES)),
    received_from=maybe(st.integers(0, 5)),
    received_before=maybe(st.integers(0, 5)),
    up_to=maybe(st.integers(0, 60)),
    search=maybe(SEARCHES),
)


def fits(row: Row, wanted: Wanted) -> bool:
    """What the filter means, said plainly."""
    return (
        wanted.state in (None, row.state)
        and wanted.destination in (None, row.destination)
        and wanted.priority in (None, row.priority)
        and (wanted.cause is None or (row.state is DeliveryState.HELD and row.cause == wanted.cause))
        and wanted.sop_class in (None, row.sop_class)
        and wanted.calling_ae in (None, row.calling_ae)
        and (wanted.received_from is None or row.received_at >= wanted.received_from)
        and (wanted.received_before is None or row.received_at < wanted.received_before)
        and (wanted.up_to is None or row.number <= wanted.up_to)
        and (wanted.search is None or is_meant(row, wanted.search))
    )


def is_meant(row: Row, search: Search) -> bool:
    return (
        search.number == row.number
        or row.instance_uid == search.instance_uid
        or row.sop_class in search.sop_classes
        or (
            bool(search.beginning)
            and (
                row.calling_ae.lower().startswith(search.beginning.lower())
                or row.sop_class.startswith(search.beginning)
            )
        )
    )


@given(
    rows=rows(),
    wanted=WANTED,
    newest_first=st.booleans(),
    limit=st.integers(1, 9),
    looked_at=st.sampled_from([3, 20, 1000]),
    max_kinds=st.sampled_from([2, 1000]),
    max_streams=st.sampled_from([1, 64]),
)
@settings(max_examples=300, deadline=None)
def test_pages_join_to_what_reading_everything_finds(
    rows: list[Row],
    wanted: Wanted,
    newest_first: bool,
    limit: int,
    looked_at: int,
    max_kinds: int,
    max_streams: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "LOOKED_AT", looked_at)
        patch.setattr(listing_plan, "MAX_STREAMS", max_streams)
        check_listings(rows, wanted, newest_first, limit, max_kinds)


def check_listings(rows: list[Row], wanted: Wanted, newest_first: bool, limit: int, max_kinds: int) -> None:
    db = journal(rows, max_kinds)
    everything = [row.number for row in rows if fits(row, wanted)][:: -1 if newest_first else 1]

    forth: list[int] = []
    page = Page(newest_first, limit=limit)
    while True:
        part = listing.listing(db, wanted, page)
        forth += [row.delivery.number for row in part.rows]
        assert len(part.rows) <= limit
        if part.next is None:
            assert part.searched_all
            break
        page = going_on(newest_first, part.next, limit, forwards=True)
    assert forth == everything

    back: list[int] = []
    page = going_on(newest_first, 0 if newest_first else 1000, limit, forwards=False)
    while True:
        part = listing.listing(db, wanted, page)
        back = [row.delivery.number for row in part.rows] + back
        if part.previous is None:
            break
        page = going_on(newest_first, part.previous, limit, forwards=False)
    assert back == everything

    counted = listing.total(db, wanted, 1000)
    assert counted.exact
    assert counted.count == len(everything)
    few = listing.total(db, wanted, 3)
    assert few.count == len(everything) if few.exact else few.count == 3 < len(everything)
    db.close()


def going_on(newest_first: bool, number: int, limit: int, *, forwards: bool) -> Page:
    if newest_first == forwards:
        return Page(newest_first, before=number, limit=limit)
    return Page(newest_first, after=number, limit=limit)


def journal(rows: list[Row], max_kinds: int = 1000) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    configure(db)
    create_or_migrate(db)
    fill_journal(db, iter(rows), max_kinds=max_kinds)
    return db


def test_a_search_that_stops_early_says_so_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 10)
    db = journal([Row(number, received_at=float(number)) for number in range(1, 101)])
    found = listing.listing(db, Wanted(received_before=2.0), Page(newest_first=True, limit=5))
    assert (found.rows, found.searched_all, found.next) == ((), False, 91)
    monkeypatch.setattr(listing, "COUNTED", 10)
    assert not listing.total(db, Wanted(received_before=2.0), 1000).exact
    db.close()


def test_what_fits_a_search_twice_is_listed_once() -> None:
    db = journal([Row(number, calling_ae="RARE" if number == 17 else "LINAC1") for number in range(1, 41)])
    wanted = Wanted(search=Search(number=17, beginning="RARE"))
    found = listing.listing(db, wanted, Page(limit=5))
    assert [row.delivery.number for row in found.rows] == [17]
    assert listing.total(db, wanted, 10).count == 1
    db.close()


def test_a_page_knows_whether_there_is_one_before_it() -> None:
    db = journal([Row(number) for number in range(1, 11)])
    first = listing.listing(db, Wanted(), Page(newest_first=True, limit=4))
    assert (first.previous, first.next) == (None, 7)
    second = listing.listing(db, Wanted(), Page(newest_first=True, before=7, limit=4))
    assert [row.delivery.number for row in second.rows] == [6, 5, 4, 3]
    assert (second.previous, second.next) == (6, 3)
    again = listing.listing(db, Wanted(), Page(newest_first=True, after=6, limit=4))
    assert (again.rows, again.previous, again.next) == (first.rows, None, 7)
    db.close()


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(state=DeliveryState.HELD, cause="refused"),
        Wanted(calling_ae="RARE"),
        Wanted(sop_class=PRIVATE, state=DeliveryState.ACCEPTED),
        Wanted(search=Search(number=17, instance_uid="17")),
        Wanted(search=Search(beginning="RARE")),
        Wanted(state=DeliveryState.SENDING, sop_class=CT),
        Wanted(destination="nowhere", calling_ae="CT1"),
    ],
)
def test_what_an_index_knows_is_not_looked_for_row_by_row(wanted: Wanted) -> None:
    dice = random.Random(1)
    rows = [any_row(number, dice) for number in range(1, 20_001)]
    rows += [Row(20_001, calling_ae="RARE", sop_class=PRIVATE, state=DeliveryState.ACCEPTED)]
    db = journal(rows)
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(step, 1)
    found = listing.listing(db, wanted, Page(newest_first=True, limit=5))
    db.set_progress_handler(None, 0)
    assert found.searched_all
    assert steps < 20_000  # steps of SQLite's machine: reading all rows takes more than 100,000
    db.close()
