"""Queries and retrievals of an archive (DCMTK dcmqrscp) through the gateway: the same as without it.

Consoles are DCMTK's findscu, movescu and getscu, and one that hears every byte (support/wire_console.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.dicom import messages
from tests.support import dcmtk, objects
from tests.support.dcmqrscp import DcmQrScp, Holding, holdings
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.identifiers import identifier
from tests.support.ports import free_port
from tests.support.wire_console import Heard, WireConsole, heard_alike, wire_console
from tests.support.wire_peer import EXPLICIT, IMPLICIT, VERIFICATION

pytestmark = pytest.mark.peers

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENTS = 60
NO_NAGLE = {"TCP_NODELAY": "1"}

# What movescu and getscu ask for where everything of the first patient is wanted.
FIRST_PATIENT = ["-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=SYN-000001"]


@dataclass(frozen=True, slots=True)
class Scene:
    """An archive that knows the console twice: LINAC1 at the gateway, DIRECT where it really is."""

    archive: DcmQrScp
    gateway: GatewayProcess
    console_port: int
    held: list[Holding]

    def ways(self) -> tuple[tuple[int, str], tuple[int, str]]:
        """(port to query, title to move to): without the gateway, and through it."""
        return (self.archive.port, "DIRECT"), (self.gateway.port, "LINAC1")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("archive")
    held = holdings(directory / "objects", patients=PATIENTS)
    archive_port, console_port = free_port(), free_port()
    gateway = GatewayProcess(
        directory / "gateway",
        peers=[peer("archive", "ARCHIVE", archive_port), peer("console1", "LINAC1", console_port)],
        routes=[
            {"called": "ARCHIVE", "to": ["archive"], "mode": "relay"},
            {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
        ],
    )
    archive = DcmQrScp(
        directory / "archive",
        port=archive_port,
        destinations={"LINAC1": gateway.port, "DIRECT": console_port, "NOWHERE": free_port()},
    )
    archive.fill(held)
    with archive, gateway:
        yield Scene(archive, gateway, console_port, held)


def test_echo_goes_through_to_the_archive(scene: Scene) -> None:
    for port, _ in scene.ways():
        ran = dcmtk.run_console("echoscu", port, "ARCHIVE", [])
        assert ran.code == 0, ran.output


QUERIES = {
    "many studies": (STUDY_FIND, {"QueryRetrieveLevel": "STUDY", "PatientName": "", "StudyInstanceUID": ""}),
    "no study": (
        STUDY_FIND,
        {"QueryRetrieveLevel": "STUDY", "PatientName": "NO^ONE", "StudyInstanceUID": ""},
    ),
    "series": (
        STUDY_FIND,
        {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "*", "SeriesInstanceUID": "", "Modality": ""},
    ),
    "images": (
        STUDY_FIND,
        {"QueryRetrieveLevel": "IMAGE", "SeriesInstanceUID": "*", "SOPInstanceUID": "", "InstanceNumber": ""},
    ),
    "patients": (PATIENT_FIND, {"QueryRetrieveLevel": "PATIENT", "PatientName": "", "PatientID": ""}),
    "no level": (STUDY_FIND, {"PatientName": "", "StudyInstanceUID": ""}),
}


async def all_queries(port: int, held: Holding, syntax: str) -> dict[str, list[Heard]]:
    """Ask every query on one association."""
    async with wire_console(
        port, "ARCHIVE", VERIFICATION, STUDY_FIND, PATIENT_FIND, syntaxes=(syntax,)
    ) as console:
        heard = {}
        for name, (model, keys) in QUERIES.items():
            exact = {"StudyInstanceUID": held.study, "SeriesInstanceUID": held.series}
            given = {key: exact[key] if value == "*" else value for key, value in keys.items()}
            if "SeriesInstanceUID" in given and given.get("QueryRetrieveLevel") == "IMAGE":
                given["StudyInstanceUID"] = held.study
            heard[name] = await console.ask(model, messages.c_find_rq(0, model), identifier(syntax, **given))
        return heard


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
async def test_every_query_is_answered_the_same_byte_for_byte(scene: Scene, syntax: str) -> None:
    asked_of = scene.held[-1]
    direct, through = [await all_queries(port, asked_of, syntax) for port, _ in scene.ways()]
    for name in QUERIES:
        assert heard_alike(through[name]) == heard_alike(direct[name]), name
    assert len(through["many studies"]) > PATIENTS
    assert [each.status for each in through["no study"]] == [0x0000]
    assert len(through["series"]) > 1
    assert len(through["images"]) > 1
    assert len(through["patients"]) == PATIENTS + 1
    assert [each.status for each in through["no level"]] == [0xA900]


def test_findscu_gets_the_same_files(scene: Scene, tmp_path: Path) -> None:
    keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName", "-k", "StudyInstanceUID"]
    found = []
    for port, way in scene.ways():
        directory = tmp_path / way
        directory.mkdir()
        ran = dcmtk.run_console("findscu", port, "ARCHIVE", [], options=[*keys, "-X"], cwd=directory)
        assert ran.code == 0, ran.output
        found.append({path.name: objects.data_set(path) for path in directory.iterdir()})
    assert found[0] == found[1]
    assert len(found[1]) >= PATIENTS


async def test_a_cancelled_query_ends_and_leaves_the_association_in_order(scene: Scene) -> None:
    """The archive may have sent everything before it sees the C-CANCEL; both ends are legal."""
    _, (port, _) = scene.ways()
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", PatientName="", StudyInstanceUID="")
    async with wire_console(port, "ARCHIVE", VERIFICATION, STUDY_FIND) as console:
        number = console.say(STUDY_FIND, messages.c_find_rq(0, STUDY_FIND), keys)
        first = await console.hear()
        assert isinstance(first, Heard)
        assert first.status == 0xFF00
        console.cancel(STUDY_FIND, number)
        rest = await console.until_answered(number)
        assert rest[-1].status in (0xFE00, 0x0000)
        assert (await console.echo(99)).status == 0x0000


def _moved(directory: Path) -> dict[str, str]:
    return objects.digests(path for path in directory.iterdir() if path.is_file())


def test_movescu_moves_to_itself_through_the_gateway(scene: Scene, tmp_path: Path) -> None:
    """C-MOVE goes up, the archive calls the gateway by the console's own title, the objects come down."""
    got = []
    for port, title in scene.ways():
        directory = tmp_path / title
        directory.mkdir()
        options = [*FIRST_PATIENT, "-aem", title, "+P", str(scene.console_port), "+B"]
        ran = dcmtk.run_console("movescu", port, "ARCHIVE", [], options=options, env=NO_NAGLE, cwd=directory)
        assert ran.code == 0, ran.output
        got.append(_moved(directory))
    assert got[0] == got[1]
    first = {each.made.sop_instance_uid for each in scene.held if each.patient_id == "SYN-000001"}
    assert set(got[1]) == first


