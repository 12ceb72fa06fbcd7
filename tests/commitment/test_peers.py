"""Storage commitment with programs that others wrote: pynetdicom on both ends, Orthanc on both ends."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from gateway.model import AETitle, Instance, Origin, Peer, Priority
from gateway.spool import Spool
from gateway.spool.commitment_values import Reference
from tests.support.commitment_centre import CommitmentCentre
from tests.support.commitment_console import CommitmentConsole, Report
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.committing import accept
from tests.support.console import Console
from tests.support.objects import EXPLICIT_LITTLE
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

PATIENT = replace(QUICK, linger=1.0)


def records(count: int, first: int = 0) -> list[SyntheticObject]:
    return list(Template(make_record()).copies(count, first))


def references(things: Sequence[SyntheticObject]) -> list[tuple[str, str]]:
    return [(thing.sop_class_uid, thing.sop_instance_uid) for thing in things]


async def deliver(spool: Spool, centre_port: int, things: Sequence[SyntheticObject]) -> None:
    """Put objects into the spool, and what the courier would do with them into the centre."""
    origin = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
    for thing in things:
        instance = Instance(thing.sop_class_uid, thing.sop_instance_uid, EXPLICIT_LITTLE)
        incoming = spool.receive(instance, origin, Priority.RECORD, ("oncology",))
        incoming.write(thing.data)
        await incoming.commit()
    await asyncio.to_thread(send, centre_port, things)
    await accept(spool)


def send(port: int, things: Sequence[SyntheticObject]) -> None:
    classes = sorted({thing.sop_class_uid for thing in things})
    with Console(port, "ARIA", "GATEWAY", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


async def asks(
    console: CommitmentConsole, stage: Scene, uid: str, things: Sequence[SyntheticObject], **how: Any
) -> int:
    return await asyncio.to_thread(console.commit, stage.port, "ARIA", uid, references(things), **how)


async def reported(console: CommitmentConsole, uid: str, count: int = 1) -> Report:
    return await asyncio.to_thread(console.wait_report, uid, count=count)


# --- pynetdicom -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["same", "new"])
async def test_pynetdicom_on_both_ends(how: str, tmp_path: Path) -> None:
    things = records(3)
    console_port = free_port()
    with CommitmentCentre(how=how, ae_title="ARIA") as centre, CommitmentConsole(console_port) as console:
        async with scene(
            tmp_path, centre_port=centre.port, console_port=console_port, policy=PATIENT
        ) as stage:
            centre.gateway_port = stage.port
            await deliver(stage.spool, centre.port, things[:2])
            centre.failures[references(things)[1]] = 0x0119
            assert await asks(console, stage, "2.25.1", things) == 0x0000
            report = await reported(console, "2.25.1")
            one, two, three = references(things)
            assert (report.event_type, report.by, report.called) == (2, "ARIA", "LINAC1")
            assert report.committed == {one}
            assert report.failed == {two: 0x0119, three: 0x0112}
            assert (await asyncio.to_thread(centre.wait_answered)) == [0x0000]
            row = await stage.row("reported")
            assert (row.committed, row.failed) == (1, 2)
            await stage.states("confirmed", "held")


async def test_pynetdicom_waits_on_its_own_association(tmp_path: Path) -> None:
    things = records(2)
    stay = threading.Event()
    console_port = free_port()
    with CommitmentCentre(how="same", ae_title="ARIA") as centre, CommitmentConsole(console_port) as console:
        async with scene(tmp_path, centre_port=centre.port, console_port=console_port) as stage:
            await deliver(stage.spool, centre.port, things)
            asking = asyncio.create_task(asks(console, stage, "2.25.1", things, stay=stay))
            try:
                report = await reported(console, "2.25.1")
                await stage.row("reported")
            finally:
                stay.set()
            assert await asking == 0x0000
            assert (report.event_type, report.by, report.committed) == (1, "", set(references(things)))


async def test_pynetdicom_refuses_a_report_and_takes_it_later(tmp_path: Path) -> None:
    things = records(1)
    console_port = free_port()
    with CommitmentCentre(how="same", ae_title="ARIA") as centre, CommitmentConsole(console_port) as console:
        console.status = 0x0110
        async with scene(tmp_path, centre_port=centre.port, console_port=console_port) as stage:
            await deliver(stage.spool, centre.port, things)
            assert await asks(console, stage, "2.25.1", things) == 0x0000
            await stage.alarm("commitment.report-refused")
            console.status = 0x0000
            await stage.row("reported")


async def test_a_late_report_of_pynetdicom_after_a_restart(tmp_path: Path) -> None:
    things = records(2)
    console_port = free_port()
    with CommitmentCentre(how="never", ae_title="ARIA") as centre, CommitmentConsole(console_port) as console:
        async with scene(tmp_path, centre_port=centre.port, console_port=console_port) as stage:
            centre.gateway_port = stage.port
            await deliver(stage.spool, centre.port, things)
            assert await asks(console, stage, "2.25.1", things) == 0x0000
            asked = await asyncio.to_thread(centre.wait_asked)
            assert (asked.calling, asked.called) == ("GATEWAY", "ARIA")
            await stage.restart()
            await asyncio.to_thread(centre.report, asked)
            report = await reported(console, "2.25.1")
            assert report.committed == set(references(things))
            await stage.states("confirmed", "confirmed")


# --- Orthanc as the centre ------------------------------------------------------------------------------


@pytest.mark.peers
async def test_orthanc_commits_what_it_has_and_says_what_it_has_not(tmp_path: Path) -> None:
    things = records(3)
    gateway_port, console_port = free_port(), free_port()
    orthanc = Orthanc(tmp_path / "orthanc", ae_title="ARIA", modalities={"GATEWAY": gateway_port})
    with CommitmentConsole(console_port) as console:
        await asyncio.to_thread(orthanc.start)
        try:
            async with scene(
                tmp_path / "spool",
                port=gateway_port,
                centre_port=orthanc.port,
                console_port=console_port,
                policy=PATIENT,
            ) as stage:
                await deliver(stage.spool, orthanc.port, things[:2])
                assert await asks(console, stage, "2.25.1", things) == 0x0000
                report = await reported(console, "2.25.1")
                one, two, three = references(things)
                assert report.committed == {one, two}
                assert report.failed == {three: 0x0112}
                await stage.states("confirmed", "confirmed")
                assert stage.alarms() == []
        finally:
            await asyncio.to_thread(orthanc.stop)


@pytest.mark.peers
async def test_orthanc_is_killed_with_the_request_and_asked_again(tmp_path: Path) -> None:
    things = records(2)
    gateway_port = free_port()
    orthanc = Orthanc(tmp_path / "orthanc", ae_title="ARIA", modalities={"GATEWAY": free_port()})
    await asyncio.to_thread(orthanc.start)
    try:
        policy = replace(QUICK, answer=2.0, linger=0.1)
        async with scene(
            tmp_path / "spool", port=gateway_port, centre_port=orthanc.port, policy=policy
        ) as stage:
            await deliver(stage.spool, orthanc.port, things)
            console = CommitmentConsole(free_port())
            assert await asks(console, stage, "2.25.1", things) == 0x0000
            # It takes the request, and cannot tell anybody: the gateway is not where it looks for it.
            await stage.alarm("commitment.unanswered")
            await stage.states("accepted", "accepted")
            assert orthanc.program is not None
            await asyncio.to_thread(orthanc.program.kill)
            again = Orthanc(
                tmp_path / "orthanc", ae_title="ARIA", port=orthanc.port, modalities={"GATEWAY": gateway_port}
            )
            orthanc = again
            await asyncio.to_thread(orthanc.start)
            await stage.states("confirmed", "confirmed")
    finally:
        await asyncio.to_thread(orthanc.stop)


@pytest.mark.peers
async def test_orthanc_is_asked_by_query(tmp_path: Path) -> None:
    things = records(3)
    orthanc = Orthanc(tmp_path / "orthanc", ae_title="ARIA", modalities={"GATEWAY": free_port()})
    await asyncio.to_thread(orthanc.start)
    try:
        async with scene(
            tmp_path / "spool", centre_port=orthanc.port, commitment="query", policy=PATIENT
        ) as stage:
            await deliver(stage.spool, orthanc.port, things[:2])
            origin = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
            missing = things[2]
            incoming = stage.spool.receive(
                Instance(missing.sop_class_uid, missing.sop_instance_uid, EXPLICIT_LITTLE),
                origin,
                Priority.RECORD,
                ("oncology",),
            )
            incoming.write(missing.data)
            await incoming.commit()
            await accept(stage.spool)  # so it said, and lost it
            console = CommitmentConsole(free_port())
            assert await asks(console, stage, "2.25.1", things) == 0x0000
            await stage.states("confirmed", "confirmed", "queued")
            await accept(stage.spool)
            await stage.states("confirmed", "confirmed", "held")
            assert stage.failures() == {Reference(*references([missing])[0]): 0x0112}
    finally:
        await asyncio.to_thread(orthanc.stop)


# --- Orthanc as the console -----------------------------------------------------------------------------


def rest(orthanc: Orthanc, path: str, body: Any = None) -> Any:
    """Ask Orthanc over its REST interface."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{orthanc.http_port}{path}", data, timeout=30) as answer:
        return json.loads(answer.read())


