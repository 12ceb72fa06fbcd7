"""What a link is like, as data: one value per direction, and what happens to both at fixed times.

Units: bytes, bytes a second, seconds. Rates are those of IP packets, headers included, so that a link of
10 Mbit/s carries at most 0.97 of it as TCP payload in packets of 1500 bytes, and less of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_KBIT = 125.0  # bytes a second
_MBIT = 125_000.0
_GEO, _LEO, _DSL, _ISDN, _GPRS = 0.3, 0.025, 0.03, 0.02, 0.3  # one way, seconds


@dataclass(frozen=True, slots=True)
class Loss:
    """Packets lost by chance: each for itself, or in bursts (Gilbert and Elliott's model of a radio channel).

    With `burst`, the channel is good or bad; it stays bad for `burst` packets on average, and loses what
    passes meanwhile with the probability `within`. `mean` is the share of all packets lost in the long run.
    """

    mean: float = 0.0
    burst: float | None = None
    within: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no channel can be."""
        if not 0 <= self.mean < 1:
            raise ValueError(f"loss {self.mean}: 0 or more, and less than 1")
        if self.burst is not None and self.burst < 1:
            raise ValueError(f"bursts of {self.burst} packets: 1 or more")
        if not 0 < self.within <= 1:
            raise ValueError(f"loss within a burst {self.within}: more than 0, at most 1")
        if self.burst is not None and self.mean >= self.within:
            raise ValueError(f"loss {self.mean} on average needs more than {self.within} within a burst")


@dataclass(frozen=True, slots=True)
class OneWay:
    """One direction."""

    rate: float | None  # bytes a second; None: no limit
    delay: float  # seconds, at the least
    jitter: float = 0.0  # seconds on top, at the most; the delay drifts, packets keep their order ...
    reorders: bool = False  # ... unless asked: then each packet has its own, and overtakes
    loss: Loss = Loss()
    queue: int = 1 << 20  # bytes that wait in the modem for their turn; what comes on top is dropped

    def __post_init__(self) -> None:
        """Refuse what no line can be."""
        if self.rate is not None and self.rate <= 0:
            raise ValueError(f"rate {self.rate}: more than 0 bytes a second, or none")
        if min(self.delay, self.jitter) < 0:
            raise ValueError("delay and jitter: 0 seconds or more")
        if self.queue < 1500:
            raise ValueError(f"a queue of {self.queue} bytes holds no packet: 1500 at the least")


@dataclass(frozen=True, slots=True)
class Gap:
    """A handover: every `every` seconds, for `lasts` seconds, what leaves a modem is lost."""

    every: float
    lasts: float

    def __post_init__(self) -> None:
        """Refuse a gap without an end."""
        if not 0 < self.lasts < self.every:
            raise ValueError(f"a gap of {self.lasts} s every {self.every} s: it must end before the next")


@dataclass(frozen=True, slots=True)
class Outage:
    """From `at` seconds after the start, for `lasts` seconds, nothing passes; what is under way is lost."""

    at: float
    lasts: float

    def __post_init__(self) -> None:
        """Refuse an outage that is none."""
        if self.at < 0 or self.lasts <= 0:
            raise ValueError(f"an outage at {self.at} s for {self.lasts} s: both forward in time")


@dataclass(frozen=True, slots=True)
class Profile:
    """A link with both its directions."""

    name: str
    words: str
    up: OneWay
    down: OneWay
    gap: Gap | None = None
    outages: tuple[Outage, ...] = ()

    @property
    def round_trip(self) -> float:
        """Seconds there and back when nothing waits and nothing drifts."""
        return self.up.delay + self.down.delay

    def with_loss(self, loss: Loss) -> Profile:
        """Return the same link, losing packets so in both directions."""
        return replace(self, up=replace(self.up, loss=loss), down=replace(self.down, loss=loss))

    def with_outages(self, *outages: Outage) -> Profile:
        """Return the same link with these outages."""
        return replace(self, outages=outages)

    def facts(self) -> dict[str, Any]:
        """Return what JSON can carry; `of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Profile:
        """Return the profile of these facts."""
        gap = facts["gap"]
        return cls(
            name=facts["name"],
            words=facts["words"],
            up=_one_way(facts["up"]),
            down=_one_way(facts["down"]),
            gap=Gap(**gap) if gap else None,
            outages=tuple(Outage(**each) for each in facts["outages"]),
        )


def _one_way(facts: Mapping[str, Any]) -> OneWay:
    return OneWay(**{**facts, "loss": Loss(**facts["loss"])})


def _both(name: str, words: str, way: OneWay) -> Profile:
    return Profile(name, words, way, way)


_RADIO = Loss(0.01)
_GEO_UP = OneWay(2 * _MBIT, _GEO, loss=_RADIO, queue=1 << 18)
_GEO_FULL = OneWay(10 * _MBIT, _GEO, loss=_RADIO)

PROFILES: Mapping[str, Profile] = {
    each.name: each
    for each in (
        _both("geo", "geostationary satellite, 600 ms, 10 Mbit/s each way, 1 % loss", _GEO_FULL),
        _both(
            "geo-clear",
            "geostationary satellite, 600 ms, 10 Mbit/s each way, no loss",
            replace(_GEO_FULL, loss=Loss()),
        ),
        Profile(
            "geo-asym",
            "geostationary satellite, 600 ms, 2 Mbit/s up, 10 down, 1 % loss",
            up=_GEO_UP,
            down=_GEO_FULL,
        ),
        Profile(
            "geo-asym-clear",
            "geostationary satellite, 600 ms, 2 Mbit/s up, 10 down, no loss",
            up=replace(_GEO_UP, loss=Loss()),
            down=replace(_GEO_FULL, loss=Loss()),
        ),
        _both(
            "geo-rain",
            "geostationary satellite in rain, 600 ms, 2 Mbit/s each way, 3 % loss in bursts of 12 packets",
            replace(_GEO_UP, loss=Loss(0.03, burst=12, within=0.8)),
        ),
        Profile(
            "leo",
            "low orbit, 50 to 70 ms, 10 Mbit/s up, 50 down, 0.5 % loss, 300 ms of nothing every 15 s",
            up=OneWay(10 * _MBIT, _LEO, jitter=0.01, loss=Loss(0.005), queue=1 << 18),
            down=OneWay(50 * _MBIT, _LEO, jitter=0.01, loss=Loss(0.005), queue=1 << 20),
            gap=Gap(every=15.0, lasts=0.3),
        ),
        Profile(
            "dsl",
            "DSL, 60 ms, 1 Mbit/s up, 8 down",
            up=OneWay(1 * _MBIT, _DSL, queue=1 << 16),
            down=OneWay(8 * _MBIT, _DSL, queue=1 << 18),
        ),
        _both(
            "isdn",
            "ISDN, two channels, 40 ms, 128 kbit/s each way",
            OneWay(128 * _KBIT, _ISDN, queue=1 << 14),
        ),
        Profile(
            "gprs-backup",
            "mobile as a backup, 600 to 1100 ms, 40 kbit/s up, 80 down, 1 % loss in bursts",
            up=OneWay(40 * _KBIT, _GPRS, jitter=0.25, loss=Loss(0.01, burst=4), queue=1 << 14),
            down=OneWay(80 * _KBIT, _GPRS, jitter=0.25, loss=Loss(0.01, burst=4), queue=1 << 14),
        ),
        _both("lan", "no long link at all: 1 ms there and back, no limit", OneWay(None, 0.0005)),
    )
}
