"""What a hub keeps of what its sites brought, and what it has to tell them."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from gateway.model import DeliveryState, Priority
from gateway.spool import Accepted, Confirmed, Hold, PutBack, Spool, Stage, StageReport, Stored, Transfer
from tests.support.encodings import EXPLICIT, IMPLICIT, a_record, encode
from tests.support.spooling import SMALL, OpenSpool, a_receipt, an_instance, an_origin, content

SITE = bytes(range(16))


def a_transfer(delivery: int, data: bytes, *, site: str = "clinic-07", spool: bytes = SITE) -> Transfer:
    return Transfer(site, spool, delivery, hashlib.sha256(data).digest())


async def bring(
    spool: Spool,
    number: int = 1,
    data: bytes | None = None,
    *,
    delivery: int | None = None,
    to: tuple[str, ...] = ("oncology",),
    site: str = "clinic-07",
    syntax: str = EXPLICIT,
) -> Stored:
    """Store an object as a link does."""
    data = content(number, SMALL) if data is None else data
    transfer = a_transfer(number if delivery is None else delivery, data, site=site)
    instance = an_instance(number, syntax)
    incoming = spool.receive(instance, an_origin(), Priority.RECORD, to, transfer=transfer)
    incoming.write(data)
    return await incoming.commit()


async def waiting(
    spool: Spool, after: int = 0, most: int = 100, *, site: str = "clinic-07"
) -> list[StageReport]:
    return await spool.reports_waiting(site, SITE, after, most)


async def stages(spool: Spool) -> list[tuple[int, int, Stage]]:
    return [(one.seq, one.delivery, one.stage) for one in await waiting(spool)]


async def deliver(spool: Spool, destination: str = "oncology", status: int = 0) -> None:
    for job in await spool.claim(destination, 10):
        await spool.settle([Accepted(job.delivery.number, a_receipt(job, status))])


async def compared(spool: Spool) -> None:
    """Wait for the comparisons that are under way: their thread, then the journal, have nothing to do."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    spool._comparer._workers.submit(lambda: loop.call_soon_threadsafe(done.set))
    await done.wait()
    await spool.summary()


async def test_nothing_is_told_while_an_object_is_on_its_way(spool: Spool) -> None:
    await bring(spool)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([PutBack(job.delivery.number, 0.0, "cut off")])
    assert await waiting(spool) == []


async def test_stored_and_confirmed_are_told_the_newest_only(spool: Spool) -> None:
    await bring(spool, 1)
    await bring(spool, 2)
    await deliver(spool, status=0xB000)
    first, second = await waiting(spool)
    assert (first.seq, first.delivery, first.stage, first.status) == (1, 1, Stage.STORED, 0xB000)
    assert first.spool == SITE
    assert first.digest == hashlib.sha256(content(1, SMALL)).digest()
    assert (second.seq, second.delivery) == (2, 2)
    await spool.settle([Confirmed(1, "committed")])
    assert await stages(spool) == [(2, 2, Stage.STORED), (3, 1, Stage.CONFIRMED)]


async def test_what_was_acknowledged_is_not_told_again_after_a_restart(open_spool: OpenSpool) -> None:
    spool = open_spool()
    for number in (1, 2, 3):
        await bring(spool, number)
    await deliver(spool)
    await spool.reports_acknowledged("clinic-07", SITE, 2)
    await spool.reports_acknowledged("clinic-08", SITE, 3)  # another site's word is not about ours
    await spool.close()
    spool = open_spool()
    assert await stages(spool) == [(3, 3, Stage.STORED)]
    await spool.settle([Confirmed(1, "committed")])
    # An acknowledgement that is late is not about what came after it.
    await spool.reports_acknowledged("clinic-07", SITE, 3)
    assert await stages(spool) == [(4, 1, Stage.CONFIRMED)]


async def test_reports_come_in_order_and_in_pages(spool: Spool) -> None:
    for number in range(1, 8):
        await bring(spool, number)
    await deliver(spool)
    assert [one.seq for one in await waiting(spool, 2, 3)] == [3, 4, 5]


async def test_held_is_told_with_its_reason_and_so_is_its_end(spool: Spool) -> None:
    await bring(spool)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Hold(job.delivery.number, "the destination cannot understand it", "refused")])
    (report,) = await waiting(spool)
    assert (report.stage, report.words) == (Stage.HELD, "the destination cannot understand it")
    await spool.discard(job.delivery.number, "sent on a disc")
    (report,) = await waiting(spool)
    assert (report.seq, report.stage, report.words) == (2, Stage.DISCARDED, "sent on a disc")


async def test_what_was_held_and_released_is_told_when_it_is_stored(spool: Spool) -> None:
    await bring(spool)
    await spool.hold(1, "wait")
    await spool.release(1)
    assert [one[2] for one in await stages(spool)] == [Stage.HELD]
    await deliver(spool)
    assert await stages(spool) == [(2, 1, Stage.STORED)]


async def test_every_destination_has_to_have_it(spool: Spool) -> None:
    await bring(spool, to=("oncology", "archive"))
    await deliver(spool, "oncology")
    assert await waiting(spool) == []
    await deliver(spool, "archive")
    assert await stages(spool) == [(1, 1, Stage.STORED)]
    await spool.settle([Confirmed(1, "committed")])
    assert await stages(spool) == [(1, 1, Stage.STORED)]
    await spool.settle([Confirmed(2, "committed")])
    assert await stages(spool) == [(2, 1, Stage.CONFIRMED)]


