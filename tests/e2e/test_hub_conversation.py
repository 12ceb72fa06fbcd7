"""Conversations through a clinic's gateway, the link and a hub: the same as without them, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.synthetic import Template, make_record
from gateway.dicom import messages
from tests.support import dcmtk, ois_simulator
from tests.support.commitment_centre import CommitmentCentre
from tests.support.commitment_console import CommitmentConsole
from tests.support.console import Console
from tests.support.dcmqrscp import DcmQrScp, Holding, holdings
from tests.support.dcmtk import StoreScp
from tests.support.hub_scene import Pair, linked
from tests.support.identifiers import identifier
from tests.support.ois_conversations import TOPICS, UPS_EVENT, Speaker, Topic
from tests.support.ois_simulator import Ois
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.wire_console import Heard, heard_alike, wire_console
from tests.support.wire_peer import EXPLICIT

pytestmark = pytest.mark.peers

QUICK = {"batch_wait": 0.1, "report_backoff": {"base": 0.2, "ceiling": 0.5}}
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
FIRST_PATIENT = ["-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=SYN-000001"]


@dataclass(frozen=True, slots=True)
class Treating:
    """An oncology information system behind the hub, and the clinic."""

    ois: Ois
    pair: Pair


@pytest.fixture(scope="module")
def treating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Treating]:
    ois_simulator.required()
    with Ois() as ois, linked(tmp_path_factory.mktemp("hub-ois"), centre_port=ois.port) as pair:
        pair.wait_linked()
        yield Treating(ois, pair)


async def _hold(scene: Treating, port: int, topic: Topic) -> tuple[list[Heard], list[dict[str, Any]]]:
    """Hold the conversation afresh; return what was heard, and what the system says of it."""
    scene.ois.reset()
    async with wire_console(port, "CENTRE", *topic.contexts) as console:
        speaker = Speaker(console)
        await topic.hold(speaker)
    scene.ois.wait("end", bool)
    return speaker.heard, [*scene.ois.events("association"), *scene.ois.events("request")]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
async def test_the_conversation_with_the_system_is_the_same(treating: Treating, topic: Topic) -> None:
    direct, received_direct = await _hold(treating, treating.ois.port, topic)
    through, received_through = await _hold(treating, treating.pair.site.port, topic)
    assert heard_alike(through) == heard_alike(direct)
    assert received_through == received_direct


async def test_an_event_reaches_the_console_and_its_answer_the_system(treating: Treating) -> None:
    """N-EVENT-REPORT runs the other way, down the link, on the console's own association."""
    topic = next(each for each in TOPICS if UPS_EVENT in each.contexts)
    heard, _ = await _hold(treating, treating.pair.site.port, topic)
    events = [each for each in heard if not each.command.is_response]
    assert [each.command.event_type_id for each in events] == [1, 1, 2, 1]
    answered = treating.ois.wait("answered", lambda seen: len(seen) == len(events))
    assert [each["status"] for each in answered] == [0] * len(events)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive behind the hub that knows the console at the hub's address, and where it really is."""

    archive: DcmQrScp
    pair: Pair
    held: list[Holding]


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    directory = tmp_path_factory.mktemp("hub-archive")
    held, port = holdings(directory / "objects", patients=5), free_port()
    with linked(directory, centre_port=port) as pair:
        archive = DcmQrScp(
            directory / "archive", port=port, ae_title="CENTRE", destinations={"LINAC1": pair.hub.port}
        )
        archive.fill(held)
        with archive:
            pair.wait_linked()
            yield Archive(archive, pair, held)


async def test_a_query_is_answered_the_same_byte_for_byte(archived: Archive) -> None:
    heard = []
    for port in (archived.archive.port, archived.pair.site.port):
        async with wire_console(port, "CENTRE", STUDY_FIND) as console:
            asked = identifier(EXPLICIT, QueryRetrieveLevel="STUDY", PatientName="", StudyInstanceUID="")
            heard.append(await console.ask(STUDY_FIND, messages.c_find_rq(0, STUDY_FIND), asked))
    direct, through = heard
    assert len(direct) > 5
    assert heard_alike(through) == heard_alike(direct)


