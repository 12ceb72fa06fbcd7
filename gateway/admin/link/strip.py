"""Up and down over a day or a month: shapes for a strip, and the outages with their reasons. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.operator.sections.trends import LinkChange, LinkWord, Trend

WIDTH: Final = 1000
HEIGHT: Final = 40
_LEAST: Final = 2.0
"""Units of the width that a shape has at least: a short outage is the one that is looked for."""

_TALL: Final[dict[LinkWord, int]] = {"up": 12, "degraded": 26, "down": HEIGHT}
"""The worse, the taller: the strip can be read without its colours."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One shape of the strip, in units of its width and height."""

    state: LinkWord
    x: float
    width: float
    height: int

    @property
    def y(self) -> int:
        """Its upper edge."""
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip, and what share of the time was what."""

    bars: tuple[Bar, ...]
    up: float
    degraded: float
    down: float
    unknown: float


@dataclass(frozen=True, slots=True)
class Outage:
    """A time that the link was down or unstable."""

    state: LinkWord
    start: float
    end: float | None  # None: it goes on
    reason: str


def strip_of(trend: Trend) -> Strip:
    """Draw what is known of the time of `trend`."""
    length = max(trend.end - trend.start, 1.0)
    runs: list[tuple[LinkWord, float, float]] = []
    seconds = dict.fromkeys(("up", "degraded", "down"), 0.0)
    for at, lasted, up, degraded, down in zip(
        trend.at, trend.seconds, trend.up, trend.degraded, trend.down, strict=True
    ):
        start, end = max(at, trend.start), min(at + lasted, trend.end)
        for name, part in (("up", up), ("degraded", degraded), ("down", down)):
            seconds[name] += part * max(0.0, end - start)
        state: LinkWord = "down" if down else "degraded" if degraded else "up" if up else "unknown"
        if end <= start or state == "unknown":
            continue
        if runs and runs[-1][0] == state and start - runs[-1][2] < lasted:
            runs[-1] = (state, runs[-1][1], end)
        else:
            runs.append((state, start, end))
    bars = [
        Bar(
            state,
            round((start - trend.start) / length * WIDTH, 1),
            round(max((end - start) / length * WIDTH, _LEAST), 1),
            _TALL[state],
        )
        for state, start, end in runs
    ]
    bars.sort(key=lambda bar: _TALL[bar.state])  # the worst on top of what it overlaps
    shares = {name: value / length for name, value in seconds.items()}
    return Strip(
        tuple(bars), shares["up"], shares["degraded"], shares["down"], max(0.0, 1 - sum(shares.values()))
    )


def outages(changes: Sequence[LinkChange], start: float) -> list[Outage]:
    """Return the outages that had not ended before `start`, the newest first."""
    found: list[Outage] = []
    for index, change in enumerate(changes):
        if change.state not in ("down", "degraded"):
            continue
        end = changes[index + 1].at if index + 1 < len(changes) else None
        if end is None or end > start:
            found.append(Outage(change.state, change.at, end, change.reason))
    return found[::-1]
