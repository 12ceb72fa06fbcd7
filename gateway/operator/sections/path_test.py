"""Testing the way to a peer, step by step, and the reports of earlier tests.

The answer to a test is a stream of JSON lines (application/x-ndjson): a step when it begins (`running`) and
again when it ends, and the whole report as the last line. A caller that hangs up ends the test.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from gateway.operator import codec
from gateway.operator.answering import answer, read_body
from gateway.operator.answering import who as asking
from gateway.operator.control import Busy, NotFound
from gateway.operator.http import Request, Response
from gateway.operator.routes import JSON_LINES, Parameter, Route
from gateway.operator.section import Section

PathStepName = Literal[
    "name", "tcp", "tls", "association", "echo", "store", "commitment-request", "commitment-result"
]
StepOutcome = Literal["running", "ok", "warning", "failed", "skipped"]
ObjectClass = Literal["rt-record", "rt-image", "rt-plan", "rt-structures", "rt-dose", "ct"]


@dataclass(frozen=True, slots=True)
class StepDetail:
    """One thing found out on the way."""

    what: Annotated[
        str,
        "protocol, cipher, certificate-subject, certificate-issuer, certificate-until, certificate-sha256, "
        "address, implementation, max-pdu, refused, bytes",
    ]
    value: str


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path test. A later one with the same `step` and `subject` takes its place."""

    step: PathStepName
    subject: Annotated[str, "the class that is stored; empty for other steps"]
    outcome: StepOutcome
    seconds: float
    words: Annotated[str, "what came of it"]
    details: tuple[StepDetail, ...]
    next_step: Annotated[str, "what to do about it; empty when all is well"]


@dataclass(frozen=True, slots=True)
class PathReport:
    """One path test from beginning to end."""

    id: str
    peer: str
    ae_title: str
    host: str
    port: int
    tls: bool
    calling_ae: Annotated[str, "our AE title, as the peer sees it"]
    who: Annotated[str, "who started it"]
    started_at: float
    seconds: float
    ok: Annotated[bool, "no step failed"]
    patient_id: Annotated[str, "of the test patient whose objects were stored; empty when none were"]
    steps: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class PathLine:
    """One line of a running test: a step, or the report, which is the last line."""

    step: PathStep | None = None
    report: PathReport | None = None


@dataclass(frozen=True, slots=True)
class PathReports:
    """The last tests of one peer, the newest first."""

    reports: tuple[PathReport, ...]


@dataclass(frozen=True, slots=True)
class PathTestWanted:
    """How far a test goes: as far as C-ECHO, unless classes are named."""

    store: Annotated[
        tuple[ObjectClass, ...], "classes of which an object, synthetic and marked, is stored at the peer"
    ] = ()
    commitment: Annotated[bool, "ask for storage commitment of what was stored"] = False
    commitment_wait: Annotated[float, "seconds to wait for its result, 1 to 300"] = 30.0


class PathTests(Protocol):
    """What this section needs of the daemon."""

    def start(
        self, peer: str, wanted: PathTestWanted, who: str
    ) -> AsyncGenerator[PathStep | PathReport, None]:
        """Begin a test and give its steps and, last, its report. NotFound; Busy; ValueError."""

    def reports(self, peer: str) -> Sequence[PathReport]:
        """Return the last reports of a peer, the newest first. NotFound."""


_PEER = Parameter("name", "name of the peer, as in the configuration", "name")


class PathTestSection(Section):
    """Path tests."""

    # fmt: off
    routes = (
        Route("POST", "/v1/peers/{name}/test", "test_path",
              "Test the way to a peer; one JSON line for each step as it begins and ends, then the report.",
              JSON_LINES, (_PEER,), body=PathTestWanted, body_optional=True, line=PathLine,
              errors=(404, 503)),
        Route("GET", "/v1/peers/{name}/tests", "path_tests", "The last tests of a peer, the newest first.",
              PathReports, (_PEER,), errors=(404,)),
    )
    # fmt: on
    problems = (
        (NotFound, 404, "The configuration names the peers."),
        (Busy, 503, "Try again when the test that is running is over."),
    )

    def __init__(self, tests: PathTests) -> None:
        self._tests = tests

    async def test_path(self, request: Request, name: str) -> Response:
        wanted = await read_body(request, PathTestWanted, optional=True)
        steps = self._tests.start(name, wanted, await asking(request))
        request.note = f"stored: {', '.join(wanted.store)}" if wanted.store else "nothing stored"
        return Response(200, JSON_LINES, _lines(steps))

    async def path_tests(self, _request: Request, name: str) -> Response:
        return answer(PathReports(tuple(self._tests.reports(name))))


async def _lines(steps: AsyncGenerator[PathStep | PathReport, None]) -> AsyncIterator[bytes]:
    async with aclosing(steps):
        async for one in steps:
            line = PathLine(report=one) if isinstance(one, PathReport) else PathLine(step=one)
            yield json.dumps(codec.encode(line)).encode() + b"\n"
