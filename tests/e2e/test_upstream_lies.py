"""A centre that keeps an older object, or proves nothing: what the daemon does, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from tests.support.console import Console
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.older import deep_inside
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

pytestmark = pytest.mark.peers

QUICK = {"commitment": {"batch_wait": 0.1}, "spool": {"retention": "1 s"}}


def send(port: int, called: str, things: list[SyntheticObject]) -> None:
    with Console(port, called, "LINAC1", [things[0].sop_class_uid]) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def cli(gateway: GatewayProcess, *words: str) -> str:
    """What somebody at the device reads."""
    command = [sys.executable, "-m", "gateway.cli", *words, "--socket", str(gateway.socket)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("commitment", ["query", "always"])
def test_an_older_record_at_orthanc_is_held_and_the_others_confirmed(commitment: str, tmp_path: Path) -> None:
    """The configuration of the product as it comes, but for `commitment`."""
    lost, *kept = Template(make_record()).copies(4)
    orthanc_port = free_port()
    gateway = GatewayProcess(
        tmp_path / "gateway",
        peers=[peer("orthanc", "ORTHANC", orthanc_port, commitment=commitment)],
        routes=[{"called": "ORTHANC", "to": ["orthanc"]}],
        sections=QUICK,
    )
    orthanc = Orthanc(tmp_path / "orthanc", port=orthanc_port, modalities={"GATEWAY": gateway.port})
    with orthanc, gateway:
        send(orthanc.port, "ORTHANC", [deep_inside(lost)])
        send(gateway.port, "ORTHANC", [lost, *kept])
        gateway.wait_state("confirmed", len(kept))
        [held] = gateway.wait_state("held", 1)
        assert held["cause"] == "kept-other"
        shown = cli(gateway, "queue", "show", str(held["number"]))
        assert "keeps another object under the same SOP Instance UID" in shown
        assert "fetched back: the same bytes" in cli(gateway, "queue", "show", str(held["number"] + 1))
        assert orthanc.count() == 4


def test_storescp_proves_nothing_and_everybody_is_told(tmp_path: Path) -> None:
    things = list(Template(make_record()).copies(3))
    with StoreScp(tmp_path / "kept") as store:
        gateway = GatewayProcess(
            tmp_path / "gateway",
            peers=[peer("store", "STORE", store.port, commitment="query")],
            routes=[{"called": "STORE", "to": ["store"]}],
            sections=QUICK,
        )
        with gateway:
            send(gateway.port, "STORE", things)
            gateway.wait_state("accepted", len(things))
            status = cli(gateway, "status")
            assert "Accepted, not verified: 3 objects at STORE" in status
            assert "until they are confirmed" in status
            assert cli(gateway, "queue", "list").count("accepted, not verified") == 3
