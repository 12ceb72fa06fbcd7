"""The modality worklist of DCMTK's wlmscpfs through the gateway: the same entries, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.synthetic.encoding import item
from gateway.dicom import messages
from tests.support import dcmtk, objects
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.identifiers import identifier
from tests.support.wire_console import Heard, heard_alike, wire_console
from tests.support.wire_peer import EXPLICIT
from tests.support.wlm import WlmScpFs

pytestmark = pytest.mark.peers

WORKLIST = "1.2.840.10008.5.1.4.31"
ENTRIES = 12


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the worklist is asked: itself, and the gateway."""

    direct: int
    through: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    directory = tmp_path_factory.mktemp("worklist")
    with (
        WlmScpFs(directory / "worklist", entries=ENTRIES) as worklist,
        GatewayProcess(
            directory / "gateway",
            peers=[peer("worklist", "WORKLIST", worklist.port)],
            routes=[{"called": "WORKLIST", "to": ["worklist"], "mode": "relay"}],
        ) as gateway,
    ):
        yield Ports(worklist.port, gateway.port)


async def _ask(port: int, **step: str) -> list[Heard]:
    keys = identifier(
        EXPLICIT,
        PatientName="",
        PatientID="",
        StudyInstanceUID="",
        ScheduledProcedureStepSequence=[
            item(**{"Modality": "", "ScheduledProcedureStepStartTime": "", **step})
        ],
    )
    async with wire_console(port, "WORKLIST", WORKLIST) as console:
        return await console.ask(WORKLIST, messages.c_find_rq(0, WORKLIST), keys)


@pytest.mark.parametrize(
    ("step", "count"),
    [
        ({}, ENTRIES),
        ({"ScheduledStationAETitle": "LINAC1", "ScheduledProcedureStepStartDate": "20260302"}, ENTRIES),
        ({"ScheduledStationAETitle": "LINAC2"}, 0),
        ({"Modality": "NO\\SUCH"}, None),
    ],
    ids=["everything", "for this console", "for another console", "several values"],
)
async def test_the_worklist_is_the_same(ports: Ports, step: dict[str, str], count: int | None) -> None:
    direct = await _ask(ports.direct, **step)
    through = await _ask(ports.through, **step)
    assert heard_alike(through) == heard_alike(direct)
    if count is not None:
        assert [each.status for each in through] == [0xFF00] * count + [0x0000]


def test_findscu_gets_the_same_worklist(ports: Ports, tmp_path: Path) -> None:
    keys = ["-W", "-k", "PatientName", "-k", "ScheduledProcedureStepSequence[0].Modality"]
    found = []
    for name, port in (("direct", ports.direct), ("through", ports.through)):
        directory = tmp_path / name
        directory.mkdir()
        ran = dcmtk.run_console("findscu", port, "WORKLIST", [], options=[*keys, "-X"], cwd=directory)
        assert ran.code == 0, ran.output
        found.append({path.name: objects.data_set(path) for path in directory.iterdir()})
    assert found[0] == found[1]
    assert len(found[1]) == ENTRIES
