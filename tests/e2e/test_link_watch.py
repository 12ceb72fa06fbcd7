"""While somebody watches, a cut shows within five seconds, however it comes; else nothing is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.synthetic import Template, make_record, stream_large_object
from gateway.operator.client import OperatorClient
from tests.support import long_link, machine
from tests.support.certs import Authority
from tests.support.dcmtk import StoreScp, run_console
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.long_link import LongLink
from tests.support.ports import free_port
from tests.support.receiver import Receiver

SHOWN_WITHIN = 5.0
RECORDS = Template(make_record())


class Watcher:
    """Somebody with the page open: renews the lease, and looks ten times a second."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._client = gateway.client()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, args=(gateway,))

    def _renew(self, gateway: GatewayProcess) -> None:
        with gateway.client() as client:
            while not self._ended.is_set():
                client.watch_links()
                self._ended.wait(4)

    def link(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.links()["links"][0]
        return found

    def seconds_until(self, state: str, timeout: float = 20.0) -> float:
        """Return how long it takes until the link is shown in `state`."""
        began = time.monotonic()
        while time.monotonic() < began + timeout:
            if self.link()["state"] == state:
                return time.monotonic() - began
            time.sleep(0.1)  # a person looking: there is no event for what the page shows
        raise AssertionError(f"never shown {state}: {self.link()}")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()


def outbound(client: OperatorClient) -> list[dict[str, Any]]:
    return [one for one in client.associations()["associations"] if not one["inbound"]]


@pytest.mark.peers
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_peer_that_ends_is_shown_at_once_and_again_when_it_is_back(secure: bool, tmp_path: Path) -> None:
    machine.program("storescp")
    authority = Authority.create(tmp_path)
    tls = authority.issue("centre") if secure else None
    centre = StoreScp(tmp_path / "in", tls=tls).start()
    try:
        mine = authority.issue("gateway") if secure else None
        with (
            GatewayProcess(tmp_path / "g", peers=[peer("centre", "CENTRE", centre.port, mine)]) as gateway,
            Watcher(gateway) as watcher,
        ):
            watcher.seconds_until("up")
            gateway.wait("the whole page knows", lambda: gateway.destination()["link"] == "online", 2)
            centre.stop()
            assert watcher.seconds_until("down") < SHOWN_WITHIN
            assert "refused" in watcher.link()["reason"]
            gateway.wait("the whole page knows", lambda: gateway.destination()["link"] == "offline", 2)
            centre.start()
            watcher.seconds_until("up", 25)
            gateway.wait("delivery goes on", lambda: gateway.destination()["link"] == "online", 10)
    finally:
        centre.stop()


def test_nobody_watches_and_nothing_is_asked(tmp_path: Path) -> None:
    with (
        Receiver(ae_title="CENTRE") as centre,
        GatewayProcess(tmp_path / "g", peers=[peer("centre", "CENTRE", centre.port)]) as gateway,
        gateway.client() as client,
    ):
        assert outbound(client) == []
        client.watch_links()
        gateway.wait("an association", lambda: len(outbound(client)) == 1)
        assert client.links()["watched"]
        # The lease runs out, and what it needed goes.
        gateway.wait("released", lambda: outbound(client) == [], 15)
        assert not client.links()["watched"]
        assert gateway.status()["destinations"][0]["link"] == "online"


@pytest.mark.peers
@pytest.mark.parametrize("most", [1, 4])
def test_a_peer_that_serves_one_association_at_a_time_gets_its_objects(most: int, tmp_path: Path) -> None:
    machine.program("storescp")
    paths = [one.write(tmp_path) for one in RECORDS.copies(3)]
    with (
        StoreScp(tmp_path / "in") as centre,  # one at a time, unless told to fork
        GatewayProcess(
            tmp_path / "g", peers=[peer("centre", "CENTRE", centre.port, max_associations=most)]
        ) as gateway,
        Watcher(gateway) as watcher,
    ):
        watcher.seconds_until("up")
        sent = run_console("storescu", gateway.port, "CENTRE", paths)
        assert sent.code == 0, sent.output
        began = time.monotonic()
        gateway.wait_delivered(3)
        assert time.monotonic() - began < 3
        # The gateway keeps its association for more objects: there is no room for one of the watch.
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert watcher.link()["state"] == "up"
            time.sleep(0.2)
        centre.stop()
        assert watcher.seconds_until("down") < SHOWN_WITHIN


@pytest.mark.peers
def test_a_person_may_try_a_peer_that_serves_one_association_at_a_time(tmp_path: Path) -> None:
    machine.program("storescp")
    with (
        StoreScp(tmp_path / "in") as centre,
        GatewayProcess(tmp_path / "g", peers=[peer("centre", "CENTRE", centre.port)]) as gateway,
        Watcher(gateway) as watcher,
        gateway.client() as client,
    ):
        watcher.seconds_until("up")
        gateway.wait("the watch's association", lambda: len(outbound(client)) == 1)
        began = time.monotonic()
        assert client.echo("centre")["ok"]
        # Far sooner than the watch would let go of its place by itself.
        assert time.monotonic() - began < 5
        *_, report = client.test_path("centre", {})
        assert report["report"]["ok"], report
        gateway.wait("the watch again", lambda: len(outbound(client)) == 1)


needs_link = pytest.mark.skipif(
    long_link.missing() is not None, reason=f"the long link {long_link.missing()}"
)


@contextmanager
def over_satellite(tmp_path: Path, **options: Any) -> Iterator[tuple[LongLink, GatewayProcess]]:
    """A gateway at the near end, and an archive at the far end of a link with 600 ms there and back."""
    with LongLink(delay=0.3, **options) as link:
        port = free_port()
        with link.far.entered():
            # DCMTK leaves Nagle on unless told otherwise: its answers would take two round trips.
            centre = StoreScp(tmp_path / "in", port=port, env={"TCP_NODELAY": "1"}).start()
        try:
            to = {**peer("centre", "CENTRE", port), "host": link.far.address}
            gateway = GatewayProcess(tmp_path / "g", peers=[to])
            with link.near.entered():
                gateway.launch()
            try:
                yield link, gateway
            finally:
                gateway.stop()
        finally:
            centre.stop()


@pytest.mark.root
@pytest.mark.peers
@needs_link
def test_a_satellite_link_that_goes_dead_without_a_word(tmp_path: Path) -> None:
    with over_satellite(tmp_path) as (link, gateway), Watcher(gateway) as watcher:
        watcher.seconds_until("up")
        asked = seconds_of_silence(watcher, lambda: link.counts().up.arrived_bytes, 6.0)
        assert watcher.link()["rtt_seconds"] == pytest.approx(0.6, abs=0.15)
        assert asked < 6_000  # bytes in six seconds: gentle
        for _ in range(2):
            link.cut()
            shown = watcher.seconds_until("down")
            assert shown < SHOWN_WITHIN + 0.6
            assert "come back" in watcher.link()["reason"]
            gateway_state = gateway.destination()["link"]
            assert gateway_state == "offline"
            link.restore()
            # The association outlived the cut: its answer comes, and nobody waits for a new one.
            assert watcher.seconds_until("up") < 8
            assert gateway.destination()["link"] == "online"


@pytest.mark.root
@pytest.mark.peers
@needs_link
def test_a_link_that_is_full_or_loses_packets_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    big = tmp_path / "big.dcm"
    with over_satellite(tmp_path, rate=100_000.0, loss=0.02, queue=1 << 17) as (link, gateway):
        first = next(iter(RECORDS.copies(1)))
        small = first.write(tmp_path)
        stream_large_object(1).write(big)
        with Watcher(gateway) as watcher:
            watcher.seconds_until("up")
            with link.near.entered():
                sent = run_console("storescu", gateway.port, "CENTRE", [small, big])
            assert sent.code == 0, sent.output
            states: set[str] = set()

            def done() -> bool:
                states.add(watcher.link()["state"])
                return bool(gateway.destination()["delivered"]["count"] == 2)

            deadline = time.monotonic() + 60
            while not done():
                assert time.monotonic() < deadline, gateway.describe()
                time.sleep(0.2)
        assert states == {"up"}


def seconds_of_silence(watcher: Watcher, count: Callable[[], int], seconds: float) -> int:
    """Return what the link carried in so many seconds in which nothing was to be delivered."""
    before = count()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert watcher.link()["state"] == "up"
        time.sleep(0.25)
    return count() - before
