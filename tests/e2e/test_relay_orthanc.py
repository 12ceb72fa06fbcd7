"""Orthanc behind the gateway: queries, both ways to retrieve through the gateway, the same as without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.dicom import messages
from tests.support import dcmtk, objects
from tests.support.dcmqrscp import Holding, holdings
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.identifiers import identifier
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port
from tests.support.wire_console import Heard, heard_alike, wire_console
from tests.support.wire_peer import EXPLICIT, VERIFICATION

pytestmark = pytest.mark.peers

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENTS = 12
NO_NAGLE = {"TCP_NODELAY": "1"}


@dataclass(frozen=True, slots=True)
class Scene:
    """Orthanc knows the console twice: LINAC1 at the gateway, DIRECT where it really is."""

    orthanc: Orthanc
    gateway: GatewayProcess
    console_port: int
    held: list[Holding]

    def ways(self) -> tuple[tuple[int, str], tuple[int, str]]:
        """(port to ask, title to move to): without the gateway, and through it."""
        return (self.orthanc.port, "DIRECT"), (self.gateway.port, "LINAC1")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("orthanc")
    held = holdings(directory / "objects", patients=PATIENTS)
    orthanc_port, console_port = free_port(), free_port()
    gateway = GatewayProcess(
        directory / "gateway",
        peers=[peer("orthanc", "ORTHANC", orthanc_port), peer("console1", "LINAC1", console_port)],
        routes=[
            {"called": "ORTHANC", "to": ["orthanc"]},
            {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
        ],
    )
    orthanc = Orthanc(
        directory / "orthanc",
        port=orthanc_port,
        modalities={
            "LINAC1": gateway.port,
            "DIRECT": console_port,
            "NOWHERE": free_port(),
        },
        env=NO_NAGLE,
    )
    with orthanc, gateway:
        files = [each.path for each in held]
        filled = dcmtk.run_console("storescu", orthanc.port, "ORTHANC", files, env=NO_NAGLE)
        assert filled.code == 0, filled.output
        yield Scene(orthanc, gateway, console_port, held)


async def _find(port: int, **keys: str) -> list[Heard]:
    async with wire_console(port, "ORTHANC", VERIFICATION, STUDY_FIND) as console:
        assert (await console.echo()).status == 0x0000
        return await console.ask(STUDY_FIND, messages.c_find_rq(0, STUDY_FIND), identifier(EXPLICIT, **keys))


@pytest.mark.parametrize(
    ("level", "least"), [("STUDY", PATIENTS), ("SERIES", 2), ("IMAGE", 1), ("NONSENSE", 0)]
)
async def test_a_query_is_answered_the_same(scene: Scene, level: str, least: int) -> None:
    about = scene.held[-1]
    keys = {"QueryRetrieveLevel": level, "PatientName": "", "StudyInstanceUID": "", "PatientID": ""}
    if level != "STUDY":
        keys |= {"StudyInstanceUID": about.study, "SeriesInstanceUID": "", "Modality": ""}
    if level == "IMAGE":
        keys |= {"SeriesInstanceUID": about.series, "SOPInstanceUID": ""}
    direct, through = [await _find(port, **keys) for port, _ in scene.ways()]
    assert heard_alike(through) == heard_alike(direct)
    assert len(through) > least
    assert (through[-1].status == 0x0000) == (level != "NONSENSE")


async def test_a_move_to_the_console_itself(scene: Scene, tmp_path: Path) -> None:
    """The objects come down through the gateway, and the counters of the move pass unchanged."""
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID=scene.held[-1].study)
    heard, received = [], []
    for port, title in scene.ways():
        with StoreScp(tmp_path / title, port=scene.console_port, ae_title="LINAC1", env=NO_NAGLE) as store:
            async with wire_console(port, "ORTHANC", STUDY_MOVE) as console:
                request = messages.c_move_rq(0, STUDY_MOVE, title)
                heard.append(await console.ask(STUDY_MOVE, request, keys))
            received.append({(each.sop_instance_uid, each.digest) for each in store.received()})
    assert heard_alike(heard[1]) == heard_alike(heard[0])
    assert received[1] == received[0]
    assert {uid for uid, _ in received[1]} == _of_study(scene, scene.held[-1].study)


def _of_study(scene: Scene, study: str) -> set[str]:
    return {each.made.sop_instance_uid for each in scene.held if each.study == study}


async def _get(port: int, held: list[Holding]) -> list[Heard]:
    classes = sorted({each.made.sop_class_uid for each in held})
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID=held[0].study)
    roles = dict.fromkeys(classes, (True, True))
    async with wire_console(port, "ORTHANC", STUDY_GET, *classes, roles=roles) as console:
        return await console.ask(STUDY_GET, messages.c_get_rq(0, STUDY_GET), keys)


async def test_a_get_brings_the_objects_down_the_same_association(scene: Scene) -> None:
    """Storage contexts in the SCP role are the far end's to use: relayed, though the route stores."""
    mine = [each for each in scene.held if each.study == scene.held[-1].study]
    direct, through = [await _get(port, mine) for port, _ in scene.ways()]
    assert heard_alike(through) == heard_alike(direct)
    stores = {each.command.affected_sop_instance_uid for each in through if not each.command.is_response}
    assert stores == {each.made.sop_instance_uid for each in mine}


def test_getscu_gets_the_same_files(scene: Scene, tmp_path: Path) -> None:
    keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={scene.held[-1].study}"]
    got = []
    for port, way in scene.ways():
        directory = tmp_path / way
        directory.mkdir()
        options = [*keys, "+B", "-od", str(directory)]
        ran = dcmtk.run_console("getscu", port, "ORTHANC", [], options=options, env=NO_NAGLE)
        assert ran.code == 0, ran.output
        got.append(objects.digests(directory.iterdir()))
    assert got[1] == got[0]
    assert set(got[1]) == _of_study(scene, scene.held[-1].study)
