"""What the alerts see, through a real operator API: status, the oldest record, certificates, silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.alerts.eyes import GatewayEyes, clock_state, ends
from gateway.admin.alerts.rules import CertificateEnd, ClockState
from gateway.admin.gateway_client import GatewayClient
from gateway.errors import NoRoom
from gateway.health.machine import Machine
from gateway.notices import Notices
from gateway.operator.answering import answer
from gateway.operator.api import OperatorServer
from gateway.operator.certificate_facts import CertificateFacts, CertificateFiles, Certificates, UsedFacts
from gateway.operator.facts import Amount, Waiting
from gateway.operator.http import Request, Response
from gateway.operator.routes import Route
from gateway.operator.section import Section
from tests.support.fake_control import NOW, FakeControl, delivery, destination

OURS = CertificateFacts(
    subject="CN=clinic-07",
    common_name="clinic-07",
    names=("clinic-07",),
    issuer="CN=Centre CA",
    not_before=NOW - 1,
    not_after=NOW + 10,
    key="ECDSA P-256",
    signature="ECDSA with SHA-256",
    sha256="aa",
    authority=False,
    self_signed=False,
    client=True,
    server=True,
)
THEIRS = replace(OURS, common_name="", subject="O=Centre", sha256="bb", not_after=NOW + 20)
USED = UsedFacts((), CertificateFiles("", "", ""), "", (OURS,), (THEIRS,), ())


class Shelf(Section):
    """The certificates of the test, and how often they were looked at."""

    routes = (Route("GET", "/v1/certificates", "certificates", "All.", Certificates),)

    def __init__(self) -> None:
        self.looks = 0
        self.fails = False

    async def certificates(self, _request: Request) -> Response:
        self.looks += 1
        if self.fails:
            raise NoRoom("the helper did not start")
        return answer(Certificates(NOW, "", (), (USED, USED)))


class Scene:
    """Eyes on a gateway, with a clock set by hand."""

    def __init__(self, socket: Path) -> None:
        self.control = FakeControl()
        self.control.notices = Notices()
        self.shelf = Shelf()
        self.server = OperatorServer(self.control, socket, sections=[self.shelf])
        self.client = GatewayClient(socket)
        self.monotonic = 1000.0
        self.clock: ClockState | None = ClockState(True, 0.1)
        self.clock_looks = 0
        self.eyes = GatewayEyes(
            self.client, read_clock=self._read, wall_clock=lambda: NOW, monotonic=lambda: self.monotonic
        )

    def _read(self) -> ClockState | None:
        self.clock_looks += 1
        return self.clock


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(tmp_path / "op.sock")
    await made.server.start()
    yield made
    await made.client.close()
    await made.server.close()


async def test_the_status_and_the_oldest_record(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        control = seen_by.control
        control.destinations = [destination(waiting=Waiting(Amount(2, 1), Amount(1, 1), Amount(1, 1)))]
        control.rows = [
            delivery(1, priority="image", received_at=NOW - 900),
            delivery(2, received_at=NOW - 500),
            delivery(3, received_at=NOW - 700, state="sending"),
            delivery(4, received_at=NOW - 100),
            delivery(5, priority="bulk", received_at=NOW - 950),
        ]
        seen = await seen_by.eyes.look()
    assert seen.status is not None
    assert seen.oldest_records == {"oncology": NOW - 700}
    assert seen.oldest_others == {"oncology": NOW - 950}
    assert seen.clock == ClockState(True, 0.1)


async def test_what_waits_to_spare_the_line_is_no_reason_for_an_alert(tmp_path: Path) -> None:
    waiting = Waiting(Amount(1, 20), Amount(1, 20), Amount(1, 20))
    async with scene(tmp_path) as seen_by:
        control = seen_by.control
        control.rows = [delivery(1), delivery(2, priority="image"), delivery(3, priority="bulk")]
        control.destinations = [destination(waiting=waiting)]
        seen = await seen_by.eyes.look()
        assert (list(seen.oldest_records), list(seen.oldest_others)) == (["oncology"], ["oncology"])
        control.destinations = [destination(waiting=waiting, leaves="record", held_back="the month")]
        seen = await seen_by.eyes.look()
        assert (list(seen.oldest_records), list(seen.oldest_others)) == (["oncology"], [])


async def test_without_waiting_records_nothing_is_searched(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        seen_by.control.rows = [delivery(1, received_at=NOW - 900)]
        assert (await seen_by.eyes.look()).oldest_records == {}


async def test_silence_is_counted_from_the_last_answer(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        await seen_by.eyes.look()
        await seen_by.server.close()
        seen_by.monotonic += 75
        seen = await seen_by.eyes.look()
        assert (seen.status, seen.silent_for, seen.now) == (None, 75, NOW)
        assert {one.name for one in seen.certificates} == {"clinic-07", "O=Centre"}


async def test_a_gateway_that_fails_is_as_good_as_silent(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        seen_by.control.crash = RuntimeError("oops")
        assert (await seen_by.eyes.look()).status is None


async def test_what_changes_slowly_is_looked_at_seldom(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        for step in (0, 15, 284, 3300, 1):
            seen_by.monotonic += step
            await seen_by.eyes.look()
        assert (seen_by.shelf.looks, seen_by.clock_looks) == (2, 2)


async def test_certificates_that_cannot_be_told_are_no_silence(tmp_path: Path) -> None:
    async with scene(tmp_path) as seen_by:
        seen_by.shelf.fails = True
        seen = await seen_by.eyes.look()
        assert seen.status is not None
        assert seen.certificates == ()


def test_each_certificate_counts_once() -> None:
    assert ends(Certificates(NOW, "", (), (USED, USED))) == (
        CertificateEnd("clinic-07", NOW + 10),
        CertificateEnd("O=Centre", NOW + 20),
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "proc").mkdir()
    return Machine(tmp_path, run=lambda *_arguments, **_options: None, now=lambda: 0.0)


@pytest.mark.parametrize(("up", "known"), [("599.9 1.0", False), ("601.0 1.0", True)])
def test_a_time_service_may_take_its_time(machine: Machine, up: str, known: bool) -> None:
    (machine.root / "proc" / "uptime").write_text(up)
    state = clock_state(machine)
    assert state == (ClockState(False, None) if known else None)
