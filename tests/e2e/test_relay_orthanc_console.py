"""Orthanc in the console's place: it verifies, queries, retrieves, stores, and asks for commitment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.commitment_centre import CommitmentCentre
from tests.support.dcmqrscp import DcmQrScp, Holding, holdings
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

pytestmark = pytest.mark.peers


@dataclass(frozen=True, slots=True)
class Scene:
    """A console that knows nothing but the gateway's address."""

    console: Orthanc
    gateway: GatewayProcess
    centre: CommitmentCentre
    held: list[Holding]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("console")
    held = holdings(directory / "objects", patients=4)
    archive_port, console_port = free_port(), free_port()
    centre = CommitmentCentre()
    gateway = GatewayProcess(
        directory / "gateway",
        peers=[
            peer("archive", "ARCHIVE", archive_port),
            peer("centre", "CENTRE", centre.port),
            peer("console1", "LINAC1", console_port),
        ],
        routes=[
            {"called": "ARCHIVE", "to": ["archive"]},
            {"called": "CENTRE", "to": ["centre"]},
            {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
        ],
        sections={"commitment": {"batch_wait": 0.1}},
    )
    centre.gateway_port = gateway.port
    archive = DcmQrScp(directory / "archive", port=archive_port, destinations={"LINAC1": gateway.port})
    archive.fill(held)
    console = Orthanc(
        directory / "orthanc",
        ae_title="LINAC1",
        port=console_port,
        modalities={"ARCHIVE": gateway.port, "CENTRE": gateway.port},
        env={"TCP_NODELAY": "1"},
    )
    with centre, archive, gateway, console:
        yield Scene(console, gateway, centre, held)


def test_it_verifies_queries_and_retrieves_to_itself(scene: Scene) -> None:
    console = scene.console
    assert console.post("/modalities/ARCHIVE/echo", {}) == {}
    keys = {"Level": "Study", "Query": {"PatientID": "SYN-000001"}}
    query = console.post("/modalities/ARCHIVE/query", keys)["ID"]
    answers = console.get(f"/queries/{query}/answers")
    first = [each for each in scene.held if each.patient_id == "SYN-000001"]
    assert len(answers) == len({each.study for each in first})
    console.post(f"/queries/{query}/retrieve", {"TargetAet": "LINAC1", "Synchronous": True})
    received = {each.sop_instance_uid for each in console.received()}
    assert received == {each.made.sop_instance_uid for each in first}


def test_it_stores_and_is_told_when_the_centre_has_committed(scene: Scene) -> None:
    console = scene.console
    thing = scene.held[1]
    instance = console.post("/instances", thing.path.read_bytes())["ID"]
    console.post("/modalities/CENTRE/store", [instance])
    named = {
        "SOPClassUID": thing.made.sop_class_uid,
        "SOPInstanceUID": thing.made.sop_instance_uid,
    }
    asked = console.post("/modalities/CENTRE/storage-commitment", {"DicomInstances": [named]})["ID"]
    assert scene.centre.wait_answered() == [0x0000]
    report = _report(console, asked)
    assert report["Status"] == "Success"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == [thing.made.sop_instance_uid]
    scene.gateway.wait_state("confirmed", 1)


def _report(console: Orthanc, transaction: str) -> dict[str, object]:
    """What it has been told; its REST interface has no event for it."""
    for _ in range(200):
        report: dict[str, object] = console.get(f"/storage-commitment/{transaction}")
        if report["Status"] != "Pending":
            return report
        threading.Event().wait(0.05)
    raise AssertionError(f"no result of the commitment: {report}")
