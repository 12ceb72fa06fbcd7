"""The transport over a link: the contract of all transports, and what is its own."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.transports.link import LinkTransport, Window, claiming
from gateway.errors import DeliveryFailure, SpoolFailure
from gateway.link.values import BLOCK, HubRefusal, RefusalKind
from gateway.model import AETitle, Peer, Priority, Receipt
from gateway.spool import Job
from tests.delivery.transport_contract import ListedWork, TransportContract, make_job
from tests.support.delivery_spool import uid
from tests.support.memory_link import REFUSED, ListReceiver, MemoryLink

PEER = Peer("oncology", AETitle("ARIA"), "", 0)


class Reader(io.BytesIO):
    """What the spool gives for an object in a file."""

    def pread(self, n: int, offset: int) -> bytes:
        self.seek(offset)
        return self.read(n)


class LinkRig:
    """A LinkTransport, and a hub that keeps a list."""

    def __init__(self, executor: ThreadPoolExecutor, window: Window | None = None) -> None:
        self.hub = ListReceiver()
        self.link = MemoryLink(self.hub)
        self.files: dict[int, bytes] = {}
        self.readers: list[Reader] = []
        self.transport = LinkTransport(
            PEER, self.link, open_data=self.open_data, executor=executor, window=window, patience=0.05
        )

    def open_data(self, number: int) -> Reader:
        if number not in self.files:
            raise SpoolFailure("the file is not there")
        self.readers.append(Reader(self.files[number]))
        return self.readers[-1]

    def filed(self, job: Job) -> Job:
        """Return the same job with its bytes in a file."""
        assert job.data is not None
        self.files[job.object.number] = job.data
        return replace(job, data=None)

    def refuse(self, number: int) -> None:
        self.hub.refusals[number] = REFUSED

    def cut(self, number: int) -> None:
        self.link.cut_before[number, 0] = 1

    def stall(self, number: int) -> asyncio.Event:
        return self.hub.stalled.setdefault(number, asyncio.Event())

    def unplug(self) -> None:
        self.link.unplug()

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return self.hub.kept

    async def wait_released(self) -> None:
        assert all(reader.closed for reader in self.readers)

    async def carry(self, *jobs: Job) -> list[Receipt | DeliveryFailure]:
        work = ListedWork(list(jobs))
        await self.transport.send(work)
        return [work.outcomes[job.delivery.number] for job in jobs]


@pytest.fixture(name="rig")
async def a_rig() -> AsyncIterator[LinkRig]:
    with ThreadPoolExecutor(2) as executor:
        yield LinkRig(executor)


class TestContract(TransportContract):
    """What every transport has to do. What was taken is not on the line yet: the link puts it in order."""

    WINDOW = 16

    @pytest.fixture(name="rig")
    async def a_rig(self) -> AsyncIterator[LinkRig]:
        with ThreadPoolExecutor(2) as executor:
            yield LinkRig(executor)


async def test_the_receipt_is_the_hubs(rig: LinkRig) -> None:
    (receipt,) = await rig.carry(make_job(1))
    assert isinstance(receipt, Receipt)
    assert receipt.hub
    assert receipt.comment == "the hub has it"


async def test_the_console_is_named_and_the_centre_is_called(rig: LinkRig) -> None:
    await rig.carry(make_job(1))
    (offer,) = rig.link.offers
    assert (offer.calling_ae, offer.called_ae) == ("LINAC1", "ARIA")


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 5 * BLOCK + 7])
async def test_files_go_in_blocks(rig: LinkRig, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    job = rig.filed(make_job(1, data[:size]))
    assert isinstance((await rig.carry(job))[0], Receipt)
    assert rig.delivered() == [(uid(1), data[:size])]
    assert [offset for _, offset in rig.link.blocks] == list(range(0, size, BLOCK))
    assert all(reader.closed for reader in rig.readers)


async def test_a_cut_is_no_attempt_and_says_so_the_next_time(rig: LinkRig) -> None:
    rig.cut(1)
    (cut,) = await rig.carry(make_job(1))
    assert isinstance(cut, DeliveryFailure)
    assert cut.cause == "stale-association"
    (receipt,) = await rig.carry(make_job(1))
    assert isinstance(receipt, Receipt)
    assert [offer.seen_before for offer in rig.link.offers] == [False, True]


@pytest.mark.parametrize("changes", [{"reason": "the gateway restarted"}, {"attempts": 1}])
async def test_what_an_earlier_process_offered_is_known_to_be_so(
    rig: LinkRig, changes: dict[str, object]
) -> None:
    job = make_job(1)
    await rig.carry(replace(job, delivery=replace(job.delivery, **changes)))  # type: ignore[arg-type]
    assert rig.link.offers[0].seen_before


@pytest.mark.parametrize(
    ("kind", "status", "cause"),
    [
        (RefusalKind.TRANSIENT, 0xA700, "out-of-resources"),
        (RefusalKind.TRANSIENT, 0x0110, "processing-failure"),
        (RefusalKind.TRANSIENT, 0x0000, "processing-failure"),  # a refusal is never success
        (RefusalKind.PERMANENT, 0x0124, "refused"),
        (RefusalKind.PERMANENT, 0xA700, "refused"),
        (RefusalKind.CONFLICT, 0x0111, "conflict"),
    ],
)
async def test_the_hubs_no_is_taken_for_what_it_is(
    rig: LinkRig, kind: RefusalKind, status: int, cause: str
) -> None:
    rig.hub.refusals[1] = HubRefusal(kind, status, "no")
    (trouble,) = await rig.carry(make_job(1))
    assert isinstance(trouble, DeliveryFailure)
    assert (trouble.cause, trouble.status, trouble.link) == (cause, status, False)


async def test_a_file_that_lost_a_bit_is_never_whole_at_the_hub(rig: LinkRig) -> None:
    data = bytes(3 * BLOCK)
    job = rig.filed(make_job(1, data))
    rig.files[1] = data[:BLOCK] + b"\1" + data[BLOCK + 1 :]
    (trouble,) = await rig.carry(job)
    assert isinstance(trouble, DeliveryFailure)
    assert trouble.cause == "damaged"
    assert rig.delivered() == []
    assert (1, 2 * BLOCK) not in rig.link.blocks


async def test_what_left_before_a_cut_is_checked_as_well(rig: LinkRig) -> None:
    """The hub has the first blocks already: the copy here has lost a bit of them since."""
    data = bytes(20 * BLOCK)
    job = rig.filed(make_job(1, data))
    rig.files[1] = b"\1" + data[1:]
    offered = rig.hub.offered

    async def held(ref: object, offer: object) -> object:
        await offered(ref, offer)  # type: ignore[arg-type]
        rig.hub._data[ref] += data[: 12 * BLOCK]  # type: ignore[index]
        return 12 * BLOCK

    rig.hub.offered = held  # type: ignore[method-assign,assignment]
    (trouble,) = await rig.carry(job)
    assert isinstance(trouble, DeliveryFailure)
    assert trouble.cause == "damaged"


async def test_a_file_cut_short_is_damaged(rig: LinkRig) -> None:
    job = rig.filed(make_job(1, bytes(3 * BLOCK)))
    rig.files[1] = bytes(2 * BLOCK + 5)
    (trouble,) = await rig.carry(job)
    assert isinstance(trouble, DeliveryFailure)
    assert trouble.cause == "damaged"


async def test_a_file_that_is_gone_is_our_trouble(rig: LinkRig) -> None:
    job = replace(make_job(1, bytes(3 * BLOCK)), data=None)
    (trouble,) = await rig.carry(job)
    assert isinstance(trouble, DeliveryFailure)
    assert trouble.cause == "unreadable"


async def test_damage_on_the_way_has_it_sent_again(rig: LinkRig) -> None:
    rig.link.corrupt.add(1)
    data = bytes(3 * BLOCK)
    (receipt,) = await rig.carry(rig.filed(make_job(1, data)))
    assert isinstance(receipt, Receipt)
    assert rig.delivered() == [(uid(1), data)]


class ArrivingWork(ListedWork):
    """Work that something is added to while it is under way."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(jobs)
        self._fresh = asyncio.Event()

    def add(self, job: Job) -> None:
        self.jobs.insert(0, job)
        self._fresh.set()
        self._fresh = asyncio.Event()

    async def more(self) -> None:
        await self._fresh.wait()


