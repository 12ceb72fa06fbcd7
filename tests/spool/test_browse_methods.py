"""What people do with many deliveries at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.model import DeliveryState, Priority
from gateway.spool import Page, Search, Spool, Wanted, browse_methods, transaction
from tests.support.full_spool import Row, any_row, fill
from tests.support.spooling import (
    BEAMS_RECORD,
    SMALL,
    OpenSpool,
    an_instance,
    an_origin,
    content,
    store,
)

S = DeliveryState


async def some(spool: Spool, count: int) -> None:
    for number in range(1, count + 1):
        await store(spool, content(number, SMALL), number)


async def states(spool: Spool) -> dict[int, S]:
    found = await spool.browse(Wanted(), Page(limit=1000))
    return {row.delivery.number: row.delivery.state for row in found.rows}


async def test_each_is_done_by_itself(spool: Spool) -> None:
    await some(spool, 4)
    await spool.claim("oncology", 1)
    acted = await spool.act_on_deliveries([1, 2, 3, 99], "hold", "physics first", who="anna")
    assert [(one.number, bool(one.refusal), one.missing) for one in acted] == [
        (1, True, False),
        (2, False, False),
        (3, False, False),
        (99, True, True),
    ]
    assert acted[0].refusal == "a delivery that is sending cannot hold"
    assert await states(spool) == {1: S.SENDING, 2: S.HELD, 3: S.HELD, 4: S.QUEUED}
    event = (await spool.show(2)).history[-1]
    assert (event.what, event.detail, event.who) == ("held-by-operator", "physics first", "anna")
    await spool.act_on_deliveries([2], "release", who="anna")
    await spool.act_on_deliveries([3], "retry", who="anna")
    await spool.act_on_deliveries([4], "discard", "a test", who="anna")
    assert await states(spool) == {1: S.SENDING, 2: S.QUEUED, 3: S.QUEUED, 4: S.DISCARDED}


async def test_many_take_many_transactions(open_spool: OpenSpool, directory: Path) -> None:
    fill(directory, (Row(number) for number in range(1, 2 * browse_methods.SLICE + 8)))
    spool = open_spool()
    numbers = await spool.delivery_numbers(Wanted(state=S.QUEUED), 10_000)
    assert len(numbers) == 2 * browse_methods.SLICE + 7
    acted = await spool.act_on_deliveries(numbers, "hold", "a look at them")
    assert not any(one.refusal for one in acted)
    assert set((await states(spool)).values()) == {S.HELD}
    (group,) = await spool.held_groups()
    assert (group.cause, group.total.count) == ("operator", len(numbers))
    assert await spool.retry_held("oncology", "operator") == len(numbers)
    assert await spool.held_groups() == []


async def test_numbers_are_bounded_and_in_order(open_spool: OpenSpool, directory: Path) -> None:
    dice = random.Random(2)
    fill(directory, (any_row(number, dice) for number in range(1, 1000)))
    spool = open_spool()
    wanted = Wanted(calling_ae="CT1", up_to=500)
    everything = await spool.delivery_numbers(wanted, 1000)
    assert everything == sorted(everything)
    assert len(everything) == (await spool.count_deliveries(wanted, 1000)).count
    assert max(everything) <= 500
    assert await spool.delivery_numbers(wanted, 7) == everything[:7]


async def test_kinds_are_bounded_and_what_has_none_is_found_all_the_same(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "MAX_KINDS", 2)
    for number, title in enumerate(("LINAC1", "LINAC2", "LINAC3", "LINAC4"), 1):
        incoming = spool.receive(an_instance(number), an_origin(title), Priority.RECORD, ["oncology"])
        incoming.write(content(number, SMALL))
        await incoming.commit()
    assert await spool.kinds() == [(BEAMS_RECORD, "LINAC1"), (BEAMS_RECORD, "LINAC2")]
    for wanted in (Wanted(calling_ae="LINAC4"), Wanted(search=Search(beginning="LINAC4"))):
        found = await spool.browse(wanted, Page())
        assert [row.delivery.number for row in found.rows] == [4]


async def test_what_came_from_whom(spool: Spool) -> None:
    await some(spool, 2)
    assert await spool.kinds() == [(BEAMS_RECORD, "LINAC1")]
    assert (await spool.count_deliveries(Wanted(calling_ae="LINAC1"), 10)).count == 2
