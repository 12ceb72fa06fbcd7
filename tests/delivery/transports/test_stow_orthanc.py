"""STOW-RS against Orthanc's DICOMweb plugin: real objects, kept as they are, or refused for themselves."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery.transports.stow import StowTransport
from gateway.errors import DeliveryFailure
from gateway.model import AETitle, Instance, Peer, Receipt, WebTarget
from gateway.spool import Job
from tests.delivery.transport_contract import ListedWork, make_job
from tests.support import objects
from tests.support.delivery import QUICK, TIMEOUTS
from tests.support.orthanc import Orthanc

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive with a web interface."""
    if not PLUGIN.exists():
        reason = "not installed: Orthanc's DICOMweb plugin (sudo apt install orthanc-dicomweb)"
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    more = {"Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    with Orthanc(tmp_path_factory.mktemp("orthanc"), more=more) as running:
        yield running


def _job(path: Path, number: int) -> Job:
    """The job of a Part 10 file."""
    stored = objects.read(path)
    job = make_job(number, objects.data_set(path))
    instance = Instance(stored.sop_class_uid, stored.sop_instance_uid, stored.transfer_syntax_uid)
    return replace(job, object=replace(job.object, instance=instance))


async def _carry(orthanc: Orthanc, jobs: list[Job], **about: object) -> list[Receipt | DeliveryFailure]:
    """Have `jobs` sent over one connection, until each has come to an end of its own."""
    files = {job.object.number: job.data or b"" for job in jobs}
    target = WebTarget(f"http://127.0.0.1:{orthanc.http_port}/dicom-web", **about)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as executor:
        transport = StowTransport(
            Peer("oncology", AETitle("PACS"), "127.0.0.1", orthanc.port, web=target),
            open_data=lambda number: io.BytesIO(files[number]),
            executor=executor,
            policy=QUICK,
            timeouts=TIMEOUTS,
        )
        outcomes: dict[int, Receipt | DeliveryFailure] = {}
        left = [job if job.object.size < 64 * 1024 else replace(job, data=None) for job in jobs]
        try:
            while left:
                work = ListedWork(list(left))
                await transport.send(work)
                outcomes |= work.outcomes
                left = [job for job in left if _to_be_repeated(outcomes[job.delivery.number])]
            assert await transport.probe() is not None
        finally:
            await transport.close()
    return [outcomes[job.delivery.number] for job in jobs]


def _to_be_repeated(outcome: Receipt | DeliveryFailure) -> bool:
    return isinstance(outcome, DeliveryFailure) and outcome.cause == "stale-association"


async def test_real_objects_arrive_as_they_are(orthanc: Orthanc, tmp_path: Path) -> None:
    """Plan, dose, structures, images: native, big-endian, deflated and compressed ones, in a few requests."""
    paths = objects.real_objects(tmp_path)
    jobs = [_job(path, number) for number, path in enumerate(paths, 1)]
    outcomes = await _carry(orthanc, jobs)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Receipt)] == []
    kept = {stored.sop_instance_uid: stored for stored in await asyncio.to_thread(orthanc.received)}
    for job, outcome in zip(jobs, outcomes, strict=True):
        assert isinstance(outcome, Receipt)
        assert outcome.digest == job.object.digest
        stored = kept[job.object.instance.sop_instance_uid]
        assert stored.transfer_syntax_uid == job.object.instance.transfer_syntax_uid
        assert stored.digest == hashlib.sha256(job.data or b"").hexdigest()


async def test_one_that_it_cannot_read_does_not_keep_the_others_back(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    paths = objects.real_objects(tmp_path)[:3]
    jobs = [_job(path, number) for number, path in enumerate(paths, 1)]
    broken = make_job(4, b"no data set at all " * 20)
    outcomes = await _carry(orthanc, [jobs[0], broken, *jobs[1:]])
    assert isinstance(outcomes[1], DeliveryFailure)
    assert not outcomes[1].link
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, True, True]


async def test_a_service_that_is_not_there_is_told_from_an_object_that_is_refused(orthanc: Orthanc) -> None:
    target = WebTarget(f"http://127.0.0.1:{orthanc.http_port}/nothing-here")
    with ThreadPoolExecutor(1) as executor:
        transport = StowTransport(
            Peer("oncology", AETitle("PACS"), "127.0.0.1", orthanc.port, web=target),
            open_data=lambda _: io.BytesIO(),
            executor=executor,
            timeouts=TIMEOUTS,
        )
        with pytest.raises(DeliveryFailure) as caught:
            await transport.send(ListedWork([make_job(1)]))
        await transport.close()
    assert (caught.value.cause, caught.value.link) == ("association-rejected", True)
