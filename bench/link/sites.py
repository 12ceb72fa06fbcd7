"""A hub with many sites, each a gateway process of its own: idle, and then all of them sending at once.

All sites are at the near end and share one link, wide and as late as a satellite's. Each has the same few
slices of noise in its spool, held back until all of them may go. Fairness is Jain's index of what each site
got per second: 1 when all got the same, 1 / sites when one got everything.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.link.loads import NOISE, RECORDS
from bench.link.pair import Gateway, Pair, hub_gateway, site_gateway, storescp, storescu, tree_cpu
from bench.link.transfers import CONGESTION
from bench.throughput import NotMeasured
from gateway.demo.lab import Laboratory, OneWay, Profile
from tests.support.certs import Authority
from tests.support.ports import free_port
from tests.support.processes import peak_resident_kib, resident_kib

TRUNK = Profile(
    "trunk",
    "a satellite's delay for everybody, 600 ms, 50 Mbit/s shared",
    OneWay(6_250_000.0, 0.3, queue=4 << 20),
    OneWay(6_250_000.0, 0.3, queue=4 << 20),
)
SLICES, FIRST_RECORDS = 3, 2  # of each site
_IDLE = 30.0  # seconds
_PATIENCE = 900.0
_HANDS = 4  # sites started or fed at a time


@dataclass(frozen=True, slots=True)
class Crowd:
    """One hub, so many sites."""

    HEADINGS: ClassVar[tuple[str, ...]] = (
        "sites",
        "hub alone, MiB",
        "all connected, MiB",
        "CPU idle, % of one core",
        "sending: peak MiB",
        "CPU, % of one core",
        "s until all had their receipts",
        "goodput / link rate",
        "fairness",
        "fastest, slowest site, s",
    )

    sites: int
    alone_mib: float
    connected_mib: float
    idle_cpu: float  # of one core, 0 to 1
    peak_mib: float
    sending_cpu: float
    seconds: float
    share: float
    fairness: float
    fastest: float
    slowest: float

    def row(self) -> tuple[str, ...]:
        """One row of the table."""
        return (
            str(self.sites),
            f"{self.alone_mib:.0f}",
            f"{self.connected_mib:.0f}",
            f"{100 * self.idle_cpu:.1f}",
            f"{self.peak_mib:.0f}",
            f"{100 * self.sending_cpu:.0f}",
            f"{self.seconds:.0f}",
            f"{self.share:.2f}",
            f"{self.fairness:.3f}",
            f"{self.fastest:.0f}, {self.slowest:.0f}",
        )


def fairness(rates: Sequence[float]) -> float:
    """Jain's index."""
    return sum(rates) ** 2 / (len(rates) * sum(rate * rate for rate in rates))


def measure(count: int, work: Path) -> Crowd:
    """Measure one hub with so many sites."""
    images = NOISE.write(work / "loads" / NOISE.name, SLICES)
    records = RECORDS.write(work / "loads" / RECORDS.name, FIRST_RECORDS)
    place = Path(tempfile.mkdtemp(prefix="sites-", dir=work))
    names = [f"site-{number:03}" for number in range(count)]
    sites: list[Gateway] = []
    try:
        with Laboratory(TRUNK, congestion=CONGESTION) as lab:
            authority = Authority.create(place)
            port = free_port()
            hub = hub_gateway(lab, place / "hub", authority, names, port)
            sites = [site_gateway(lab, place / name, authority, name) for name in names]
            with lab.far.entered():
                ois = storescp(place / "ois", port, fork=True, exact=True, env={"TCP_NODELAY": "1"})
                hub.start()
            try:
                return _crowd(lab, hub, sites, [*records, *images])
            finally:
                hub.kill()
                ois.kill()
    finally:
        with ThreadPoolExecutor(_HANDS) as pool:
            list(pool.map(_kill, sites))
        shutil.rmtree(place, ignore_errors=True)


def _kill(site: Gateway) -> None:
    if site.process.program is not None:
        site.kill()


def _crowd(lab: Laboratory, hub: Gateway, sites: Sequence[Gateway], files: Sequence[Path]) -> Crowd:
    pid = hub.process.pid
    alone = resident_kib(pid) / 1024

    def begin(site: Gateway) -> None:
        with lab.near.entered():
            site.start()
        site.steer(Pair.peer, "pause")

    def feed(site: Gateway) -> None:
        with lab.near.entered():
            storescu("127.0.0.1", site.process.port, files)

    with ThreadPoolExecutor(_HANDS) as pool:
        list(pool.map(begin, sites))
    _wait_connected(sites)
    connected = resident_kib(pid) / 1024
    before = tree_cpu(pid)
    time.sleep(_IDLE)  # the measurement itself
    idle = (tree_cpu(pid) - before) / _IDLE
    with ThreadPoolExecutor(_HANDS) as pool:
        list(pool.map(feed, sites))
    before = tree_cpu(pid)
    started = time.perf_counter()
    for site in sites:
        site.steer(Pair.peer, "resume")
    took = _receipts(sites, len(files), started)
    seconds = time.perf_counter() - started
    sent = sum(path.stat().st_size for path in files)
    rate = TRUNK.up.rate or 1.0
    return Crowd(
        sites=len(sites),
        alone_mib=alone,
        connected_mib=connected,
        idle_cpu=idle,
        peak_mib=peak_resident_kib(pid) / 1024,
        sending_cpu=(tree_cpu(pid) - before) / seconds,
        seconds=seconds,
        share=len(sites) * sent / seconds / rate,
        fairness=fairness([sent / each for each in took]),
        fastest=min(took),
        slowest=max(took),
    )


def _wait_connected(sites: Sequence[Gateway]) -> None:
    deadline = time.monotonic() + _PATIENCE
    waiting = list(sites)
    while waiting:
        waiting = [site for site in waiting if site.destination(Pair.peer)["link"] != "online"]
        if waiting and time.monotonic() > deadline:
            raise NotMeasured(f"{len(waiting)} of {len(sites)} sites are not connected")
        threading.Event().wait(0.5)  # as a person would look


def _receipts(sites: Sequence[Gateway], count: int, started: float) -> list[float]:
    """Return when each site had all its receipts, in seconds; looked at twice a second."""
    took: dict[int, float] = {}
    while len(took) < len(sites):
        for number, site in enumerate(sites):
            if number not in took and site.delivered(Pair.peer) >= count:
                took[number] = time.perf_counter() - started
        if time.perf_counter() - started > _PATIENCE:
            median = statistics.median(took.values()) if took else 0.0
            raise NotMeasured(f"{len(took)} of {len(sites)} sites were done, half of them in {median:.0f} s")
        threading.Event().wait(0.5)  # as a person would look: 200 followers would cost what is measured
    return list(took.values())