def outcome(orthanc: Orthanc, path: str) -> Any:
    """Wait until Orthanc has its result. It offers no event: it is asked now and then."""
    for _ in range(200):
        said = rest(orthanc, path)
        if said["Status"] != "Pending":
            return said
        threading.Event().wait(0.05)
    raise AssertionError("Orthanc never got a result")


@pytest.mark.peers
async def test_orthanc_asks_and_takes_its_result(tmp_path: Path) -> None:
    things = records(3)
    gateway_port = free_port()
    orthanc = Orthanc(tmp_path / "orthanc", ae_title="ORTHANC", modalities={"ARIA": gateway_port})
    with CommitmentCentre(how="same", ae_title="ARIA") as centre:
        await asyncio.to_thread(orthanc.start)
        try:
            console = Peer("orthanc", AETitle("ORTHANC"), "127.0.0.1", orthanc.port)
            async with scene(
                tmp_path / "spool", port=gateway_port, centre_port=centre.port, peers={"orthanc": console}
            ) as stage:
                await deliver(stage.spool, centre.port, things[:2])
                body = {"DicomInstances": [list(each) for each in references(things)]}
                asked = await asyncio.to_thread(rest, orthanc, "/modalities/ARIA/storage-commitment", body)
                await stage.row("reported")
                said = await asyncio.to_thread(outcome, orthanc, asked["Path"])
                assert said["Status"] == "Failure"
                assert sorted(each["SOPInstanceUID"] for each in said["Success"]) == sorted(
                    uid for _, uid in references(things)[:2]
                )
                [failure] = said["Failures"]
                assert (failure["SOPInstanceUID"], failure["FailureReason"]) == (
                    references(things)[2][1],
                    0x0112,
                )
                assert stage.alarms() == []
        finally:
            await asyncio.to_thread(orthanc.stop)
