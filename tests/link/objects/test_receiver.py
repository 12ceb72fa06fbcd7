"""The hub's word on what sites offer, with a real spool and real partials behind it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery.block_source import InlineBlocks
from gateway.link.objects.partials import FilePartials, PartialLimits
from gateway.link.objects.receiver import Receiver, ReceiverLimits
from gateway.link.values import (
    BLOCK,
    INLINE,
    HubReceipt,
    HubRefusal,
    LinkDown,
    Mismatch,
    Offer,
    Ref,
    RefusalKind,
)
from gateway.model import AETitle, DeliveryState, Instance, Priority, Route
from gateway.notices import ObjectRefused, ObjectStored
from gateway.spool import Spool, SpoolLimits, Stage
from tests.support.memory_link import SPOOL, MemoryLink
from tests.support.spooling import Heard, content

CT = "1.2.840.10008.5.1.4.1.1.2"
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
EXPLICIT = "1.2.840.10008.1.2.1"
ARIA = AETitle("ARIA")
LARGE = 6 * BLOCK + 1234
LIMITS = SpoolLimits(reserve_bytes=0, floor_bytes=0)


def an_offer(number: int, data: bytes, *, sop_class: str = CT, called: AETitle = ARIA) -> Offer:
    return Offer(
        delivery=number,
        priority=Priority.BULK,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
        instance=Instance(sop_class, f"1.2.826.0.1.{number}", EXPLICIT),
        calling_ae=AETitle("LINAC1"),
        called_ae=called,
        received_at=1.0,
    )


class Blocks(InlineBlocks):
    """A source with its bytes in memory, of any size."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, hashlib.sha256(data).digest())


