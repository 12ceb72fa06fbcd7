"""Storage commitment in a path test: on our association, on one of the peer's, refused, failed, silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.association.acceptor import AcceptorLimits
from gateway.association.stream import StreamLimits
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop, event_information, event_rq
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.negotiation import AcceptedContext
from gateway.listener import Listener, ListenerLimits, ListenerSettings
from gateway.model import AETitle
from gateway.notices import Notices
from gateway.pathtest.inbox import Inbox
from gateway.pathtest.objects import CLASSES
from gateway.pathtest.steps import Report, Wanted
from gateway.routing import RoutingTable
from gateway.services.commitment import CommitmentResults
from gateway.services.registry import ServiceRegistry
from tests.pathtest.test_walk import Scene, centre, outcomes, step_of
from tests.support import machine
from tests.support.commitment_centre import CommitmentCentre
from tests.support.dcmtk import StoreScp
from tests.support.orthanc import Orthanc

WANTED = Wanted(store=("rt-record", "rt-plan"), commitment=True, commitment_wait=3.0)


@contextlib.asynccontextmanager
async def listening(inbox: Inbox) -> AsyncIterator[int]:
    """The gateway's own door, where peers report."""

    async def unknown(source: str, context: AcceptedContext, command: Command, data: bytes) -> Command:
        return messages.response(command, 0x0115)

    registry = ServiceRegistry(
        RoutingTable([], AETitle("CLINIC07"), []), [CommitmentResults(inbox.before(unknown))]
    )
    limits = ListenerLimits(stream=StreamLimits(), acceptor=AcceptorLimits(), upper_layer=UpperLayerLimits())
    listener = Listener(
        ListenerSettings("console", "127.0.0.1", 0, ()), registry, notices=Notices(), limits=limits
    )
    await listener.start(())
    try:
        yield listener.port
    finally:
        await listener.close()


async def run_test(how: str, tmp_path: Path, wanted: Wanted) -> tuple[Report, CommitmentCentre]:
    peer = CommitmentCentre(how=how)
    scene = Scene(tmp_path, centre(peer.port))
    async with listening(scene.inbox) as port:
        peer.gateway_port = port
        peer.start()
        try:
            report = await scene.test(wanted)
        finally:
            await asyncio.to_thread(peer.stop)
    return report, peer


@pytest.mark.parametrize(("how", "words"), [("same", "on our association"), ("new", "that it opened to us")])
async def test_the_result_is_taken_wherever_it_comes(how: str, words: str, tmp_path: Path) -> None:
    report, peer = await run_test(how, tmp_path, WANTED)
    assert report.ok, report
    assert words in step_of(report, "commitment-result").words
    assert "all 2 objects" in step_of(report, "commitment-result").words
    assert peer.wait_answered() == [0x0000]
    assert set(peer.wait_asked().references) == peer.held


async def test_a_result_that_never_comes(tmp_path: Path) -> None:
    wanted = Wanted(store=("ct",), commitment=True, commitment_wait=1.0)
    report, _ = await run_test("never", tmp_path, wanted)
    result = step_of(report, "commitment-result")
    assert result.outcome == "failed"
    assert "within 1 s" in result.words
    assert "CLINIC07" in result.next_step
    assert 0.9 < result.seconds < 3


async def test_one_that_comes_too_late_is_taken_politely(tmp_path: Path) -> None:
    wanted = Wanted(store=("ct",), commitment=True, commitment_wait=1.0)
    peer = CommitmentCentre(how="never")
    scene = Scene(tmp_path, centre(peer.port))
    async with listening(scene.inbox) as port:
        peer.gateway_port = port
        with peer:
            await scene.test(wanted)
            await asyncio.to_thread(peer.report, peer.wait_asked())
            assert peer.wait_answered() == [0x0000]


async def test_objects_that_the_peer_does_not_commit(tmp_path: Path) -> None:
    peer = CommitmentCentre(how="same")
    real = peer._store

    def lose_the_plan(event: object) -> int:
        code = real(event)
        peer.held = {one for one in peer.held if not one[0].endswith("481.5")}
        return code

    peer._store = lose_the_plan  # type: ignore[method-assign]  # a centre that forgets
    with peer:
        report = await Scene(tmp_path, centre(peer.port)).test(WANTED)
    result = step_of(report, "commitment-result")
    assert result.outcome == "failed"
    assert "1 of 2 objects are not committed" in result.words
    assert "does not have the object" in result.words


@pytest.mark.peers
async def test_orthanc_commits_to_every_class_and_calls_back(tmp_path: Path) -> None:
    machine.program("Orthanc")
    wanted = Wanted(store=CLASSES, commitment=True, commitment_wait=30.0)
    inbox = Inbox()
    async with listening(inbox) as port:
        orthanc = Orthanc(tmp_path / "orthanc", ae_title="CENTRE", modalities={"CLINIC07": port})
        await asyncio.to_thread(orthanc.start)
        try:
            report = await Scene(tmp_path, centre(orthanc.port), inbox=inbox).test(wanted)
            held = await asyncio.to_thread(orthanc.count)
        finally:
            await asyncio.to_thread(orthanc.stop)
    assert report.ok, report
    assert held == len(CLASSES)
    assert "all 6 objects are committed" in step_of(report, "commitment-result").words
    assert "that it opened to us" in step_of(report, "commitment-result").words


@pytest.mark.peers
async def test_nothing_stored_is_nothing_to_be_committed(tmp_path: Path) -> None:
    # +xa of the helper is overridden: this one accepts nothing but what it is not sent.
    with StoreScp(tmp_path / "in", options=["--refuse"]) as scp:
        report = await Scene(tmp_path, centre(scp.port)).test(WANTED)
    assert outcomes(report)["association"] == "failed"
    assert not any(step.step.startswith("commitment") for step in report.steps)


def told(inbox: Inbox, uid: str, *, same: bool = True) -> Command | None:
    context = AcceptedContext(1, PUSH_MODEL, "1.2.840.10008.1.2")
    result = Result(uid, (Sop("1.2", "1.3"),), ())
    data = event_information(result, context.transfer_syntax)
    return inbox.take(context, event_rq(1, result), data, same_association=same)


async def test_what_is_not_ours_goes_on_to_the_engine() -> None:
    inbox = Inbox()
    assert told(inbox, "1.2.3") is None
    waiting = inbox.expect("1.2.3")
    answer = told(inbox, "1.2.3")
    assert answer is not None
    assert answer.status == 0
    assert (await waiting).same_association


async def test_results_of_the_past_are_remembered_within_bounds() -> None:
    inbox = Inbox()
    for number in range(70):
        inbox.expect(f"1.2.{number}")
        inbox.forget(f"1.2.{number}")
    assert told(inbox, "1.2.0") is None
    assert told(inbox, "1.2.69") is not None


async def test_what_cannot_be_read_is_for_the_engine_to_refuse() -> None:
    inbox = Inbox()
    inbox.expect("1.2.3")
    context = AcceptedContext(1, PUSH_MODEL, "1.2.840.10008.1.2")
    request = event_rq(1, Result("1.2.3", (Sop("1.2", "1.3"),), ()))
    assert inbox.take(context, request, b"rubbish", same_association=True) is None