def _counters(heard: list[Heard]) -> list[tuple[int | None, ...]]:
    return [
        (
            each.status,
            each.command.number_of_remaining,
            each.command.number_of_completed,
            each.command.number_of_failed,
            each.command.number_of_warning,
        )
        for each in heard
    ]


async def test_the_counters_of_a_move_pass_unchanged(scene: Scene, tmp_path: Path) -> None:
    keys = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", StudyInstanceUID=scene.held[-1].study)
    heard = []
    with StoreScp(tmp_path / "console", port=scene.console_port, ae_title="LINAC1") as console_scp:
        for port, title in (*scene.ways(), (scene.gateway.port, "NOWHERE"), (scene.gateway.port, "UNKNOWN")):
            async with wire_console(port, "ARCHIVE", STUDY_MOVE) as console:
                heard.append(await console.ask(STUDY_MOVE, messages.c_move_rq(0, STUDY_MOVE, title), keys))
        direct, through, nowhere, unknown = heard
        assert heard_alike(through) == heard_alike(direct)
        assert len(through) > 2
        assert _counters(through)[-1][0] == 0x0000
        received = [each.sop_instance_uid for each in console_scp.received()]
        assert len(received) == 2 * len(set(received))
    # A destination that cannot be reached, and one that the archive does not know: its own words for it.
    assert nowhere[-1].status in (0xA702, 0xB000)
    assert unknown[-1].status == 0xA801


async def _get(port: int, held: list[Holding], refused: str = "") -> list[Heard]:
    classes = sorted({each.made.sop_class_uid for each in held})
    roles = dict.fromkeys(classes, (False, True))
    keys = identifier(EXPLICIT, QueryRetrieveLevel="PATIENT", PatientID="SYN-000001")
    patient_get = "1.2.840.10008.5.1.4.1.2.1.3"
    async with wire_console(port, "ARCHIVE", patient_get, *classes, roles=roles) as console:
        assert isinstance(console, WireConsole)
        for context in console.answer.contexts[1:]:
            assert (context.accepted, context.as_scp) == (True, True), context

        def answer(each: Heard) -> int:
            return 0xA700 if each.command.affected_sop_instance_uid == refused else 0x0000

        return await console.ask(patient_get, messages.c_get_rq(0, patient_get), keys, answers=answer)


async def test_objects_of_a_get_come_down_the_same_association(scene: Scene) -> None:
    mine = [each for each in scene.held if each.patient_id == "SYN-000001"]
    direct, through = [await _get(port, mine) for port, _ in scene.ways()]
    assert heard_alike(through) == heard_alike(direct)
    stores = {each.command.affected_sop_instance_uid for each in through if not each.command.is_response}
    assert stores == {each.made.sop_instance_uid for each in mine}
    assert _counters(through)[-1] == (0x0000, None, len(mine), 0, 0) or through[-1].status == 0x0000


async def test_an_object_that_the_console_refuses_is_counted_as_failed(scene: Scene) -> None:
    mine = [each for each in scene.held if each.patient_id == "SYN-000001"]
    refused = mine[2].made.sop_instance_uid
    direct, through = [await _get(port, mine, refused) for port, _ in scene.ways()]
    assert heard_alike(through) == heard_alike(direct)
    assert through[-1].command.number_of_failed == 1


def test_getscu_gets_the_same_files(scene: Scene, tmp_path: Path) -> None:
    got = []
    for port, way in scene.ways():
        directory = tmp_path / way
        directory.mkdir()
        options = [*FIRST_PATIENT, "+B", "-od", str(directory)]
        ran = dcmtk.run_console("getscu", port, "ARCHIVE", [], options=options, env=NO_NAGLE)
        assert ran.code == 0, ran.output
        got.append(_moved(directory))
    assert got[0] == got[1]
    assert len(got[1]) == len([each for each in scene.held if each.patient_id == "SYN-000001"])
