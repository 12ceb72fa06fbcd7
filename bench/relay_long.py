"""A query over a satellite link: direct, and through the gateway at the near end of it.

The archive (dcmqrscp) is at the far end of an emulated link of 600 ms there and back
(tests/support/long_link.py: two network namespaces, kernel TCP); console and gateway are at the near end. It
needs root.

cold   the first conversation after the gateway was started: it knows nothing of the archive
warm   the later ones, once the gateway has an association ready
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.archive import AE_TITLE, Archive
from bench.asker import Asker, Found, images_of
from bench.relay import DIRECT, Content, matches
from bench.throughput import DEFAULT, NODELAY, NotMeasured
from tests.support.gateway_process import GatewayProcess
from tests.support.long_link import GEOSTATIONARY, LongLink

COLD, WARM = "gateway, cold", "gateway, warm"
ROUND_TRIP = 2 * GEOSTATIONARY
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Open an association, one C-FIND, release: what a console does for every query."""

    way: str
    settings: str  # of TCP at both ends
    associated: float  # seconds from the start
    first_match: float
    last_match: float  # the final response: the person at the console has what was asked for
    released: float

    @property
    def round_trips(self) -> float:
        """From the start to the final response, in round trips of the link."""
        return self.last_match / ROUND_TRIP


def conversations(work: Path, rounds: int) -> Iterator[Conversation]:
    """Yield conversations of all three kinds; in each round a fresh gateway, once cold and twice warm.

    With `NODELAY` and the machine's own congestion control, with DCMTK's default (Nagle's algorithm on), and
    with Reno, whose first window is ten packets however small they are.
    """
    own = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    kinds: list[tuple[str, Mapping[str, str], str | None, int]] = [
        (f"TCP_NODELAY=1, {own}", NODELAY, None, rounds),
        (f"default, {own}", DEFAULT, None, 1),
    ]
    if own != "reno":
        kinds.append(("TCP_NODELAY=1, reno", NODELAY, "reno", 1))
    for settings, env, congestion, count in kinds:
        for _ in range(count):
            place = work / "long"
            try:
                with LongLink(congestion=congestion) as link:
                    yield from one_round(place, link, matches(), settings, env)
            finally:
                shutil.rmtree(place, ignore_errors=True)


def one_round(
    place: Path, link: LongLink, content: Content, settings: str, env: Mapping[str, str]
) -> Iterator[Conversation]:
    """Yield one conversation direct, one cold and two warm, all of which must find the same."""
    wanted = images_of(content.study, content.series)
    archive = Archive(place / "archive", env=env)
    archive.hold(content.objects())
    gateway = GatewayProcess(
        place / "gateway",
        peers=[{"name": "archive", "ae_title": AE_TITLE, "host": link.far.address, "port": archive.port}],
        routes=[{"called": AE_TITLE, "to": ["archive"], "mode": "relay"}],
        env=env,
        log=place / "gateway.log",
    )
    with link.far.entered():
        archive.start()
    try:
        with link.near.entered():
            gateway.launch()
            try:
                direct, found = _converse(link.far.address, archive.port, wanted, DIRECT, settings)
                yield direct
                for way in (COLD, WARM, WARM):
                    if way == WARM:
                        _wait_warm(archive.port)
                    sample, relayed = _converse("127.0.0.1", gateway.port, wanted, way, settings)
                    if sorted(relayed.matches) != sorted(found.matches):
                        raise NotMeasured("the matches through the gateway are not those of the archive")
                    yield sample
            finally:
                gateway.stop()
    finally:
        archive.stop()


def _converse(address: str, port: int, wanted: bytes, way: str, settings: str) -> tuple[Conversation, Found]:
    started = time.perf_counter()
    asker = Asker(address, port, AE_TITLE).connect()
    try:
        associated = time.perf_counter() - started
        found = asker.find(wanted)
        asker.release()
        released = time.perf_counter() - started
    finally:
        asker.close()
    first, last = associated + found.first, associated + found.last
    return Conversation(way, settings, associated, first, last, released), found


def _wait_warm(port: int) -> None:
    """Wait until the gateway holds a connection to the archive, and has had the time to associate on it.

    Seen in the kernel's table, from the near end: the gateway is not asked, so it is not disturbed.
    """
    deadline = time.monotonic() + 30
    while not _connected_to(port):
        if time.monotonic() > deadline:
            raise NotMeasured("no association was kept or opened in 30 s")
        threading.Event().wait(0.05)  # the kernel offers no event for another process's connections
    threading.Event().wait(4 * ROUND_TRIP)


def _connected_to(port: int) -> bool:
    suffix = f":{port:04X}"
    for row in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[2].endswith(suffix) and fields[3] == _ESTABLISHED:
            return True
    return False
