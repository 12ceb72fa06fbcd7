"""A large object and many small ones over a link whose ends are killed, stopped and cut off in the middle.

What counts is an outside ledger: the centre has each object once and byte for byte, and what went over the
line twice is little for each cut.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from tests.support.certs import Authority
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess
from tests.support.hub_scene import CENTRE, Place, here, hub, site
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.receiver import Receiver
from tests.support.toll import Toll

CT = "1.2.840.10008.5.1.4.1.1.2"
MIB = 1024 * 1024
AGAIN = 256 * 1024
"""Bytes that one cut may cost, besides what a line with a delay would hold; this one has none."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An object whose content nothing can compress: what goes over the line is its size."""

    sop_instance_uid: str
    data: bytes
    sop_class_uid: str = CT


def a_blob(number: int, size: int) -> Blob:
    uid = f"1.2.826.0.1.3680043.10.77.{number}"
    value = uid.encode() + b"\0" * (len(uid) % 2)
    head = b"\x08\x00\x16\x00UI" + len(CT).to_bytes(2, "little") + CT.encode() + b"\0" * (len(CT) % 2)
    if len(CT) % 2:
        head = b"\x08\x00\x16\x00UI" + (len(CT) + 1).to_bytes(2, "little") + CT.encode() + b"\0"
    head += b"\x08\x00\x18\x00UI" + len(value).to_bytes(2, "little") + value
    pixels = random.Random(number).randbytes(size - len(head) - 12)
    return Blob(uid, head + b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels)


@dataclass
class Scene:
    """Two gateways with a toll between them, and the centre."""

    site: GatewayProcess
    hub: GatewayProcess
    toll: Toll
    centre: Receiver

    def end(self, how: str) -> None:
        """Let something end: the line, or one of the two processes, politely or not."""
        match how:
            case "line":
                self.toll.cut()
            case "kill hub":
                self.hub.kill()
            case "kill site":
                self.site.kill()
            case "stop hub":
                self.hub.stop()

    def begin_again(self) -> None:
        """Start what has ended."""
        for each in (self.hub, self.site):
            if each.program is None:
                each.start()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    authority, listen = Authority.create(tmp_path), here()
    with Receiver() as centre, Toll(listen.port) as toll:
        the_hub = hub(tmp_path / "hub", authority, listen, centre_port=centre.port)
        through = Place("127.0.0.1", toll.port)
        the_site = site(tmp_path / "site", authority, through)
        with the_hub, the_site:
            yield Scene(the_site, the_hub, toll, centre)


def send(scene: Scene, things: list[Blob] | list[SyntheticObject]) -> None:
    classes = sorted({thing.sop_class_uid for thing in things})
    with Console(scene.site.port, "CENTRE", "LINAC1", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def wait_told(scene: Scene, count: int) -> None:
    """Return once the site knows of every object that the centre has taken it."""

    def told() -> bool:
        rows = scene.site.deliveries()
        return len(rows) == count and all((row["state"], row["cause"]) == ("accepted", "") for row in rows)

    scene.site.wait("the site knows that the centre has everything", told, 60)


CUTS = (
    *("line", "kill hub", "kill site", "line", "line"),
    *("line", "kill site", "kill hub", "stop hub", "line"),
)


@pytest.mark.slow
def test_a_large_object_is_cut_by_everything_there_is_and_little_goes_twice(scene: Scene) -> None:
    size = 16 * MIB
    blob = a_blob(1, size)
    dice = random.Random(11)
    places = [int(size * (number + dice.uniform(0.2, 0.8)) / len(CUTS)) for number in range(len(CUTS))]
    scene.toll.pass_until(places[0])
    send(scene, [blob])
    for how, place, following in zip(CUTS, places, [*places[1:], None], strict=True):
        scene.toll.wait_up(place)
        assert scene.centre.stored() == []
        scene.end(how)
        scene.toll.pass_until(following)
        scene.begin_again()
    scene.centre.wait_stored(1, timeout=60)
    wait_told(scene, 1)
    assert_each_once(scene.centre.stored(), uids_and_digests([blob]))
    again = scene.toll.up - size
    assert again < len(CUTS) * AGAIN, f"{again} bytes went twice, or were overhead"


@pytest.mark.slow
def test_many_objects_arrive_once_whatever_is_killed(scene: Scene) -> None:
    """Records, slices and one large object; an end dies every now and then, at no chosen moment."""
    template = Template(make_record())
    things = [
        *(next(iter(template.copies(1, 900 + number))) for number in range(60)),
        *(a_blob(number, 600_000) for number in range(2, 12)),
        a_blob(99, 8 * MIB),
    ]
    classes = sorted({thing.sop_class_uid for thing in things})
    dice = random.Random(5)
    dice.shuffle(things)
    scene.toll.pass_until(0)
    with Console(scene.site.port, "CENTRE", "LINAC1", classes) as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
    for how in ("kill hub", "kill site", "line", "kill hub", "kill site"):
        more = scene.toll.up + dice.randrange(200_000, 2 * MIB)
        scene.toll.pass_until(more)
        scene.toll.wait_up(more)
        scene.end(how)
        scene.begin_again()
    scene.toll.pass_until(None)
    scene.site.wait_delivered(len(things), CENTRE, timeout=90)
    scene.hub.wait(
        "the hub has passed everything on",
        lambda: sum(each["count"] for each in scene.hub.destination(CENTRE)["waiting"].values()) == 0,
        90,
    )
    wait_told(scene, len(things))
    # At least once is what a hub that is killed between the centre's answer and its own journal may do.
    found = {event["uid"]: event["digest"] for event in scene.centre.stored()}
    assert found == uids_and_digests(things)
