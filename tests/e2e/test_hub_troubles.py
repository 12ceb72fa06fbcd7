"""What a clinic and its hub go through: strangers, a hub that dies, that is restarted, that has no room."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from gateway.dicom.events import AssociateRejected
from gateway.dicom.negotiation import ProposedContext
from tests.support.certs import Authority
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess
from tests.support.hub_scene import CENTRE, SITE, here, hub, linked, site
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.receiver import Receiver
from tests.support.small_disk import Ballast, small_disk
from tests.support.wire_peer import EXPLICIT, request, wire_peer

_FIND = ProposedContext(1, "1.2.840.10008.5.1.4.1.2.2.1", (EXPLICIT,))
_template = Template(make_record())
_made = iter(range(10_000))


def records(count: int) -> list[SyntheticObject]:
    """Treatment records, all different from any before."""
    return [next(iter(_template.copies(1, next(_made)))) for _ in range(count)]


def store(port: int, things: list[SyntheticObject]) -> None:
    """Send `things` as a console does; each must be answered with success."""
    classes = sorted({thing.sop_class_uid for thing in things})
    with Console(port, "CENTRE", "LINAC1", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def link_reason(clinic: GatewayProcess) -> str:
    return str(clinic.destination(CENTRE)["link_reason"])


def test_a_certificate_without_a_site_is_refused_in_words(tmp_path: Path) -> None:
    authority, place = Authority.create(tmp_path), here()
    with (
        hub(tmp_path / "hub", authority, place, centre_port=1) as centre,
        site(tmp_path / "site", authority, place, name="clinic-99") as stranger,
    ):
        stranger.wait("the refusal is shown", lambda: "clinic-99" in link_reason(stranger))
        assert "no site" in link_reason(stranger)
        assert stranger.destination(CENTRE)["link"] == "offline"
        # What a console stores is taken all the same: it can leave when somebody has put the site in.
        store(stranger.port, records(1))
        assert centre.status()["sites"][0]["name"] == SITE
        assert not centre.status()["sites"][0]["connected"]


def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = here()
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = Authority.create(tmp_path / "ours"), Authority.create(tmp_path / "theirs")
    with (
        hub(tmp_path / "hub", ours, place, centre_port=1),
        site(tmp_path / "site", theirs, place) as stranger,
    ):
        stranger.wait("the refusal is shown", lambda: link_reason(stranger) != "")
        assert "certificate" in link_reason(stranger)


async def test_a_site_reaches_what_is_open_to_it_and_nothing_else(tmp_path: Path) -> None:
    authority, place = Authority.create(tmp_path), here()
    sites = {SITE: {"calls": ["CENTRE"], "calling": ["LINAC1"]}, "clinic-08": {"calls": []}}
    with (
        Receiver() as centre,
        hub(tmp_path / "hub", authority, place, centre_port=centre.port, sites=sites),
        site(tmp_path / "one", authority, place) as one,
        site(tmp_path / "two", authority, place, name="clinic-08") as two,
    ):
        for clinic in (one, two):
            clinic.wait("the link is up", lambda at=clinic: at.destination(CENTRE)["link"] == "online")
        for clinic, calling, allowed in (
            (one, "LINAC1", True),
            (one, "OTHER", False),
            (two, "LINAC1", False),
        ):
            async with wire_peer(clinic.port) as console:
                await console.associate(request("CENTRE", calling))
                status = (await console.echo()).status
                assert (status == 0) is allowed, (clinic.directory.name, calling, status)
        # An object of the second site is not taken by the hub; the site says so, and keeps it.
        store(two.port, records(1))
        (held,) = two.wait_state("held", 1)
        assert "not open" in held["reason"]
        assert centre.stored() == []


def test_a_hub_that_dies_and_comes_back_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        things = [*records(30), *Treatment(3).fraction(1)]
        store(pair.site.port, things[:20])
        pair.hub.kill()
        pair.site.wait("the cut is seen", lambda: pair.site.destination(CENTRE)["link"] == "offline")
        store(pair.site.port, things[20:])
        pair.hub.start()
        centre.wait_stored(len(things), timeout=60)
        pair.site.wait(
            "nothing is under way",
            lambda: (
                not pair.site.destination(CENTRE)["at_hub"]
                and not any(each["count"] for each in pair.site.destination(CENTRE)["waiting"].values())
            ),
        )
        assert {event["uid"]: event["digest"] for event in centre.stored()} == uids_and_digests(things)


def test_a_hub_that_is_restarted_in_order_costs_nothing(tmp_path: Path) -> None:
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        first, second = records(5), records(5)
        store(pair.site.port, first)
        centre.wait_stored(5)
        assert pair.hub.stop() == 0
        pair.site.wait("the cut is seen", lambda: pair.site.destination(CENTRE)["link"] == "offline")
        assert "stopping" in link_reason(pair.site)
        store(pair.site.port, second)
        pair.hub.start()
        centre.wait_stored(10, timeout=60)
        assert_each_once(centre.stored(), uids_and_digests([*first, *second]))


async def test_with_the_hub_gone_consoles_are_refused_at_once_what_is_passed_through(tmp_path: Path) -> None:
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        pair.hub.kill()
        pair.site.wait("the cut is seen", lambda: pair.site.destination(CENTRE)["link"] == "offline")
        async with wire_peer(pair.site.port) as console:
            await console.associate(request("CENTRE"))
            assert (await console.echo()).status == 0x0110
        async with wire_peer(pair.site.port) as console:
            query = request("CENTRE", contexts=[_FIND])
            answer = await console.associate(query)
            assert isinstance(answer, AssociateRejected)
            assert answer.result == 2  # transient
        pair.hub.start()


@pytest.mark.root
def test_a_hub_without_room_refuses_for_the_time_being(tmp_path: Path) -> None:
    """Nobody at the site has to do anything: it offers the objects again."""
    with small_disk(96) as disk, Receiver() as centre:
        centre.stop()  # the hub has to keep everything
        spool = {"reserve": 16 << 20, "floor": 8 << 20, "min_free_inodes": 10}
        options = {"sections": {"spool": spool}, "state_dir": disk / "state"}
        with linked(tmp_path, centre_port=centre.port, hub_options=options) as pair:
            pair.wait_linked()
            ballast = Ballast(disk)
            ballast.leave(25 << 20)
            pair.hub.wait("the disk is seen", lambda: pair.hub.status()["spool"]["free_bytes"] < 20 << 20)
            template = Template(Treatment(sizes=Sizes(matrix=512)).make("cbct"))
            images = list(template.copies(8))
            store(pair.site.port, images)
            pair.site.wait(
                "the hub's refusal is told",
                lambda: any("hub could not store" in row["reason"] for row in pair.site.deliveries()),
            )
            assert {row["state"] for row in pair.site.deliveries()} <= {"queued", "sending", "accepted"}
            # A record has its reserve at the hub, too.
            (record,) = records(1)
            store(pair.site.port, [record])
            pair.hub.wait(
                "the record is at the hub",
                lambda: any(row["priority"] == "record" for row in pair.hub.deliveries()),
            )
            ballast.remove()
            centre.start()
            centre.wait_stored(len(images) + 1, timeout=60)
            assert_each_once(centre.stored(), uids_and_digests([*images, record]))
