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
_TRIPS = {"storescu": 3.4, "storescu-nodelay": 1.5, "orthanc": 3.4, "orthanc-http": 1.3, "direct-one": 1.2}
_LEAST = 5
_ORDER = {"hub": 0, "hub-used": 1, "direct": 2, "direct-window": 3, "direct-one": 4}
_FEW_LINKS = {
    "direct-one": ("geo-clear", "dsl"),
    "direct-window": ("geo-clear", "geo"),
    "hub-used": ("geo-clear", "geo"),
}
_FEW_LOADS = {"direct-window": (RECORDS,), "hub-used": (RECORDS,)}
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
    budget: float = 30.0,
    rounds: int = 3,
) -> Iterator[Cell]:
    """Yield the runs, ours first. `budget` seconds for one run of another program; ours may take twice that.

    Who does not compress needs for noise what it needs for images: that is not measured twice. What is of
    interest for one reason only is measured on two links.
    """
    every = [(p, load, way) for load in loads for p in profiles for way in ways]
    every.sort(key=lambda each: _ORDER.get(each[2], len(_ORDER)))
    for profile, load, way in every:
        if (load is NOISE and way != "hub") or profile not in _FEW_LINKS.get(way, (profile,)):
            continue
        if load not in _FEW_LOADS.get(way, (load,)):
            continue
        each = seconds_each(way, PROFILES[profile], load)
        objects = min(load.count, max(_LEAST, int(budget * (2 if WAYS[way].ours else 1) / each)))
        seconds = objects * each
        often = way == "hub" or (way != "direct-one" and seconds <= budget / 2)
        yield Cell(profile, load.name, way, objects, rounds if often else 1, seconds)