def test_a_retrieve_brings_the_objects_down_the_link_to_the_console(
    archived: Archive, tmp_path: Path
) -> None:
    """C-MOVE goes up; its sub-operations arrive at the hub, and come down to the console of that site."""
    with StoreScp(tmp_path / "console", port=archived.pair.console_port, ae_title="LINAC1") as console:
        ran = dcmtk.run_console(
            "movescu", archived.pair.site.port, "CENTRE", ["-aet", "LINAC1", "-aem", "LINAC1", *FIRST_PATIENT]
        )
        assert ran.code == 0, ran.output
        wanted = {one.made.sop_instance_uid for one in archived.held if one.patient_id == "SYN-000001"}
        assert {one.sop_instance_uid for one in console.received()} == wanted
        assert len(wanted) > 3


def test_storage_commitment_runs_from_the_console_to_the_centre_and_back(tmp_path: Path) -> None:
    """What the hub has is not committed: the console is told when the centre has committed it."""
    with (
        CommitmentCentre(ae_title="CENTRE") as centre,
        CommitmentConsole(free_port()) as console,
        linked(
            tmp_path,
            centre_port=centre.port,
            console_port=console.port,
            hub_options={"sections": {"commitment": QUICK}},
            site_options={"sections": {"commitment": QUICK}},
        ) as pair,
    ):
        pair.wait_linked()
        centre.gateway_port = pair.hub.port
        things = list(Template(make_record()).copies(2))
        asked = [(each.sop_class_uid, each.sop_instance_uid) for each in things]
        console.store(pair.site.port, "CENTRE", things)
        assert console.commit(pair.site.port, "CENTRE", "2.25.6001", asked) == 0x0000
        report = console.wait_report("2.25.6001", timeout=60)
        assert (report.event_type, report.committed) == (1, set(asked))
        assert (report.by, report.called) == ("CENTRE", "LINAC1")
        assert centre.held == set(asked)
        rows = pair.site.deliveries()
        assert {row["state"] for row in rows} == {"confirmed"}, rows


def test_what_the_centre_commits_to_the_hub_is_confirmed_at_the_site(tmp_path: Path) -> None:
    """Nobody at the site asks for it: the hub does, of everything, and its report comes back."""
    with (
        CommitmentCentre(ae_title="CENTRE") as centre,
        linked(
            tmp_path,
            centre_port=centre.port,
            hub_options={"centre": {"commitment": "always"}, "sections": {"commitment": QUICK}},
        ) as pair,
    ):
        centre.gateway_port = pair.hub.port
        pair.wait_linked()
        things = list(Template(make_record()).copies(3))
        with Console(pair.site.port, "CENTRE", "LINAC1", [things[0].sop_class_uid]) as console:
            for thing in things:
                assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
        pair.site.wait_state("confirmed", 3, timeout=60)
        assert len(centre.held) == 3
        with pair.site.client() as client:
            story = client.story(1)
        assert "confirmed" in {event["what"] for event in story["history"]}


def test_what_is_held_at_the_hub_is_told_at_the_site_and_decided_at_the_hub(tmp_path: Path) -> None:
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        centre.mood("status 0xA900")
        (thing,) = Template(make_record()).copies(1)
        with Console(pair.site.port, "CENTRE", "LINAC1", [thing.sop_class_uid]) as console:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
        (held,) = pair.hub.wait_state("held", 1)
        pair.site.wait(
            "the site knows", lambda: [row["cause"] for row in pair.site.deliveries()] == ["held-at-hub"]
        )
        assert pair.site.status()["headline"] != "Everything received has reached its destination."
        centre.mood("accept")
        with pair.hub.client() as client:
            client.act(held["number"], "retry")
        pair.site.wait("it is settled", lambda: [row["cause"] for row in pair.site.deliveries()] == [""])
        assert [event["uid"] for event in centre.stored()] == [thing.sop_instance_uid]
