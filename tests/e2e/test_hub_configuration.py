"""Configurations applied to a clinic and its hub at work: to a hub and back, and a hub that starts anew."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from tests.e2e.test_configuration import apply, confirm
from tests.support.certs import Authority
from tests.support.console import Console
from tests.support.hub_scene import CENTRE, here, hub, linked, site
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.ports import free_port
from tests.support.receiver import Receiver


def store(port: int, things: list[SyntheticObject]) -> None:
    """Send `things` as a console does; each must be answered with success."""
    with Console(port, "CENTRE", "LINAC1", [things[0].sop_class_uid]) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def test_what_waits_for_a_centre_goes_over_the_link_once_there_is_one(tmp_path: Path) -> None:
    """A clinic that delivered directly gets a hub: nothing has to be sent again by anybody."""
    authority, place = Authority.create(tmp_path), here()
    things = list(Template(make_record()).copies(5))
    with (
        Receiver() as centre,
        hub(tmp_path / "hub", authority, place, centre_port=centre.port),
        site(tmp_path / "site", authority, place) as clinic,
    ):
        with_a_link = clinic.config.read_text()
        direct = with_a_link.replace("via = 'hub'", f"host = '127.0.0.1'\nport = {free_port()}")
        direct = re.sub(r"^\[link\]\n(?:[^\[].*\n)*", "", direct, flags=re.MULTILINE)
        assert "hub" not in direct
        confirm(clinic, apply(clinic, direct))
        store(clinic.port, things)
        assert clinic.destination(CENTRE)["waiting"]["record"]["count"] == 5
        confirm(clinic, apply(clinic, with_a_link))
        centre.wait_stored(5, timeout=60)
        assert_each_once(centre.stored(), uids_and_digests(things))


def test_a_hub_takes_another_configuration_and_the_sites_come_back_by_themselves(tmp_path: Path) -> None:
    first, second = (list(Template(make_record()).copies(3, number)) for number in (0, 3))
    with Receiver() as centre, linked(tmp_path, centre_port=centre.port) as pair:
        pair.wait_linked()
        store(pair.site.port, first)
        text = pair.hub.config.read_text().replace("level = 'info'", "level = 'debug'")
        text += "\n[[route]]\ncalled = 'OTHER'\nto = ['centre']\n"
        confirm(pair.hub, apply(pair.hub, text))
        store(pair.site.port, second)
        centre.wait_stored(6, timeout=60)
        assert_each_once(centre.stored(), uids_and_digests([*first, *second]))
        (shown,) = pair.hub.status()["sites"]
        assert shown["connected"]