async def test_other_content_under_the_same_uid_is_kept_and_told_to_be_held(spool: Spool) -> None:
    await bring(spool, 1)
    stored = await bring(spool, 1, b"something else", delivery=2)
    assert stored.outcome == "conflict"
    assert await stages(spool) == [(1, 2, Stage.HELD)]


async def test_a_copy_in_another_transfer_syntax_is_told_of_like_the_first(spool: Spool) -> None:
    """While the two are compared there is nothing to be told; then it goes its way as the first one."""
    await bring(spool, 1, encode(a_record(), EXPLICIT))
    stored = await bring(spool, 1, encode(a_record(), IMPLICIT), delivery=2, syntax=IMPLICIT)
    assert stored.outcome == "checking"
    await compared(spool)
    assert await waiting(spool) == []
    await deliver(spool)
    assert {one[1:] for one in await stages(spool)} == {(1, Stage.STORED), (2, Stage.STORED)}


async def test_the_same_object_from_two_sites_is_told_to_both(spool: Spool) -> None:
    await bring(spool)
    assert (await bring(spool, site="clinic-08")).outcome == "duplicate"
    await deliver(spool)
    for site in ("clinic-07", "clinic-08"):
        assert [one.stage for one in await waiting(spool, site=site)] == [Stage.STORED]


async def test_brought_again_it_is_told_again_how_it_stands(spool: Spool) -> None:
    await bring(spool)
    await deliver(spool)
    await spool.reports_acknowledged("clinic-07", SITE, 1)
    assert (await bring(spool)).outcome == "duplicate"
    assert await stages(spool) == [(2, 1, Stage.STORED)]


async def test_what_is_here_need_not_come_again(spool: Spool) -> None:
    transfer = a_transfer(1, content(1, SMALL))
    assert await spool.arrived_before(transfer) is None
    stored = await bring(spool)
    known = await spool.arrived_before(transfer)
    assert known is not None
    assert known.object == stored.number
    other = Transfer(transfer.site, transfer.spool, transfer.delivery, bytes(32))
    assert await spool.arrived_before(other) is None
    await deliver(spool)
    await spool.reports_acknowledged("clinic-07", SITE, 1)
    assert await spool.arrived_before(transfer) is not None
    assert await stages(spool) == [(2, 1, Stage.STORED)]


async def test_what_was_given_up_here_has_to_come_again(spool: Spool) -> None:
    await bring(spool)
    await spool.discard(1, "a test")
    assert await spool.arrived_before(a_transfer(1, content(1, SMALL))) is None
    assert (await bring(spool)).outcome == "new"
    assert await waiting(spool) == []
    await deliver(spool)
    assert [one.stage for one in await waiting(spool)] == [Stage.STORED]


async def test_whoever_wants_to_know_is_told_of_news(spool: Spool) -> None:
    heard: list[str] = []
    forget = spool.on_reports(heard.append)
    await bring(spool)
    assert heard == []
    await deliver(spool)
    assert heard == ["clinic-07"]
    forget()
    await spool.settle([Confirmed(1, "committed")])
    assert heard == ["clinic-07"]


async def test_bytes_that_go_by_the_retention_are_no_news(open_spool: OpenSpool) -> None:
    now = [1000.0]
    spool = open_spool(wall_clock=lambda: now[0])
    await bring(spool)
    await bring(spool, 2)  # the newest object stays as history whatever its age
    await deliver(spool)
    await spool.settle([Confirmed(1, "committed")])
    told = await stages(spool)
    now[0] += 8 * 86400.0
    assert (await spool.expire()).released == 2
    assert await stages(spool) == told
    now[0] += 500 * 86400.0
    assert (await spool.expire()).history == 1
    # Forgotten with its object.
    assert [one[1] for one in await stages(spool)] == [2]


async def test_an_object_of_a_console_is_told_to_nobody(spool: Spool, open_spool: OpenSpool) -> None:
    incoming = spool.receive(an_instance(), an_origin(), Priority.RECORD, ["oncology"])
    incoming.write(b"x")
    await incoming.commit()
    await deliver(spool)
    assert await waiting(spool) == []


async def test_a_large_object_is_told_of_too(spool: Spool) -> None:
    await bring(spool, 1, content(1, 200_000))
    await deliver(spool)
    assert await stages(spool) == [(1, 1, Stage.STORED)]


@pytest.mark.parametrize("again", [False, True])
async def test_an_object_whose_bytes_were_lost_and_come_back_is_told_of(
    open_spool: OpenSpool, directory: object, again: bool
) -> None:
    """The deliveries go over to the new object, and so does what the site is told."""
    spool = open_spool()
    await bring(spool, 1, content(1, 200_000))
    await spool.close()
    for path in list(spool.directory.rglob("*.dcm")):
        path.unlink()
    spool = open_spool()
    assert [one.stage for one in await waiting(spool)] in ([], [Stage.HELD])
    stored = await bring(spool, 1, content(1, 200_000), delivery=1 if again else 2)
    assert stored.outcome == "new"
    await deliver(spool)
    assert {(one.delivery, one.stage) for one in await waiting(spool)} >= {(1, Stage.STORED)}


async def test_a_claim_is_no_news(spool: Spool) -> None:
    await bring(spool)
    heard: list[str] = []
    spool.on_reports(heard.append)
    await spool.claim("oncology", 1)
    assert (await spool.show(1)).delivery.state is DeliveryState.SENDING
    assert heard == []
