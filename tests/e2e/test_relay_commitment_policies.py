"""What the configuration says of a peer's storage commitment: asked always, replaced by a query, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject
from tests.support.commitment_centre import CommitmentCentre
from tests.support.commitment_console import CommitmentConsole, Reference
from tests.support.dcmqrscp import DcmQrScp, holdings
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port

pytestmark = pytest.mark.peers

QUICK = {"batch_wait": 0.1, "report_backoff": {"base": 0.2, "ceiling": 0.5}}
MISSING = ("1.2.840.10008.5.1.4.1.1.2", "2.25.404")


@pytest.fixture
def things(tmp_path: Path) -> list[SyntheticObject]:
    """A plan of each of two patients."""
    return [each.made for each in holdings(tmp_path / "objects", patients=2)[:2]]


def _references(things: list[SyntheticObject]) -> list[Reference]:
    return [(each.sop_class_uid, each.sop_instance_uid) for each in things]


def _gateway(
    directory: Path, title: str, port: int, console: CommitmentConsole, policy: str
) -> GatewayProcess:
    return GatewayProcess(
        directory / "gateway",
        peers=[
            peer("centre", title, port, commitment=policy),
            peer("console1", "LINAC1", console.port),
        ],
        routes=[{"called": title, "to": ["centre"]}],
        sections={"commitment": QUICK},
    )


def test_what_was_delivered_is_confirmed_without_being_asked(
    tmp_path: Path, things: list[SyntheticObject]
) -> None:
    with CommitmentCentre() as centre, CommitmentConsole(free_port()) as console:
        gateway = _gateway(tmp_path, "CENTRE", centre.port, console, "always")
        with gateway:
            console.store(gateway.port, "CENTRE", things)
            gateway.wait_state("confirmed", len(things))
    assert {named for each in centre.asked for named in each.references} == set(_references(things))


def test_an_archive_without_commitment_is_asked_whether_it_has_the_objects(
    tmp_path: Path, things: list[SyntheticObject]
) -> None:
    """dcmqrscp offers no storage commitment; that it finds an instance is what there is to know."""
    with DcmQrScp(tmp_path / "archive") as archive, CommitmentConsole(free_port()) as console:
        gateway = _gateway(tmp_path, "ARCHIVE", archive.port, console, "query")
        with gateway:
            console.store(gateway.port, "ARCHIVE", things)
            asked = [*_references(things), MISSING]
            assert console.commit(gateway.port, "ARCHIVE", "2.25.81", asked) == 0x0000
            report = console.wait_report("2.25.81")
            gateway.wait_state("confirmed", len(things))
    assert (report.event_type, report.committed) == (2, set(_references(things)))
    # Never stored here: without its study and series there is nothing to ask the archive by.
    assert report.failed == {MISSING: 0x0110}


def test_a_peer_without_commitment_is_none_to_the_console(
    tmp_path: Path, things: list[SyntheticObject]
) -> None:
    with CommitmentCentre() as centre, CommitmentConsole(free_port()) as console:
        gateway = _gateway(tmp_path, "CENTRE", centre.port, console, "never")
        with gateway:
            console.store(gateway.port, "CENTRE", things)
            gateway.wait_delivered(len(things))
            with pytest.raises(AssertionError, match="no association for storage commitment"):
                console.commit(gateway.port, "CENTRE", "2.25.91", _references(things))
    assert centre.asked == []
    assert console.reports == []