async def turns() -> None:
    """Let everything happen that can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_record_does_not_wait_for_an_answer(rig: LinkRig) -> None:
    stuck = rig.stall(1)
    work = ArrivingWork([make_job(1)])
    sending = asyncio.create_task(rig.transport.send(work))
    async with asyncio.timeout(10):
        await stuck.wait()
        settled = asyncio.Event()
        work.on_settled = lambda number: settled.set()
        work.add(make_job(2, priority=Priority.RECORD))
        await settled.wait()
    assert list(work.outcomes) == [2]
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_the_window_is_one_for_all_lanes_and_a_record_has_its_own() -> None:
    with ThreadPoolExecutor(2) as executor:
        rig = LinkRig(executor, Window(small_objects=3, small_bytes=10_000, large_objects=2))
        for number in range(1, 40):
            rig.stall(number)
        big = bytes(2 * BLOCK)
        works = [ArrivingWork([rig.filed(make_job(10 * lane + n, big)) for n in range(3)]) for lane in (1, 2)]
        lanes = [asyncio.create_task(rig.transport.send(work)) for work in works]
        await turns()
        assert len(rig.link.offers) == 2
        works[0].add(rig.filed(make_job(31, big, priority=Priority.RECORD)))
        await turns()
        assert [offer.delivery for offer in rig.link.offers][2:] == [31]
        small = ArrivingWork([make_job(n, bytes(4000)) for n in range(32, 39)])
        lanes.append(asyncio.create_task(rig.transport.send(small)))
        await turns()
        assert len(small.taken) == 2  # a third would be more bytes than the window has
        tiny = ArrivingWork([make_job(n, bytes(10)) for n in range(1, 4)])
        lanes.append(asyncio.create_task(rig.transport.send(tiny)))
        await turns()
        assert len(tiny.taken) == 1  # a fourth small one would be one too many
        for lane in lanes:
            lane.cancel()
        await asyncio.wait(lanes)


async def test_after_a_cut_it_waits_a_moment_for_the_next_connection(rig: LinkRig) -> None:
    rig.transport._patience = 10.0
    work = ArrivingWork([make_job(1), make_job(2)])
    rig.link.unplug()
    sending = asyncio.create_task(rig.transport.send(work))
    await turns()
    assert work.taken == []
    rig.link.plug()
    await sending
    assert len(rig.delivered()) == 2


def test_as_much_is_claimed_as_the_window_takes() -> None:
    policy = claiming(DeliveryPolicy())
    assert policy.claim_objects >= 128
    assert claiming(DeliveryPolicy(claim_objects=500)).claim_objects == 500
