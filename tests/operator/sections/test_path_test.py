from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.operator import codec
from gateway.operator.client import ApiProblem, OperatorClient
from gateway.operator.control import Busy, NotFound
from gateway.operator.openapi import document
from gateway.operator.sections.path_test import (
    PathLine,
    PathReport,
    PathReports,
    PathStep,
    PathTestSection,
    PathTestWanted,
    StepDetail,
)
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving

RUNNING = PathStep("tcp", "", "running", 0.0, "", (), "")
OPEN = PathStep("tcp", "", "ok", 0.6, "port 104 is open", (StepDetail("address", "192.0.2.1"),), "")
REPORT = PathReport(
    id="1", peer="oncology", ae_title="ARIA", host="ois", port=104, tls=True, calling_ae="GW", who="anna",
    started_at=1.0, seconds=0.6, ok=True, patient_id="", steps=(OPEN,),
)  # fmt: skip


class FakeTests:
    def __init__(self) -> None:
        self.asked: list[tuple[str, PathTestWanted, str]] = []
        self.closed = 0

    def start(
        self, peer: str, wanted: PathTestWanted, who: str
    ) -> AsyncGenerator[PathStep | PathReport, None]:
        if peer == "nobody":
            raise NotFound("there is no peer 'nobody'")
        if peer == "busy":
            raise Busy("it is being tested already")
        self.asked.append((peer, wanted, who))
        return self._steps()

    async def _steps(self) -> AsyncGenerator[PathStep | PathReport, None]:
        try:
            for one in (RUNNING, OPEN, REPORT):
                yield one
        finally:
            self.closed += 1

    def reports(self, peer: str) -> tuple[PathReport, ...]:
        if peer == "nobody":
            raise NotFound("there is no peer 'nobody'")
        return (REPORT,)


@contextmanager
def asking(tests: FakeTests, folder: Path) -> Iterator[OperatorClient]:
    with (
        serving(FakeControl(), folder / "s", sections=[PathTestSection(tests)]) as daemon,
        OperatorClient(daemon.path) as client,
    ):
        yield client


def test_a_test_gives_one_json_line_for_each_step_and_then_the_report(tmp_path: Path) -> None:
    tests = FakeTests()
    with asking(tests, tmp_path) as client:
        lines = list(client.test_path("oncology", {"store": ["ct"], "commitment": True}))
        assert [codec.decode(PathLine, line, strict=True) for line in lines] == [
            PathLine(step=RUNNING),
            PathLine(step=OPEN),
            PathLine(report=REPORT),
        ]
        assert client.path_tests("oncology")["reports"] == [codec.encode(REPORT)]
    ((peer, wanted, who),) = tests.asked
    assert (peer, wanted) == ("oncology", PathTestWanted(("ct",), commitment=True))
    assert "uid" in who
    assert tests.closed == 1


def test_without_a_body_nothing_is_stored(tmp_path: Path) -> None:
    tests = FakeTests()
    with asking(tests, tmp_path) as client:
        list(client.test_path("oncology"))
    assert tests.asked[0][1] == PathTestWanted()
    assert PathTestWanted().store == ()


@pytest.mark.parametrize(
    ("peer", "body", "status"),
    [
        ("nobody", {}, 404),
        ("busy", {}, 503),
        ("oncology", {"store": ["mr"]}, 400),
        ("oncology", {"store": "ct"}, 400),
        ("oncology", {"wishes": []}, 400),
    ],
)
def test_what_cannot_be_done(peer: str, body: dict[str, object], status: int, tmp_path: Path) -> None:
    with asking(FakeTests(), tmp_path) as client, pytest.raises(ApiProblem) as raised:
        list(client.test_path(peer, body))
    assert raised.value.details.status == status


def test_reports_of_a_peer_that_is_not_there(tmp_path: Path) -> None:
    with asking(FakeTests(), tmp_path) as client, pytest.raises(ApiProblem):
        client.path_tests("nobody")


def test_the_document_says_what_a_line_is() -> None:
    operation = document()["paths"]["/v1/peers/{name}/test"]["post"]
    content = operation["responses"]["200"]["content"]["application/x-ndjson"]
    assert content["schema"] == {"$ref": "#/components/schemas/PathLine"}
    lines = codec.encode(PathReports((REPORT,)))
    assert json.loads(json.dumps(lines)) == lines
