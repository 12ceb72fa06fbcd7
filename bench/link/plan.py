"""Which runs there are, with how many objects each, and how long that takes.

The slow ones would take hours: they are run with as many objects as fit into a budget, five at the least,
and the table says so and scales. Estimates come from one round trip per object and more (or none, where
objects follow each other without waiting), and from what congestion control leaves of the rate under loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.link.loads import CBCT, NOISE, RECORDS, Load
from bench.link.ways import WAYS
from gateway.demo.lab import PROFILES, Profile

BENCHED = ("geo-clear", "geo", "geo-asym-clear", "leo", "dsl")

# Round trips per object, from this laboratory. What does not wait has 0.
_TRIPS = {"storescu": 3.2, "storescu-nodelay": 1.6, "orthanc": 2.2, "orthanc-http": 2.2, "direct-one": 1.2}
_LEAST = 5
_SET_UP = 4.0  # seconds: laboratory, programs, and their end
_SEGMENT = 1448.0  # bytes


@dataclass(frozen=True, slots=True)
class Cell:
    """One run, to be repeated `rounds` times."""

    profile: str
    load: str
    way: str
    objects: int
    rounds: int
    estimate: float  # seconds, of one

    @property
    def keys(self) -> list[str]:
        """One name for each repetition."""
        stem = f"transfer/{self.profile}/{self.load}/{self.way}/{self.objects}"
        return [f"{stem}/{number}" for number in range(self.rounds)]


def seconds_each(way: str, profile: Profile, load: Load) -> float:
    """Return roughly what one object takes."""
    rate = profile.up.rate or math.inf
    if WAYS[way].ours:
        reached = rate * (0.8 if profile.up.loss.mean else 0.93)
    elif profile.up.loss.mean:
        # A window that loss keeps small: Mathis et al., and CUBIC does little better over long ways.
        reached = min(rate, 2 * _SEGMENT / profile.round_trip / math.sqrt(profile.up.loss.mean))
    else:
        reached = rate
    return _TRIPS.get(way, 0.0) * profile.round_trip + load.size / reached


def cells(
    *,
    profiles: Iterable[str] = BENCHED,
    loads: Iterable[Load] = (RECORDS, CBCT, NOISE),
    ways: Iterable[str] = tuple(WAYS),
    budget: float = 40.0,
    rounds: int = 3,
) -> Iterator[Cell]:
    """Yield the runs, ours first. `budget` seconds for one run of another program; ours may take twice that.

    Other programs do not compress: what they need for noise is what they need for images, and is not
    measured twice.
    """
    every = [(p, load, way) for way in ways for load in loads for p in profiles]
    every.sort(key=lambda each: (not WAYS[each[2]].ours, each[2] == "direct-one"))
    for profile, load, way in every:
        ours = WAYS[way].ours
        if load is NOISE and not ours:
            continue
        each = seconds_each(way, PROFILES[profile], load)
        most = budget * (2 if ours else 1)
        objects = min(load.count, max(_LEAST, int(most / each)))
        seconds = objects * each
        yield Cell(profile, load.name, way, objects, rounds if seconds <= budget / 2 or ours else 1, seconds)


def duration(wanted: Iterable[Cell]) -> float:
    """How long these take one after the other, in seconds."""
    return sum(each.rounds * (each.estimate + _SET_UP) for each in wanted)
