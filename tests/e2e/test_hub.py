"""A clinic and its hub as they are run: up, down, through, and what is not open to a site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, Treatment, make_record
from gateway.dicom import messages
from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import AssociateAccept
from tests.support import dcmtk
from tests.support.console import Console
from tests.support.dcmtk import StoreScp
from tests.support.hub_scene import CENTRE, SITE, Pair, linked
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.receiver import Receiver
from tests.support.wire_console import wire_console
from tests.support.wire_peer import request, wire_peer

pytestmark = pytest.mark.peers

PLAN_CLASS = "1.2.840.10008.5.1.4.1.1.481.5"

_template = Template(make_record())
_made = iter(range(10_000))


def records(count: int) -> list[SyntheticObject]:
    """Treatment records, all different from any before."""
    return [next(iter(_template.copies(1, next(_made)))) for _ in range(count)]


def store(port: int, things: list[SyntheticObject], *, called: str = "CENTRE") -> None:
    """Send `things` as a console does; each must be answered with success."""
    classes = sorted({thing.sop_class_uid for thing in things})
    with Console(port, called, "LINAC1", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


@dataclass(frozen=True, slots=True)
class Scene:
    """The clinic, the hub, and the centre's system behind it."""

    pair: Pair
    centre: Receiver


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Receiver() as centre, linked(tmp_path_factory.mktemp("hub"), centre_port=centre.port) as pair:
        pair.wait_linked()
        yield Scene(pair, centre)


def test_what_a_console_stores_arrives_at_the_centre_once_and_unchanged(scene: Scene) -> None:
    before = len(scene.centre.stored())
    things = [*records(20), *Treatment(7).fraction(1)]
    store(scene.pair.site.port, things)
    scene.centre.wait_stored(before + len(things), timeout=60)
    assert_each_once(scene.centre.stored()[before:], uids_and_digests(things))
    # The site learns that the hub has passed them on: only that is what a direct peer's success says.
    site = scene.pair.site
    site.wait(
        "nothing is only at the hub", lambda: all(row["cause"] != "at-hub" for row in site.deliveries())
    )
    rows = site.deliveries()
    assert {(row["state"], row["cause"]) for row in rows} == {("accepted", "")}, rows


def test_an_echo_goes_through_to_the_centre(scene: Scene) -> None:
    ran = dcmtk.run_console("echoscu", scene.pair.site.port, "CENTRE", [])
    assert ran.code == 0, ran.output
    with scene.pair.site.client() as client:
        report = client.echo(CENTRE)
    assert report["ok"], report


async def test_what_the_centre_sends_down_has_its_answer_when_the_console_has_it(
    scene: Scene, tmp_path: Path
) -> None:
    plan = Treatment(1).make("plan")
    with StoreScp(tmp_path / "console", port=scene.pair.console_port, ae_title="LINAC1") as console:
        async with wire_console(scene.pair.hub.port, "LINAC1", PLAN_CLASS, calling="ARIA") as centre:
            command = messages.c_store_rq(0, PLAN_CLASS, plan.sop_instance_uid)
            (answer,) = await centre.ask(PLAN_CLASS, command, plan.data)
        assert answer.status == 0x0000
        (received,) = console.received()
        assert received.sop_instance_uid == plan.sop_instance_uid


async def test_a_console_that_is_not_there_is_said_so_to_the_centre_at_once(scene: Scene) -> None:
    async with wire_peer(scene.pair.hub.port) as centre:
        answer = await centre.associate(request("LINAC1", "ARIA"))
        assert isinstance(answer, AssociateRejected)
        assert answer.result == 2  # transient: it may be there in a minute


async def test_the_hubs_own_title_is_answered_to_the_centre(scene: Scene) -> None:
    async with wire_peer(scene.pair.hub.port) as centre:
        assert isinstance(await centre.associate(request("HUB", "ARIA")), AssociateAccept)
        assert (await centre.echo()).status == 0x0000


def test_the_way_to_the_centre_is_tested_step_by_step_through_the_link(scene: Scene) -> None:
    with scene.pair.site.client() as client:
        for _ in client.test_path(CENTRE):
            pass
        report = client.path_tests(CENTRE)["reports"][0]
    steps = {step["step"]: (step["outcome"], step["words"]) for step in report["steps"]}
    assert report["ok"], report
    assert steps["tcp"] == ("ok", "the link to hub carries connections")
    assert steps["echo"][0] == "ok"


def test_an_object_can_be_sent_to_the_centre_by_hand(scene: Scene, tmp_path: Path) -> None:
    (thing,) = records(1)
    content = thing.write(tmp_path).read_bytes()
    before = len(scene.centre.stored())
    with scene.pair.site.client() as client:
        report = client.send(CENTRE, len(content), [content])
    assert report["ok"], report  # the hub has it durably, as any object that is stored there
    scene.centre.wait_stored(before + 1)
    assert scene.centre.stored()[-1]["uid"] == thing.sop_instance_uid


def test_the_hub_shows_its_sites(scene: Scene) -> None:
    (status,) = scene.pair.hub.status()["sites"]
    assert (status["name"], status["connected"]) == (SITE, True)
    assert status["received_objects"] > 0
