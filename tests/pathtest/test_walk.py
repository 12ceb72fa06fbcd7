"""The whole way to real peers, and each way it can end."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tls import ClientContexts
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import Notices
from gateway.pathtest.book import Book
from gateway.pathtest.inbox import Inbox
from gateway.pathtest.objects import CLASSES
from gateway.pathtest.steps import Report, Step, Wanted
from gateway.pathtest.tester import AlreadyTesting, NoSuchPeer, PathTester, PathTestLimits
from gateway.pathtest.walk import Way
from tests.support import machine
from tests.support.certs import Authority
from tests.support.dcmqrscp import DcmQrScp
from tests.support.dcmtk import StoreScp
from tests.support.ports import free_port
from tests.support.receiver import Receiver

QUICK = RequestorTimeouts(connect=2, tls=2, associate=3, response=3, release=1, stall=3, idle=60)
EVERYTHING = Wanted(store=CLASSES, commitment=True, commitment_wait=1.0)


class Scene:
    """A tester for one peer, and what it told the rest of the gateway."""

    def __init__(
        self, folder: Path, peer: Peer, limits: PathTestLimits | None = None, *, inbox: Inbox | None = None
    ) -> None:
        self.dialled: list[tuple[str, str | None]] = []
        self.inbox = inbox or Inbox()
        way = Way(
            AETitle("CLINIC07"),
            Notices(),
            ClientContexts().of,
            self.inbox,
            lambda name, trouble: self.dialled.append((name, trouble)),
            QUICK,
        )
        self.tester = PathTester({peer.name: peer}, way, Book.load(folder, [peer.name]), limits)
        self.lines: list[Step | Report] = []

    async def test(self, wanted: Wanted | None = None) -> Report:
        """Run one test; check what holds for all of them."""
        self.lines = [line async for line in self.tester.start("centre", wanted or Wanted(), "anna")]
        *steps, report = self.lines
        assert isinstance(report, Report)
        assert all(isinstance(step, Step) for step in steps)
        assert self.tester.reports("centre")[0] == report
        assert all(step.outcome != "running" for step in report.steps)
        assert report.ok == all(step.outcome in ("ok", "warning") for step in report.steps)
        for step in report.steps:
            assert step.words
            assert bool(step.next_step) == (step.outcome in ("failed", "warning"))
        return report


def outcomes(report: Report) -> dict[str, str]:
    return {f"{step.step} {step.subject}".strip(): step.outcome for step in report.steps}


def step_of(report: Report, name: str, subject: str = "") -> Step:
    return next(step for step in report.steps if (step.step, step.subject) == (name, subject))


def details(step: Step) -> dict[str, str]:
    return {one.what: one.value for one in step.details}


def centre(port: int, tls: TlsMaterial | None = None) -> Peer:
    return Peer("centre", AETitle("CENTRE"), "localhost", port, tls)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def receiver(authority: Authority) -> Iterator[Receiver]:
    with Receiver(tls=authority.issue("centre"), ae_title="CENTRE") as running:
        yield running


@pytest.mark.peers
async def test_every_class_to_dcmtk_storescp(authority: Authority, tmp_path: Path) -> None:
    machine.program("storescp")
    with StoreScp(tmp_path / "in", tls=authority.issue("storescp")) as scp:
        scene = Scene(tmp_path, centre(scp.port, authority.issue("gateway")))
        report = await scene.test(Wanted(store=CLASSES))
        assert report.ok, report
        assert list(outcomes(report)) == [
            *("name", "tcp", "tls", "association", "echo"),
            *(f"store {key}" for key in CLASSES),
        ]
        assert len(scp.received()) == len(CLASSES)
    association = details(step_of(report, "association"))
    assert association["implementation"].startswith("OFFIS_DCMTK")
    assert association["max-pdu"] == "16384 bytes"
    tls = details(step_of(report, "tls"))
    assert tls["protocol"] == "TLSv1.3"
    assert "storescp" in tls["certificate-subject"]
    assert "centre test authority" in tls["certificate-issuer"]
    assert tls["certificate-until"].endswith("UTC")
    assert len(tls["certificate-sha256"]) == 32 * 3 - 1
    assert scene.dialled == [("centre", None)]


@pytest.mark.peers
async def test_each_step_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    machine.program("storescp")
    with StoreScp(tmp_path / "in") as scp:
        scene = Scene(tmp_path, centre(scp.port))
        report = await scene.test(Wanted(store=("rt-plan",)))
    told = [(line.step, line.outcome) for line in scene.lines if isinstance(line, Step)]
    expected = [(step.step, outcome) for step in report.steps for outcome in ("running", "ok")]
    assert told == expected
    assert report.patient_id.startswith("GATEWAY-TEST-")


@pytest.mark.peers
async def test_nothing_is_stored_unless_it_was_asked_for(tmp_path: Path) -> None:
    machine.program("storescp")
    with StoreScp(tmp_path / "in") as scp:
        report = await Scene(tmp_path, centre(scp.port)).test()
        assert report.ok
        assert list(outcomes(report)) == ["name", "tcp", "association", "echo"]
        assert scp.received() == []
    assert report.patient_id == ""


@pytest.mark.peers
async def test_an_archive_that_is_dcmqrscp(tmp_path: Path) -> None:
    machine.program("dcmqrscp")
    with DcmQrScp(tmp_path, ae_title="CENTRE") as archive:
        report = await Scene(tmp_path, centre(archive.port)).test(Wanted(store=CLASSES))
    assert report.ok, report


@pytest.mark.peers
async def test_a_peer_without_storage_commitment(tmp_path: Path) -> None:
    machine.program("storescp")
    with StoreScp(tmp_path / "in") as scp:
        report = await Scene(tmp_path, centre(scp.port)).test(EVERYTHING)
    assert not report.ok
    assert outcomes(report)["association"] == "warning"
    assert "Storage Commitment" in details(step_of(report, "association"))["refused"]
    assert "offers no storage commitment" in step_of(report, "commitment-request").words
    assert "commitment-result" not in outcomes(report)


async def test_a_port_on_which_nobody_listens(tmp_path: Path) -> None:
    scene = Scene(tmp_path, centre(free_port()))
    report = await scene.test(EVERYTHING)
    assert outcomes(report) == {"name": "ok", "tcp": "failed"}
    assert "refused" in report.steps[-1].words
    assert scene.dialled == [("centre", report.steps[-1].words)]


async def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    peer = dataclasses.replace(centre(104), host="no-such-host.invalid")
    report = await Scene(tmp_path, peer).test()
    assert outcomes(report) == {"name": "failed"}


async def test_an_authority_that_is_not_ours_is_shown(
    receiver: Receiver, authority: Authority, tmp_path: Path
) -> None:
    strange = Authority.create(tmp_path, "strange")
    mine = dataclasses.replace(authority.issue("gateway"), ca=strange.ca)
    report = await Scene(tmp_path, centre(receiver.port, mine)).test()
    assert outcomes(report) == {"name": "ok", "tcp": "ok", "tls": "failed"}
    found = details(report.steps[-1])
    assert "centre test authority" in found["certificate-issuer"]
    assert found["certificate-until"].endswith("UTC")
    assert found["certificate-sha256"]


async def test_a_peer_that_does_not_trust_our_certificate(
    receiver: Receiver, authority: Authority, tmp_path: Path
) -> None:
    strange = Authority.create(tmp_path, "strange").issue("gateway")
    mine = dataclasses.replace(strange, ca=authority.ca)
    report = await Scene(tmp_path, centre(receiver.port, mine)).test()
    assert outcomes(report)["tls"] == "failed"
    assert outcomes(report).get("association") in (None, "skipped")
    assert "echo" not in outcomes(report)


async def test_our_own_certificate_cannot_be_read(
    receiver: Receiver, authority: Authority, tmp_path: Path
) -> None:
    mine = dataclasses.replace(authority.issue("gateway"), key=tmp_path / "missing.key")
    report = await Scene(tmp_path, centre(receiver.port, mine)).test()
    assert outcomes(report) == {"tls": "failed"}
    assert "missing.key" in report.steps[0].words
    assert report.steps[0].details == ()


async def test_a_peer_that_speaks_no_tls(authority: Authority, tmp_path: Path) -> None:
    with Receiver(ae_title="CENTRE") as plain:
        report = await Scene(tmp_path, centre(plain.port, authority.issue("gateway"))).test()
    assert outcomes(report) == {"name": "ok", "tcp": "ok", "tls": "failed"}


@pytest.mark.peers
async def test_an_ae_title_that_the_peer_does_not_know(tmp_path: Path) -> None:
    machine.program("dcmqrscp")
    with DcmQrScp(tmp_path, ae_title="ARCHIVE") as archive:
        scene = Scene(tmp_path, centre(archive.port))
        report = await scene.test(EVERYTHING)
    assert outcomes(report) == {"name": "ok", "tcp": "ok", "association": "failed"}
    assert "CLINIC07" in report.steps[-1].next_step
    assert scene.dialled == [("centre", None)]  # it was reached


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for one in kept:
            one.close()


async def test_silence_ends_in_time(tmp_path: Path) -> None:
    with silent_port() as port:
        async with asyncio.timeout(10):
            report = await Scene(tmp_path, centre(port)).test(EVERYTHING)
    assert outcomes(report) == {"name": "ok", "tcp": "ok", "association": "failed"}
    assert 2 < report.steps[-1].seconds < 5


async def test_one_test_of_a_peer_at_a_time_and_whoever_hangs_up_ends_it(tmp_path: Path) -> None:
    with silent_port() as port:
        scene = Scene(tmp_path, centre(port))
        running = scene.tester.start("centre", Wanted(), "anna")
        assert isinstance(await anext(running), Step)
        with pytest.raises(AlreadyTesting):
            scene.tester.start("centre", Wanted(), "berta")
        await running.aclose()
        report = await scene.test()
        assert report.who == "anna"
    assert len(scene.tester.reports("centre")) == 1


async def test_only_so_many_peers_at_a_time(tmp_path: Path) -> None:
    with silent_port() as port:
        scene = Scene(tmp_path, centre(port), PathTestLimits(running=0))
        with pytest.raises(AlreadyTesting, match="already"):
            scene.tester.start("centre", Wanted(), "anna")


async def test_what_is_not_to_be_wanted(tmp_path: Path) -> None:
    tester = Scene(tmp_path, centre(1)).tester
    with pytest.raises(NoSuchPeer):
        tester.start("nobody", Wanted(), "anna")
    with pytest.raises(NoSuchPeer):
        tester.reports("nobody")
    for wanted in (
        Wanted(store=("mr",)),
        Wanted(store=("ct", "ct")),
        Wanted(commitment=True),
        Wanted(store=("ct",), commitment=True, commitment_wait=301),
        Wanted(store=("ct",), commitment=True, commitment_wait=float("nan")),
    ):
        with pytest.raises(ValueError, match=r"store|commitment"):
            tester.start("centre", wanted, "anna")
