"""Control on a real spool and a real delivery engine, whose transport does what the test says."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.transports import Work
from gateway.dicom.part10 import read_header
from gateway.errors import DeliveryFailure, PermanentFailure, SpoolFailure
from gateway.model import AETitle, Instance, Origin, Peer, Priority, Receipt
from gateway.notices import DeliverySettled, Notice, Notices
from gateway.operator import codec
from gateway.operator.control import Busy, Cut, NoSuchStep, NotFound, NotPossible, StepNotPossible
from gateway.operator.facts import DeliveryFilter
from gateway.operator.gateway_control import ControlLimits, GatewayControl, Identity
from gateway.operator.routes import MAX_PAGE
from gateway.spool import (
    Accepted,
    CommitmentRequest,
    Reference,
    Spool,
    Step,
    commitment_queries,
    queries,
    steps,
)
from gateway.spool.step_values import StepKind
from gateway.spool.transaction import MAX_WHO

NOW = 1_700_000_000.0
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
IMPLICIT = "1.2.840.10008.1.2"
NAME, PATIENT_ID, UID = b"DOE^JANE", b"PAT-4711", "1.2.826.0.1.3680043.8.498.4711"
WHO = "anna (uid 1000)"


class Transport:
    """Answers every job with `answer`; `begun` is set when one is taken."""

    def __init__(self) -> None:
        self.answer: Receipt | DeliveryFailure = PermanentFailure(
            "refused by the test", status=0xA900, cause="refused"
        )
        self.begun = asyncio.Event()

    async def send(self, work: Work) -> None:
        while work.first() is not None:
            job = work.take()
            self.begun.set()
            await asyncio.sleep(0)
            answer = self.answer
            if isinstance(answer, Receipt):
                answer = dataclasses.replace(answer, digest=job.object.digest)
            work.settled(job, answer, 0.1)

    async def probe(self) -> float | None:
        return 0.5

    async def close(self) -> None:
        return


@dataclass
class Bench:
    """A spool, an engine that is not running yet, and Control over both."""

    spool: Spool
    engine: DeliveryEngine
    transport: Transport
    notices: Notices
    control: GatewayControl
    peers: dict[str, Peer]

    async def store(self, *destinations: str, size: int = 100, number: int = 0) -> bytes:
        """Put an object in as a console would; return its data set."""
        data = b"\x10\x00\x10\x00\x08\x00\x00\x00" + NAME + b"\x10\x00\x20\x00\x08\x00\x00\x00" + PATIENT_ID
        data += b"\x09\x00\x10\x00" + size.to_bytes(4, "little") + bytes([number]) * size
        origin = Origin("console", "192.0.2.20", AETitle("LINAC1"), AETitle("ARIA"), "a1b2")
        instance = Instance(RECORD, f"{UID}.{number}", IMPLICIT)
        incoming = self.spool.receive(instance, origin, Priority.RECORD, destinations or ("oncology",))
        incoming.write(data)
        await incoming.commit()
        return data

    async def deliver(self, count: int) -> None:
        """Let the engine run until `count` attempts have ended and are in the journal."""
        settled = asyncio.Semaphore(0)

        def note(notice: Notice) -> None:
            if isinstance(notice, DeliverySettled):
                settled.release()

        forget = self.notices.subscribe(note)
        running = asyncio.create_task(self.engine.run())
        for _ in range(count):
            await settled.acquire()
        await self.engine.close()
        await asyncio.gather(running, return_exceptions=True)
        forget()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    notices = Notices()
    spool = await asyncio.to_thread(Spool.open, tmp_path / "spool", notices=notices, wall_clock=lambda: NOW)
    transport = Transport()
    peers = {
        "oncology": Peer("oncology", AETitle("ARIA"), "ois.example.org", 2762),
        "archive": Peer("archive", AETitle("PACS"), "pacs.example.org", 104),
    }
    engine = DeliveryEngine(
        spool,
        [Destination(peer) for peer in peers.values()],
        lambda _: transport,
        notices,
        wall_clock=lambda: NOW,
    )

    async def metrics() -> bytes:
        return b"gateway_up 1\n"

    control = GatewayControl(
        Identity("clinic-07", AETitle("CLINIC07"), NOW - 60),
        spool=spool,
        engine=engine,
        peers=peers,
        listeners=[],
        notices=notices,
        render_metrics=metrics,
        limits=ControlLimits(max_echoes=1),
        wall_clock=lambda: NOW,
    )
    yield Bench(spool, engine, transport, notices, control, peers)
    await control.close()
    await spool.close()


def receipt(status: int) -> Receipt:
    return Receipt("oncology", status, "coerced", IMPLICIT, b"", NOW)


async def test_an_empty_gateway_is_well(bench: Bench) -> None:
    status = await bench.control.status()
    assert (status.level, status.gateway, status.ae_title) == ("ok", "clinic-07", "CLINIC07")
    assert [one.name for one in status.destinations] == ["oncology", "archive"]
    assert status.spool.accepts_images
    assert 0 < status.spool.reserve_bytes < status.spool.free_bytes
    assert await bench.control.metrics() == b"gateway_up 1\n"


async def test_what_waits_is_counted_by_destination_and_priority(bench: Bench) -> None:
    for number in range(3):
        await bench.store("oncology", "archive", number=number)
    oncology, archive = (await bench.control.status()).destinations
    assert oncology.waiting.record.count == archive.waiting.record.count == 3
    assert oncology.waiting.image.count == oncology.held.count == 0
    assert oncology.oldest_waiting_at == NOW


async def test_pages_follow_each_other_without_a_gap(bench: Bench) -> None:
    for number in range(5):
        await bench.store(number=number)
    seen: list[int] = []
    after: int | None = None
    while True:
        page = await bench.control.deliveries(
            DeliveryFilter(state="queued", destination="oncology"), Cut(after=after, limit=2)
        )
        seen += [row.number for row in page.deliveries]
        after = page.next
        if after is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 5
    assert (await bench.control.deliveries(DeliveryFilter(state="held"), Cut(limit=2))).deliveries == ()
    with pytest.raises(NotFound):
        await bench.control.deliveries(DeliveryFilter(destination="nobody"), Cut(limit=2))


async def test_actions_move_a_delivery_and_keep_who_did_it(bench: Bench) -> None:
    await bench.store()
    (row,) = (await bench.control.deliveries(DeliveryFilter(), Cut(limit=2))).deliveries
    held = await bench.control.act(row.number, "hold", reason="physics first", who=WHO)
    assert (held.state, held.reason) == ("held", "physics first")
    assert (await bench.control.status()).level == "attention"
    assert (await bench.control.act(row.number, "release", reason="", who=WHO)).state == "queued"
    assert (await bench.control.act(row.number, "discard", reason="a test", who=WHO)).state == "discarded"
    story = await bench.control.story(row.number)
    assert [event.who for event in story.history] == [WHO] * 3
    assert story.history[-1].words == "a test"
    assert "gave it up" in story.next_step
    with pytest.raises(NotPossible):
        await bench.control.act(row.number, "retry", reason="", who=WHO)
    with pytest.raises(NotPossible):
        await bench.control.export(row.number)


async def test_the_name_of_an_operator_is_bounded(bench: Bench) -> None:
    await bench.store()
    await bench.control.act(1, "hold", reason="r", who="x" * 1000)
    assert len((await bench.control.story(1)).history[-1].who) == MAX_WHO


async def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    for ask in (
        bench.control.story(99),
        bench.control.act(99, "retry", reason="", who=WHO),
        bench.control.export(99),
        bench.control.pause("nobody", who=WHO),
        bench.control.retry_held(destination="nobody", cause=None, who=WHO),
        bench.control.echo("nobody"),
    ):
        with pytest.raises(NotFound):
            await ask


async def test_a_refused_object_is_held_with_advice_and_can_be_tried_again(bench: Bench) -> None:
    await bench.store()
    await bench.deliver(1)
    (row,) = (await bench.control.deliveries(DeliveryFilter(state="held"), Cut(limit=2))).deliveries
    story = await bench.control.story(row.number)
    assert f"queue retry {row.number}" in story.next_step
    assert "refused by the test" in story.delivery.reason
    assert await bench.control.retry_held(destination="oncology", cause="refused", who=WHO) == 1
    story = await bench.control.story(row.number)
    assert (story.delivery.state, story.history[-1].who) == ("queued", WHO)


async def test_a_receipt_is_told_with_the_peers_words(bench: Bench) -> None:
    await bench.store("oncology", "archive")
    bench.transport.answer = receipt(0xB000)
    await bench.deliver(2)
    story = await bench.control.story(1)
    (told,) = story.receipts
    assert (told.status, told.comment, told.same_bytes) == ("0xB000", "coerced", True)
    assert [other.number for other in story.others] == [2]
    assert (await bench.control.status()).destinations[0].delivered.count == 1


@pytest.mark.parametrize("size", [100, 300_000])
async def test_an_export_is_the_object_as_received(bench: Bench, size: int) -> None:
    data = await bench.store(size=size)
    stream = await bench.control.export(1)
    raw = b"".join([piece async for piece in stream.chunks])
    instance, offset = read_header(raw)
    assert stream.length == len(raw)
    assert instance == Instance(RECORD, f"{UID}.0", IMPLICIT)
    assert hashlib.sha256(raw[offset:]).digest() == hashlib.sha256(data).digest()


async def test_an_export_of_damaged_bytes_does_not_come_to_its_end(bench: Bench, tmp_path: Path) -> None:
    await bench.store(size=300_000)
    files = [path for path in (tmp_path / "spool" / "objects").rglob("*") if path.is_file()]
    stored = max(files, key=lambda path: path.stat().st_size)
    with stored.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    stream = await bench.control.export(1)
    received: list[bytes] = []

    async def read() -> None:
        async for piece in stream.chunks:
            received.append(piece)  # noqa: PERF401 - what came before the failure is wanted

    with pytest.raises(SpoolFailure, match="not what was received"):
        await read()
    assert sum(map(len, received)) < stream.length


async def test_destinations_are_paused_and_resumed(bench: Bench) -> None:
    assert (await bench.control.pause("oncology", who=WHO)).paused
    await bench.store()
    assert "paused" in (await bench.control.status()).headline
    assert "queue resume oncology" in (await bench.control.story(1)).next_step
    assert not (await bench.control.resume("oncology", who=WHO)).paused
    assert not (await bench.control.kick("oncology", who=WHO)).paused


async def test_objects_for_a_name_that_left_the_configuration_are_not_forgotten(bench: Bench) -> None:
    await bench.store("former")
    status = await bench.control.status()
    assert status.level == "attention"
    assert "1 object for former cannot leave" in status.headline
    page = await bench.control.deliveries(DeliveryFilter(destination="former"), Cut(limit=5))
    assert "back into the configuration" in (await bench.control.story(page.deliveries[0].number)).next_step


async def test_echoes_are_bounded(bench: Bench) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        bench.peers["oncology"] = Peer("oncology", AETitle("ARIA"), "127.0.0.1", silent.getsockname()[1])
        first = asyncio.create_task(bench.control.echo("oncology"))
        accepted, _ = await asyncio.to_thread(silent.accept)
        with accepted, pytest.raises(Busy):
            await bench.control.echo("archive")
        assert not (await first).ok  # the peer hung up


async def test_nothing_that_is_shown_names_the_patient(bench: Bench) -> None:
    await bench.store("oncology", "archive")
    await bench.deliver(2)
    page = await bench.control.deliveries(DeliveryFilter(), Cut(limit=10))
    shown = repr(
        [codec.encode(fact) for fact in (await bench.control.status(), page, await bench.control.story(1))]
    )
    assert "RT Beams Treatment Record Storage" in shown
    for secret in (NAME.decode(), PATIENT_ID.decode(), UID):
        assert secret not in shown


def a_request(uid: str, count: int = 2) -> CommitmentRequest:
    references = tuple(Reference(RECORD, f"{UID}.{number}") for number in range(count))
    return CommitmentRequest(uid, "LINAC1", "ARIA", "console", "192.0.2.20", ("oncology",), references)


def a_step(kind: StepKind = "create", to: str = "oncology") -> Step:
    return Step("1.2.840.10008.3.1.2.3.3", UID, kind, IMPLICIT, "LINAC1", "ARIA", to, NAME + PATIENT_ID)


async def test_transactions_are_shown_without_naming_an_instance(bench: Bench) -> None:
    for number in range(3):
        await bench.spool.add_commitment(a_request(f"1.2.{number}"))
    await bench.spool.ask_begun("oncology", "2.25.1", a_request("").references[:1], NOW + 60)
    page = await bench.control.commitments(before=None, limit=2)
    assert ([row.number for row in page.commitments], page.next) == ([3, 2], 2)
    page = await bench.control.commitments(before=2, limit=2)
    assert ([row.number for row in page.commitments], page.next) == ([1], None)
    (row,) = page.commitments
    assert (row.state, row.open, row.destinations, row.not_before) == ("open", 2, ("oncology",), None)
    assert UID not in repr(codec.encode(page))
    totals = (await bench.control.status()).commitments
    assert (totals.open, totals.reporting, totals.asked) == (3, 0, 1)


async def test_steps_are_shown_and_steered(bench: Bench) -> None:
    for step in (a_step("create"), a_step("set"), a_step("create", "archive")):
        await bench.spool.add_step(step)
    await bench.spool.step_held(1, "no such attribute")
    status = await bench.control.status()
    assert (status.steps.queued, status.steps.held, status.level) == (2, 1, "attention")
    page = await bench.control.steps(state=None, destination=None, after=None, limit=2)
    assert ([row.number for row in page.steps], page.next) == ([1, 2], 2)
    assert (page.steps[1].waits_for, page.steps[1].sop_class) == (
        1,
        "Modality Performed Procedure Step SOP Class",
    )
    shown = repr(codec.encode(page))
    assert UID not in shown
    assert NAME.decode() not in shown
    held = await bench.control.steps(state="held", destination="oncology", after=None, limit=10)
    assert [row.reason for row in held.steps] == ["no such attribute"]
    row = await bench.control.act_on_step(1, "retry", reason="", who=WHO)
    assert (row.state, row.who) == ("queued", WHO)
    row = await bench.control.act_on_step(2, "discard", reason="by hand", who=WHO)
    assert (row.state, row.reason) == ("discarded", "by hand")
    await bench.spool.step_done(1, 0x0107, "a warning")
    done = (await bench.control.steps(state="done", destination=None, after=None, limit=10)).steps[0]
    assert (done.status, done.comment) == ("0x0107", "a warning")
    assert done.words
    with pytest.raises(StepNotPossible):
        await bench.control.act_on_step(1, "retry", reason="", who=WHO)
    for number in (4, 99):
        with pytest.raises(NoSuchStep):
            await bench.control.act_on_step(number, "retry", reason="", who=WHO)
    with pytest.raises(NotFound):
        await bench.control.steps(state=None, destination="nobody", after=None, limit=1)


async def test_what_a_destination_did_not_commit_comes_with_what_to_do(bench: Bench) -> None:
    await bench.store()
    job = (await bench.spool.claim("oncology", 1))[0]
    await bench.spool.settle([Accepted(job.delivery.number, receipt(0))])
    reference = Reference(RECORD, f"{UID}.0")
    await bench.spool.ask_begun("oncology", "2.25.1", [reference], NOW + 60)
    await bench.spool.ask_answered("2.25.1", [], [(reference, 0x0112)], "committed", resend=frozenset())
    story = await bench.control.story(1)
    assert story.delivery.state == "held"
    assert "dicom-gateway queue retry 1" in story.next_step
    assert "0x0112" in story.delivery.reason


def test_a_page_of_the_largest_size_knows_whether_there_is_another() -> None:
    for listing in (queries, steps, commitment_queries):
        assert listing.MAX_PAGE > MAX_PAGE
