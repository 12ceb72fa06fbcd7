"""Storage commitment with Orthanc: from the console through the gateway and back, and without the gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject
from tests.support.commitment_console import CommitmentConsole, Report
from tests.support.dcmqrscp import holdings
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.orthanc import Orthanc
from tests.support.ports import free_port

pytestmark = pytest.mark.peers

MISSING = ("1.2.840.10008.5.1.4.1.1.2", "2.25.404")


def _commitment(port: int, console: CommitmentConsole, things: list[SyntheticObject]) -> list[Report]:
    """Store, ask for all of it, then for one of them with one that was never sent; the two reports."""
    console.store(port, "ORTHANC", things)
    stored = [(each.sop_class_uid, each.sop_instance_uid) for each in things]
    reports = []
    for transaction, references in (("2.25.9001", stored), ("2.25.9002", [stored[0], MISSING])):
        assert console.commit(port, "ORTHANC", transaction, references) == 0x0000
        reports.append(console.wait_report(transaction))
    return reports


def test_storage_commitment_the_whole_way(tmp_path: Path) -> None:
    """Stored, delivered, asked of Orthanc, and only then reported; what it lacks is reported as failed."""
    things = [each.made for each in holdings(tmp_path / "objects", patients=2)[:2]]
    orthanc_port, console_port = free_port(), free_port()
    gateway = GatewayProcess(
        tmp_path / "gateway",
        peers=[peer("orthanc", "ORTHANC", orthanc_port), peer("console1", "LINAC1", console_port)],
        routes=[{"called": "ORTHANC", "to": ["orthanc"]}],
        sections={"commitment": {"batch_wait": 0.1}},
    )
    known = {"GATEWAY": gateway.port, "DIRECT": console_port}
    with Orthanc(tmp_path / "orthanc", port=orthanc_port, modalities=known) as orthanc, gateway:
        with CommitmentConsole(console_port, ae_title="DIRECT") as console:
            direct = _commitment(orthanc.port, console, things)
        with CommitmentConsole(console_port) as console:
            through = _commitment(gateway.port, console, things)
        gateway.wait_state("confirmed", len(things))
    stored = {(each.sop_class_uid, each.sop_instance_uid) for each in things}
    for complete, partial in (direct, through):
        assert (complete.event_type, complete.committed, complete.failed) == (1, stored, {})
        assert (partial.event_type, len(partial.committed), partial.failed) == (2, 1, {MISSING: 0x0112})
