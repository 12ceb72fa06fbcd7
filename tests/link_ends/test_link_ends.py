"""The ends as they are built: limits from the configuration, and nothing that is not needed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.config.kinds import Place
from gateway.config.linking import Link, LinkDialling, LinkSites, LinkTls
from gateway.config.schema import Gateway
from gateway.delivery.transports.link import Window
from gateway.link.door import DoorLimits
from gateway.link.objects.partials import PartialLimits
from gateway.link.objects.receiver import ReceiverLimits
from gateway.link.redial import RedialLimits
from gateway.link_ends import hub, site
from gateway.link_ends.nothing import NoLink
from gateway.model import AETitle, Peer

ROOT = Path(__file__).parents[2]
TLS = LinkTls(certificate=Path("c"), key=Path("k"), ca=Path("a"))
LINK = Link(hub=Place("hub.example.org", 443), tls=TLS)
CONFIG = Config(gateway=Gateway(name="x", ae_title=AETitle("X")), link=LINK)
PEER = Peer("oncology", AETitle("ARIA"), "", 0, via="hub")


@pytest.mark.parametrize(
    ("made", "room"),
    [
        (site.redial_limits(LINK), RedialLimits()),
        (site.window(LINK), Window()),
        (hub.door_limits(LINK), DoorLimits()),
        (hub.receiver_limits(CONFIG, LINK), ReceiverLimits()),
        (hub.partial_limits(LINK), PartialLimits()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_without_a_word_in_the_configuration_a_room_has_its_own_defaults(made: object, room: object) -> None:
    assert made == room


def test_every_key_reaches_a_room() -> None:
    """Another value under each key changes something that a room is given."""
    for name, section in (("dialling", LinkDialling()), ("each_site", LinkSites())):
        for field in dataclasses.fields(section):
            other = dataclasses.replace(section, **{field.name: getattr(section, field.name) + 1})
            link = dataclasses.replace(LINK, **{name: other})
            given = (
                site.redial_limits(link),
                site.window(link),
                hub.door_limits(link),
                hub.receiver_limits(CONFIG, link),
                hub.partial_limits(link),
            )
            rooms = (RedialLimits(), Window(), DoorLimits(), ReceiverLimits(), PartialLimits())
            assert given != rooms, (name, field.name)


async def test_a_gateway_without_a_link_has_no_way_over_one() -> None:
    nothing = NoLink()
    assert nothing.carrier_to("hub") is None
    assert nothing.transport(PEER) is None
    assert nothing.policy(PEER) is None
    assert nothing.linked("hub") is None
    assert nothing.sites() == ()


def test_a_gateway_without_a_link_does_not_carry_what_links_need() -> None:
    script = (
        "import sys, gateway.app; "
        "heavy = {'wsproto', 'zstandard', 'numpy', 'gateway.link.keeper', 'gateway.link.door', "
        "'gateway.link.session'}; print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr
