"""`dicom-gateway test`: live lines, JSON lines, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from gateway.operator.sections.path_test import PathTestSection, PathTestWanted
from tests.support.dcmtk import StoreScp
from tests.support.fake_control import FakeControl
from tests.support.fake_links import FakeTests
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.operator_daemon import serving

Run = Callable[..., Result]


@pytest.fixture
def tests() -> FakeTests:
    return FakeTests()


@pytest.fixture
def run(tests: FakeTests, tmp_path: Path) -> Iterator[Run]:
    with serving(FakeControl(), tmp_path / "op.sock", sections=[PathTestSection(tests)]) as daemon:

        def invoke(*arguments: str) -> Result:
            return CliRunner().invoke(cli, ["test", "--socket", str(daemon.path), *arguments])

        yield invoke


def test_each_step_has_a_line_and_a_failure_its_next_step(run: Run) -> None:
    result = run("oncology")
    assert result.exit_code == 5
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok       name lookup")
    assert lines[1].startswith("failed   C-STORE ct")
    assert "bytes: 1032" in lines[2]
    assert "Next: Ask them." in lines[3]
    assert lines[4] == "The way to oncology needs mending."
    assert "GATEWAY-TEST-20270115" in lines[5]


def test_what_is_asked_for(run: Run, tests: FakeTests) -> None:
    run("oncology")
    run("oncology", "--store", "ct", "--store", "rt-plan", "--commitment", "--wait", "1m")
    wanted = [one for _, one, _ in tests.asked]
    assert wanted == [
        PathTestWanted(),
        PathTestWanted(("ct", "rt-plan"), commitment=True, commitment_wait=60.0),
    ]
    assert run("oncology", "--store", "mr").exit_code == 2


def test_json_is_a_line_for_each_step_and_the_report(run: Run) -> None:
    result = run("oncology", "--json")
    assert result.exit_code == 5
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["step"]["outcome"] for line in lines[:-1]] == ["running", "ok", "running", "failed"]
    assert lines[-1]["report"]["ok"] is False


def test_a_peer_that_is_being_tested(run: Run, tests: FakeTests) -> None:
    tests.busy = True
    result = run("oncology")
    assert result.exit_code == 1
    assert "is being tested already" in result.stderr


@pytest.mark.peers
def test_through_a_running_gateway_to_a_real_peer(tmp_path: Path) -> None:
    with (
        StoreScp(tmp_path / "in") as centre,
        GatewayProcess(tmp_path / "g", peers=[peer("centre", "CENTRE", centre.port)]) as gateway,
    ):
        result = CliRunner().invoke(
            cli, ["test", "centre", "--store", "rt-record", "--socket", str(gateway.socket)]
        )
        assert result.exit_code == 0, result.output
        assert "The way to centre is open" in result.stdout
        assert len(centre.received()) == 1
        # What was tried is kept, for the acceptance sheet, and noted in somebody's name.
        with gateway.client() as client:
            (report,) = client.path_tests("centre")["reports"]
        assert report["ok"]
        acted = [data for kind, data in gateway.events if kind == "OperatorActed"]
        assert [(one["what"], one["detail"]) for one in acted] == [("test_path", "stored: rt-record")]