class Hub:
    """A receiver with all that is behind it, which can be started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.heard = Heard()
        self.limits = LIMITS
        self.receiver_limits = ReceiverLimits()
        self.route = Route(ARIA, ("oncology",))

    async def start(self) -> None:
        self.spool = await asyncio.to_thread(
            Spool.open, self.directory / "spool", self.limits, notices=self.heard.notices
        )
        self.executor = ThreadPoolExecutor(2)
        self.partials = FilePartials(
            self.directory / "partials", self.spool, self.executor, PartialLimits(max_partials=8)
        )
        await self.partials.start()
        self.receiver = Receiver(
            self.spool,
            self.partials,
            allow=self.allow,
            notices=self.heard.notices,
            limits=self.receiver_limits,
            wall_clock=lambda: 77.0,
        )

    def allow(self, site: str, offer: Offer) -> Route | str:
        if site.startswith("clinic") and offer.called_ae == self.route.called:
            return self.route
        return "this site may not reach that title"

    async def close(self) -> None:
        self.executor.shutdown()
        await self.spool.close()

    async def restart(self) -> None:
        await self.close()
        await self.start()

    async def kept(self) -> dict[str, bytes]:
        """SOP Instance UID -> data set of everything here; each once."""
        found: dict[str, bytes] = {}
        for row in await self.spool.list_deliveries(limit=1000):
            with self.spool.open_data(row.object.number) as reader:
                uid = row.object.instance.sop_instance_uid
                assert uid not in found
                found[uid] = reader.read(row.object.size + 1)
        return found


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path)
    await hub.start()
    yield hub
    await hub.close()


def a_ref(offer: Offer, *, link: int = 1, transfer: int = 1, site: str = "clinic-07") -> Ref:
    return Ref(site, SPOOL, offer.delivery, link, transfer)


async def begin(hub: Hub, offer: Offer, data: bytes, count: int, *, link: int = 1, transfer: int = 1) -> Ref:
    """Offer an object and bring its first blocks."""
    ref = a_ref(offer, link=link, transfer=transfer)
    offset = await hub.receiver.offered(ref, offer)
    assert isinstance(offset, int)
    for start in range(offset, offset + count * BLOCK, BLOCK):
        assert await hub.receiver.block(ref, start, data[start : start + BLOCK]) is None
    return ref


@pytest.mark.parametrize("size", [1, 20_000, INLINE, INLINE + 1, BLOCK, BLOCK + 1, LARGE])
async def test_the_receipt_comes_when_it_is_durable(hub: Hub, size: int) -> None:
    data = content(1, size)
    answer = await MemoryLink(hub.receiver).deliver(an_offer(1, data), Blocks(data))
    assert answer == HubReceipt(77.0)
    await hub.restart()
    assert await hub.kept() == {"1.2.826.0.1.1": data}
    (row,) = await hub.spool.list_deliveries()
    origin = row.object.origin
    assert (origin.listener, origin.address) == ("link", "clinic-07")
    assert (origin.calling_ae, origin.called_ae) == ("LINAC1", "ARIA")
    assert (row.delivery.destination, row.delivery.state) == ("oncology", DeliveryState.QUEUED)
    assert [each.outcome for each in hub.heard.said if isinstance(each, ObjectStored)] == ["new"]


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_offered_again_it_need_not_come_again(hub: Hub, size: int) -> None:
    data = content(1, size)
    link = MemoryLink(hub.receiver)
    for again in (False, True):
        answer = await link.deliver(an_offer(1, data), Blocks(data))
        assert isinstance(answer, HubReceipt)
        assert answer.already is again
        if size == LARGE and not again:
            del link.blocks[:]
    assert size == 1000 or link.blocks == []
    assert len(await hub.kept()) == 1


async def test_the_site_is_told_what_becomes_of_it(hub: Hub) -> None:
    for number, size in ((1, 1000), (2, LARGE)):
        data = content(number, size)
        await MemoryLink(hub.receiver).deliver(an_offer(number, data), Blocks(data))
        await hub.spool.hold(number, "wait")
    reports = await hub.spool.reports_waiting("clinic-07", SPOOL, 0, 10)
    assert [(one.delivery, one.stage) for one in reports] == [(1, Stage.HELD), (2, Stage.HELD)]


async def test_the_hub_decides_the_priority(hub: Hub) -> None:
    hub.route = replace(hub.route, priorities={CT: Priority.RECORD})
    link = MemoryLink(hub.receiver)
    for number, sop_class in ((1, CT), (2, RECORD), (3, "1.2.840.10008.5.1.4.1.1.481.1")):
        data = content(number, 1000)
        await link.deliver(an_offer(number, data, sop_class=sop_class), Blocks(data))
    rows = await hub.spool.list_deliveries()
    assert [row.delivery.priority for row in rows] == [Priority.RECORD, Priority.RECORD, Priority.IMAGE]


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"called_ae": AETitle("OTHER")}, 0x0124),
        ({"instance": Instance("1.2.840.10008.1.1", "1.2.3", EXPLICIT)}, 0x0122),
        ({"instance": Instance("not a uid", "1.2.3", EXPLICIT)}, 0x0122),
        ({"instance": Instance(CT, "../etc", EXPLICIT)}, 0x0117),
        ({"instance": Instance(CT, "1.2.3", "x")}, 0x0117),
        ({"size": 0}, 0xC000),
        ({"size": 10**9 + 1}, 0xC000),
    ],
)
async def test_what_cannot_be_taken_is_refused_at_the_offer(
    hub: Hub, changes: dict[str, object], status: int
) -> None:
    hub.receiver_limits = ReceiverLimits(max_object_bytes=10**9)
    await hub.restart()
    offer = replace(an_offer(1, b"x"), **changes)  # type: ignore[arg-type]
    answer = await hub.receiver.offered(a_ref(offer), offer)
    assert isinstance(answer, HubRefusal)
    assert (answer.kind, answer.status) == (RefusalKind.PERMANENT, status)
    assert answer.words
    assert await hub.kept() == {}
    (told,) = [each for each in hub.heard.said if isinstance(each, ObjectRefused)]
    assert (told.address, told.status) == ("clinic-07", status)


async def test_a_full_hub_says_try_again(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    hub.limits = replace(LIMITS, quota_bytes=LARGE + 150_000)
    await hub.start()
    link = MemoryLink(hub.receiver)
    first, second, small = content(1, LARGE), content(2, LARGE), content(3, 60_000)
    assert isinstance(await link.deliver(an_offer(1, first), Blocks(first)), HubReceipt)
    answer = await link.deliver(an_offer(2, second), Blocks(second))
    assert isinstance(answer, HubRefusal)
    assert (answer.kind, answer.status) == (RefusalKind.TRANSIENT, 0xA700)
    assert (2, 0) not in link.blocks
    assert isinstance(await link.deliver(an_offer(3, small), Blocks(small)), HubReceipt)
    answer = await link.deliver(an_offer(4, small[1:]), Blocks(small[1:]))
    assert isinstance(answer, HubRefusal)
    assert (answer.kind, answer.status) == (RefusalKind.TRANSIENT, 0xA700)
    # There is room again: what was refused comes.
    await hub.spool.discard(1, "a test")
    await hub.spool.summary()
    assert isinstance(await link.deliver(an_offer(2, second), Blocks(second)), HubReceipt)
    await hub.close()


async def test_a_disk_that_fails_in_the_middle_ends_it_at_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(1, LARGE)
    offer = an_offer(1, data)
    ref = await begin(hub, offer, data, 2)

    def full(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("gateway.link.objects.part_file.os.pwrite", full)
        answer = await hub.receiver.block(ref, 2 * BLOCK, data[2 * BLOCK : 3 * BLOCK])
    assert isinstance(answer, HubRefusal)
    assert (answer.kind, answer.status) == (RefusalKind.TRANSIENT, 0xA700)
    # Whoever goes on all the same is not believed.
    assert await hub.receiver.block(ref, 3 * BLOCK, data[3 * BLOCK : 4 * BLOCK]) is None
    assert isinstance(await hub.receiver.finished(ref), HubRefusal)
    # And what had come is not lost.
    assert await hub.receiver.offered(a_ref(offer, transfer=2), offer) == 2 * BLOCK


async def test_one_site_has_so_many_under_way_and_no_more(hub: Hub) -> None:
    hub.receiver_limits = ReceiverLimits(max_transfers=3)
    await hub.restart()
    refs = []
    for number in (1, 2, 3):
        data = content(number, 1000)
        refs.append(await begin(hub, an_offer(number, data), data, 0, transfer=number))
    fourth = an_offer(4, b"x")
    answer = await hub.receiver.offered(a_ref(fourth), fourth)
    assert isinstance(answer, HubRefusal)
    assert answer.kind is RefusalKind.TRANSIENT
    assert await hub.receiver.offered(a_ref(fourth, site="clinic-08"), fourth) == 0
    await hub.receiver.lost(refs[0])
    assert await hub.receiver.offered(a_ref(fourth), fourth) == 0


async def test_bytes_that_are_missing_are_no_object(hub: Hub) -> None:
    data = content(1, LARGE)
    ref = await begin(hub, an_offer(1, data), data, 3)
    assert isinstance(await hub.receiver.finished(ref), HubRefusal)
    small = content(2, 100)
    ref = await begin(hub, an_offer(2, small), small, 0)
    assert isinstance(await hub.receiver.finished(ref), HubRefusal)
    assert await hub.kept() == {}


@pytest.mark.parametrize(
    ("offset", "length"),
    [(3 * BLOCK, BLOCK), (BLOCK, BLOCK), (2 * BLOCK, 100), (6 * BLOCK, 1235), (LARGE, 1)],
)
async def test_a_block_that_does_not_fit_ends_it(hub: Hub, offset: int, length: int) -> None:
    data = content(1, LARGE)
    ref = await begin(hub, an_offer(1, data), data, 2)
    assert isinstance(await hub.receiver.block(ref, offset, bytes(length)), HubRefusal)
    assert await hub.kept() == {}


# --- content ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_another_content_than_was_offered_is_asked_for_again(hub: Hub, size: int) -> None:
    data = content(1, size)
    link = MemoryLink(hub.receiver)
    link.corrupt.add(1)
    assert isinstance(await link.deliver(an_offer(1, data), Blocks(data)), HubReceipt)
    assert link.blocks.count((1, 0)) == 2
    assert await hub.kept() == {"1.2.826.0.1.1": data}


async def test_a_content_that_stays_wrong_is_never_kept(hub: Hub) -> None:
    data = content(1, LARGE)
    offer = replace(an_offer(1, data), digest=bytes(32))
    ref = a_ref(offer)
    assert await hub.receiver.offered(ref, offer) == 0
    for _ in range(3):
        for start in range(0, LARGE, BLOCK):
            await hub.receiver.block(ref, start, data[start : start + BLOCK])
        assert isinstance(await hub.receiver.finished(ref), Mismatch)
    assert await hub.kept() == {}


async def test_other_content_under_the_same_uid_is_kept_and_the_site_hears_of_it(hub: Hub) -> None:
    link = MemoryLink(hub.receiver)
    for number, size in ((1, LARGE), (2, LARGE)):
        data = content(number, size)
        offer = replace(an_offer(number, data), instance=Instance(CT, "1.2.3", EXPLICIT))
        assert isinstance(await link.deliver(offer, Blocks(data)), HubReceipt)
    (report,) = await hub.spool.reports_waiting("clinic-07", SPOOL, 0, 10)
    assert (report.delivery, report.stage) == (2, Stage.HELD)


# --- cuts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("count", [0, 1, 5, 7])
async def test_it_goes_on_where_it_was_cut(hub: Hub, count: int, restart: bool) -> None:
    data = content(1, LARGE)
    offer = an_offer(1, data)
    ref = await begin(hub, offer, data, count)
    if restart:
        await hub.restart()
    else:
        await hub.receiver.lost(ref)
    link = MemoryLink(hub.receiver)
    assert isinstance(await link.deliver(offer, Blocks(data)), HubReceipt)
    assert [offset for _, offset in link.blocks] == list(range(min(count * BLOCK, LARGE), LARGE, BLOCK))
    assert await hub.kept() == {"1.2.826.0.1.1": data}


async def test_a_newer_connection_takes_over(hub: Hub) -> None:
    """The former one has not noticed yet: what still comes of it counts for nothing."""
    data = content(1, LARGE)
    offer = an_offer(1, data)
    old = await begin(hub, offer, data, 3)
    new = a_ref(offer, link=2)
    assert await hub.receiver.offered(new, offer) == 3 * BLOCK
    await hub.receiver.block(old, 3 * BLOCK, bytes(BLOCK))
    await hub.receiver.lost(old)
    for start in range(3 * BLOCK, LARGE, BLOCK):
        assert await hub.receiver.block(new, start, data[start : start + BLOCK]) is None
    assert isinstance(await hub.receiver.finished(old), HubRefusal)
    assert isinstance(await hub.receiver.finished(new), HubReceipt)
    assert await hub.kept() == {"1.2.826.0.1.1": data}


async def test_two_connections_at_the_same_moment_make_one_object(hub: Hub) -> None:
    data = content(1, LARGE)
    links = [MemoryLink(hub.receiver) for _ in range(3)]
    for number, link in enumerate(links):
        link._link = number
    answers = await asyncio.gather(*(link.deliver(an_offer(1, data), Blocks(data)) for link in links))
    assert any(isinstance(answer, HubReceipt) for answer in answers)
    assert await hub.kept() == {"1.2.826.0.1.1": data}


async def test_cut_and_restarted_at_random_everything_arrives_once(hub: Hub) -> None:
    """An outside ledger: what was sent, and what there is in the end. Few bytes go twice."""
    dice = random.Random(7)
    wanted: dict[int, bytes] = {}
    for number in range(1, 13):
        wanted[number] = content(number, dice.choice([500, 60_000, BLOCK, LARGE, 3 * LARGE]))
    blocks = cuts = 0
    waiting = dict(wanted)
    while waiting:
        link = MemoryLink(hub.receiver)
        link.cut_before = {
            (number, dice.randrange(0, 8) * BLOCK): 1 for number in waiting if dice.random() < 0.7
        }
        link._link = cuts + 1

        async def bring(number: int, link: MemoryLink = link) -> None:
            data = wanted[number]
            try:
                answer = await link.deliver(an_offer(number, data), Blocks(data))
            except LinkDown:
                return
            assert isinstance(answer, HubReceipt)
            del waiting[number]

        await asyncio.gather(*map(bring, list(waiting)))
        blocks += len(link.blocks)
        cuts += 1
        if dice.random() < 0.5:
            await hub.restart()
        assert cuts < 60
    assert await hub.kept() == {f"1.2.826.0.1.{number}": data for number, data in wanted.items()}
    needed = sum(-(-len(data) // BLOCK) for data in wanted.values())
    # A block that was under way when it was cut, of each of those that were under way.
    assert blocks <= needed + cuts * len(wanted)
    assert cuts > 3
