"""kill -9 in a loop: what was acknowledged is never lost, and nothing arrives torn."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from tests.durability.campaign import ACKNOWLEDGED, LOST, Tallies, Tally
from tests.e2e.conftest import Pki
from tests.support.console import Console, ConsoleError
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.receiver import Receiver

KILLS = 55
_LONGEST_LIFE = 0.4  # seconds between readiness and the next cut, at most


class _SendingConsole(threading.Thread):
    """Sends for as long as it may, takes a dead gateway as it comes, and writes down what was acknowledged.

    A console that got no answer sends the same object again, as real ones do.
    """

    def __init__(self, port: int, things: Iterator[SyntheticObject]) -> None:
        super().__init__(name="sending console", daemon=True)
        self.offered: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self.stopping = threading.Event()
        self.failures: list[str] = []
        self._port = port
        self._things = things

    def run(self) -> None:
        thing = next(self._things)
        while not self.stopping.is_set():
            try:
                with Console(self._port, "CENTRE", calling="LINAC1", timeout=30) as console:
                    while not self.stopping.is_set():
                        self.offered[thing.sop_instance_uid] = hashlib.sha256(thing.data).hexdigest()
                        status = console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data)
                        if status != 0x0000:
                            self.failures.append(f"0x{status:04X}")
                            return
                        self.acknowledged.add(thing.sop_instance_uid)
                        thing = next(self._things)
            except ConsoleError:
                # Dead, or not up again yet: a console that retries at once would only burn the processor.
                self.stopping.wait(0.02)


def _things(first: int) -> Iterator[SyntheticObject]:
    """Records, which live in the journal, and images, which live in files, mixed."""
    record = Template(make_record(sizes=Sizes(segments=2)))
    image = Template(Treatment(sizes=Sizes(matrix=256)).make("cbct"))
    number = first
    while True:
        yield (image if number % 4 == 3 else record).copy(number)
        number += 1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_and_nothing_is_torn(tmp_path: Path, pki: Pki, tallies: Tallies) -> None:
    rng = random.Random(2)
    centre = Receiver(tls=pki.centre)
    gateway = GatewayProcess(
        tmp_path,
        peers=[peer("centre", "CENTRE", centre.port, pki.gateway)],
        sections={"delivery": {"link_backoff": {"base": 0.05, "ceiling": 0.1}}},
    )
    consoles = [_SendingConsole(gateway.port, _things(first)) for first in (0, 1_000_000)]
    with centre:
        gateway.launch()
        for console in consoles:
            console.start()
        for _ in range(KILLS):
            # The moment of the cut is what varies: anywhere between two objects' first byte and last receipt.
            time.sleep(rng.uniform(0, _LONGEST_LIFE))
            gateway.kill()
            gateway.launch()
        for console in consoles:
            console.stopping.set()
        for console in consoles:
            console.join(60)
            assert not console.is_alive()
            assert console.failures == []
        gateway.kill()
        with gateway:
            gateway.wait(
                "the queue is empty",
                lambda: all(not amount["count"] for amount in gateway.destination()["waiting"].values()),
                timeout=60,
            )
            assert gateway.deliveries(state="held") == []
            assert gateway.status()["attention"] == []
        arrived = centre.stored()

    offered = consoles[0].offered | consoles[1].offered
    acknowledged = consoles[0].acknowledged | consoles[1].acknowledged
    assert len(acknowledged) > KILLS, "the consoles hardly got anything through between the cuts"
    missing = acknowledged - {event["uid"] for event in arrived}
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged objects never arrived"
    torn = [event for event in arrived if offered.get(event["uid"]) != event["digest"]]
    assert not torn, f"{len(torn)} objects arrived with other bytes than the console sent"
    tallies.add(
        "kill -9 of the gateway", Tally.of({"kills": KILLS, ACKNOWLEDGED: len(acknowledged), LOST: 0})
    )
