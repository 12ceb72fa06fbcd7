"""The whole conversation over TLS on the long side, in plain DICOM on the console's: as it is in a clinic."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.association.tls import client_context
from gateway.dicom import messages
from tests.e2e.conftest import Pki
from tests.support import dcmtk
from tests.support.commitment_console import CommitmentConsole
from tests.support.dcmqrscp import Holding, holdings
from tests.support.dcmtk import StoreScp, tls_options
from tests.support.gateway_process import GatewayProcess, peer, tls_table
from tests.support.identifiers import identifier
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port
from tests.support.wire_console import Heard, heard_alike, wire_console
from tests.support.wire_peer import EXPLICIT, VERIFICATION

pytestmark = pytest.mark.peers

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
NO_NAGLE = {"TCP_NODELAY": "1"}


@dataclass(frozen=True, slots=True)
class Scene:
    """Orthanc knows the console at the gateway's listener for the centre."""

    orthanc: Orthanc
    gateway: GatewayProcess
    console_port: int
    held: list[Holding]
    tls: ssl.SSLContext  # to call Orthanc without the gateway


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("tls")
    held = holdings(directory / "objects", patients=3)
    orthanc_port, console_port, near_port, wan_port = (free_port() for _ in range(4))
    gateway = GatewayProcess(
        directory / "gateway",
        listeners=[
            {"name": "console", "address": "127.0.0.1", "port": near_port},
            {
                "name": "wan",
                "address": "127.0.0.1",
                "port": wan_port,
                "tls": tls_table(pki.gateway, of_peer=False),
            },
        ],
        peers=[
            peer("orthanc", "ORTHANC", orthanc_port, pki.gateway),
            peer("console1", "LINAC1", console_port),
        ],
        routes=[
            {"called": "ORTHANC", "to": ["orthanc"]},
            {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
        ],
        sections={"commitment": {"batch_wait": 0.1}},
    )
    gateway.port = near_port
    orthanc = Orthanc(
        directory / "orthanc",
        port=orthanc_port,
        tls=pki.centre,
        modalities={"LINAC1": wan_port, "GATEWAY": wan_port},
        env=NO_NAGLE,
    )
    with orthanc, gateway:
        files = [each.path for each in held]
        filled = dcmtk.run_console(
            "storescu", orthanc.port, "ORTHANC", files, options=tls_options(pki.gateway), env=NO_NAGLE
        )
        assert filled.code == 0, filled.output
        yield Scene(orthanc, gateway, console_port, held, client_context(pki.gateway))


async def _converse(port: int, held: list[Holding], tls: ssl.SSLContext | None) -> list[list[Heard]]:
    """Verify, query, get."""
    classes = sorted({each.made.sop_class_uid for each in held})
    roles = dict.fromkeys(classes, (False, True))
    study = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID=held[0].study)
    async with wire_console(port, "ORTHANC", VERIFICATION, FIND, GET, *classes, roles=roles, tls=tls) as one:
        assert (await one.echo()).status == 0x0000
        every = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID="", PatientID="")
        return [
            await one.ask(FIND, messages.c_find_rq(0, FIND), every),
            await one.ask(GET, messages.c_get_rq(0, GET), study),
        ]


async def test_queries_and_gets_are_the_same(scene: Scene) -> None:
    mine = [each for each in scene.held if each.study == scene.held[-1].study]
    direct = await _converse(scene.orthanc.port, mine, scene.tls)
    through = await _converse(scene.gateway.port, mine, None)
    for one, other in zip(through, direct, strict=True):
        assert heard_alike(one) == heard_alike(other)
    assert len(through[1]) > 2 * len(mine)


async def test_a_plan_comes_down_to_the_console_itself(scene: Scene, tmp_path: Path) -> None:
    study = scene.held[1].study
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID=study)
    with StoreScp(tmp_path, port=scene.console_port, ae_title="LINAC1", env=NO_NAGLE) as store:
        async with wire_console(scene.gateway.port, "ORTHANC", MOVE) as console:
            heard = await console.ask(MOVE, messages.c_move_rq(0, MOVE, "LINAC1"), keys)
        assert heard[-1].status == 0x0000
        received = {each.sop_instance_uid for each in store.received()}
    assert received == {each.made.sop_instance_uid for each in scene.held if each.study == study}


def test_a_commitment_comes_back_over_tls(scene: Scene) -> None:
    thing = scene.held[2].made
    named = (thing.sop_class_uid, thing.sop_instance_uid)
    with CommitmentConsole(scene.console_port) as console:
        console.store(scene.gateway.port, "ORTHANC", [thing])
        assert console.commit(scene.gateway.port, "ORTHANC", "2.25.95", [named]) == 0x0000
        assert console.wait_report("2.25.95").committed == {named}
    scene.gateway.wait_state("confirmed", 1)
