"""One run: objects of one load, by one way, over one link; and what it took."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.link.loads import Load
from bench.link.ways import Way
from bench.throughput import NotMeasured
from gateway.demo.lab import Laboratory, Profile

CONGESTION = "cubic"
"""What both ends have unless a program chooses for its own sockets: the default of Debian and most others."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One run. Seconds are of the objects that were sent; `of` is how many there would be in all."""

    way: str
    profile: str
    load: str
    objects: int
    of: int
    seconds: float
    stored_seconds: float  # until the last system had them; the same where there is no other
    object_bytes: int
    up_bytes: int  # on the wire, all headers and what was sent again included
    down_bytes: int
    lost: int  # packets up, by chance
    dropped: int  # packets up, by a full queue
    cpu_near: float  # seconds
    cpu_far: float
    rate: float  # bytes a second up that the link carries
    console_seconds: float = 0.0  # until the console had its last answer; 0 where there is no gateway between

    @property
    def full_seconds(self) -> float:
        """What all objects would take, when each takes what those measured took on average."""
        return self.seconds * self.of / self.objects

    @property
    def share(self) -> float:
        """Object bytes a second over the link's rate."""
        return self.object_bytes / self.seconds / self.rate


def measure(kind: type[Way], profile: Profile, load: Load, count: int, seed: int, work: Path) -> Transfer:
    """Measure one run with `count` objects. NotMeasured when it did not do what it should."""
    files = load.write(work / "loads" / load.name, load.count)[:count]
    place = Path(tempfile.mkdtemp(prefix=f"{kind.name}-", dir=work))
    try:
        with Laboratory(profile, seed=seed, congestion=CONGESTION) as lab, kind(lab, place) as way:
            way.prepare(files)
            before, (near, far) = lab.counts(), way.cpu()
            lab.restart()  # gaps come at the same moments of every run
            started = time.perf_counter()
            way.send(files)
            seconds = time.perf_counter() - started
            console = way.console_seconds
            after = lab.counts()
            arrived = way.arrived()
            if arrived != count:
                raise NotMeasured(f"{kind.label}: {arrived} of {count} objects arrived")
            way.finally_stored(count)
            stored = time.perf_counter() - started
            near_after, far_after = way.cpu()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rate = profile.up.rate
    if rate is None:
        raise NotMeasured(f"{profile.name} has no rate to compare with")
    return Transfer(
        way=kind.name,
        profile=profile.name,
        load=load.name,
        objects=count,
        of=load.count,
        seconds=seconds,
        stored_seconds=max(seconds, stored) if kind.name.startswith("hub") else seconds,
        object_bytes=sum(path.stat().st_size for path in files),
        up_bytes=after.up.sent_bytes - before.up.sent_bytes,
        down_bytes=after.down.sent_bytes - before.down.sent_bytes,
        lost=after.up.lost - before.up.lost,
        dropped=after.up.dropped - before.up.dropped,
        cpu_near=near_after - near,
        cpu_far=far_after - far,
        rate=rate,
        console_seconds=console,
    )
