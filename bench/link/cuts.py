"""One large object over a link that is cut ten times, between programs that are killed: what is sent again.

Cuts come at even steps of what the link has carried, in turn: the line goes dead for a few seconds; the
site's gateway is killed (SIGKILL) and started again; the hub's. What is sent again is what the link carried
beyond the object and its share of headers, which is measured on the same link without any cut.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.link.pair import Pair
from bench.link.transfers import CONGESTION
from bench.throughput import NotMeasured
from gateway.demo.lab import Laboratory, Profile
from gateway.demo.synthetic import stream_large_object
from tests.support import objects

DEAD_SECONDS = 4.0
_PIECE = 1 << 20
_PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Cuts:
    """One large object."""

    profile: str
    object_bytes: int
    cuts: int
    seconds: float
    up_bytes: int
    overhead: float  # bytes on the wire per object byte when nothing is cut
    bar_per_cut: float  # one bandwidth-delay product and 256 kB

    @property
    def again_per_cut(self) -> float:
        """Bytes sent again for each cut."""
        if not self.cuts:
            return 0.0
        return (self.up_bytes - self.object_bytes * self.overhead) / self.cuts


def large_file(path: Path, size: int) -> Path:
    """Write an object of `size` bytes whose pixels nobody can compress."""
    if not path.exists():
        thing = stream_large_object(size)
        chance = random.Random(size)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        head = thing.size - thing.pixel_bytes
        thing.write(partial)
        with partial.open("r+b") as file:
            file.seek(partial.stat().st_size - thing.size + head)
            left = thing.pixel_bytes
            while left:
                file.write(chance.randbytes(min(left, _PIECE)))
                left -= min(left, _PIECE)
        partial.rename(path)
    return path


def measure(profile: Profile, size: int, cuts: int, seed: int, work: Path) -> Cuts:
    """Send one object of `size` bytes with so many cuts; first an eighth of it without any."""
    rate = profile.up.rate
    assert rate is not None
    small = _one(profile, size // 8, 0, 1.0, seed, work) if cuts else None
    overhead = small.up_bytes / small.object_bytes if small is not None else 1.0
    return _one(profile, size, cuts, overhead, seed, work)


def _one(profile: Profile, size: int, cuts: int, overhead: float, seed: int, work: Path) -> Cuts:
    rate = profile.up.rate or 0.0
    file = large_file(work / "loads" / f"large-{size}.dcm", size)
    place = Path(tempfile.mkdtemp(prefix="cuts-", dir=work))
    try:
        with Laboratory(profile, seed=seed, congestion=CONGESTION) as lab, Pair(lab, place) as pair:
            before = lab.counts().up.sent_bytes
            started = time.perf_counter()
            pair.send([file])
            kinds = (_dead, _kill_site, _kill_hub)
            for number in range(cuts):
                _wait_carried(lab, before + file.stat().st_size * (number + 0.5) / cuts)
                kinds[number % len(kinds)](lab, pair)
            pair.site.wait_delivered(pair.peer, 1, _PATIENCE)
            seconds = time.perf_counter() - started
            carried = lab.counts().up.sent_bytes - before
            _compare(pair, file)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Cuts(
        profile.name,
        file.stat().st_size,
        cuts,
        seconds,
        carried,
        overhead,
        rate * profile.round_trip + 256_000,
    )


def _wait_carried(lab: Laboratory, wanted: float) -> None:
    deadline = time.monotonic() + _PATIENCE
    while lab.counts().up.sent_bytes < wanted:
        if time.monotonic() > deadline:
            raise NotMeasured("the transfer has come to a halt")
        threading.Event().wait(0.1)  # what the link has carried has no event


def _dead(lab: Laboratory, pair: Pair) -> None:
    del pair
    lab.cut()
    time.sleep(DEAD_SECONDS)  # how long the line is dead: the measurement itself
    lab.restore()


def _kill_site(lab: Laboratory, pair: Pair) -> None:
    del lab
    pair.site.kill()
    pair.start_site()


def _kill_hub(lab: Laboratory, pair: Pair) -> None:
    del lab
    pair.hub.kill()
    pair.start_hub()


def _compare(pair: Pair, file: Path) -> None:
    """The OIS must have exactly this object."""
    deadline = time.monotonic() + _PATIENCE
    wait: Callable[[float], bool] = threading.Event().wait
    while pair.stored() < 1 or pair.hub.delivered(pair.peer) < 1:
        if time.monotonic() > deadline:
            raise NotMeasured("the OIS did not get the object")
        wait(0.1)  # as a person would look
    (received,) = list(pair.inbox.iterdir())
    if objects.read(received).digest != objects.read(file).digest:
        raise NotMeasured("what the OIS has is not what was sent")
