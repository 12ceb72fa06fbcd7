"""One association for all: objects are kept here, the rest is relayed; also while the far end is away."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from gateway.demo.reactor import reactor_at_rest
from gateway.demo.synthetic import SyntheticObject, Template, make_record
from gateway.dicom import messages
from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest
from tests.support.dcmqrscp import DcmQrScp, Holding, holdings
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.identifiers import identifier
from tests.support.wire_console import WireConsole, heard_alike, proposals, welcomed, wire_console
from tests.support.wire_peer import BEAMS_RECORD, EXPLICIT, VERIFICATION

pytestmark = pytest.mark.peers

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PROVIDER_REJECTION = 2  # PS3.8 Table 9-18: no reason (provider rejection)
CONNECT = 1.0  # seconds for each step of reaching the far end
PROMPT = 0.5  # while the link is known to be down; the machine of the tests is busy

_template = Template(make_record())
_made = iter(range(10_000))


def record() -> SyntheticObject:
    """A treatment record, different from any before."""
    return next(iter(_template.copies(1, next(_made))))


@dataclass(frozen=True, slots=True)
class Scene:
    """An archive that can be stopped and started, and the gateway before it."""

    archive: DcmQrScp
    gateway: GatewayProcess
    held: list[Holding]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("mixed")
    held = holdings(directory / "objects", patients=3)
    archive = DcmQrScp(directory / "archive")
    archive.fill(held)
    with GatewayProcess(
        directory / "gateway",
        peers=[peer("centre", "ARCHIVE", archive.port)],
        routes=[{"called": "ARCHIVE", "to": ["centre"]}],
        sections={
            "relay": {"connect": CONNECT, "wait": 1},
            "timeouts": {"connect": CONNECT, "tls": CONNECT, "associate": CONNECT},
        },
    ) as gateway:
        yield Scene(archive, gateway, held)


@pytest.fixture
def up(scene: Scene) -> Iterator[Scene]:
    """The archive is there, and the gateway knows it."""
    with scene.archive:
        asyncio.run(_until_welcome(scene.gateway))
        yield scene


async def _until_welcome(gateway: GatewayProcess) -> None:
    console = await welcomed(gateway.port, "ARCHIVE", STUDY_FIND)
    await console.release()


def _query(port: int, things: list[SyntheticObject]) -> list[tuple[int, Dataset | None]]:
    """Store `things` and query on one association, as pynetdicom does it; the answers to the query."""
    ae = AE(ae_title="LINAC1")
    for uid in (VERIFICATION, STUDY_FIND, BEAMS_RECORD):
        ae.add_requested_context(uid, EXPLICIT)
    association = ae.associate("127.0.0.1", port, ae_title="ARCHIVE")
    assert association.is_established
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = "SYN-000002"
    keys.StudyInstanceUID = ""
    try:
        with reactor_at_rest(association):
            answers = [(status.Status, found) for status, found in association.send_c_find(keys, STUDY_FIND)]
            for thing in things:
                assert association.send_c_store(_part10(thing)).Status == 0x0000
            assert association.send_c_echo().Status == 0x0000
            answers += [(status.Status, found) for status, found in association.send_c_find(keys, STUDY_FIND)]
    finally:
        association.release()
    return answers


def _part10(thing: SyntheticObject) -> Any:
    from io import BytesIO

    import pydicom

    from gateway.demo.synthetic import file_meta

    meta = file_meta(thing.sop_class_uid, thing.sop_instance_uid, thing.transfer_syntax_uid)
    return pydicom.dcmread(BytesIO(meta + thing.data))


def test_objects_are_kept_and_queries_relayed_on_one_association(up: Scene) -> None:
    before = len(up.gateway.deliveries())
    direct = _query(up.archive.port, [record()])
    through = _query(up.gateway.port, [record(), record()])
    assert through == direct
    assert [status for status, _ in through] == [0xFF00, 0x0000, 0xFF00, 0x0000]
    assert len(up.gateway.deliveries()) == before + 2
    up.gateway.wait(
        "both delivered",
        lambda: {row["state"] for row in up.gateway.deliveries()} <= {"accepted", "confirmed"},
    )


async def _associate(
    port: int, *syntaxes: str
) -> tuple[WireConsole, AssociateAccept | AssociateRejected, float]:
    console = await WireConsole.connect(port)
    assert isinstance(console, WireConsole)
    began = time.monotonic()
    answer = await console.associate(AssociateRequest("ARCHIVE", "LINAC1", proposals(*syntaxes)))
    if isinstance(answer, AssociateAccept):
        console.answer = answer
    return console, answer, time.monotonic() - began


@contextmanager
def _silence(port: int) -> Iterator[None]:
    """The kernel accepts connections and nobody ever speaks: only a timeout tells."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextmanager
def _nobody(_: int) -> Iterator[None]:
    yield


@pytest.mark.parametrize("trouble", [_nobody, _silence], ids=["nobody listens", "nobody speaks"])
async def test_with_the_far_end_away_objects_are_taken_and_the_rest_is_refused(
    trouble: Any, scene: Scene
) -> None:
    with trouble(scene.archive.port):
        # The first caller may have to find out; who comes after it is answered at once.
        for bound in (4 * CONNECT, PROMPT):
            console, answer, took = await _associate(
                scene.gateway.port, VERIFICATION, STUDY_FIND, BEAMS_RECORD
            )
            assert isinstance(answer, AssociateAccept)
            assert took < bound
            results = console.results()
            assert results[VERIFICATION] == 0
            assert results[STUDY_FIND] == PROVIDER_REJECTION
            assert results[BEAMS_RECORD] == 0
            thing = record()
            stored = await console.ask(
                BEAMS_RECORD, messages.c_store_rq(0, BEAMS_RECORD, thing.sop_instance_uid), thing.data
            )
            assert [each.status for each in stored] == [0x0000]
            await console.release()
            console, answer, took = await _associate(scene.gateway.port, STUDY_FIND)
            await console.close()
            assert isinstance(answer, AssociateRejected)
            assert answer.result == 2  # transient: it may be tried again
            assert took < bound
    with scene.archive:
        scene.gateway.wait(
            "everything delivered",
            lambda: {row["state"] for row in scene.gateway.deliveries()} <= {"accepted", "confirmed"},
        )
        await _queries_are_the_same(scene)


async def _queries_are_the_same(scene: Scene) -> None:
    await _until_welcome(scene.gateway)
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", PatientID="SYN-000003", StudyInstanceUID="")
    heard = []
    for port in (scene.archive.port, scene.gateway.port):
        async with wire_console(port, "ARCHIVE", STUDY_FIND, BEAMS_RECORD) as console:
            heard.append(await console.ask(STUDY_FIND, messages.c_find_rq(0, STUDY_FIND), keys))
    assert heard_alike(heard[1]) == heard_alike(heard[0])
    assert len(heard[1]) == 2


async def test_two_consoles_at_once_do_not_get_each_others_answers(up: Scene) -> None:
    """Each has its own association upstream, under its own title."""

    async def ask(number: int) -> None:
        patient = f"SYN-{number:06d}"
        keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", PatientID=patient, StudyInstanceUID="")
        async with wire_console(up.gateway.port, "ARCHIVE", STUDY_FIND, calling=f"LINAC{number}") as console:
            for _ in range(5):
                heard = await console.ask(STUDY_FIND, messages.c_find_rq(0, STUDY_FIND), keys)
                assert heard[-1].status == 0x0000
                assert all(patient.encode() in each.data for each in heard[:-1])
                assert len(heard) > 1

    await asyncio.gather(*(ask(number) for number in (1, 2, 3)))
