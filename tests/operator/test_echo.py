from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.association.requestor import RequestorTimeouts
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import Notices
from gateway.operator.echo import echo
from gateway.operator.facts import EchoReport
from tests.support.certs import Authority
from tests.support.ports import free_port
from tests.support.receiver import Receiver

QUICK = RequestorTimeouts(connect=2, tls=2, associate=5, response=5, release=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def material(authority: Authority) -> TlsMaterial:
    return authority.issue("gateway")


@pytest.fixture(scope="module")
def centre(authority: Authority) -> Iterator[Receiver]:
    receiver = Receiver(tls=authority.issue("centre"), ae_title="ARIA")
    with receiver:
        yield receiver


@pytest.fixture
def peer(centre: Receiver, material: TlsMaterial) -> Peer:
    return Peer("oncology", AETitle("ARIA"), "localhost", centre.port, material)


async def verify(peer: Peer) -> EchoReport:
    return await echo(peer, calling_ae=AETitle("CLINIC07"), notices=Notices(), timeouts=QUICK)


def failed_at(report: EchoReport) -> str:
    """Check what holds for every failure, and return the step that failed."""
    assert not report.ok
    *before, last = report.steps
    assert all(step.ok for step in before)
    assert not last.ok
    assert last.words
    assert report.next_step
    return last.step


async def test_each_step_to_a_tls_peer_has_its_time(peer: Peer) -> None:
    report = await verify(peer)
    assert report.ok
    assert [step.step for step in report.steps] == ["name", "tcp", "tls", "association", "echo"]
    assert all(step.ok and 0 <= step.seconds < 5 for step in report.steps)
    assert "ARIA at 127.0.0.1 answered success, TLSv1.3" in report.steps[-1].words
    assert report.next_step == ""


async def test_a_name_that_does_not_exist(peer: Peer) -> None:
    report = await verify(dataclasses.replace(peer, host="no-such-host.invalid"))
    assert failed_at(report) == "name"
    assert "DNS" in report.next_step


async def test_a_port_on_which_nobody_listens(peer: Peer) -> None:
    report = await verify(dataclasses.replace(peer, port=free_port()))
    assert failed_at(report) == "tcp"
    assert "refused" in report.steps[-1].words


async def test_a_peer_that_speaks_no_tls(peer: Peer) -> None:
    with Receiver(ae_title="ARIA") as plain:
        report = await verify(dataclasses.replace(peer, port=plain.port))
    assert failed_at(report) == "tls"


async def test_a_certificate_of_an_unknown_authority(peer: Peer, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path, "other").issue("gateway")
    report = await verify(dataclasses.replace(peer, tls=stranger))
    assert failed_at(report) == "tls"
    assert "certificate" in report.steps[-1].words


async def test_a_certificate_file_that_is_missing(peer: Peer, material: TlsMaterial, tmp_path: Path) -> None:
    report = await verify(
        dataclasses.replace(peer, tls=dataclasses.replace(material, key=tmp_path / "no.key"))
    )
    assert failed_at(report) == "tls"
    assert "no.key" in report.steps[-1].words


async def test_a_peer_that_rejects_the_association(peer: Peer, centre: Receiver) -> None:
    centre.mood("reject 1")
    try:
        report = await verify(peer)
    finally:
        centre.mood("accept")
    assert failed_at(report) == "association"
    assert "CLINIC07" in report.next_step


async def test_a_peer_that_takes_the_connection_and_says_nothing() -> None:
    timeouts = dataclasses.replace(QUICK, associate=0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        peer = Peer("p", AETitle("X"), "127.0.0.1", silent.getsockname()[1])
        report = await echo(peer, calling_ae=AETitle("A"), notices=Notices(), timeouts=timeouts)
    assert failed_at(report) == "association"
    assert "no answer" in report.steps[-1].words
