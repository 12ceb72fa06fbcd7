"""A day of a bad link in a minute: rain, handovers, outages, and both ends started again in the middle.

Real programs at the two ends of a link with a delay, a rate, losses in bursts and times when nothing passes.
The ledger is outside: what the console was told is safe, against what the centre has in the end.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.demo.lab import PROFILES, Laboratory, Loss, missing
from gateway.demo.synthetic import Template, make_record
from tests.e2e.test_link_killed import Blob, a_blob
from tests.support.certs import Authority
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess
from tests.support.hub_scene import CENTRE, Place, hub, site
from tests.support.ledger import uids_and_digests
from tests.support.ports import free_port
from tests.support.receiver import Receiver

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)]

STORM = PROFILES["geo"].with_loss(Loss(0.03, burst=8))


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    reason = missing()
    if reason is not None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with Laboratory(PROFILES["geo-rain"], seed=3, lifetime=300) as running:
        yield running


class Day:
    """The two gateways and the centre, each at its end, and the ledger."""

    def __init__(self, lab: Laboratory, directory: Path) -> None:
        authority, where = Authority.create(directory), Place(lab.far.address, free_port())
        self.lab = lab
        self.centre = Receiver()
        self.hub = hub(directory / "hub", authority, where, centre_port=self.centre.port)
        self.site = site(directory / "site", authority, where)
        self.ledger: list[Blob] = []
        self._template = Template(make_record())
        self._number = 0

    def begin(self, *which: GatewayProcess) -> None:
        for each in which:
            with (self.lab.near if each is self.site else self.lab.far).entered():
                each.start()

    def treat(self, records: int, slices: int) -> None:
        """A console sends; what it is told is durable goes into the ledger."""
        things: list[Blob] = []
        for _ in range(records):
            self._number += 1
            record = next(iter(self._template.copies(1, self._number)))
            things.append(Blob(record.sop_instance_uid, record.data, record.sop_class_uid))
        for _ in range(slices):
            self._number += 1
            things.append(a_blob(self._number, 150_000))
        random.Random(self._number).shuffle(things)
        with (
            self.lab.near.entered(),
            Console(
                self.site.port, "CENTRE", "LINAC1", sorted({one.sop_class_uid for one in things})
            ) as console,
        ):
            for one in things:
                assert console.store(one.sop_class_uid, one.sop_instance_uid, one.data) == 0x0000
                self.ledger.append(one)

    def wait_some(self, left: int, timeout: float = 60.0) -> None:
        """Return once no more than `left` objects wait at the site."""

        def few() -> bool:
            waiting = self.site.destination(CENTRE)["waiting"]
            return sum(each["count"] for each in waiting.values()) <= left

        self.site.wait(f"at most {left} objects wait", few, timeout)

    def wait_link(self, state: str, timeout: float = 60.0) -> None:
        self.site.wait(
            f"the link is {state}", lambda: self.site.destination(CENTRE)["link"] == state, timeout
        )


def found(stored: Sequence[dict[str, str]]) -> dict[str, str]:
    return {event["uid"]: event["digest"] for event in stored}


def test_a_day_of_a_bad_link_loses_nothing(lab: Laboratory, tmp_path: Path) -> None:
    day = Day(lab, tmp_path)
    with lab.far.entered():
        day.centre.start()
    try:
        day.begin(day.hub, day.site)
        day.wait_link("online")
        # Rain in the morning; then the dish is out, and the patients are treated all the same.
        day.treat(records=12, slices=4)
        day.wait_some(left=8)
        lab.cut()
        day.treat(records=8, slices=2)
        day.wait_link("offline")
        lab.restore()
        # The hub's machine loses its power while it takes what has gathered.
        day.wait_some(left=10)
        day.hub.kill()
        lab.reshape(PROFILES["leo"])
        day.begin(day.hub)
        day.treat(records=6, slices=2)
        day.wait_some(left=5)
        # And the site's, in a storm.
        lab.reshape(STORM)
        day.treat(records=6, slices=2)
        day.site.kill()
        day.begin(day.site)
        # Both at once, while a line is changed for another.
        day.treat(records=6, slices=1)
        day.site.kill()
        day.hub.kill()
        lab.reshape(PROFILES["dsl"])
        day.begin(day.site, day.hub)
        day.wait_some(left=0, timeout=90)

        def told() -> bool:
            rows = day.site.deliveries()
            return all((row["state"], row["cause"]) == ("accepted", "") for row in rows)

        day.site.wait("the site knows that the centre has everything", told, 60)
        assert found(day.centre.stored()) == uids_and_digests(day.ledger)
        assert len(day.site.deliveries()) == len(day.ledger)
        assert len(day.hub.deliveries()) == len(day.ledger)  # nothing was taken twice over the link
    finally:
        for each in (day.site, day.hub):
            if each.program is not None:
                each.kill()
        day.centre.stop()
