"""What centres that others wrote keep under a UID: ours, an older one, or nothing. Only ours is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.commitment.giving_back import SAME_BYTES, SAME_CONTENT
from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from gateway.model import AETitle, DeliveryState, Instance, Origin, Priority
from gateway.notices import AssociationOpened
from gateway.spool import Spool
from tests.support import dcmtk
from tests.support.commitment_console import CommitmentConsole
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.committing import accept
from tests.support.console import Console
from tests.support.dcmqrscp import DcmQrScp
from tests.support.objects import EXPLICIT_LITTLE
from tests.support.older import changed, deep_inside, yesterday
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

pytestmark = pytest.mark.peers

PATIENT = replace(QUICK, linger=1.0)
KEEPS_OLDER: dict[str, Any] = {"OverwriteInstances": False}  # Orthanc's default
REPLACES: dict[str, Any] = {"OverwriteInstances": True}


def records(count: int, first: int = 0) -> list[SyntheticObject]:
    return list(Template(make_record()).copies(count, first))


def images(count: int) -> list[SyntheticObject]:
    treatment = Treatment(1, sizes=Sizes(ct_slices=count, matrix=16))
    return [treatment.make("ct", index=index) for index in range(count)]


def send(port: int, things: Sequence[SyntheticObject]) -> None:
    classes = sorted({thing.sop_class_uid for thing in things})
    with Console(port, "ARIA", "GATEWAY", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


async def put(spool: Spool, things: Sequence[SyntheticObject]) -> None:
    origin = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
    for thing in things:
        instance = Instance(thing.sop_class_uid, thing.sop_instance_uid, EXPLICIT_LITTLE)
        incoming = spool.receive(instance, origin, Priority.IMAGE, ("oncology",))
        incoming.write(thing.data)
        await incoming.commit()


async def deliver(stage: Scene, port: int, things: Sequence[SyntheticObject]) -> None:
    """What the courier does: the centre answers success to each object, whatever it makes of it."""
    await asyncio.to_thread(send, port, things)
    await put(stage.spool, things)
    await accept(stage.spool)


async def history(stage: Scene, number: int = 1) -> list[tuple[str, str]]:
    return [(event.what, event.detail) for event in (await stage.spool.show(number)).history]


@asynccontextmanager
async def orthanc_scene(
    tmp_path: Path, *, more: dict[str, Any], commitment: str, compare: str, **how: Any
) -> AsyncIterator[tuple[Orthanc, Scene]]:
    gateway_port = free_port()
    orthanc = Orthanc(tmp_path / "orthanc", ae_title="ARIA", modalities={"GATEWAY": gateway_port}, more=more)
    await asyncio.to_thread(orthanc.start)
    try:
        async with scene(
            tmp_path / "spool",
            port=gateway_port,
            centre_port=orthanc.port,
            policy=PATIENT,
            commitment=commitment,
            compare=compare,
            **how,
        ) as stage:
            yield orthanc, stage
    finally:
        await asyncio.to_thread(orthanc.stop)


# --- Orthanc --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commitment", "compare", "older"),
    [
        ("query", "auto", deep_inside),
        ("query", "attributes", yesterday),
        ("query", "object", deep_inside),
        ("always", "auto", deep_inside),
        ("always", "attributes", yesterday),
    ],
)
async def test_an_older_record_that_orthanc_keeps_is_never_confirmed(
    commitment: str, compare: str, older: Any, tmp_path: Path
) -> None:
    lost, kept = records(2)
    async with orthanc_scene(tmp_path, more=KEEPS_OLDER, commitment=commitment, compare=compare) as (
        orthanc,
        stage,
    ):
        await asyncio.to_thread(send, orthanc.port, [older(lost)])
        await deliver(stage, orthanc.port, [lost, kept])
        await stage.states("held", "confirmed")
        row = (await stage.spool.list_deliveries())[0]
        assert row.cause == "kept-other"
        alarm = await stage.alarm("spool.kept-other")
        assert "keeps another object under the same SOP Instance UID" in alarm.text
        assert stage.alarms() == ["spool.kept-other"]
        assert "sent-again" not in [what for what, _ in await history(stage)]
        # A person has the older one removed there and lets the delivery go: it is sent, and confirmed.
        for name in orthanc.get("/instances"):
            await asyncio.to_thread(orthanc.delete, f"/instances/{name}")
        await asyncio.to_thread(send, orthanc.port, [lost, kept])
        await stage.spool.retry(row.delivery.number)
        await accept(stage.spool)
        await stage.states("confirmed", "confirmed")


async def test_without_a_comparison_the_uid_is_enough(tmp_path: Path) -> None:
    """What `compare = "never"` means, and what every other setting is for."""
    [lost] = records(1)
    async with orthanc_scene(tmp_path, more=KEEPS_OLDER, commitment="query", compare="never") as (
        orthanc,
        stage,
    ):
        await asyncio.to_thread(send, orthanc.port, [deep_inside(lost)])
        await deliver(stage, orthanc.port, [lost])
        await stage.states("confirmed")


async def test_what_orthanc_replaced_is_confirmed_byte_for_byte(tmp_path: Path) -> None:
    things = records(3)
    async with orthanc_scene(tmp_path, more=REPLACES, commitment="query", compare="auto") as (orthanc, stage):
        await asyncio.to_thread(send, orthanc.port, [deep_inside(thing) for thing in things])
        await deliver(stage, orthanc.port, things)
        await stage.states("confirmed", "confirmed", "confirmed")
        assert stage.alarms() == []
        for number in (1, 2, 3):
            assert ("confirmed", SAME_BYTES) in await history(stage, number)


async def test_a_committed_record_is_fetched_back_before_the_console_hears_of_it(tmp_path: Path) -> None:
    lost, kept = records(2)
    console_port = free_port()
    with CommitmentConsole(console_port) as console:
        async with orthanc_scene(
            tmp_path, more=KEEPS_OLDER, commitment="on-request", compare="auto", console_port=console_port
        ) as (orthanc, stage):
            await asyncio.to_thread(send, orthanc.port, [deep_inside(lost)])
            await deliver(stage, orthanc.port, [lost, kept])
            named = [(thing.sop_class_uid, thing.sop_instance_uid) for thing in (lost, kept)]
            assert await asyncio.to_thread(console.commit, stage.port, "ARIA", "2.25.1", named) == 0x0000
            report = await asyncio.to_thread(console.wait_report, "2.25.1")
            assert report.committed == {named[1]}
            assert report.failed == {named[0]: 0x0110}
            await stage.states("held", "confirmed")
            told = await history(stage, 2)
            assert [what for what, _ in told if what in ("committed", "confirmed")] == [
                "committed",
                "confirmed",
            ]


async def test_images_are_told_apart_by_their_attributes_in_one_query(tmp_path: Path) -> None:
    things = images(6)
    async with orthanc_scene(tmp_path, more=KEEPS_OLDER, commitment="query", compare="auto") as (
        orthanc,
        stage,
    ):
        await asyncio.to_thread(send, orthanc.port, [yesterday(things[2])])
        await deliver(stage, orthanc.port, things)
        await stage.states(*["confirmed"] * 2, "held", *["confirmed"] * 3)
        for number in (1, 2, 4, 5, 6):
            [words] = [detail for what, detail in await history(stage, number) if what == "confirmed"]
            assert words.startswith("verified by query; the same in ")
            assert "(0008,0013)" in words


async def test_an_image_that_orthanc_lost_is_sent_once_more_and_then_held(tmp_path: Path) -> None:
    things = images(3)
    async with orthanc_scene(tmp_path, more=KEEPS_OLDER, commitment="query", compare="auto") as (
        orthanc,
        stage,
    ):
        await asyncio.to_thread(send, orthanc.port, things[:2])
        await put(stage.spool, things)
        await accept(stage.spool)  # the third was answered success and kept nowhere
        await stage.states("confirmed", "confirmed", "queued")
        await accept(stage.spool)
        await stage.states("confirmed", "confirmed", "held")
        assert (await stage.spool.list_deliveries())[2].cause == "not-committed"


# --- dcmqrscp -------------------------------------------------------------------------------------------


async def test_dcmqrscp_is_asked_for_the_object_itself(tmp_path: Path) -> None:
    """Its index has no attribute of the content: only what it gives back decides."""
    good, older, lost = records(3)
    coerced = records(1, first=10)[0]

    def other_patient(data: Any) -> None:
        data.PatientID, data.PatientName = "HIS-4711", "TEST^Reconciled"

    with DcmQrScp(tmp_path / "archive", ae_title="ARIA") as archive:
        there = [good, deep_inside(older), changed(coerced, other_patient)]
        await asyncio.to_thread(send, archive.port, there)
        async with scene(
            tmp_path / "spool", centre_port=archive.port, commitment="query", compare="auto", policy=PATIENT
        ) as stage:
            await put(stage.spool, [good, older, lost, coerced])
            await accept(stage.spool)
            await stage.states("confirmed", "held", "queued", "confirmed")
            causes = [row.cause for row in await stage.spool.list_deliveries()]
            assert causes[1] == "kept-other"
            assert ("confirmed", SAME_BYTES) in await history(stage, 1)
            assert ("confirmed", SAME_CONTENT) in await history(stage, 4)


async def test_dcmqrscp_by_attributes_alone_stays_accepted(tmp_path: Path) -> None:
    [thing] = records(1)
    with DcmQrScp(tmp_path / "archive", ae_title="ARIA") as archive:
        async with scene(
            tmp_path / "spool",
            centre_port=archive.port,
            commitment="query",
            compare="attributes",
            policy=PATIENT,
        ) as stage:
            await deliver(stage, archive.port, [thing])
            alarm = await stage.alarm("commitment.undecided")
            assert "accepted, not verified" in alarm.text
            [row] = await stage.spool.list_deliveries()
            assert row.delivery.state is DeliveryState.ACCEPTED


# --- storescp -------------------------------------------------------------------------------------------


async def test_storescp_takes_no_queries_and_nothing_is_confirmed(tmp_path: Path) -> None:
    [thing] = records(1)
    with dcmtk.StoreScp(tmp_path / "kept") as store:
        async with scene(
            tmp_path / "spool", centre_port=store.port, commitment="query", compare="auto", policy=PATIENT
        ) as stage:
            await deliver(stage, store.port, [thing])
            await stage.alarm("commitment.not-offered")
            [row] = await stage.spool.list_deliveries()
            assert row.delivery.state is DeliveryState.ACCEPTED
            assert stage.log.of(AssociationOpened)
            kept = await stage.spool.expire(1e12, keep=("oncology",))
            assert kept.released == 0
