"""What is measured on a link that is in use, or not in use at all, by site and hub.

preemption   a console sends a treatment record while the link is full of CBCT: how long until the
             site has the hub's receipt for it
idle         bytes on the wire when nothing is to be said, as bytes a day
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.link.loads import NOISE, RECORDS
from bench.link.pair import Pair
from bench.link.transfers import CONGESTION
from bench.throughput import NotMeasured
from gateway.demo.lab import Laboratory, Profile

_DAY = 86_400.0
_BACKLOG = 40  # slices
_STEPS = 12  # of the backlog: a record at each, for as many as there are
_EARLY = 1.5  # seconds at the link's rate, when the first record comes
_LOOK = 0.02  # seconds between looks at the site's deliveries
_GIVE_UP = 120.0


@dataclass(frozen=True, slots=True)
class Preemption:
    """One record in the middle of a CBCT."""

    profile: str
    seconds: float  # from the console's success to the site's receipt
    bar: float  # two round trips and half a second
    early: bool = False  # in the first seconds, while congestion control still looks for the rate


@dataclass(frozen=True, slots=True)
class Silence:
    """A link that is up, and nothing to say."""

    profile: str
    seconds: float
    up_bytes: int
    down_bytes: int

    @property
    def a_day(self) -> float:
        """Bytes both ways in a day."""
        return (self.up_bytes + self.down_bytes) / self.seconds * _DAY


@contextmanager
def _folder(work: Path, name: str) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def preemptions(profile: Profile, count: int, seed: int, work: Path) -> Iterator[Preemption]:
    """Yield one measurement per record, all in the middle of the same backlog of CBCT.

    The first comes after a second and a half, the others at even steps of the backlog.
    """
    records = RECORDS.write(work / "loads" / RECORDS.name, count)
    images = NOISE.write(work / "loads" / NOISE.name, _BACKLOG)
    with (
        _folder(work, "preemption") as place,
        Laboratory(profile, seed=seed, congestion=CONGESTION) as lab,
        Pair(lab, place) as pair,
    ):
        pair.send(images)
        size = sum(path.stat().st_size for path in images)
        for number, record in enumerate(records):
            early = number == 0
            _wait_carried(lab, _EARLY * (profile.up.rate or 0.0) if early else size * (number + 1) / _STEPS)
            if pair.site.delivered(pair.peer) - number >= _BACKLOG - 2:
                raise NotMeasured("the backlog was gone before the last record came")
            pair.send([record])
            began = time.perf_counter()
            _wait_receipt(pair, number + 1)
            bar = 2 * profile.round_trip + 0.5
            yield Preemption(profile.name, time.perf_counter() - began, bar, early)


def _wait_carried(lab: Laboratory, wanted: float) -> None:
    """Return once the link has carried so many bytes up."""
    deadline = time.monotonic() + _GIVE_UP
    while lab.counts().up.sent_bytes < wanted:
        if time.monotonic() > deadline:
            raise NotMeasured(f"{lab.counts().up.sent_bytes} of {wanted:.0f} bytes in {_GIVE_UP} s")
        threading.Event().wait(0.05)  # what the link has carried has no event


def _wait_receipt(pair: Pair, records: int) -> None:
    """Return once the hub's receipts for so many records are at the site: none of them waits any more."""
    deadline = time.monotonic() + _GIVE_UP
    while True:
        facts = pair.site.destination(pair.peer)
        if facts["waiting"]["record"]["count"] == 0:
            return
        if time.monotonic() > deadline:
            raise NotMeasured(f"record {records} had no receipt in {_GIVE_UP} s: {facts}")
        threading.Event().wait(_LOOK)  # as a person would look


def silence(profile: Profile, seconds: float, work: Path) -> Silence:
    """Measure a link on which nothing is to be said, from half a minute after it came up."""
    with (
        _folder(work, "idle") as place,
        Laboratory(profile, congestion=CONGESTION) as lab,
        Pair(lab, place),
    ):
        time.sleep(30)  # greetings are over; what follows is the measurement itself
        before = lab.counts()
        time.sleep(seconds)
        after = lab.counts()
    return Silence(
        profile.name,
        seconds,
        after.up.sent_bytes - before.up.sent_bytes,
        after.down.sent_bytes - before.down.sent_bytes,
    )
